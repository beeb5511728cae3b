//! The cases of [`Queue`].

mod ground;
mod layered;
mod lease;
mod lifecycle;
mod order;
mod settle;
mod sweeps;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::case::cases;
use super::{Absent, Case, Suite};
use crate::queue::Queue;

pub use layered::layered;

/// A queue for one case, with nothing in it and shared with no other case.
#[async_trait]
pub trait QueueFixture: Send + Sync + 'static {
    /// The queue: each time the same handle.
    fn queue(&self) -> Arc<dyn Queue>;

    /// Another handle on the same jobs, as a second gateway has one. `None` where there can be only one, which a
    /// queue that is [`shared`](crate::queue::QueueCapabilities::shared) must not answer.
    async fn peer(&self) -> Option<Arc<dyn Queue>>;

    /// A new handle on what is left after the process was killed, the queue not closed. `None` where nothing is, which
    /// a queue that is [`durable`](crate::queue::QueueCapabilities::durable) must not answer.
    async fn reopen(&self) -> Option<Arc<dyn Queue>>;

    /// How long a lease of this queue lasts: a second or two where the cases sleep through it, for they call the queue
    /// several times within a lease; as short as 100 ms where they do not, for a waiter may have to look at the clock.
    fn lease(&self) -> Duration;

    /// How many jobs this queue takes, at least 1,000, where it is bounded.
    fn capacity(&self) -> Option<usize>;

    /// Moves the queue's clock on by `span`, or sleeps that long.
    async fn elapse(&self, span: Duration);
}

/// The cases for the queue that `fresh` makes; `backend` names it, as `redis`.
pub fn suite<F: QueueFixture>(
    backend: &str,
    fresh: impl AsyncFn() -> Result<F, Absent> + Send + Sync + 'static,
) -> Suite {
    let boxed = async move || Ok(Box::new(fresh().await?) as Box<dyn QueueFixture>);
    Suite::new(backend, "queue", cases(), boxed)
}

/// All cases of a queue.
pub fn cases() -> Vec<Case<dyn QueueFixture>> {
    cases! {
        order:
            jobs_come_out_as_they_went_in,
            high_priority_comes_first,
            thousand_jobs_in_one_batch,
            repeated_job_is_leased_again,
            full_queue_throttles_and_adds_nothing;
        lease:
            leased_job_is_seen_by_nobody_else,
            lease_takes_at_most_max,
            lease_waits_in_vain,
            lease_answers_at_once_where_it_need_not_wait,
            push_wakes_a_waiter,
            every_waiter_is_woken,
            expired_lease_comes_back,
            expired_lease_wakes_a_waiter,
            lease_without_a_timer_ends_with_its_consumer,
            concurrent_consumers_share_nothing;
        settle:
            done_job_is_gone,
            released_job_comes_back,
            released_job_wakes_a_waiter,
            settlements_answer_each_receipt_in_order,
            settled_receipt_is_stale,
            receipt_of_an_expired_lease_is_stale;
        lifecycle:
            ready_while_open,
            depth_counts,
            closed_queue_answers_closed,
            close_releases_what_was_leased,
            closing_wakes_the_waiters,
            closing_twice_is_no_error,
            empty_batches_do_nothing,
            peer_sees_what_is_pushed,
            pushed_survives_a_kill,
            debug_shows_a_name;
        sweeps:
            push_can_be_dropped,
            lease_can_be_dropped,
            waiting_lease_can_be_dropped,
            settle_can_be_dropped,
            release_can_be_dropped,
            depth_and_ready_can_be_dropped,
            close_can_be_dropped;
    }
}
