//! What becomes of messages that a device has tried in vain.

use super::StoreFixture;
use super::ground::{Ground, applied};
use crate::conformance::Stage;
use crate::state::{Fence, MAX_TRIES, RETRY_FIRST, RETRY_LONGEST, Reason, ReportState, State, Transition};
use crate::store::Advanced;

pub(super) async fn passing_failure_is_tried_again_by_the_same_device(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let other = ground.new_device(ground.account).await;
    let id = ground.dispatched().await;
    applied(ground.report(id, ReportState::Acknowledged).await);
    let moved = applied(ground.fail(id, "no_service").await);
    assert_eq!((moved.from, moved.to), (State::Acknowledged, State::Scheduled));
    let message = ground.read(id).await;
    assert_eq!((message.reason, message.failures), (Some(Reason::Retry), 1));
    assert_eq!(message.failure.map(|failure| failure.code).as_deref(), Some("no_service"));
    let pause = ground.now().until(message.due_at);
    assert!(pause <= RETRY_FIRST && pause >= RETRY_FIRST / 2, "{pause:?}");
    assert!(ground.due_ids(false).await.is_empty(), "not before its time");
    ground.elapse(RETRY_FIRST).await;
    assert_eq!(ground.due_ids(false).await, [id]);
    assert!(ground.claim_for(id, other).await.is_none(), "no other may have what one has acknowledged");
    let claimed = ground.claim(id).await.expect("its device tries again");
    assert_eq!((claimed.attempts, claimed.failures, claimed.failure), (2, 1, None));
    applied(ground.report(id, ReportState::Sent).await);
}

pub(super) async fn each_failure_counts_once(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    // Also while it waits, where its state stays what it was.
    let id = ground.set_aside().await;
    let transition =
        Transition { id, fence: Fence::Device(ground.device), change: ground.failed("no_service") };
    let outcomes = ground.store.advance(&[transition.clone(), transition.clone()]).await.expect("advance");
    assert!(matches!(outcomes[..], [Advanced::Applied(_), Advanced::Unchanged]), "{outcomes:?}");
    let before = ground.read(id).await;
    assert_eq!(before.failures, 1);
    let outcomes = ground.store.advance(&[transition]).await.expect("advance");
    assert_eq!(outcomes, [Advanced::Unchanged]);
    assert_eq!(ground.read(id).await, before);
}

pub(super) async fn failures_end_after_so_many(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.claimed().await;
    for failures in 1..MAX_TRIES {
        let moved = applied(ground.fail(id, "no_service").await);
        assert_eq!(moved.to, State::Scheduled, "after {failures}");
        ground.elapse(RETRY_LONGEST).await;
        assert_eq!(ground.due_ids(false).await, [id]);
        ground.claim(id).await.expect("tried again");
    }
    let moved = applied(ground.fail(id, "no_service").await);
    assert_eq!(moved.to, State::Failed);
    let message = ground.read(id).await;
    assert_eq!(message.failures, MAX_TRIES);
    assert_eq!(message.failure.map(|failure| failure.code).as_deref(), Some("no_service"));
}

pub(super) async fn late_acknowledgement_does_not_stop_a_retry(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    applied(ground.fail(id, "no_service").await);
    assert_eq!(ground.report(id, ReportState::Acknowledged).await, Advanced::Recorded);
    ground.elapse(RETRY_FIRST).await;
    assert_eq!(ground.due_ids(false).await, [id]);
}
