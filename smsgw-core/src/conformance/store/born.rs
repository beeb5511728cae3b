//! What [`MessageStore::insert`](crate::store::MessageStore::insert) promises for messages that are claimed from the first,
//! and [`MessageStore::advance`](crate::store::MessageStore::advance) of messages that another gateway has changed.

use std::sync::Arc;

use super::StoreFixture;
use super::ground::{Ground, LEASE, applied};
use crate::conformance::Stage;
use crate::id::MessageId;
use crate::state::{Change, Fence, Reason, ReportState, State, Transition};
use crate::store::{Advanced, Inserted, Insertion};

/// A message that was inserted under the lease of who inserted it, for the first device.
async fn born(ground: &Ground) -> MessageId {
    let mut message = ground.message();
    message.state = State::Sending;
    message.device = Some(ground.device);
    message.attempts = 1;
    let id = message.id;
    let row = Insertion { message, idempotency: None, lease: Some(LEASE) };
    assert_eq!(ground.store.insert(&[row]).await.expect("insert"), [Inserted::New]);
    id
}

pub(super) async fn born_claimed_is_claimed(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = born(&ground).await;
    let message = ground.read(id).await;
    assert_eq!((message.state, message.attempts, message.device), (State::Sending, 1, Some(ground.device)));
    assert_eq!(ground.history(id).await, [(State::Sending, true)]);
    assert_eq!(ground.claim(id).await, None, "one claim of it is enough");
    assert_eq!(ground.due_ids(true).await, [], "nor is it for any queue");
    assert_eq!(ground.dispatch(id, 2).await, Advanced::Stale);
    applied(ground.dispatch(id, 1).await);
    applied(ground.report(id, ReportState::Sent).await);
    assert_eq!(ground.state(id).await, State::Sent);
}

pub(super) async fn born_claimed_is_due_after_its_lease(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = born(&ground).await;
    ground.elapse(LEASE).await;
    assert_eq!(ground.due_ids(false).await, [id]);
    let message = ground.read(id).await;
    assert_eq!((message.state, message.reason), (State::Queued, Some(Reason::LeaseExpired)));
    assert_eq!(ground.dispatch(id, 1).await, Advanced::Stale, "its first owner is late");
    let claimed = ground.claim(id).await.expect("free again");
    assert_eq!(claimed.attempts, 2);
}

pub(super) async fn what_another_gateway_has_written_counts(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let peer = ground.fixture.peer().await.unwrap_or_else(|| Arc::clone(&ground.store));
    let by = |id, fence, change| [Transition { id, fence, change }];
    // Each is written by the one, changed by the other, and then spoken of by the one again.
    let (sent, taken, late) = (born(&ground).await, born(&ground).await, born(&ground).await);
    for id in [taken, late] {
        applied(ground.dispatch(id, 1).await);
    }
    let report = ground.reported(ReportState::Sent);
    let device = Fence::Device(ground.device);
    let told = peer.advance(&by(sent, device, report.clone())).await.expect("advance");
    assert!(matches!(told[..], [Advanced::Applied(_)]), "{told:?}");
    assert_eq!(ground.dispatch(sent, 1).await, Advanced::Unchanged, "there is nothing left to say");
    assert_eq!(ground.advance(sent, device, report).await, Advanced::Unchanged, "the report was heard");

    assert_eq!(peer.recall(&[ground.device]).await.expect("recall"), 2);
    let other = ground.new_device(ground.account).await;
    let stranger = ground.advance(taken, Fence::Device(other), ground.reported(ReportState::Sent)).await;
    assert_eq!(stranger, Advanced::Foreign);
    let pull = ground.pull_for(ground.device, 1);
    let pulled = peer.claim_waiting(&[pull], LEASE).await.expect("claim_waiting");
    assert_eq!(
        pulled[0].iter().map(|message| (message.id, message.attempts)).collect::<Vec<_>>(),
        [(taken, 2)]
    );
    let deferred =
        Change::Deferred { reason: Reason::TransportDown, until: ground.now(), release_device: true };
    assert_eq!(ground.advance(taken, Fence::Epoch(1), deferred).await, Advanced::Stale, "another has it");
    applied(ground.dispatch(taken, 2).await);
    applied(ground.report(late, ReportState::Failed).await);
    assert_eq!(ground.report(late, ReportState::Sent).await, Advanced::Recorded);
}
