//! [`TurnsQueue`]: accounts take turns.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use smsgw::error::{Error, ErrorKind, Result};
use smsgw::id::AccountId;
use smsgw::message::Priority;
use smsgw::queue::{Job, Leased, Queue, QueueCapabilities, QueueDepth, Receipt, Settled, Settlement};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Jobs in memory, from which accounts are served in turn.
pub(crate) struct TurnsQueue {
    /// How long a taker may keep a job before it is for the next.
    lease: Duration,
    lanes: Mutex<Lanes>,
    pushed: Notify,
    closed: AtomicBool,
}

#[derive(Default)]
struct Lanes {
    /// One for each priority, the urgent one first.
    lanes: [Lane; 2],
    /// By the number of the lease. Numbers and ends both ascend, so the first to end is the first.
    leased: BTreeMap<u128, (Instant, Job)>,
    last_lease: u128,
}

/// The jobs of one priority.
#[derive(Default)]
struct Lane {
    waiting: HashMap<AccountId, VecDeque<Job>>,
    /// Accounts that have waiting jobs, each once; the first is served next.
    turns: VecDeque<AccountId>,
}

impl Lane {
    fn push(&mut self, job: Job) {
        let jobs = self.waiting.entry(job.account).or_default();
        if jobs.is_empty() {
            self.turns.push_back(job.account);
        }
        jobs.push_back(job);
    }

    fn pop(&mut self) -> Option<Job> {
        let account = self.turns.pop_front()?;
        let jobs = self.waiting.get_mut(&account)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.waiting.remove(&account);
        } else {
            self.turns.push_back(account);
        }
        job
    }
}

impl Lanes {
    fn push(&mut self, job: Job) {
        self.lanes[usize::from(job.priority == Priority::Normal)].push(job);
    }

    fn lease(&mut self, until: Instant) -> Option<Leased> {
        let job = self.lanes.iter_mut().find_map(Lane::pop)?;
        self.last_lease += 1;
        self.leased.insert(self.last_lease, (until, job));
        Some(Leased { job, receipt: Receipt { source: 0, entry: self.last_lease } })
    }

    /// Gives back what was kept too long, and says when that is to be looked at again.
    fn reclaim(&mut self, now: Instant) -> Option<Instant> {
        while let Some(first) = self.leased.first_entry().filter(|first| first.get().0 <= now) {
            let (_, job) = first.remove();
            self.push(job);
        }
        self.leased.first_key_value().map(|(_, (until, _))| *until)
    }

    fn settle(&mut self, receipt: Receipt, settlement: Settlement) -> Settled {
        match (self.leased.remove(&receipt.entry), settlement) {
            (None, _) => return Settled::Stale,
            (Some((_, job)), Settlement::Release) => self.push(job),
            (Some(_), Settlement::Done) => {}
        }
        Settled::Applied
    }
}

impl TurnsQueue {
    /// An empty queue, whose takers may keep a job for `lease`.
    pub(crate) fn new(lease: Duration) -> Self {
        Self { lease, lanes: Mutex::default(), pushed: Notify::new(), closed: AtomicBool::new(false) }
    }

    fn lock(&self, operation: &'static str) -> Result<MutexGuard<'_, Lanes>> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, "turns queue", operation));
        }
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.reclaim(Instant::now());
        Ok(lanes)
    }
}

#[async_trait]
impl Queue for TurnsQueue {
    fn capabilities(&self) -> QueueCapabilities {
        QueueCapabilities { durable: false, shared: false, lease_timer: true }
    }

    async fn push(&self, jobs: &[Job]) -> Result<()> {
        let mut lanes = self.lock("push")?;
        jobs.iter().for_each(|job| lanes.push(*job));
        self.pushed.notify_waiters();
        Ok(())
    }

    async fn lease(&self, max: usize, wait: Duration) -> Result<Vec<Leased>> {
        let deadline = Instant::now() + wait;
        loop {
            // Made before the look, so that a push after the look wakes it.
            let pushed = self.pushed.notified();
            let wake = {
                // Taking and handing over happen without an await between, so a dropped call has taken nothing.
                let mut lanes = self.lock("lease")?;
                let until = Instant::now() + self.lease;
                let leased: Vec<Leased> = std::iter::from_fn(|| lanes.lease(until)).take(max).collect();
                if !leased.is_empty() || Instant::now() >= deadline {
                    return Ok(leased);
                }
                // A job that its taker keeps too long, also one that is taken meanwhile, is for us then.
                lanes.reclaim(Instant::now()).unwrap_or(until).min(deadline)
            };
            // In time or not, the next look tells.
            let _ = timeout_at(wake, pushed).await;
        }
    }

    async fn settle(&self, settlements: &[(Receipt, Settlement)]) -> Result<Vec<Settled>> {
        let mut lanes = self.lock("settle")?;
        let settled = settlements.iter().map(|(receipt, how)| lanes.settle(*receipt, *how)).collect();
        self.pushed.notify_waiters();
        Ok(settled)
    }

    async fn depth(&self) -> Result<QueueDepth> {
        let lanes = self.lock("depth")?;
        let ready =
            lanes.lanes.iter().flat_map(|lane| lane.waiting.values()).map(VecDeque::len).sum::<usize>();
        Ok(QueueDepth { ready: ready as u64, leased: lanes.leased.len() as u64 })
    }

    async fn ready(&self) -> Result<()> {
        self.lock("ready").map(|_| ())
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::SeqCst);
        self.pushed.notify_waiters();
        Ok(())
    }
}

impl fmt::Display for TurnsQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("turns queue")
    }
}

impl fmt::Debug for TurnsQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnsQueue").finish_non_exhaustive()
    }
}
