//! What [`Queue::push`](crate::queue::Queue::push) promises.

use uuid::Uuid;

use super::QueueFixture;
use super::ground::{Ground, jobs_of, receipts};
use crate::conformance::Stage;
use crate::error::ErrorKind;
use crate::message::Priority;
use crate::queue::{Job, Settled, Settlement};

pub(super) async fn jobs_come_out_as_they_went_in(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    // All that a job says comes out as well.
    let special = Job { device: Some(Uuid::from_u128(5).into()), priority: Priority::High, ..ground.job() };
    ground.queue.push(&[special]).await.expect("push");
    assert_eq!(jobs_of(&ground.lease(1).await), [special]);
    let mut pushed = ground.pushed(10).await;
    pushed.extend(ground.pushed(1).await);
    pushed.extend(ground.pushed(20).await);
    let mut leased = Vec::new();
    while leased.len() < pushed.len() {
        let batch = ground.lease(7).await;
        assert!(!batch.is_empty(), "{} of {} came", leased.len(), pushed.len());
        leased.extend(jobs_of(&batch));
    }
    assert_eq!(leased, pushed);
}

pub(super) async fn high_priority_comes_first(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let jobs: Vec<_> = (0..9)
        .map(|turn| {
            let priority = if turn % 3 == 1 { Priority::High } else { Priority::Normal };
            Job { priority, ..ground.job() }
        })
        .collect();
    ground.queue.push(&jobs).await.expect("push");
    let expected = [1, 4, 7, 0, 2, 3, 5, 6, 8].map(|turn: usize| jobs[turn]);
    let mut leased = jobs_of(&ground.lease(2).await);
    leased.extend(jobs_of(&ground.lease(3).await));
    leased.extend(jobs_of(&ground.lease(4).await));
    assert_eq!(leased, expected);
}

pub(super) async fn thousand_jobs_in_one_batch(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let pushed = ground.pushed(1_000).await;
    let mut leased = ground.lease(1_000).await;
    while leased.len() < pushed.len() {
        let more = ground.lease(1_000).await;
        assert!(!more.is_empty(), "{} of 1,000 came", leased.len());
        leased.extend(more);
    }
    assert_eq!(jobs_of(&leased), pushed);
    let settled = ground.settle(&receipts(&leased), Settlement::Done).await;
    assert_eq!(settled, vec![Settled::Applied; 1_000]);
    assert!(ground.lease(10).await.is_empty());
}

pub(super) async fn repeated_job_is_leased_again(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let job = ground.job();
    ground.queue.push(&[job]).await.expect("push");
    let leased = ground.lease(10).await;
    ground.settle(&receipts(&leased), Settlement::Done).await;
    // A message that was deferred is pushed again: that its id was here before must not hide it.
    ground.queue.push(&[job]).await.expect("push again");
    assert_eq!(jobs_of(&ground.lease(1).await), [job]);
}

pub(super) async fn full_queue_throttles_and_adds_nothing(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let Some(capacity) = ground.fixture.capacity() else { return };
    let mut pushed = ground.pushed(capacity - 2).await;
    let refused = ground.queue.push(&ground.jobs(3)).await.expect_err("there is room for two");
    assert_eq!(refused.kind(), ErrorKind::Throttled);
    assert!(refused.is_retryable());
    pushed.extend(ground.pushed(2).await);
    let mut leased = Vec::new();
    loop {
        let batch = ground.lease(1_000).await;
        if batch.is_empty() {
            break;
        }
        leased.extend(jobs_of(&batch));
        ground.settle(&receipts(&batch), Settlement::Done).await;
    }
    assert_eq!(leased, pushed, "a refused batch adds nothing");
    ground.pushed(3).await;
}
