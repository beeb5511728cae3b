use async_trait::async_trait;
use std::time::Duration;

use crate::error::Result;
use crate::forward::forward_to_inner;
use crate::id::{AccountId, DeviceId, MessageId};
use crate::message::{Message, MessageEvent};
use crate::phone::PhoneNumber;
use crate::pseudonym::Pseudonyms;
use crate::queue::Job;
use crate::state::{QUEUED_RECHECK, Reason, State, Transition};
use crate::store::{Cursor, Page};
use crate::time::Timestamp;

/// Messages, their states and their history.
///
/// Every batch method answers one outcome per item, in order. `Err` means that nothing is known of any item, and that
/// repeating the call is safe. Dropping a call's future loses nothing: the call happened as a whole or not at all.
/// Time is the store's own clock, so that gateways whose clocks differ agree about leases.
///
/// Every change of a state writes its [`MessageEvent`] in the same commit, the insertion being the first. The rules are
/// those of [`crate::state`]; a store asks them and adds none.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use smsgw_core::id::IdSource;
/// use smsgw_core::memory::MemoryStore;
/// use smsgw_core::message::{Body, NewMessage};
/// use smsgw_core::store::{Inserted, Insertion, MessageQuery, MessageStore};
/// use smsgw_core::time::{Clock, SystemClock};
///
/// let (store, ids, now) = (MemoryStore::new(), IdSource::new(), SystemClock.now());
/// let account = ids.next(now);
/// let new = NewMessage::new(account, "+5351234567".parse()?, Body::new("Hola")?);
/// let message = new.accept(ids.next(now), now);
/// let id = message.id;
/// let [first, again] = [message.clone(), message].map(Insertion::from);
/// assert_eq!(store.insert(&[first]).await?, [Inserted::New]);
/// // Inserted again, it is the same message.
/// assert!(matches!(store.insert(&[again]).await?[0], Inserted::Duplicate(_)));
/// let page = store.messages(&MessageQuery::new(account, 10)).await?;
/// assert_eq!(page.items[0].id, id);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait MessageStore: Send + Sync + 'static {
    /// Commits new messages, `scheduled`, `queued` or `sending` as they say. One that is `sending` is claimed from the first,
    /// as by [`MessageStore::claim`]: whoever inserts it has chosen its device.
    ///
    /// # Contract
    /// When it returns, the new ones survive whatever the store survives. An id or an idempotency key that exists,
    /// in the store or earlier in the batch, adds nothing and is answered with what exists. An id of another account
    /// answers [`Inserted::Mismatch`], exactly as another message of the own account under that id does.
    ///
    /// # Cancel safety
    /// Dropped, each message is in the store or is not; submit it again under the same id to learn which.
    ///
    /// # Errors
    /// Any backend error; nothing is known of any message of the batch.
    async fn insert(&self, batch: &[Insertion]) -> Result<Vec<Inserted>>;

    /// Takes messages for sending, each by the device that it will be given to.
    ///
    /// # Contract
    /// A message that is `queued`, not expired and free for that device becomes `sending` under a lease, its epoch
    /// ([`Message::attempts`]) raised by one and the device written down, before anybody may publish it. Of
    /// concurrent claims one wins. Anything else is `None`.
    ///
    /// # Cancel safety
    /// Dropped, a message may be claimed by nobody; its lease runs out and [`MessageStore::due`] returns it.
    ///
    /// # Errors
    /// Any backend error.
    async fn claim(&self, claims: &[Claim], lease: Duration) -> Result<Vec<Option<Message>>>;

    /// Takes messages that were set aside, for each pull what its device may have: those that wait for that device or
    /// for any device of its account, high priority first, then in order of acceptance. One list for each pull, in
    /// order; no message is in two. A list that is shorter than its `max` says that nothing else waited. Otherwise as
    /// [`MessageStore::claim`].
    ///
    /// # Errors
    /// Any backend error.
    async fn claim_waiting(&self, pulls: &[Pull], lease: Duration) -> Result<Vec<Vec<Message>>>;

    /// Changes states, each under its fence, as [`crate::state::decide`] says.
    ///
    /// # Contract
    /// Items of one message apply in order. A report id that the message has seen is [`Advanced::Unchanged`].
    ///
    /// # Cancel safety
    /// Dropped, each change happened or did not; making it again is harmless.
    ///
    /// # Errors
    /// Any backend error.
    async fn advance(&self, batch: &[Transition]) -> Result<Vec<Advanced>>;

    /// Makes ready what devices have not acknowledged, at the beginning of their new sessions, as
    /// [`crate::state::recalled`] says: `dispatched` messages of `devices` are set aside for them again. Says how many.
    ///
    /// # Errors
    /// Any backend error.
    async fn recall(&self, devices: &[DeviceId]) -> Result<u64>;

    /// Whether devices still have messages in hand: `sending` or `dispatched` by way of that device. What has gone on by
    /// another gateway's doing, as by a report that came in there, is not. One answer each, in order.
    ///
    /// # Errors
    /// Any backend error.
    async fn in_hand(&self, held: &[Claim]) -> Result<Vec<bool>>;

    /// Looks after messages whose time has come, as [`crate::state::overdue`] says: scheduled ones become `queued`,
    /// lost leases and lost queue entries are `queued` again, what has outlived its TTL is `expired`.
    ///
    /// # Contract
    /// Jobs are to be pushed. Each call makes progress: what it returned is not due again for some seconds.
    ///
    /// # Cancel safety
    /// Dropped, jobs that nobody pushed are due again after [`QUEUED_RECHECK`](crate::state::QUEUED_RECHECK).
    ///
    /// # Errors
    /// Any backend error.
    async fn due(&self, query: DueQuery) -> Result<Due>;

    /// Forgets idempotency keys that are older than [`KEYS_KEPT`], the oldest first and at most `max`. Says how many; fewer
    /// than `max` were the last.
    ///
    /// # Errors
    /// Any backend error.
    async fn forget_keys(&self, max: usize) -> Result<usize>;

    /// Erases what messages say that were over before `before`, at most `max`: the body goes, the recipient becomes its
    /// pseudonym, the rest stays. Over is what nobody looks after any more: its state is terminal, or its device says
    /// nothing more of it. Says how many; fewer than `max` were the last.
    ///
    /// # Errors
    /// Any backend error.
    async fn erase(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize>;

    /// Erases what one message of an account says, if it is over. `None` where there is no such message.
    ///
    /// # Errors
    /// Any backend error.
    async fn erase_message(
        &self,
        account: AccountId,
        id: MessageId,
        pseudonyms: &Pseudonyms,
    ) -> Result<Option<Erased>>;

    /// Removes messages that were erased before `before`, with their histories, at most `max`, those first that were erased
    /// first. Their ids are free again, and a key that leads to one must be forgotten before: `before` is longer ago than
    /// [`KEYS_KEPT`]. Says how many; fewer than `max` were the last.
    ///
    /// # Errors
    /// Any backend error.
    async fn remove(&self, before: Timestamp, max: usize) -> Result<usize>;

    /// One message of an account.
    ///
    /// # Errors
    /// Any backend error.
    async fn message(&self, account: AccountId, id: MessageId) -> Result<Option<Message>>;

    /// The history of one message of an account, oldest first. `None` where there is no such message.
    ///
    /// # Errors
    /// Any backend error.
    async fn events(&self, account: AccountId, id: MessageId) -> Result<Option<Vec<MessageEvent>>>;

    /// Messages of an account, newest first.
    ///
    /// # Errors
    /// Any backend error.
    async fn messages(&self, query: &MessageQuery) -> Result<Page<Message>>;
}

forward_to_inner! {
    MessageStore: {
        async fn insert(batch: &[Insertion]) -> Result<Vec<Inserted>>;
        async fn claim(claims: &[Claim], lease: Duration) -> Result<Vec<Option<Message>>>;
        async fn claim_waiting(pulls: &[Pull], lease: Duration) -> Result<Vec<Vec<Message>>>;
        async fn advance(batch: &[Transition]) -> Result<Vec<Advanced>>;
        async fn recall(devices: &[DeviceId]) -> Result<u64>;
        async fn in_hand(held: &[Claim]) -> Result<Vec<bool>>;
        async fn due(query: DueQuery) -> Result<Due>;
        async fn forget_keys(max: usize) -> Result<usize>;
        async fn erase(before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize>;
        async fn erase_message(account: AccountId, id: MessageId, pseudonyms: &Pseudonyms) -> Result<Option<Erased>>;
        async fn remove(before: Timestamp, max: usize) -> Result<usize>;
        async fn message(account: AccountId, id: MessageId) -> Result<Option<Message>>;
        async fn events(account: AccountId, id: MessageId) -> Result<Option<Vec<MessageEvent>>>;
        async fn messages(query: &MessageQuery) -> Result<Page<Message>>;
    }
}

/// A message to insert.
#[derive(Debug, Clone)]
pub struct Insertion {
    /// The message, `scheduled`, `queued` or `sending`.
    pub message: Message,
    /// How its sender may repeat it.
    pub idempotency: Option<Idempotency>,
    /// Of one that is `sending`: how long the one who inserts it may take over it. Its device and its first attempt are
    /// written down in it.
    pub lease: Option<Duration>,
}

impl From<Message> for Insertion {
    /// Without a key, and claimed by nobody.
    fn from(message: Message) -> Self {
        Self { message, idempotency: None, lease: None }
    }
}

impl Insertion {
    /// When a message that is inserted at `now` must be looked at.
    pub fn check_at(&self, now: Timestamp) -> Timestamp {
        match (self.message.state, self.lease) {
            (State::Queued, _) => now + QUEUED_RECHECK,
            (State::Sending, Some(lease)) => now + lease,
            _ => self.message.due_at.min(self.message.expires_at),
        }
    }
}

/// How long an idempotency key is good for. After that it may be forgotten, and the same request sends again.
pub const KEYS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A key under which an account may repeat a request without repeating its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, at most 255 ASCII characters.
    pub key: String,
    /// SHA-256 of the request: another request under the same key is a mistake.
    pub fingerprint: [u8; 32],
}

/// The outcome of an insertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It is committed.
    New,
    /// It was there: this is the message that the earlier request made.
    Duplicate(Box<Message>),
    /// Its id or key belongs to another request.
    Mismatch,
}

/// The outcome of erasing a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// What it said is gone, now or since earlier.
    Done,
    /// It is still on its way.
    NotOver,
}

/// A message to claim, and the device that is to have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The message.
    pub id: MessageId,
    /// The device.
    pub device: DeviceId,
}

/// A device that has room for messages that were set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pull {
    /// The device.
    pub device: DeviceId,
    /// Its account.
    pub account: AccountId,
    /// At most so many.
    pub max: usize,
}

/// The outcome of a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advanced {
    /// It happened.
    Applied(Moved),
    /// It was a report that came too late: kept in the history, without effect.
    Recorded,
    /// It said nothing new: a repeated report, or the word of a dispatcher that a report has overtaken.
    Unchanged,
    /// The writer's claim is over.
    Stale,
    /// The device does not have that message.
    Foreign,
    /// There is no such message.
    Missing,
}

/// A change of state that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The message.
    pub id: MessageId,
    /// Its account.
    pub account: AccountId,
    /// Its device.
    pub device: Option<DeviceId>,
    /// The state it left.
    pub from: State,
    /// The state it reached.
    pub to: State,
    /// Why it waits there, where it does.
    pub reason: Option<Reason>,
    /// When.
    pub at: Timestamp,
}

/// What [`MessageStore::due`] is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueQuery {
    /// At most so many messages.
    pub max: usize,
    /// Also those that are `queued` and were pushed before. Asked for when the queue has run dry: only then may it
    /// have lost them, and a long queue is not pushed twice.
    pub requeue: bool,
}

/// What was due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// What must be pushed to the queue.
    pub jobs: Vec<Job>,
    /// Messages that were taken back, and whose devices are to be asked for them: to be claimed and told at once, past
    /// the queue.
    pub asks: Vec<Claim>,
    /// What changed its state.
    pub moved: Vec<Moved>,
    /// Whether more may be due at once; it may be so where nothing was returned.
    pub more: bool,
}

/// Which messages of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageQuery {
    /// Whose.
    pub account: AccountId,
    /// In this state.
    pub state: Option<State>,
    /// To this recipient.
    pub to: Option<PhoneNumber>,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// Accepted at or after this.
    pub from: Option<Timestamp>,
    /// Accepted before this.
    pub until: Option<Timestamp>,
    /// After the page that ended there.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

impl MessageQuery {
    /// All messages of `account`, `limit` a page.
    pub fn new(account: AccountId, limit: usize) -> Self {
        Self { account, state: None, to: None, device: None, from: None, until: None, after: None, limit }
    }
}
