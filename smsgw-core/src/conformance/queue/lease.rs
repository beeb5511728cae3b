//! What [`Queue::lease`](crate::queue::Queue::lease) promises.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::QueueFixture;
use super::ground::{BRIEF, Ground, LONG, jobs_of, receipts};
use crate::conformance::Stage;
use crate::queue::{Queue, Settlement};

pub(super) async fn leased_job_is_seen_by_nobody_else(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let pushed = ground.pushed(2).await;
    assert_eq!(jobs_of(&ground.lease(1).await), pushed[..1]);
    let other = ground.fixture.peer().await.unwrap_or_else(|| Arc::clone(&ground.queue));
    assert_eq!(jobs_of(&other.lease(10, BRIEF).await.expect("lease")), pushed[1..]);
    assert!(ground.lease(10).await.is_empty());
}

pub(super) async fn lease_takes_at_most_max(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    ground.pushed(5).await;
    for (max, expected) in [(0, 0), (2, 2), (1, 1), (10, 2), (10, 0)] {
        assert_eq!(ground.lease(max).await.len(), expected, "max {max}");
    }
}

pub(super) async fn lease_waits_in_vain(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let start = Instant::now();
    assert!(ground.queue.lease(10, BRIEF).await.expect("lease").is_empty(), "none came, which is no error");
    assert!(start.elapsed() >= BRIEF - Duration::from_millis(5), "it waited");
}

pub(super) async fn lease_answers_at_once_where_it_need_not_wait(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let start = Instant::now();
    assert!(ground.queue.lease(10, Duration::ZERO).await.expect("lease").is_empty());
    let pushed = ground.pushed(3).await;
    // It waits for the first job only, never for a full batch.
    assert_eq!(jobs_of(&ground.queue.lease(10, LONG).await.expect("lease")), pushed);
    assert!(start.elapsed() < LONG, "took {:?}", start.elapsed());
}

async fn waiting(queue: &Arc<dyn Queue>) -> tokio::task::JoinHandle<usize> {
    let queue = Arc::clone(queue);
    let task = tokio::spawn(async move { queue.lease(1, LONG).await.expect("lease").len() });
    tokio::time::sleep(BRIEF).await;
    task
}

pub(super) async fn push_wakes_a_waiter(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let waiter = waiting(&ground.queue).await;
    let start = Instant::now();
    ground.pushed(1).await;
    assert_eq!(waiter.await.expect("the task ends"), 1);
    assert!(start.elapsed() < LONG / 2, "woken by the push, not by the end of its wait");
}

pub(super) async fn every_waiter_is_woken(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let peer = ground.fixture.peer().await.unwrap_or_else(|| Arc::clone(&ground.queue));
    let mut waiters = Vec::new();
    for queue in [&ground.queue, &ground.queue, &peer] {
        waiters.push(waiting(queue).await);
    }
    let start = Instant::now();
    ground.pushed(3).await;
    for waiter in waiters {
        assert_eq!(waiter.await.expect("the task ends"), 1);
    }
    assert!(start.elapsed() < LONG / 2, "a batch is work for all that wait");
}

pub(super) async fn expired_lease_comes_back(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    if !ground.queue.capabilities().lease_timer {
        return;
    }
    let pushed = ground.pushed(3).await;
    let leased = ground.lease(2).await;
    assert_eq!(jobs_of(&leased), pushed[..2]);
    ground.lapse().await;
    let again: HashSet<_> = jobs_of(&ground.lease(10).await).into_iter().collect();
    assert_eq!(again, pushed.iter().copied().collect());
}

pub(super) async fn expired_lease_wakes_a_waiter(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    if !ground.queue.capabilities().lease_timer {
        return;
    }
    ground.pushed(1).await;
    assert_eq!(ground.lease(1).await.len(), 1);
    let waiter = waiting(&ground.queue).await;
    ground.lapse().await;
    let start = Instant::now();
    assert_eq!(waiter.await.expect("the task ends"), 1);
    assert!(start.elapsed() < LONG / 2, "nobody pushed, and still there is work");
}

pub(super) async fn lease_without_a_timer_ends_with_its_consumer(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    if ground.queue.capabilities().lease_timer {
        return;
    }
    let pushed = ground.pushed(2).await;
    assert_eq!(jobs_of(&ground.lease(10).await), pushed);
    ground.lapse().await;
    let peer = ground.fixture.peer().await.expect("a queue without a timer has peers that take over");
    assert!(peer.lease(10, BRIEF).await.expect("lease").is_empty(), "no timer, as it says");
    ground.queue.close().await.expect("close");
    let again: HashSet<_> = jobs_of(&peer.lease(10, LONG).await.expect("lease")).into_iter().collect();
    assert_eq!(again, pushed.into_iter().collect());
}

pub(super) async fn concurrent_consumers_share_nothing(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let pushed = ground.pushed(500).await;
    let mut tasks = Vec::new();
    for turn in 0..4 {
        let queue = match ground.fixture.peer().await {
            Some(peer) if turn % 2 == 1 => peer,
            _ => Arc::clone(&ground.queue),
        };
        tasks.push(tokio::spawn(async move {
            let mut jobs = Vec::new();
            loop {
                let leased = queue.lease(9, BRIEF).await.expect("lease");
                if leased.is_empty() {
                    return jobs;
                }
                jobs.extend(jobs_of(&leased));
                let settlements: Vec<_> =
                    receipts(&leased).into_iter().map(|receipt| (receipt, Settlement::Done)).collect();
                queue.settle(&settlements).await.expect("settle");
            }
        }));
    }
    let mut jobs = Vec::new();
    for task in tasks {
        jobs.extend(task.await.expect("the task ends"));
    }
    assert_eq!(jobs.len(), pushed.len(), "each job once");
    assert_eq!(jobs.into_iter().collect::<HashSet<_>>(), pushed.into_iter().collect());
}
