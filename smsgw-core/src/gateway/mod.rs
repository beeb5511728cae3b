//! The engine: what moves messages between a [`Store`], a [`Queue`] and a [`Transport`].
//!
//! One stage a file: `intake` accepts, `dispatch` sends, `pull` sends what was set aside, `cancel` takes back, `resend` sends again, `inbound`
//! hears, `writer` writes down what became of messages, `reconcile` mends, `retention` forgets, `fleet` knows the devices, `broker_accounts` tells a broker who may come in, `ending`
//! sends away whose key has ended, `events` tells, `statistics` counts, `drain` ends.

mod birth;
mod broker_accounts;
mod builder;
mod cancel;
mod dispatch;
mod dispatched;
mod drain;
mod ending;
mod events;
mod fleet;
mod handle;
mod inbound;
mod intake;
mod pace;
mod pull;
mod queued;
mod reconcile;
mod resend;
mod retention;
mod retry;
mod statistics;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use builder::GatewayBuilder;
pub use cancel::Cancellation;
pub use drain::Running;
pub use events::{DeviceChange, Event, EventId, EventIdError, EventStream, Streamed};
pub use fleet::{Presence, WINDOW};
pub use handle::{BackendHealth, DeviceStatus, Handle, Health, MAX_GRACE, NewDevice, NewToken, Submitted};
pub use resend::Retried;
pub use statistics::{Histogram, Latencies, Sample, Statistics};

use self::broker_accounts::BrokerAccounts;
use self::dispatched::Words;
use self::ending::EndingKeys;
use self::events::EventLog;
use self::fleet::Fleet;
use self::intake::Intake;
use self::queued::Backlog;
use self::statistics::{Counters, History};
use self::writer::Writer;
use crate::audit::AuditLog;
use crate::auth::Failures;
use crate::error::Result;
use crate::id::IdSource;
use crate::pseudonym::Pseudonyms;
use crate::queue::Queue;
use crate::state::Reason;
use crate::store::{Moved, Store};
use crate::time::Clock;
use crate::transport::Transport;

/// A gateway that has not started yet.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use smsgw_core::gateway::Gateway;
/// use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
/// use smsgw_core::message::{Body, NewMessage};
///
/// let gateway = Gateway::builder(MemoryStore::new(), MemoryQueue::new(), MemoryTransport::new())
///     .rate_limit("10/m".parse()?)
///     .build();
/// let running = gateway.start().await?;
/// let handle = running.handle();
/// let account = handle.ensure_account("me").await?;
/// let message = NewMessage::new(account.id, "+5351234567".parse()?, Body::new("hola")?);
/// let outcomes = handle.submit(vec![message]).await?;
/// # assert_eq!(outcomes.len(), 1);
/// running.drain(Duration::from_secs(5)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    submissions: mpsc::Receiver<intake::Submission>,
    changes: mpsc::Receiver<writer::Request>,
    words: mpsc::Receiver<dispatched::Word>,
}

/// What the stages share.
struct Shared {
    store: Arc<dyn Store>,
    queue: Arc<dyn Queue>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    ids: IdSource,
    fleet: Fleet,
    broker_accounts: BrokerAccounts,
    ending: EndingKeys,
    intake: Intake,
    writer: Writer,
    words: Words,
    backlog: Backlog,
    births: Arc<Semaphore>,
    observers: broadcast::Sender<Moved>,
    events: Arc<EventLog>,
    audit: AuditLog,
    // Keys of original devices that were refused: noted only so often.
    failures: Failures,
    pseudonyms: Pseudonyms,
    counters: Counters,
    history: History,
    settings: Settings,
    // Cancelled: take no new work. Second: stop at once, leases protect what is under way.
    stop: CancellationToken,
    // Batches that are being sent.
    sending: TaskTracker,
}

#[derive(Debug, Clone)]
struct Settings {
    lease: Duration,
    batch: usize,
    batches_in_flight: usize,
    always_queue: bool,
    recheck: Duration,
    reconcile_every: Duration,
    keep_contents: Option<Duration>,
    keep_history: Option<Duration>,
    keep_audit: Option<Duration>,
}

impl Gateway {
    /// A gateway on these three backends. Everything else has a default.
    pub fn builder(store: impl Store, queue: impl Queue, transport: impl Transport) -> GatewayBuilder {
        GatewayBuilder::new(Arc::new(store), Arc::new(queue), Arc::new(transport))
    }

    /// Opens the transport and starts the stages, as tasks of the runtime that this is called in.
    ///
    /// # Errors
    /// Where the transport cannot be opened, as one that is open already. A broker that is away or refuses us is no
    /// error here: [`Handle::health`] tells.
    pub async fn start(self) -> Result<Running> {
        let inbox = self.shared.transport.open().await?;
        self.shared.audit.start();
        Ok(Running::start(self.shared, self.submissions, self.changes, self.words, inbox))
    }
}

impl Shared {
    /// Counts what was committed, and tells whoever listens.
    fn announce(&self, moved: impl IntoIterator<Item = Moved>) {
        let is_observed = self.observers.receiver_count() > 0;
        // Whoever listens to the log is not held up by the others.
        let mut told = Vec::new();
        for change in moved {
            self.counters.moved(&change);
            tracing::debug!(
                id = %change.id,
                device = change.device.map(tracing::field::display),
                from = change.from.as_str(),
                to = change.to.as_str(),
                reason = change.reason.map(Reason::as_str),
                "moved"
            );
            if is_observed {
                // Fails only where the last observer has just gone.
                let _ = self.observers.send(change.clone());
            }
            told.push(Event::Message(change));
        }
        self.events.push(told);
    }

    fn statistics(&self) -> Statistics {
        let (devices_online, in_hand) = self.fleet.totals();
        Statistics { devices_online, in_hand, queue_depth: self.history.depth(), ..self.counters.read() }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("store", &self.store)
            .field("queue", &self.queue)
            .field("transport", &self.transport)
            .field("fleet", &self.fleet)
            .finish_non_exhaustive()
    }
}
