//! The trait [`Queue`]: ready work, by id.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::forward::forward_to_inner;
use crate::id::{AccountId, DeviceId, MessageId};
use crate::message::{Message, Priority};

/// Ids of messages that are due now, shared by the dispatchers of one or more gateways.
///
/// A queue may lose or repeat jobs: the [`Store`](crate::store::Store) is the truth, a claim decides who sends, and
/// reconciliation pushes again what a queue has lost. So a queue is judged by its speed, not by its durability.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use smsgw_core::id::IdSource;
/// use smsgw_core::memory::MemoryQueue;
/// use smsgw_core::message::Priority;
/// use smsgw_core::queue::{Job, Queue, Settled, Settlement};
/// use smsgw_core::time::{Clock, SystemClock};
///
/// let queue: Arc<dyn Queue> = Arc::new(MemoryQueue::new());
/// let ids = IdSource::new();
/// let now = SystemClock.now();
/// let job = Job { id: ids.next(now), account: ids.next(now), priority: Priority::High, device: None };
/// queue.push(&[job]).await?;
///
/// let leased = queue.lease(100, Duration::from_secs(1)).await?;
/// assert_eq!(leased[0].job.id, job.id);
/// // Given back, it is leased again; done, it is not.
/// assert_eq!(queue.settle(&[(leased[0].receipt, Settlement::Release)]).await?, [Settled::Applied]);
/// assert_eq!(queue.lease(100, Duration::from_secs(1)).await?.len(), 1);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Queue: fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// What this queue promises.
    fn capabilities(&self) -> QueueCapabilities;

    /// Adds jobs.
    ///
    /// # Contract
    /// When it returns, each job will be leased at least once, unless the queue loses its memory. Jobs of one
    /// priority come out in the order they went in, as long as one consumer leases and none is released.
    ///
    /// # Cancel safety
    /// Dropped, any of the jobs may have been added; pushing them again at worst repeats them.
    ///
    /// # Errors
    /// `Throttled` where the queue is full; any backend error.
    async fn push(&self, jobs: &[Job]) -> Result<()>;

    /// Takes up to `max` jobs under a lease, high priority first; waits up to `wait` for the first. Empty: none came.
    ///
    /// # Contract
    /// A leased job is seen by nobody else until it is released or its lease runs out.
    ///
    /// # Cancel safety
    /// Dropped, no job is lost: what was taken and not handed over is leased again, at the latest when its lease
    /// runs out.
    ///
    /// # Errors
    /// `Closed` after [`Queue::close`]; any backend error.
    async fn lease(&self, max: usize, wait: Duration) -> Result<Vec<Leased>>;

    /// Ends leases: done with, or released for the next taker. One outcome each, in order.
    ///
    /// # Cancel safety
    /// Dropped, each lease was settled or was not; settling again answers `Stale` at worst.
    ///
    /// # Errors
    /// Any backend error.
    async fn settle(&self, settlements: &[(Receipt, Settlement)]) -> Result<Vec<Settled>>;

    /// How much is in the queue.
    ///
    /// # Errors
    /// Any backend error.
    async fn depth(&self) -> Result<QueueDepth>;

    /// Whether the queue can serve now.
    ///
    /// # Errors
    /// `Unavailable`, with what to do about it.
    async fn ready(&self) -> Result<()>;

    /// Lets go of connections; jobs that this handle has leased are released, and those who wait on it are woken. Later
    /// calls on it fail with `Closed`; other handles on the same jobs go on. Closing twice is no error.
    ///
    /// # Errors
    /// Any backend error.
    async fn close(&self) -> Result<()>;
}

forward_to_inner! {
    Queue: {
        fn capabilities() -> QueueCapabilities;
        async fn push(jobs: &[Job]) -> Result<()>;
        async fn lease(max: usize, wait: Duration) -> Result<Vec<Leased>>;
        async fn settle(settlements: &[(Receipt, Settlement)]) -> Result<Vec<Settled>>;
        async fn depth() -> Result<QueueDepth>;
        async fn ready() -> Result<()>;
        async fn close() -> Result<()>;
    }
}

/// What a queue promises. The conformance suite checks each claim both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueCapabilities {
    /// Jobs are still there after the gateway process was killed.
    pub durable: bool,
    /// Several gateway processes may share it.
    pub shared: bool,
    /// A lease runs out by itself. Otherwise it ends with the consumer's connection.
    pub lease_timer: bool,
}

/// A message that is due: all that a dispatcher must know to choose a device for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Job {
    /// The message.
    pub id: MessageId,
    /// Whose it is.
    pub account: AccountId,
    /// What goes first.
    pub priority: Priority,
    /// The device that it must go to; any of the account where there is none.
    pub device: Option<DeviceId>,
}

impl Job {
    /// The job of a message.
    pub(crate) fn of(message: &Message) -> Self {
        Self { id: message.id, account: message.account, priority: message.priority, device: message.device }
    }
}

/// A job and the right to settle it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leased {
    /// The job.
    pub job: Job,
    /// The lease.
    pub receipt: Receipt,
}

/// A lease of one job. Means something only to the queue that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// Which part of the queue: a stream, a channel.
    pub source: u64,
    /// Which entry of it, and which lease of that entry.
    pub entry: u128,
}

/// How a lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The job is done with.
    Done,
    /// The job is for the next taker.
    Release,
}

/// The outcome of settling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is settled.
    Applied,
    /// The lease was over: somebody else has the job, or had it.
    Stale,
}

/// How much is in a queue. Backends that only know the sum say it as `ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueDepth {
    /// Jobs that wait.
    pub ready: u64,
    /// Jobs under a lease.
    pub leased: u64,
}
