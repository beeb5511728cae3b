//! What [`Queue`](crate::queue::Queue) promises of its own life, and what its capabilities say.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::QueueFixture;
use super::ground::{BRIEF, Ground, LONG, ids_of, jobs_of, receipts};
use crate::conformance::Stage;
use crate::error::ErrorKind;
use crate::queue::Settlement;

pub(super) async fn ready_while_open(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    ground.queue.ready().await.expect("ready");
}

pub(super) async fn depth_counts(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let depth = async || {
        let depth = ground.queue.depth().await.expect("depth");
        depth.ready + depth.leased
    };
    assert_eq!(depth().await, 0);
    ground.pushed(5).await;
    assert_eq!(depth().await, 5);
    let leased = ground.lease(2).await;
    let now = ground.queue.depth().await.expect("depth");
    assert!((now.ready, now.leased) == (3, 2) || now.ready == 5, "{now:?}: told apart, or the sum");
    ground.settle(&receipts(&leased), Settlement::Done).await;
    assert_eq!(depth().await, 3);
}

pub(super) async fn closed_queue_answers_closed(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    ground.pushed(1).await;
    let leased = receipts(&ground.lease(1).await);
    ground.queue.close().await.expect("close");
    let queue = &ground.queue;
    let errors = [
        ("push", queue.push(&ground.jobs(1)).await.err()),
        ("lease", queue.lease(1, Duration::ZERO).await.err()),
        ("settle", queue.settle(&[(leased[0], Settlement::Done)]).await.err()),
        ("depth", queue.depth().await.err()),
        ("ready", queue.ready().await.err()),
    ];
    for (name, error) in errors {
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Closed), "{name}");
    }
}

pub(super) async fn close_releases_what_was_leased(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let Some(peer) = ground.fixture.peer().await else { return };
    let pushed = ground.pushed(4).await;
    assert_eq!(ground.lease(2).await.len(), 2);
    assert_eq!(peer.lease(1, BRIEF).await.expect("lease").len(), 1);
    ground.queue.close().await.expect("close");
    let mut again = HashSet::new();
    while again.len() < 3 {
        let leased = peer.lease(10, LONG).await.expect("the other handle is open");
        assert!(!leased.is_empty(), "{} of 3 came", again.len());
        again.extend(jobs_of(&leased));
    }
    let expected = [pushed[0], pushed[1], pushed[3]];
    assert_eq!(again, HashSet::from(expected), "its own leases, and not those of the peer");
}

pub(super) async fn closing_wakes_the_waiters(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let queue = Arc::clone(&ground.queue);
    let waiter = tokio::spawn(async move { queue.lease(1, LONG).await });
    tokio::time::sleep(BRIEF).await;
    ground.queue.close().await.expect("close");
    let woken = tokio::time::timeout(LONG / 2, waiter).await.expect("the waiter is woken");
    let error = woken.expect("the task ends").expect_err("it is closed");
    assert_eq!(error.kind(), ErrorKind::Closed);
}

pub(super) async fn closing_twice_is_no_error(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    ground.queue.close().await.expect("close");
    ground.queue.close().await.expect("close again");
}

pub(super) async fn empty_batches_do_nothing(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    ground.queue.push(&[]).await.expect("push");
    assert_eq!(ground.queue.settle(&[]).await.expect("settle"), []);
    assert!(ground.lease(10).await.is_empty());
}

pub(super) async fn peer_sees_what_is_pushed(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let Some(peer) = ground.fixture.peer().await else {
        assert!(!ground.queue.capabilities().shared, "it says that several may share it");
        return;
    };
    let pushed = ground.pushed(2).await;
    let leased = peer.lease(10, LONG).await.expect("lease");
    assert_eq!(jobs_of(&leased), pushed);
}

pub(super) async fn pushed_survives_a_kill(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    let pushed = ground.pushed(3).await;
    assert_eq!(ground.lease(1).await.len(), 1);
    let durable = ground.queue.capabilities().durable;
    let Some(reopened) = ground.fixture.reopen().await else {
        assert!(!durable, "it says that jobs are still there after a kill");
        return;
    };
    ground.lapse().await;
    let mut ids = HashSet::new();
    loop {
        let leased = reopened.lease(10, BRIEF * 4).await.expect("lease");
        if leased.is_empty() {
            break;
        }
        ids.extend(leased.iter().map(|leased| leased.job.id));
    }
    let expected = if durable { ids_of(&pushed) } else { Vec::new() };
    assert_eq!(ids, expected.into_iter().collect(), "what survives may be claimed, and nothing else");
}

pub(super) async fn debug_shows_a_name(stage: &Stage<dyn QueueFixture>) {
    let ground = Ground::new(stage).await;
    assert!(!ground.queue.to_string().is_empty() && !format!("{:?}", ground.queue).is_empty());
}
