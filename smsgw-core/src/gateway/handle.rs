//! What callers hold: submit messages, look at them, manage devices and keys.

mod accounts;
mod devices;
mod keys;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

pub use accounts::NewToken;
pub use devices::{DeviceStatus, NewDevice};
pub use keys::MAX_GRACE;

use super::Shared;
use super::cancel::{self, Cancellation};
use super::events::{Event, EventId, EventStream};
use super::statistics::{Sample, Statistics};
use crate::audit::{AuditEvent, AuditLog};
use crate::auth::Authenticator;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{AccountId, MessageId};
use crate::message::{Message, MessageEvent, NewMessage};
use crate::state::State;
use crate::store::{AuditQuery, Erased, InboxQuery, MessageQuery, Moved, Page, ReceivedSms};
use crate::time::Timestamp;

/// A gateway, as its users hold it. Cheap to clone; needs no HTTP.
///
/// Whatever takes an [`AccountId`] sees what belongs to that account and nothing else: what is another's is answered
/// exactly as what does not exist.
#[derive(Clone)]
pub struct Handle(pub(super) Arc<Shared>);

/// The outcome of submitting a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// It is committed and on its way.
    Accepted(Message),
    /// An earlier request with the same id or idempotency key made this one; nothing more is sent.
    Duplicate(Message),
    /// Its id or idempotency key belongs to another request.
    Mismatch,
    /// The account has no such device.
    UnknownDevice,
}

/// Whether each backend can serve now.
#[derive(Debug)]
pub struct Health {
    /// Where messages are kept.
    pub store: BackendHealth,
    /// Where work waits.
    pub queue: BackendHealth,
    /// The way to the devices.
    pub transport: BackendHealth,
}

/// Whether a backend can serve now.
#[derive(Debug)]
pub struct BackendHealth {
    /// Its name.
    pub name: String,
    /// The error says what to do where it cannot.
    pub ready: Result<()>,
    /// How long it took to say so.
    pub round_trip: Duration,
}

impl BackendHealth {
    async fn of(
        backend: &impl fmt::Display,
        within: Duration,
        ready: impl Future<Output = Result<()>>,
    ) -> Self {
        let begun = Instant::now();
        let ready = in_time(within, ready).await;
        Self { name: backend.to_string(), ready, round_trip: begun.elapsed() }
    }
}

impl Handle {
    /// Commits messages and has them sent: one outcome each, in order.
    ///
    /// # Cancel safety
    /// Dropped, each message was accepted or was not; submit it again under the same id to learn which.
    ///
    /// # Errors
    /// `Throttled` where more is waiting to be committed than the gateway keeps in memory; `Closed` while it drains;
    /// any error of the store. Nothing is known of any message of the batch then.
    pub async fn submit(&self, batch: Vec<NewMessage>) -> Result<Vec<Submitted>> {
        self.0.intake.submit(&self.0, batch).await
    }

    /// One message of an account.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn message(&self, account: AccountId, id: MessageId) -> Result<Option<Message>> {
        self.0.store.message(account, id).await
    }

    /// The history of one message of an account, oldest first. `None` where there is no such message.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn message_events(
        &self,
        account: AccountId,
        id: MessageId,
    ) -> Result<Option<Vec<MessageEvent>>> {
        self.0.store.events(account, id).await
    }

    /// Messages of an account, newest first.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn messages(&self, query: &MessageQuery) -> Result<Page<Message>> {
        self.0.store.messages(query).await
    }

    /// Takes a message of an account back. `None` where there is no such message.
    ///
    /// # Cancel safety
    /// Dropped, it is taken back or is not; calling again is safe.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn cancel(&self, account: AccountId, id: MessageId) -> Result<Option<Cancellation>> {
        cancel::cancel(&self.0, account, id).await
    }

    /// Erases what a message of an account says, if it is over: its text goes, and its recipient becomes a pseudonym. `None`
    /// where there is no such message.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn erase_message(&self, account: AccountId, id: MessageId) -> Result<Option<Erased>> {
        self.0.store.erase_message(account, id, &self.0.pseudonyms).await
    }

    /// Received SMS of an account, newest first.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn inbox(&self, query: &InboxQuery) -> Result<Page<ReceivedSms>> {
        self.0.store.inbox(query).await
    }

    /// Changes of state as they are committed by this gateway. A receiver that falls behind by more than
    /// [`observer_capacity`](super::GatewayBuilder::observer_capacity) misses the oldest and is told so.
    pub fn observe(&self) -> broadcast::Receiver<Moved> {
        self.0.observers.subscribe()
    }

    /// Hears what other gateways on the same store have done, as a result backend tells it: a device's place is free at
    /// once where its report came in elsewhere. Without it, that is found out by asking the store.
    pub fn learn(&self, moved: &[Moved]) {
        let in_hand = |state| matches!(state, State::Sending | State::Dispatched);
        let left = moved.iter().filter(|moved| !in_hand(moved.to));
        self.0.fleet.release(left.filter_map(|moved| Some((moved.device?, moved.id))), self.0.clock.now());
        self.0.events.push(moved.iter().cloned().map(Event::Message));
    }

    /// What happens to the messages and devices of an account from now on, or from behind `after` where that is still known here:
    /// the last 10,000 events of all accounts are. Devices are told of as this gateway sees them; messages also where another
    /// gateway changed them, as far as [`learn`](Self::learn) hears of it.
    pub fn events(&self, account: AccountId, after: Option<EventId>) -> EventStream {
        EventStream::new(self.0.events.clone(), account, after, self.0.stop.clone())
    }

    /// What this gateway has done since it was built, and how things are with it now. Asks nobody, and is cheap.
    pub fn statistics(&self) -> Statistics {
        self.0.statistics()
    }

    /// A sample of each of the last 300 seconds, the oldest first; fewer where it has not run for so long.
    pub fn history(&self) -> Vec<Sample> {
        self.0.history.read()
    }

    /// The audit log, to note in.
    pub fn audit_log(&self) -> AuditLog {
        self.0.audit.clone()
    }

    /// Events of the audit log, newest first, of whatever account. What was noted just now may not be in it yet.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Page<AuditEvent>> {
        self.0.store.audit(query).await
    }

    /// What checks the credentials that somebody presents.
    pub fn authenticator(&self) -> Authenticator {
        Authenticator::from_parts(self.0.store.clone(), self.0.clock.clone())
    }

    /// Asks each backend whether it can serve now, with a `Timeout` for one that has not answered `within` that time.
    pub async fn health(&self, within: Duration) -> Health {
        let Shared { store, queue, transport, .. } = &*self.0;
        let (store, queue, transport) = tokio::join!(
            BackendHealth::of(store, within, store.ready()),
            BackendHealth::of(queue, within, queue.ready()),
            BackendHealth::of(transport, within, transport.ready()),
        );
        Health { store, queue, transport }
    }

    /// The time by the gateway's clock.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

async fn in_time(within: Duration, answer: impl Future<Output = Result<()>>) -> Result<()> {
    let late = |_| Err(Error::new(ErrorKind::Timeout, "gateway", "ready"));
    tokio::time::timeout(within, answer).await.unwrap_or_else(late)
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
