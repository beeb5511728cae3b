//! What [`MessageStore::advance`](crate::store::MessageStore::advance) promises to dispatchers.

use std::time::Duration;

use super::StoreFixture;
use super::ground::{Ground, LEASE, applied, dispatched, set_aside};
use crate::conformance::Stage;
use crate::state::{Change, Fence, Reason, ReportState, State, Transition};
use crate::store::Advanced;

pub(super) async fn old_epoch_changes_nothing(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.claimed().await;
    ground.elapse(LEASE).await;
    assert_eq!(ground.due_ids(false).await, [id]);
    let before = ground.read(id).await;
    assert_eq!(
        ground.dispatch(id, 1).await,
        Advanced::Stale,
        "the claim is over, though nobody claimed again"
    );
    assert_eq!(ground.advance(id, Fence::Epoch(1), set_aside(true)).await, Advanced::Stale);
    assert_eq!(ground.read(id).await, before);
    let claimed = ground.claim(id).await.expect("free again");
    for epoch in [0, 1, 3] {
        assert_eq!(ground.dispatch(id, epoch).await, Advanced::Stale, "epoch {epoch} is not the claim's");
    }
    assert_eq!(ground.read(id).await, claimed);
    applied(ground.dispatch(id, 2).await);
}

pub(super) async fn transition_answers_each_item_in_order(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let (first, second) = (ground.claimed().await, ground.claimed().await);
    let overtaken = ground.claimed().await;
    applied(ground.report(overtaken, ReportState::Sent).await);
    let late = ground.dispatched().await;
    applied(ground.report(late, ReportState::Failed).await);
    let stranger = ground.id();
    let by = |id, fence, change| Transition { id, fence, change };
    let outcomes = ground
        .store
        .advance(&[
            by(second, Fence::Epoch(1), dispatched()),
            by(ground.id(), Fence::Epoch(1), dispatched()),
            by(overtaken, Fence::Epoch(1), dispatched()),
            by(second, Fence::Device(stranger), ground.reported(ReportState::Sent)),
            by(late, Fence::Device(ground.device), ground.reported(ReportState::Sent)),
            by(first, Fence::Epoch(7), dispatched()),
            by(first, Fence::Epoch(1), dispatched()),
        ])
        .await
        .expect("advance");
    assert!(matches!(&outcomes[0], Advanced::Applied(moved) if moved.id == second), "{outcomes:?}");
    let middle =
        [Advanced::Missing, Advanced::Unchanged, Advanced::Foreign, Advanced::Recorded, Advanced::Stale];
    assert_eq!(outcomes[1..6], middle);
    assert!(matches!(&outcomes[6], Advanced::Applied(moved) if moved.id == first), "{outcomes:?}");
    assert_eq!(outcomes.len(), 7);
}

pub(super) async fn transitions_of_one_message_apply_in_order(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.claimed().await;
    let device = Fence::Device(ground.device);
    let changes = [
        (Fence::Epoch(1), dispatched()),
        (device, ground.reported(ReportState::Acknowledged)),
        (device, ground.reported(ReportState::Sent)),
        (device, ground.reported(ReportState::Acknowledged)),
        (device, ground.reported(ReportState::Delivered)),
    ];
    let batch = changes.map(|(fence, change)| Transition { id, fence, change });
    let outcomes = ground.store.advance(&batch).await.expect("advance");
    let states: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Advanced::Applied(moved) => Some((moved.from, moved.to)),
            _ => None,
        })
        .collect();
    let expected = [
        Some((State::Sending, State::Dispatched)),
        Some((State::Dispatched, State::Acknowledged)),
        Some((State::Acknowledged, State::Sent)),
        None,
        Some((State::Sent, State::Delivered)),
    ];
    assert_eq!(states, expected);
    assert_eq!(outcomes[3], Advanced::Recorded, "it came after the state had gone past it");
    assert_eq!(ground.state(id).await, State::Delivered);
}

pub(super) async fn repeated_transition_is_unchanged(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    let (before, history) = (ground.read(id).await, ground.history(id).await);
    assert_eq!(ground.dispatch(id, 1).await, Advanced::Unchanged);
    assert_eq!(ground.read(id).await, before);
    assert_eq!(ground.history(id).await, history);
}

pub(super) async fn dispatched_is_final_where_the_device_never_reports(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.claimed().await;
    let moved = applied(ground.advance(id, Fence::Epoch(1), Change::Dispatched { recheck: None }).await);
    assert_eq!((moved.from, moved.to), (State::Sending, State::Dispatched));
    ground.elapse(Duration::from_secs(50)).await;
    assert_eq!(ground.due(true).await, (vec![], vec![]));
    assert_eq!(ground.state(id).await, State::Dispatched);
}

pub(super) async fn deferred_message_is_due_at_its_time(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.claimed().await;
    let until = ground.now() + Duration::from_secs(3);
    let moved = applied(
        ground
            .advance(
                id,
                Fence::Epoch(1),
                Change::Deferred { reason: Reason::RateLimited, until, release_device: false },
            )
            .await,
    );
    assert_eq!((moved.from, moved.to, moved.device), (State::Sending, State::Scheduled, Some(ground.device)));
    let deferred = ground.read(id).await;
    assert_eq!((deferred.reason, deferred.due_at), (Some(Reason::RateLimited), until));
    assert_eq!(ground.due_ids(true).await, [], "not before its time");
    assert!(ground.claim(id).await.is_none());
    ground.elapse(Duration::from_secs(3)).await;
    assert_eq!(ground.due_ids(false).await, [id]);
    let claimed = ground.claim(id).await.expect("queued again");
    assert_eq!((claimed.attempts, claimed.reason), (2, None));
}

pub(super) async fn unclaimed_message_is_set_aside(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.queued().await;
    let moved = applied(ground.advance(id, Fence::Unclaimed, set_aside(true)).await);
    assert_eq!((moved.from, moved.to, moved.account), (State::Queued, State::Scheduled, ground.account));
    assert_eq!(ground.read(id).await.attempts, 0, "setting aside is no attempt");
    assert!(ground.claim(id).await.is_none());
    let pulled = ground.pull(ground.device, 1).await;
    assert_eq!(pulled.first().map(|message| (message.id, message.attempts)), Some((id, 1)));
}

pub(super) async fn unclaimed_fence_is_stale_once_claimed(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.claimed().await;
    let before = ground.read(id).await;
    assert_eq!(ground.advance(id, Fence::Unclaimed, set_aside(true)).await, Advanced::Stale);
    assert_eq!(ground.read(id).await, before);
}

pub(super) async fn every_change_of_state_is_an_event(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.claimed().await;
    applied(ground.advance(id, Fence::Epoch(1), set_aside(false)).await);
    ground.pull(ground.device, 1).await;
    applied(ground.dispatch(id, 2).await);
    applied(ground.report(id, ReportState::Acknowledged).await);
    applied(ground.report(id, ReportState::Sent).await);
    applied(ground.report(id, ReportState::Delivered).await);
    let events = ground.store.events(ground.account, id).await.expect("events").expect("is there");
    let seen: Vec<_> = events.iter().map(|event| (event.state, event.attempt, event.reason)).collect();
    let expected = [
        (State::Queued, 0, None),
        (State::Sending, 1, None),
        (State::Scheduled, 1, Some(Reason::DeviceOffline)),
        (State::Sending, 2, None),
        (State::Dispatched, 2, None),
        (State::Acknowledged, 2, None),
        (State::Sent, 2, None),
        (State::Delivered, 2, None),
    ];
    assert_eq!(seen, expected);
    assert!(events.iter().all(|event| event.applied));
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at), "oldest first");
    let stranger = ground.new_account("second").await;
    assert_eq!(ground.store.events(stranger, id).await.expect("events"), None);
    assert_eq!(ground.store.events(ground.account, ground.id()).await.expect("events"), None);
}
