//! What [`MessageStore::insert`](crate::store::MessageStore::insert) promises for messages that are claimed from the first,
//! and [`MessageStore::advance`](crate::store::MessageStore::advance) of messages that another gateway has changed.

use std::sync::Arc;
use std::time::Duration;

use super::StoreFixture;
use super::ground::{Ground, LEASE, MOMENT, RECHECK, SHORT, applied, set_aside};
use crate::conformance::Stage;
use crate::id::MessageId;
use crate::message::{Message, NewMessage};
use crate::state::{Change, Fence, REPORT_GRACE, Reason, ReportState, State, Transition};
use crate::store::{Advanced, Inserted, Insertion};

/// A message that was inserted under the lease of who inserted it, for the first device.
async fn born(ground: &Ground) -> MessageId {
    let [id] = born_together(ground, [ground.request()]).await;
    id
}

/// The same of several that are inserted at once.
async fn born_together<const N: usize>(ground: &Ground, requests: [NewMessage; N]) -> [MessageId; N] {
    let messages = requests.map(|request| Message {
        state: State::Sending,
        device: Some(ground.device),
        attempts: 1,
        ..ground.accept(request)
    });
    let ids = messages.each_ref().map(|message| message.id);
    let rows = messages.map(|message| Insertion { message, idempotency: None, lease: Some(LEASE) });
    assert_eq!(ground.store.insert(&rows).await.expect("insert"), [const { Inserted::New }; N]);
    ids
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

pub(super) async fn born_claimed_is_looked_at_in_its_time_whatever_becomes_of_it(
    stage: &Stage<dyn StoreFixture>,
) {
    let ground = Ground::new(stage).await;
    let short = || NewMessage { ttl: SHORT, ..ground.request() };
    let requests = [ground.request(), ground.request(), short(), short(), ground.request()];
    let [soon, late, acknowledged, aside, sent] = born_together(&ground, requests).await;
    // Its time may come before the end of its lease or after it.
    applied(ground.dispatch(soon, 1).await);
    let recheck = Some(Duration::from_secs(10));
    applied(ground.advance(late, Fence::Epoch(1), Change::Dispatched { recheck }).await);
    applied(ground.dispatch(acknowledged, 1).await);
    applied(ground.report(acknowledged, ReportState::Acknowledged).await);
    applied(ground.advance(aside, Fence::Epoch(1), set_aside(true)).await);
    applied(ground.report(sent, ReportState::Sent).await);

    ground.elapse(RECHECK).await;
    assert_eq!(ground.due_ids(false).await, [soon]);
    ground.elapse(LEASE - RECHECK + MOMENT).await;
    assert_eq!(ground.due(false).await, (vec![], vec![]), "the end of the lease ends nothing");
    ground.elapse(SHORT).await;
    assert_eq!(ground.due_ids(false).await, []);
    assert_eq!(ground.state(aside).await, State::Expired);
    ground.elapse(Duration::from_secs(10)).await;
    assert_eq!(ground.due_ids(false).await, [late]);
    ground.elapse(REPORT_GRACE).await;
    ground.due(false).await;
    assert_eq!(ground.state(acknowledged).await, State::Expired);
    assert_eq!(ground.state(sent).await, State::Sent);
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
