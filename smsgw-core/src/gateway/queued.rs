//! Pushes to the queue, and knows whether anything that this gateway has pushed is still in it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Shared;
use crate::error::Result;
use crate::queue::Job;

/// What this gateway has pushed and not seen again. A message that comes while there is such work takes its place behind
/// it. An estimate, on the safe side: what other gateways lease is counted until the queue is found empty.
#[derive(Default)]
pub(super) struct Backlog(AtomicUsize);

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// So many came out of the queue; none where it is empty.
    pub(super) fn leased(&self, jobs: usize) {
        let left = |pushed: usize| Some(if jobs == 0 { 0 } else { pushed.saturating_sub(jobs) });
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
    }
}

/// Pushes `jobs`.
pub(super) async fn push(shared: &Shared, jobs: &[Job]) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    shared.backlog.0.fetch_add(jobs.len(), Ordering::Relaxed);
    shared.queue.push(jobs).await
}
