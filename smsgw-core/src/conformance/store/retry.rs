//! What becomes of messages that a device has tried in vain.

use std::time::Duration;

use super::StoreFixture;
use super::ground::{Ground, applied};
use crate::conformance::Stage;
use crate::message::NewMessage;
use crate::state::{
    Change, Fence, MAX_TRIES, RETRY_FIRST, RETRY_LONGEST, Reason, Report, ReportState, State, Transition,
};
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

pub(super) async fn failure_of_an_earlier_attempt_ends_nothing(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let ttl = Duration::from_secs(5);
    let id = ground.submitted(NewMessage { ttl, ..ground.request() }).await;
    ground.claim(id).await.expect("claimed");
    applied(ground.dispatch(id, 1).await);
    ground.store.recall(&[ground.device]).await.expect("recall");
    assert_eq!(ground.pull(ground.device, 1).await.len(), 1, "given again, before the failure is known");
    // There is no time for another attempt, but the second is on its way, and may go out.
    let moved = applied(ground.fail_attempt(id, 1).await);
    assert_eq!(moved.to, State::Scheduled);
    let moved = applied(ground.fail_attempt(id, 2).await);
    assert_eq!(moved.to, State::Failed);
}

pub(super) async fn acknowledgement_says_which_attempt_it_is_about(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    applied(ground.fail(id, "no_service").await);
    ground.elapse(RETRY_FIRST).await;
    ground.due(false).await;
    ground.claim(id).await.expect("tried again");
    applied(ground.dispatch(id, 2).await);
    let acknowledge = async |attempt| {
        let report = Report { id: ground.id(), state: ReportState::Acknowledged, failure: None, attempt };
        ground.advance(id, Fence::Device(ground.device), Change::Reported(report)).await
    };
    assert_eq!(acknowledge(Some(1)).await, Advanced::Recorded);
    applied(acknowledge(Some(2)).await);
}
