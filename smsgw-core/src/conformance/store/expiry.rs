//! What [`MessageStore::due`](crate::store::MessageStore::due) promises for what is no longer wanted.

use std::time::Duration;

use super::StoreFixture;
use super::ground::{Ground, MOMENT, SHORT, applied, set_aside};
use crate::conformance::Stage;
use crate::id::MessageId;
use crate::message::NewMessage;
use crate::state::{Change, Fence, QUEUED_RECHECK, REPORT_GRACE, Reason, ReportState, State};
use crate::store::Pull;

/// A message that is wanted for [`SHORT`] and queued now.
async fn short(ground: &Ground) -> MessageId {
    ground.submitted(NewMessage { ttl: SHORT, ..ground.request() }).await
}

/// As [`short`], dispatched to the first device, to be looked at again in `recheck`.
async fn short_dispatched(ground: &Ground, recheck: Duration) -> MessageId {
    let id = short(ground).await;
    ground.claim(id).await.expect("queued");
    let change = Change::Dispatched { recheck: Some(recheck) };
    applied(ground.advance(id, Fence::Epoch(1), change).await);
    id
}

async fn assert_expires(ground: &Ground, id: MessageId, from: State) {
    let (jobs, moved) = ground.due(false).await;
    assert!(jobs.iter().all(|job| job.id != id), "what has expired is not sent");
    let own: Vec<_> =
        moved.iter().filter(|moved| moved.id == id).map(|moved| (moved.from, moved.to)).collect();
    assert_eq!(own, [(from, State::Expired)]);
    assert_eq!(ground.state(id).await, State::Expired);
    assert_eq!(ground.history(id).await.last(), Some(&(State::Expired, true)));
    ground.elapse(QUEUED_RECHECK).await;
    let (jobs, moved) = ground.due(true).await;
    assert!(jobs.iter().all(|job| job.id != id) && moved.iter().all(|moved| moved.id != id), "once");
}

pub(super) async fn unsent_message_expires(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let waiting = short(&ground).await;
    applied(ground.advance(waiting, Fence::Unclaimed, set_aside(true)).await);
    let deferred = short(&ground).await;
    let until = ground.now() + Duration::from_secs(50);
    let change = Change::Deferred { reason: Reason::RateLimited, until, release_device: false };
    applied(ground.advance(deferred, Fence::Unclaimed, change).await);
    assert_eq!(ground.due(true).await, (vec![], vec![]));
    ground.elapse(SHORT).await;
    // Pulled at this moment it would be late, though nobody has looked at it yet.
    assert_eq!(ground.pull(ground.device, 10).await, []);
    let (jobs, mut moved) = ground.due(false).await;
    assert_eq!(jobs, []);
    moved.sort_unstable_by_key(|moved| moved.id);
    let moved: Vec<_> = moved.iter().map(|moved| (moved.id, moved.to)).collect();
    assert_eq!(
        moved,
        [(waiting, State::Expired), (deferred, State::Expired)],
        "also before its time to be sent"
    );
    let pulls = [Pull { device: ground.device, account: ground.account, max: 10 }];
    let pulled = ground.store.claim_waiting(&pulls, SHORT).await.expect("claim_waiting");
    assert_eq!(pulled, [vec![]]);
}

pub(super) async fn queued_message_expires_unasked(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.submitted(NewMessage { ttl: QUEUED_RECHECK + SHORT, ..ground.request() }).await;
    ground.elapse(QUEUED_RECHECK).await;
    assert_eq!(ground.due(false).await, (vec![], vec![]), "passed over while it is wanted");
    ground.elapse(SHORT).await;
    assert_expires(&ground, id, State::Queued).await;
    // One whose life is shorter than the time that the queue is given.
    let brief = short(&ground).await;
    ground.elapse(QUEUED_RECHECK).await;
    assert_expires(&ground, brief, State::Queued).await;
}

pub(super) async fn expired_message_is_not_claimed(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = short(&ground).await;
    ground.elapse(SHORT).await;
    assert!(ground.claim(id).await.is_none(), "though nobody has looked at it yet");
}

pub(super) async fn dispatched_message_has_a_grace(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = short_dispatched(&ground, SHORT + MOMENT).await;
    ground.elapse(SHORT + MOMENT).await;
    assert_eq!(ground.due(true).await, (vec![], vec![]), "past its life it is not sent again");
    assert_eq!(ground.state(id).await, State::Dispatched);
    ground.elapse(REPORT_GRACE).await;
    assert_expires(&ground, id, State::Dispatched).await;
    // A report within the grace counts.
    let id = short_dispatched(&ground, SHORT).await;
    ground.elapse(SHORT + MOMENT).await;
    applied(ground.report(id, ReportState::Sent).await);
    ground.elapse(REPORT_GRACE).await;
    ground.due(true).await;
    assert_eq!(ground.state(id).await, State::Sent);
}

pub(super) async fn acknowledged_message_has_a_grace(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = short_dispatched(&ground, MOMENT).await;
    applied(ground.report(id, ReportState::Acknowledged).await);
    ground.elapse(SHORT + MOMENT).await;
    assert_eq!(ground.due(true).await, (vec![], vec![]), "its device has it and it is never sent again");
    ground.elapse(REPORT_GRACE).await;
    assert_expires(&ground, id, State::Acknowledged).await;
}

pub(super) async fn sent_message_stays(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = short_dispatched(&ground, MOMENT).await;
    applied(ground.report(id, ReportState::Sent).await);
    ground.elapse(SHORT + REPORT_GRACE).await;
    assert_eq!(ground.due(true).await, (vec![], vec![]), "what went out does not expire");
    assert_eq!(ground.state(id).await, State::Sent);
    applied(ground.report(id, ReportState::Delivered).await);
}
