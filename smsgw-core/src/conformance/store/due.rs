//! What [`MessageStore::due`](crate::store::MessageStore::due) promises for what is to be sent.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::StoreFixture;
use super::ground::{Ground, LEASE, LONG, MOMENT, RECHECK, SHORT, applied, set_aside, urgent};
use crate::conformance::Stage;
use crate::id::MessageId;
use crate::message::{NewMessage, Priority};
use crate::queue::Job;
use crate::state::{Fence, QUEUED_RECHECK, Reason, ReportState, State};
use crate::store::DueQuery;

pub(super) async fn scheduled_message_is_queued_at_its_time(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let after = |span| NewMessage { send_at: Some(ground.now() + span), ..ground.request() };
    let soon = ground.submitted(after(Duration::from_secs(2))).await;
    let later = ground.submitted(after(Duration::from_secs(20))).await;
    assert_eq!(ground.due(true).await, (vec![], vec![]), "nothing is due");
    ground.elapse(Duration::from_secs(2)).await;
    let (jobs, moved) = ground.due(false).await;
    assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [soon]);
    let moved: Vec<_> = moved.iter().map(|moved| (moved.id, moved.from, moved.to)).collect();
    assert_eq!(moved, [(soon, State::Scheduled, State::Queued)]);
    assert_eq!(ground.read(soon).await.reason, None, "it waits no more");
    assert!(ground.claim(soon).await.is_some());
    assert_eq!(ground.state(later).await, State::Scheduled);
}

pub(super) async fn job_says_what_a_dispatcher_must_know(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let send_at = Some(ground.now() + Duration::from_secs(1));
    let request = || NewMessage { send_at, ..ground.request() };
    let plain = ground.submitted(request()).await;
    let special = ground.submitted(urgent(NewMessage { device: Some(ground.device), ..request() })).await;
    ground.elapse(Duration::from_secs(1)).await;
    let jobs: HashSet<_> = ground.due(false).await.0.into_iter().collect();
    let account = ground.account;
    let expected = [
        Job { id: plain, account, priority: Priority::Normal, device: None },
        Job { id: special, account, priority: Priority::High, device: Some(ground.device) },
    ];
    assert_eq!(jobs, HashSet::from(expected));
}

pub(super) async fn lost_lease_is_queued_again(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.claimed().await;
    assert_eq!(ground.due(true).await, (vec![], vec![]), "the lease runs");
    ground.elapse(LEASE).await;
    let (jobs, moved) = ground.due(false).await;
    let job = Job { id, account: ground.account, priority: Priority::Normal, device: Some(ground.device) };
    assert_eq!(jobs, [job], "it may have reached its device: only that one may have it");
    assert_eq!((moved[0].from, moved[0].to), (State::Sending, State::Queued));
    assert_eq!(ground.read(id).await.reason, Some(Reason::LeaseExpired));
    // The lease of a pull runs out as well.
    let pulled = ground.set_aside().await;
    assert_eq!(ground.pull(ground.device, 1).await.len(), 1);
    ground.elapse(LEASE).await;
    assert!(ground.due_ids(false).await.contains(&pulled));
}

/// However long a store leaves new messages to the queue, whoever claims one meanwhile may die.
pub(super) async fn lost_lease_of_a_queued_message_is_noticed(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    for asks_early in [true, false] {
        let id = ground.queued().await;
        assert!(ground.claim_under(id, ground.device, LONG).await.is_some());
        if asks_early {
            ground.elapse(QUEUED_RECHECK).await;
            assert_eq!(ground.due_ids(true).await, [], "its lease runs");
            ground.elapse(LONG - QUEUED_RECHECK - SHORT).await;
        } else {
            ground.elapse(LONG - SHORT).await;
        }
        assert_eq!(ground.due_ids(true).await, [], "to its end");
        ground.elapse(SHORT).await;
        assert_eq!(ground.due_ids(false).await, [id]);
        assert_eq!(ground.read(id).await.reason, Some(Reason::LeaseExpired));
        // Nothing of this round is left for the next.
        ground.claim(id).await.expect("queued");
        applied(ground.report(id, ReportState::Sent).await);
    }
}

pub(super) async fn lost_queue_entry_is_pushed_again_however_late(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.queued().await;
    for _ in 0..4 {
        ground.elapse(LONG / 2).await;
        assert_eq!(ground.due(false).await, (vec![], vec![]), "a long queue is not pushed twice");
    }
    assert_eq!(ground.due_ids(true).await, [id]);
    assert!(ground.claim(id).await.is_some());
}

pub(super) async fn unacknowledged_message_is_queued_again(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    assert_eq!(ground.due_ids(true).await, []);
    ground.elapse(RECHECK).await;
    assert_eq!(ground.due_ids(false).await, [id]);
    let message = ground.read(id).await;
    assert_eq!((message.state, message.reason), (State::Queued, Some(Reason::NotAcknowledged)));
    assert_eq!(message.device, Some(ground.device));
}

pub(super) async fn lost_queue_entry_is_pushed_again_when_asked(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.queued().await;
    assert_eq!(ground.due_ids(true).await, [], "it was pushed a moment ago");
    ground.elapse(QUEUED_RECHECK).await;
    assert_eq!(ground.due(false).await, (vec![], vec![]), "a long queue is not pushed twice");
    for _ in 0..2 {
        let (jobs, moved) = ground.due(true).await;
        assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [id]);
        assert_eq!(moved, [], "it is where it was");
        assert_eq!(ground.due_ids(true).await, [], "not at once again");
        ground.elapse(QUEUED_RECHECK).await;
    }
    assert_eq!(ground.history(id).await, [(State::Queued, true)], "a push is no change of state");
    assert!(ground.claim(id).await.is_some());
    assert_eq!(ground.due_ids(true).await, [], "it is claimed");
}

pub(super) async fn due_message_is_not_due_again_at_once(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.claimed().await;
    ground.elapse(LEASE).await;
    assert_eq!(ground.due_ids(true).await, [id]);
    assert_eq!(ground.due_ids(true).await, [], "whoever was given the job has time to push it");
    ground.elapse(QUEUED_RECHECK + MOMENT).await;
    assert_eq!(ground.due_ids(true).await, [id], "unless it was lost on the way");
}

pub(super) async fn queued_messages_hold_up_nobody(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    ground.queued_many(40).await;
    let send_at = Some(ground.now() + QUEUED_RECHECK + SHORT);
    let scheduled = ground.submitted(NewMessage { send_at, ..ground.request() }).await;
    ground.elapse(QUEUED_RECHECK + SHORT).await;
    let mut found = Vec::new();
    for _ in 0..10 {
        let due = ground.store.due(DueQuery { max: 4, requeue: false }).await.expect("due");
        found.extend(due.jobs.into_iter().map(|job| job.id));
    }
    assert_eq!(found, [scheduled], "what is queued is passed over, not returned first");
    assert_eq!(ground.due_ids(true).await.len(), 40, "and still there when it is asked for");
}

pub(super) async fn due_is_bounded_and_says_what_is_left(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let send_at = Some(ground.now() + Duration::from_secs(1));
    let messages: Vec<_> =
        (0..25).map(|_| ground.accept(NewMessage { send_at, ..ground.request() })).collect();
    ground.insert_new(&messages).await;
    ground.elapse(Duration::from_secs(1)).await;
    let mut found = Vec::new();
    for _ in 0..25 {
        let due = ground.store.due(DueQuery { max: 10, requeue: false }).await.expect("due");
        assert!(due.jobs.len() <= 10 && due.moved.len() <= 10);
        found.extend(due.jobs.into_iter().map(|job| job.id));
        assert!(due.more || found.len() == messages.len(), "{} of 25 were found", found.len());
        if !due.more {
            break;
        }
    }
    assert_eq!(found.iter().collect::<HashSet<_>>().len(), messages.len(), "each once");
    assert_eq!(found.len(), messages.len());
    let due = ground.store.due(DueQuery { max: 10, requeue: false }).await.expect("due");
    assert!(due.jobs.is_empty() && due.moved.is_empty() && !due.more);
}

pub(super) async fn concurrent_calls_share_nothing(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let ids = ground.queued_many(120).await;
    for id in &ids {
        ground.claim(*id).await.expect("queued");
    }
    // What waits for a device is nobody's to push.
    let waiting = ground.queued().await;
    ground.advance(waiting, Fence::Unclaimed, set_aside(true)).await;
    ground.elapse(LEASE).await;
    let mut tasks = Vec::new();
    for turn in 0..4 {
        let store = match ground.fixture.peer().await {
            Some(peer) if turn % 2 == 1 => peer,
            _ => Arc::clone(&ground.store),
        };
        tasks.push(tokio::spawn(async move {
            let mut found: Vec<MessageId> = Vec::new();
            loop {
                let due = store.due(DueQuery { max: 7, requeue: true }).await.expect("due");
                found.extend(due.jobs.iter().map(|job| job.id));
                if !due.more {
                    return found;
                }
            }
        }));
    }
    let mut found = Vec::new();
    for task in tasks {
        found.extend(task.await.expect("the task ends"));
    }
    found.extend(ground.due_ids(true).await);
    found.sort_unstable();
    assert_eq!(found, ids, "each is due once");
}
