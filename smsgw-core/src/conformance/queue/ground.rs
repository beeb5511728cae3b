use std::sync::Arc;
use std::time::Duration;

use super::QueueFixture;
use crate::conformance::Stage;
use crate::id::{AccountId, IdSource, MessageId};
use crate::message::Priority;
use crate::queue::{Job, Leased, Queue, Receipt, Settled, Settlement};
use crate::time::{Clock, SystemClock};

/// Long enough for what is on its way, short enough to be waited for in vain.
pub(super) const BRIEF: Duration = Duration::from_millis(50);
/// How long what must come is waited for.
pub(super) const LONG: Duration = Duration::from_secs(10);

/// A queue with short words for what the cases do.
pub(super) struct Ground {
    pub(super) fixture: Box<dyn QueueFixture>,
    pub(super) queue: Arc<dyn Queue>,
    account: AccountId,
    ids: IdSource,
}

impl Ground {
    pub(super) async fn new(stage: &Stage<dyn QueueFixture>) -> Self {
        let fixture = stage.fresh().await;
        let ids = IdSource::new();
        Self { queue: fixture.queue(), fixture, account: ids.next(SystemClock.now()), ids }
    }

    pub(super) fn job(&self) -> Job {
        let id = self.ids.next(SystemClock.now());
        Job { id, account: self.account, priority: Priority::Normal, device: None }
    }

    pub(super) fn jobs(&self, count: usize) -> Vec<Job> {
        (0..count).map(|_| self.job()).collect()
    }

    /// Pushes new jobs.
    pub(super) async fn pushed(&self, count: usize) -> Vec<Job> {
        let jobs = self.jobs(count);
        self.queue.push(&jobs).await.expect("push");
        jobs
    }

    pub(super) async fn lease(&self, max: usize) -> Vec<Leased> {
        self.queue.lease(max, BRIEF).await.expect("lease")
    }

    pub(super) async fn settle(&self, receipts: &[Receipt], settlement: Settlement) -> Vec<Settled> {
        let settlements: Vec<_> = receipts.iter().map(|receipt| (*receipt, settlement)).collect();
        self.queue.settle(&settlements).await.expect("settle")
    }

    /// Lets every lease run out.
    pub(super) async fn lapse(&self) {
        self.fixture.elapse(self.fixture.lease() + Duration::from_millis(5)).await;
    }

    /// Leases and settles all that comes, from whatever handle a lost lease comes back to, sorted by id.
    pub(super) async fn drain(&self) -> Vec<MessageId> {
        let queue = if self.queue.capabilities().lease_timer {
            self.lapse().await;
            Arc::clone(&self.queue)
        } else {
            self.queue.close().await.expect("close");
            self.fixture.peer().await.expect("a queue without a timer has peers that take over")
        };
        let mut ids = Vec::new();
        loop {
            let leased = queue.lease(100, BRIEF).await.expect("lease");
            if leased.is_empty() {
                ids.sort_unstable();
                return ids;
            }
            ids.extend(leased.iter().map(|leased| leased.job.id));
            let settlements: Vec<_> = receipts(&leased).into_iter().map(|r| (r, Settlement::Done)).collect();
            queue.settle(&settlements).await.expect("settle");
        }
    }
}

pub(super) fn receipts(leased: &[Leased]) -> Vec<Receipt> {
    leased.iter().map(|leased| leased.receipt).collect()
}

pub(super) fn jobs_of(leased: &[Leased]) -> Vec<Job> {
    leased.iter().map(|leased| leased.job).collect()
}

pub(super) fn ids_of(jobs: &[Job]) -> Vec<MessageId> {
    jobs.iter().map(|job| job.id).collect()
}
