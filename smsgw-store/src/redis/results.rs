use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::state::{Reason, State};
use smsgw_core::store::Moved;
use smsgw_core::time::Timestamp;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::classify::{BACKEND, classify, closed, timeout as timed_out};
use super::config::RedisConfig;
use super::keys::RECORD;
use super::link::Link;
use super::random;
use super::server::{Line, Server};

/// How long the latest state of a message is kept.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Changes of one round trip.
const BATCH: usize = 500;
/// How many changes of other gateways a subscriber may fall behind.
const BEHIND: usize = 4_096;
/// How long it is until Redis is tried again.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a silent channel is asked whether it is alive.
const ALIVE: Duration = Duration::from_secs(5);

/// What became of messages, for other gateways and for whoever asks Redis.
///
/// Takes what [`Handle::observe`](smsgw_core::gateway::Handle::observe) tells, and for each change
/// - writes the message's latest state to the key `{prefix}message:{id}`, for 24 hours,
/// - publishes it on the channel `{prefix}events`.
///
/// Both are JSON, as
/// `{"message":"…","account":"…","device":null,"from":"queued","to":"sending","at":"2026-01-02T03:04:05Z","micros":1767323045000000,"gateway":"…"}`.
/// Where the message waits there is a `reason`, too. A state never replaces a later one, whichever gateway saw it.
///
/// The engine never waits for any of this. While Redis is away, as many changes wait as the observer's capacity says;
/// the oldest that do not fit are dropped, and [`dropped`](Self::dropped) counts them. In a cluster all keys are on one
/// node.
pub struct RedisResults {
    shared: Arc<Shared>,
    others: broadcast::Sender<Moved>,
    stop: watch::Sender<bool>,
    writer: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    listener: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    server: Arc<Server>,
    link: Link,
    prefix: String,
    channel: String,
    gateway: String,
    timeout: Duration,
    dropped: AtomicU64,
}

/// A change as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Event<'a> {
    message: MessageId,
    account: AccountId,
    device: Option<DeviceId>,
    from: State,
    to: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    at: Timestamp,
    /// The same, for a script that compares.
    micros: i64,
    #[serde(borrow)]
    gateway: Cow<'a, str>,
}

impl<'a> Event<'a> {
    fn new(moved: &Moved, gateway: &'a str) -> Self {
        Self {
            message: moved.id,
            account: moved.account,
            device: moved.device,
            from: moved.from,
            to: moved.to,
            reason: moved.reason,
            at: moved.at,
            micros: moved.at.as_micros(),
            gateway: gateway.into(),
        }
    }

    fn moved(&self) -> Moved {
        Moved {
            id: self.message,
            account: self.account,
            device: self.device,
            from: self.from,
            to: self.to,
            reason: self.reason,
            at: self.at,
        }
    }
}

impl RedisResults {
    /// Starts to write `changes` to the Redis that `config` names, and to listen to other gateways there.
    ///
    /// Must be called in a Tokio runtime with time and I/O enabled; two tasks live in it until this is closed or
    /// dropped, or the gateway is gone.
    ///
    /// # Errors
    /// `Invalid` where the URL is not what it should be, `Unauthorized` where Redis refuses the login, `Unavailable`
    /// where it cannot be reached.
    pub async fn start(config: &RedisConfig, changes: broadcast::Receiver<Moved>) -> Result<Self> {
        let server = Arc::new(config.server()?);
        let prefix = config.key_prefix(&server);
        let shared = Arc::new(Shared {
            link: Link::new(Arc::clone(&server), config.timeout()),
            server,
            channel: format!("{prefix}events"),
            prefix,
            gateway: format!("{:016x}", random()?),
            timeout: config.timeout(),
            dropped: AtomicU64::new(0),
        });
        shared.get("start", "none").await?;
        let (stop, stopped) = watch::channel(false);
        let others = broadcast::Sender::new(BEHIND);
        let writer = tokio::spawn(write(Arc::clone(&shared), changes, stopped.clone()));
        let listener = tokio::spawn(listen(Arc::clone(&shared), others.clone(), stopped));
        Ok(Self { shared, others, stop, writer: Some(writer).into(), listener })
    }

    /// The changes that other gateways write, from now on. A subscriber that falls 4,096 changes behind misses the
    /// oldest and is told so; so does one that listens while Redis is away, and that nobody knows.
    pub fn subscribe(&self) -> broadcast::Receiver<Moved> {
        self.others.subscribe()
    }

    /// The last that is known of a message. `None`: nothing in the last 24 hours.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn latest(&self, message: MessageId) -> Result<Option<Moved>> {
        let Some(text) = self.shared.get("latest", &message.to_string()).await? else { return Ok(None) };
        let event: Event<'_> = serde_json::from_str(&text).map_err(|_| {
            Error::new(ErrorKind::Corrupt, BACKEND, "latest").with_detail("somebody else wrote the key")
        })?;
        Ok(Some(event.moved()))
    }

    /// How many changes were not written, because Redis was away or too slow for too long.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Writes what waits, once, and ends. Closing twice is no error.
    pub async fn close(&self) {
        _ = self.stop.send(true);
        if let Some(writer) = self.writer.lock().await.as_mut() {
            // Fails only where the runtime is shutting down.
            _ = writer.await;
        }
        self.writer.lock().await.take();
    }
}

impl Drop for RedisResults {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.get_mut() {
            writer.abort();
        }
        self.listener.abort();
    }
}

impl fmt::Debug for RedisResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisResults").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Shared {
    fn key(&self, message: &str) -> String {
        format!("{}message:{message}", self.prefix)
    }

    async fn get(&self, operation: &'static str, message: &str) -> Result<Option<String>> {
        let mut command = redis::cmd("GET");
        command.arg(self.key(message));
        self.link.call(operation, async |mut line: Line| command.query_async(&mut line).await).await
    }

    async fn record(&self, batch: &[Moved]) -> Result<()> {
        let mut script = RECORD.prepare_invoke();
        for moved in batch {
            script.key(self.key(&moved.id.to_string()));
        }
        script.arg(KEPT.as_secs()).arg(&self.channel);
        for moved in batch {
            let event = serde_json::to_string(&Event::new(moved, &self.gateway))
                .map_err(|error| Error::new(ErrorKind::Internal, BACKEND, "record").with_source(error))?;
            script.arg(moved.at.as_micros()).arg(event);
        }
        self.link.run("record", &script).await
    }

    fn drop_changes(&self, count: u64) {
        let before = self.dropped.fetch_add(count, Ordering::Relaxed);
        if before == 0 {
            tracing::warn!(count, "changes are dropped, for Redis does not take them; dropped() counts them");
        }
    }
}

/// Writes batches until the gateway is gone, or this is stopped and nothing waits.
async fn write(
    shared: Arc<Shared>,
    mut changes: broadcast::Receiver<Moved>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut batch = Vec::new();
    loop {
        // Only the wait for the first may be cut short by a stop.
        tokio::select! {
            biased;
            change = changes.recv() => match change {
                Ok(moved) => batch.push(moved),
                Err(RecvError::Lagged(missed)) => shared.drop_changes(missed),
                Err(RecvError::Closed) => return,
            },
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        while batch.len() < BATCH {
            match changes.try_recv() {
                Ok(moved) => batch.push(moved),
                Err(TryRecvError::Lagged(missed)) => shared.drop_changes(missed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        while let Err(error) = shared.record(&batch).await {
            if !error.is_retryable() || *stopped.borrow() {
                tracing::warn!(%error, changes = batch.len(), "could not write changes; they are dropped");
                shared.drop_changes(batch.len() as u64);
                break;
            }
            tokio::select! {
                () = sleep(PAUSE) => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        }
        batch.clear();
    }
}

/// Listens until this is stopped, and again where the connection breaks.
async fn listen(shared: Arc<Shared>, others: broadcast::Sender<Moved>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            heard = hear(&shared, &others) => match heard {
                Ok(()) => tracing::debug!("the channel of other gateways ended; listening again"),
                Err(error) => tracing::debug!(%error, "cannot listen to other gateways; trying again"),
            },
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

async fn hear(shared: &Shared, others: &broadcast::Sender<Moved>) -> Result<()> {
    let failed = |error| classify("listen", error);
    let silent = |_| timed_out("listen");
    let mut channel =
        timeout(shared.timeout, shared.server.listen()).await.map_err(silent)?.map_err(failed)?;
    let subscribed = timeout(shared.timeout, channel.subscribe(&shared.channel)).await;
    subscribed.map_err(silent)?.map_err(failed)?;
    let (mut asks, mut news) = channel.split();
    loop {
        let Ok(message) = timeout(ALIVE, news.next()).await else {
            // A connection that the network has lost looks like silence.
            timeout(shared.timeout, asks.ping::<redis::Value>()).await.map_err(silent)?.map_err(failed)?;
            continue;
        };
        let Some(message) = message else { return Err(closed("listen")) };
        match serde_json::from_slice::<Event<'_>>(message.get_payload_bytes()) {
            Ok(event) if event.gateway != shared.gateway => {
                // Fails only where nobody subscribes.
                _ = others.send(event.moved());
            }
            Ok(_) => {}
            Err(_) => tracing::debug!("what came on the channel is no event"),
        }
    }
}
