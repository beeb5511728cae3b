//! [`MemoryQueue`].

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, ErrorKind, Result};
use crate::message::Priority;
use crate::queue::{Job, Leased, Queue, QueueCapabilities, QueueDepth, Receipt, Settled, Settlement};
use crate::time::{Clock, SystemClock, Timestamp};

/// A [`Queue`] in memory: bounded, in two priorities, with leases on a timer.
///
/// A clone is another handle on the same jobs, with a life of its own: closing one releases what it has leased and
/// leaves the others open.
///
/// ```
/// use std::time::Duration;
///
/// use smsgw_core::id::IdSource;
/// use smsgw_core::memory::MemoryQueue;
/// use smsgw_core::message::Priority;
/// use smsgw_core::queue::{Job, Queue, Settlement};
/// use smsgw_core::time::Timestamp;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> smsgw_core::error::Result<()> {
/// let ids = IdSource::new();
/// let (id, account) = (ids.next(Timestamp::EPOCH), ids.next(Timestamp::EPOCH));
/// let queue = MemoryQueue::new();
/// queue.push(&[Job { id, account, priority: Priority::Normal, device: None }]).await?;
/// let leased = queue.lease(10, Duration::from_secs(1)).await?;
/// assert_eq!(leased[0].job.id, id);
/// queue.settle(&[(leased[0].receipt, Settlement::Done)]).await?;
/// # Ok(())
/// # }
/// ```
pub struct MemoryQueue {
    shared: Arc<Shared>,
    /// Tells this handle's leases from the others', in [`Receipt::source`].
    handle: u64,
    /// Of this handle alone.
    closed: AtomicBool,
}

/// How a [`MemoryQueue`] is to be.
#[derive(Debug, Clone)]
pub struct MemoryQueueBuilder {
    capacity: usize,
    lease: Duration,
    clock: Arc<dyn Clock>,
}

struct Shared {
    capacity: usize,
    lease: Duration,
    clock: Arc<dyn Clock>,
    /// Held for one batch, never across an await.
    jobs: Mutex<Jobs>,
    /// Wakes one waiter where there is work; that one wakes the next where it leaves some.
    work: Notify,
    next_handle: AtomicU64,
}

#[derive(Default)]
struct Jobs {
    high: VecDeque<Job>,
    normal: VecDeque<Job>,
    /// By the number of the lease. Numbers and ends both ascend, so the first to end is the first.
    leased: BTreeMap<u64, Lease>,
    next_lease: u64,
}

struct Lease {
    job: Job,
    handle: u64,
    ends_at: Timestamp,
}

impl MemoryQueue {
    /// A queue of up to 1,000,000 jobs with leases of 30 s by the machine's clock.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A queue with other bounds, another lease or another clock.
    pub fn builder() -> MemoryQueueBuilder {
        MemoryQueueBuilder {
            capacity: 1_000_000,
            lease: Duration::from_secs(30),
            clock: Arc::new(SystemClock),
        }
    }

    /// Takes the lock, for as long as this handle is open, and gives back the jobs whose leases have run out.
    fn lock(&self, operation: &'static str) -> Result<MutexGuard<'_, Jobs>> {
        let mut jobs = self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::SeqCst) {
            return Err(error(ErrorKind::Closed, operation));
        }
        if jobs.reclaim(self.shared.clock.now()) {
            self.shared.work.notify_one();
        }
        Ok(jobs)
    }

    /// Takes up to `max` jobs. Where there are none, says how long it is until a lease may run out.
    fn take(&self, max: usize) -> Result<Result<Vec<Leased>, Duration>> {
        let mut jobs = self.lock("lease")?;
        let now = self.shared.clock.now();
        let taken = jobs.take(max, self.handle, now + self.shared.lease);
        if taken.is_empty() {
            // Where nothing is leased, whatever may be meanwhile comes back no earlier than one lease from now.
            let first = jobs.leased.first_key_value().map(|(_, lease)| now.until(lease.ends_at));
            return Ok(Err(first.unwrap_or(self.shared.lease)));
        }
        if !jobs.high.is_empty() || !jobs.normal.is_empty() {
            self.shared.work.notify_one();
        }
        Ok(Ok(taken))
    }
}

impl Jobs {
    fn line(&mut self, priority: Priority) -> &mut VecDeque<Job> {
        match priority {
            Priority::High => &mut self.high,
            Priority::Normal => &mut self.normal,
        }
    }

    fn len(&self) -> usize {
        self.high.len() + self.normal.len() + self.leased.len()
    }

    fn take(&mut self, max: usize, handle: u64, ends_at: Timestamp) -> Vec<Leased> {
        let count = max.min(self.high.len() + self.normal.len());
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count
            && let Some(job) = self.high.pop_front().or_else(|| self.normal.pop_front())
        {
            let number = self.next_lease;
            self.next_lease += 1;
            self.leased.insert(number, Lease { job, handle, ends_at });
            taken.push(Leased { job, receipt: Receipt { source: handle, entry: number.into() } });
        }
        taken
    }

    /// Ends the lease of `receipt` and returns its job, unless it was over.
    fn end(&mut self, receipt: Receipt) -> Option<Job> {
        let number = u64::try_from(receipt.entry).ok()?;
        let lease = self.leased.get(&number)?;
        if lease.handle != receipt.source {
            return None;
        }
        self.leased.remove(&number).map(|lease| lease.job)
    }

    /// Gives back the jobs whose leases have run out by `now`, and says whether there were any.
    fn reclaim(&mut self, now: Timestamp) -> bool {
        let mut lost = Vec::new();
        while let Some(first) = self.leased.first_entry().filter(|first| first.get().ends_at <= now) {
            lost.push(first.remove().job);
        }
        self.give_back(lost)
    }

    /// Puts jobs that were taken before all that were not, in the order they had, and says whether there were any.
    fn give_back(&mut self, taken: Vec<Job>) -> bool {
        let any = !taken.is_empty();
        for job in taken.into_iter().rev() {
            self.line(job.priority).push_front(job);
        }
        any
    }
}

impl MemoryQueueBuilder {
    /// At most so many jobs, leased ones included; 1,000,000 where nothing is said.
    #[must_use]
    pub fn capacity(mut self, jobs: usize) -> Self {
        self.capacity = jobs;
        self
    }

    /// How long a lease lasts; 30 s where nothing is said.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Whose time leases go by; the machine's where nothing is said.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The queue, empty.
    pub fn build(self) -> MemoryQueue {
        let Self { capacity, lease, clock } = self;
        let shared = Shared {
            capacity,
            lease,
            clock,
            jobs: Mutex::default(),
            work: Notify::new(),
            next_handle: AtomicU64::new(1),
        };
        MemoryQueue { shared: Arc::new(shared), handle: 0, closed: AtomicBool::new(false) }
    }
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for MemoryQueue {
    fn clone(&self) -> Self {
        let handle = self.shared.next_handle.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared), handle, closed: AtomicBool::new(false) }
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQueue")
            .field("capacity", &self.shared.capacity)
            .field("lease", &self.shared.lease)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory queue")
    }
}

fn error(kind: ErrorKind, operation: &'static str) -> Error {
    Error::new(kind, "memory", operation)
}

#[async_trait]
impl Queue for MemoryQueue {
    fn capabilities(&self) -> QueueCapabilities {
        QueueCapabilities { durable: false, shared: false, lease_timer: true }
    }

    async fn push(&self, batch: &[Job]) -> Result<()> {
        let mut jobs = self.lock("push")?;
        if jobs.len() + batch.len() > self.shared.capacity {
            return Err(error(ErrorKind::Throttled, "push")
                .with_detail(format!("the queue holds {} jobs at most", self.shared.capacity)));
        }
        for job in batch {
            jobs.line(job.priority).push_back(*job);
        }
        drop(jobs);
        if !batch.is_empty() {
            self.shared.work.notify_one();
        }
        Ok(())
    }

    async fn lease(&self, max: usize, wait: Duration) -> Result<Vec<Leased>> {
        let deadline = Instant::now() + wait;
        loop {
            // Made before looking, so that no push between looking and waiting goes unheard.
            let work = self.shared.work.notified();
            // Between taking and returning there is no await: dropped here, nothing has been taken.
            let first_end = match self.take(max)? {
                Ok(taken) => return Ok(taken),
                Err(first_end) => first_end,
            };
            let now = Instant::now();
            if now >= deadline || max == 0 {
                return Ok(Vec::new());
            }
            // A clock that stands still must not make this a busy loop.
            let look_again = now + first_end.max(Duration::from_millis(1));
            tokio::select! {
                () = work => {}
                () = sleep_until(deadline.min(look_again)) => {}
            }
        }
    }

    async fn settle(&self, settlements: &[(Receipt, Settlement)]) -> Result<Vec<Settled>> {
        let mut jobs = self.lock("settle")?;
        let mut released = Vec::new();
        let settle = |(receipt, settlement): &(Receipt, Settlement)| match jobs.end(*receipt) {
            Some(job) => {
                released.extend((*settlement == Settlement::Release).then_some(job));
                Settled::Applied
            }
            None => Settled::Stale,
        };
        let outcomes = settlements.iter().map(settle).collect();
        if jobs.give_back(released) {
            self.shared.work.notify_one();
        }
        Ok(outcomes)
    }

    async fn depth(&self) -> Result<QueueDepth> {
        let jobs = self.lock("depth")?;
        let (ready, leased) = (jobs.high.len() + jobs.normal.len(), jobs.leased.len());
        Ok(QueueDepth { ready: ready as u64, leased: leased as u64 })
    }

    async fn ready(&self) -> Result<()> {
        self.lock("ready").map(drop)
    }

    async fn close(&self) -> Result<()> {
        let Ok(mut jobs) = self.lock("close") else { return Ok(()) };
        self.closed.store(true, Ordering::SeqCst);
        let own = jobs.leased.extract_if(.., |_, lease| lease.handle == self.handle);
        let own = own.map(|(_, lease)| lease.job).collect();
        jobs.give_back(own);
        drop(jobs);
        // Those who wait on this handle learn that it is closed, and the others that there may be work.
        self.shared.work.notify_waiters();
        Ok(())
    }
}
