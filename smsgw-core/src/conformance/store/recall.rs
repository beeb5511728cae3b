//! What [`MessageStore::recall`](crate::store::MessageStore::recall) promises.

use super::StoreFixture;
use super::ground::{Ground, LONG, applied};
use crate::conformance::Stage;
use crate::state::{Change, Fence, QUEUED_RECHECK, Reason, ReportState, State};
use crate::store::Advanced;

pub(super) async fn recall_sets_aside_what_was_dispatched(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let ids = [ground.dispatched().await, ground.dispatched().await];
    let idle = ground.new_device(ground.account).await;
    assert_eq!(ground.store.recall(&[idle, ground.device]).await.expect("recall"), 2);
    for id in ids {
        let message = ground.read(id).await;
        assert_eq!((message.state, message.reason), (State::Scheduled, Some(Reason::NotAcknowledged)));
        let last = ground.history(id).await.last().copied();
        assert_eq!(last, Some((State::Scheduled, true)));
    }
    let pulled: Vec<_> = ground.pull(ground.device, 10).await.iter().map(|message| message.id).collect();
    assert_eq!(pulled, ids, "in order of acceptance");
    assert_eq!(ground.store.recall(&[ground.device]).await.expect("recall"), 0, "nothing is dispatched now");
}

/// However long a store leaves new messages to the queue, a device may have one in hand meanwhile.
pub(super) async fn recall_finds_what_was_queued(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    for asks_early in [false, true] {
        let id = ground.queued().await;
        assert!(ground.claim_under(id, ground.device, LONG).await.is_some());
        let change = Change::Dispatched { recheck: Some(2 * LONG) };
        applied(ground.advance(id, Fence::Epoch(1), change).await);
        if asks_early {
            ground.elapse(QUEUED_RECHECK).await;
            assert_eq!(ground.due_ids(true).await, [], "it is in hand");
        }
        assert_eq!(ground.store.recall(&[ground.device]).await.expect("recall"), 1);
        assert_eq!(ground.pull(ground.device, 10).await.len(), 1);
        applied(ground.report(id, ReportState::Sent).await);
    }
}

pub(super) async fn recall_leaves_what_was_acknowledged(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let acknowledged = ground.dispatched().await;
    applied(ground.report(acknowledged, ReportState::Acknowledged).await);
    let sent = ground.dispatched().await;
    applied(ground.report(sent, ReportState::Sent).await);
    let (claimed, queued) = (ground.claimed().await, ground.queued().await);
    let theirs = ground.dispatched().await;
    let other = ground.new_device(ground.account).await;
    assert_eq!(ground.store.recall(&[other]).await.expect("recall"), 0);
    assert_eq!(ground.store.recall(&[ground.device]).await.expect("recall"), 1);
    let states = [
        (acknowledged, State::Acknowledged),
        (sent, State::Sent),
        (claimed, State::Sending),
        (queued, State::Queued),
        (theirs, State::Scheduled),
    ];
    for (id, state) in states {
        assert_eq!(ground.state(id).await, state);
    }
}

pub(super) async fn recalled_message_keeps_its_device(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    ground.store.recall(&[ground.device]).await.expect("recall");
    let other = ground.new_device(ground.account).await;
    assert_eq!(ground.pull(other, 10).await, [], "the device may have it in its journal");
    assert_eq!(ground.read(id).await.device, Some(ground.device));
    // And if it has, its report counts.
    applied(ground.report(id, ReportState::Sent).await);
    assert_eq!(ground.pull(ground.device, 10).await, [], "a message that was sent waits for nobody");
}

pub(super) async fn recall_ends_the_claim(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    ground.store.recall(&[ground.device]).await.expect("recall");
    assert_eq!(ground.dispatch(id, 1).await, Advanced::Stale);
    assert_eq!(ground.pull(ground.device, 1).await.first().map(|message| message.attempts), Some(2));
    assert_eq!(ground.dispatch(id, 1).await, Advanced::Stale);
    applied(ground.dispatch(id, 2).await);
}
