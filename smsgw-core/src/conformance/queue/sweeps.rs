//! Every method of a queue, dropped at each of its awaits: no job is lost and none is settled twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::QueueFixture;
use super::ground::{BRIEF, Ground, LONG, ids_of, jobs_of, receipts};
use crate::conformance::Stage;
use crate::conformance::sweep::sweep;
use crate::id::MessageId;
use crate::queue::{Job, Leased, Settled, Settlement};

/// A fresh queue with three jobs in it.
async fn filled(stage: &Stage<dyn QueueFixture>) -> (Ground, Vec<Job>) {
    let ground = Ground::new(stage).await;
    let jobs = ground.pushed(3).await;
    (ground, jobs)
}

/// A fresh queue with three jobs, two of them leased.
async fn leased(stage: &Stage<dyn QueueFixture>) -> (Ground, Vec<Job>, Vec<Leased>) {
    let (ground, jobs) = filled(stage).await;
    let leased = ground.lease(2).await;
    assert_eq!(leased.len(), 2);
    (ground, jobs, leased)
}

fn set(ids: Vec<MessageId>) -> HashSet<MessageId> {
    ids.into_iter().collect()
}

pub(super) async fn push_can_be_dropped(stage: &Stage<dyn QueueFixture>) {
    let prepare = async || {
        let ground = Ground::new(stage).await;
        let jobs = ground.jobs(3);
        (ground, jobs)
    };
    let call = async |(ground, jobs): &(Ground, Vec<Job>)| ground.queue.push(jobs).await.expect("push");
    sweep(prepare, call, async |(ground, jobs), pushed| {
        if pushed.is_none() {
            ground.queue.push(&jobs).await.expect("push again");
        }
        let drained = ground.drain().await;
        assert!(drained.len() <= jobs.len() * (1 + usize::from(pushed.is_none())), "repeated at worst once");
        assert_eq!(set(drained), set(ids_of(&jobs)));
    })
    .await;
}

pub(super) async fn lease_can_be_dropped(stage: &Stage<dyn QueueFixture>) {
    let prepare = async || filled(stage).await;
    let call = async |(ground, _): &(Ground, _)| ground.queue.lease(2, LONG).await.expect("lease");
    sweep(prepare, call, async |(ground, jobs), leased| {
        let mut ids = Vec::new();
        if let Some(leased) = leased {
            assert_eq!(ground.settle(&receipts(&leased), Settlement::Done).await, [Settled::Applied; 2]);
            ids.extend(ids_of(&jobs_of(&leased)));
        }
        ids.extend(ground.drain().await);
        let count = ids.len();
        assert_eq!(set(ids), set(ids_of(&jobs)), "no job is lost");
        assert_eq!(count, jobs.len(), "no job comes twice");
    })
    .await;
}

pub(super) async fn waiting_lease_can_be_dropped(stage: &Stage<dyn QueueFixture>) {
    let prepare = async || {
        let ground = Ground::new(stage).await;
        let job = ground.job();
        let queue = Arc::clone(&ground.queue);
        // Comes while the call waits for it.
        let push = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            queue.push(&[job]).await.expect("push");
        });
        (ground, job, std::sync::Mutex::new(Some(push)))
    };
    let call = async |(ground, ..): &(Ground, _, _)| ground.queue.lease(1, LONG).await.expect("lease");
    sweep(prepare, call, async |(ground, job, push), leased| {
        let push = push.into_inner().ok().flatten().expect("the task");
        push.await.expect("the task ends");
        let mut ids: Vec<_> = leased.iter().flatten().map(|leased| leased.job.id).collect();
        if let Some(leased) = leased {
            ground.settle(&receipts(&leased), Settlement::Done).await;
        }
        ids.extend(ground.drain().await);
        assert_eq!(ids, [job.id], "the job is not lost and comes once");
    })
    .await;
}

async fn settle_and_repeat(stage: &Stage<dyn QueueFixture>, settlement: Settlement) {
    type World = (Ground, Vec<Job>, Vec<Leased>);
    let prepare = async || leased(stage).await;
    let call = async |(ground, _, leased): &World| ground.settle(&receipts(leased), settlement).await;
    sweep(prepare, call, async |(ground, jobs, leased): World, settled| {
        let again = ground.settle(&receipts(&leased), settlement).await;
        match settled {
            Some(settled) => {
                assert_eq!(settled, [Settled::Applied; 2]);
                assert_eq!(again, [Settled::Stale; 2], "nothing is settled twice");
            }
            None => assert_eq!(again.len(), 2),
        }
        let left = match settlement {
            Settlement::Done => &jobs[2..],
            Settlement::Release => &jobs[..],
        };
        assert_eq!(ground.drain().await, ids_of(left), "each once");
    })
    .await;
}

pub(super) async fn settle_can_be_dropped(stage: &Stage<dyn QueueFixture>) {
    settle_and_repeat(stage, Settlement::Done).await;
}

pub(super) async fn release_can_be_dropped(stage: &Stage<dyn QueueFixture>) {
    settle_and_repeat(stage, Settlement::Release).await;
}

pub(super) async fn depth_and_ready_can_be_dropped(stage: &Stage<dyn QueueFixture>) {
    let prepare = async || filled(stage).await;
    let call = async |(ground, _): &(Ground, _)| {
        ground.queue.depth().await.expect("depth");
        ground.queue.ready().await.expect("ready");
    };
    sweep(prepare, call, async |(ground, jobs), _| {
        assert_eq!(ground.queue.depth().await.expect("depth").ready, 3);
        assert_eq!(ground.drain().await, ids_of(&jobs));
    })
    .await;
}

pub(super) async fn close_can_be_dropped(stage: &Stage<dyn QueueFixture>) {
    let prepare = async || leased(stage).await;
    let call = async |(ground, ..): &(Ground, _, _)| ground.queue.close().await.expect("close");
    sweep(prepare, call, async |(ground, jobs, _), _| {
        let Some(peer) = ground.fixture.peer().await else { return };
        ground.queue.close().await.expect("close again");
        assert!(ground.queue.ready().await.is_err(), "it is closed in the end");
        let mut ids = Vec::new();
        while ids.len() < jobs.len() {
            let leased = peer.lease(10, LONG).await.expect("lease");
            assert!(!leased.is_empty(), "{} of {} came", ids.len(), jobs.len());
            ids.extend(ids_of(&jobs_of(&leased)));
        }
        assert_eq!(ids.len(), jobs.len(), "no job comes twice");
        assert_eq!(set(ids), set(ids_of(&jobs)));
        assert!(peer.lease(1, BRIEF).await.expect("lease").is_empty());
    })
    .await;
}
