use std::future::Future;
use std::time::Duration;

use lapin::options::{ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use smsgw_core::error::Result;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::classify::{classify, timeout, unavailable};

/// The connection of a handle, made when it is needed and made again when it breaks.
pub(super) struct Link {
    uri: AMQPUri,
    pub(super) queues: [String; 2],
    pub(super) timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    /// Counts the connections, so that a failure ends the one it was on and no later one.
    generation: u64,
    /// When the last attempt to connect failed: those who waited behind it fail with it.
    failed: Option<(Instant, lapin::Error)>,
}

struct Live {
    connection: Connection,
    /// For publishing, with confirms, and for questions.
    calls: Channel,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("queues", &self.queues).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(uri: AMQPUri, queues: [String; 2], timeout: Duration) -> Self {
        Self { uri, queues, timeout, state: Mutex::default() }
    }

    /// Makes a call on the channel that all calls share, within the configured time. Where it fails, the connection is
    /// made anew for the next.
    pub(super) async fn call<T, F: Future<Output = lapin::Result<T>>>(
        &self,
        operation: &'static str,
        call: impl FnOnce(Channel) -> F,
    ) -> Result<T> {
        let deadline = Instant::now() + self.timeout;
        let (generation, channel) = match timeout_at(deadline, self.live(operation)).await {
            Ok(live) => live?,
            Err(_) => return Err(unavailable(operation)),
        };
        let error = match timeout_at(deadline, call(channel)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => classify(operation, error),
            Err(_) => timeout(operation),
        };
        self.end(generation).await;
        Err(error)
    }

    /// A channel of the caller's own, and the number of the connection that it is on.
    pub(super) async fn channel(&self, operation: &'static str) -> Result<(u64, Channel)> {
        let opened = async {
            let (generation, _) = self.live(operation).await?;
            let state = self.state.lock().await;
            let Some(live) = &state.live else { return Err(unavailable(operation)) };
            let channel = live.connection.create_channel().await;
            Ok((generation, channel.map_err(|error| classify(operation, error))?))
        };
        match timeout_at(Instant::now() + self.timeout, opened).await {
            Ok(opened) => opened,
            Err(_) => Err(unavailable(operation)),
        }
    }

    async fn live(&self, operation: &'static str) -> Result<(u64, Channel)> {
        let start = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(live) = &state.live {
            if live.connection.status().connected() && live.calls.status().connected() {
                return Ok((state.generation, live.calls.clone()));
            }
            state.live = None;
        }
        if let Some((at, error)) = &state.failed
            && *at > start
        {
            return Err(classify(operation, error.clone()));
        }
        match self.connect().await {
            Ok(live) => {
                let calls = live.calls.clone();
                state.generation += 1;
                state.failed = None;
                state.live = Some(live);
                Ok((state.generation, calls))
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(classify(operation, error))
            }
        }
    }

    async fn connect(&self) -> lapin::Result<Live> {
        let properties = ConnectionProperties::default().with_connection_name("smsgw".into());
        let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
        let calls = connection.create_channel().await?;
        calls.confirm_select(ConfirmSelectOptions::default()).await?;
        for queue in &self.queues {
            let mut arguments = FieldTable::default();
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            calls.queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), arguments).await?;
        }
        Ok(Live { connection, calls })
    }

    /// Ends the connection with this number.
    pub(super) async fn end(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.live = None;
        }
    }

    /// Makes connection and queues anew at the next call.
    pub(super) async fn renew(&self) {
        self.state.lock().await.live = None;
    }

    /// Takes leave of the broker, which so learns of the end at once.
    pub(super) async fn close(&self) -> Result<()> {
        let Some(live) = self.state.lock().await.live.take() else { return Ok(()) };
        if !live.connection.status().connected() {
            return Ok(());
        }
        let closed = live.connection.close(200, "closed".into());
        match timeout_at(Instant::now() + self.timeout, closed).await {
            Ok(Ok(())) => Ok(()),
            // It broke just now, which ends it as well.
            Ok(Err(_)) if !live.connection.status().connected() => Ok(()),
            Ok(Err(error)) => Err(classify("close", error)),
            Err(_) => Err(timeout("close")),
        }
    }
}

/// How many jobs wait in a queue.
pub(super) async fn waiting(channel: &Channel, queue: &str) -> lapin::Result<u64> {
    let passive = QueueDeclareOptions::durable().passive();
    let state = channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
    Ok(state.message_count().into())
}
