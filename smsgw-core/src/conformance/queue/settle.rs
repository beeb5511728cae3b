//! What [`Queue::settle`](crate::queue::Queue::settle) promises.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::QueueFixture;
use super::ground::{BRIEF, Ground, LONG, jobs_of, receipts};
use crate::conformance::Stage;
use crate::queue::{Settled, Settlement};

pub(super) async fn done_job_is_gone(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    ground.pushed(2).await;
    let leased = ground.lease(10).await;
    assert_eq!(ground.settle(&receipts(&leased), Settlement::Done).await, [Settled::Applied; 2]);
    ground.lapse().await;
    assert!(ground.lease(10).await.is_empty());
}

pub(super) async fn released_job_comes_back(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let pushed = ground.pushed(3).await;
    let leased = ground.lease(10).await;
    assert_eq!(ground.settle(&receipts(&leased), Settlement::Release).await, [Settled::Applied; 3]);
    let other = ground.fixture.peer().await.unwrap_or_else(|| Arc::clone(&ground.queue));
    let mut again = Vec::new();
    while again.len() < 3 {
        let leased = other.lease(10, LONG).await.expect("lease");
        assert!(!leased.is_empty(), "{} of 3 came", again.len());
        again.extend(jobs_of(&leased));
    }
    assert_eq!(again.iter().copied().collect::<HashSet<_>>(), pushed.into_iter().collect());
    assert_eq!(again.len(), 3, "each once");
}

pub(super) async fn released_job_wakes_a_waiter(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    ground.pushed(1).await;
    let leased = ground.lease(1).await;
    let queue = Arc::clone(&ground.queue);
    let waiter = tokio::spawn(async move { queue.lease(1, LONG).await.expect("lease").len() });
    tokio::time::sleep(BRIEF).await;
    let start = Instant::now();
    // Where the lease has run out meanwhile, the waiter has it already.
    ground.settle(&receipts(&leased), Settlement::Release).await;
    assert_eq!(waiter.await.expect("the task ends"), 1);
    assert!(start.elapsed() < LONG / 2);
}

pub(super) async fn settlements_answer_each_receipt_in_order(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    ground.pushed(4).await;
    let leased = receipts(&ground.lease(10).await);
    assert_eq!(ground.settle(&leased[1..2], Settlement::Done).await, [Settled::Applied]);
    let settlements = [
        (leased[3], Settlement::Done),
        (leased[1], Settlement::Release),
        (leased[0], Settlement::Release),
        (leased[3], Settlement::Done),
        (leased[2], Settlement::Done),
    ];
    let expected = [Settled::Applied, Settled::Stale, Settled::Applied, Settled::Stale, Settled::Applied];
    assert_eq!(ground.queue.settle(&settlements).await.expect("settle"), expected);
    assert_eq!(ground.lease(10).await.len(), 1, "the released one");
}

pub(super) async fn settled_receipt_is_stale(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    ground.pushed(2).await;
    for settlement in [Settlement::Done, Settlement::Release] {
        let leased = receipts(&ground.lease(1).await);
        assert_eq!(ground.settle(&leased, settlement).await, [Settled::Applied]);
        assert_eq!(ground.settle(&leased, Settlement::Done).await, [Settled::Stale]);
    }
    // Its next taker is not bothered by the receipt of the first.
    let again = receipts(&ground.lease(1).await);
    assert_eq!(ground.settle(&again, Settlement::Done).await, [Settled::Applied]);
}

pub(super) async fn receipt_of_an_expired_lease_is_stale(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    if !ground.queue.capabilities().lease_timer {
        return;
    }
    ground.pushed(1).await;
    let first = receipts(&ground.lease(1).await);
    ground.lapse().await;
    let second = receipts(&ground.lease(1).await);
    assert_eq!(second.len(), 1, "it came back");
    assert_eq!(ground.settle(&first, Settlement::Done).await, [Settled::Stale], "somebody else has it");
    assert_eq!(ground.settle(&second, Settlement::Done).await, [Settled::Applied]);
}
