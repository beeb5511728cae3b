//! What becomes of messages that their senders take back.

use std::time::Duration;

use super::StoreFixture;
use super::ground::{Ground, applied, dispatched, set_aside};
use crate::conformance::Stage;
use crate::id::MessageId;
use crate::message::NewMessage;
use crate::state::{Change, Fence, Reason, ReportState, State};
use crate::store::Advanced;

async fn cancel(ground: &Ground, id: MessageId, by_asking: bool) -> Advanced {
    ground.advance(id, Fence::Account(ground.account), Change::Cancel { by_asking }).await
}

pub(super) async fn message_that_nobody_has_is_canceled(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let later = Some(ground.now() + Duration::from_secs(60));
    let scheduled = ground.submitted(NewMessage { send_at: later, ..ground.request() }).await;
    let queued = ground.queued().await;
    let released = ground.claimed().await;
    applied(ground.advance(released, Fence::Epoch(1), set_aside(true)).await);
    for id in [scheduled, queued, released] {
        let moved = applied(cancel(&ground, id, false).await);
        assert_eq!(moved.to, State::Canceled);
        assert_eq!(cancel(&ground, id, true).await, Advanced::Unchanged);
    }
    assert!(ground.claim(queued).await.is_none());
    assert!(ground.pull(ground.device, 10).await.is_empty());
    ground.elapse(Duration::from_secs(120)).await;
    assert_eq!(ground.due(true).await, (vec![], vec![]));
}

pub(super) async fn message_that_a_device_may_have_is_asked_for(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    for held_as in [State::Sending, State::Dispatched, State::Acknowledged] {
        let id = ground.claimed().await;
        if held_as > State::Sending {
            applied(ground.dispatch(id, 1).await);
        }
        if held_as > State::Dispatched {
            applied(ground.report(id, ReportState::Acknowledged).await);
        }
        let moved = applied(cancel(&ground, id, true).await);
        assert_eq!(moved.to, State::Queued);
        assert_eq!(cancel(&ground, id, true).await, Advanced::Unchanged, "once is enough");
        let claimed = ground.claim(id).await.expect("its device is asked");
        assert_eq!(claimed.reason, Some(Reason::CancelRequested));
        // Whatever comes between, it is asked for again and never sent again.
        applied(ground.advance(id, Fence::Epoch(2), dispatched()).await);
        ground.elapse(Duration::from_secs(10)).await;
        assert_eq!(ground.due_ids(false).await, [id]);
        let claimed = ground.claim(id).await.expect("its device is asked again");
        assert_eq!(claimed.reason, Some(Reason::CancelRequested));
        let moved = applied(ground.fail(id, "canceled").await);
        assert_eq!(moved.to, State::Canceled);
        let message = ground.read(id).await;
        assert_eq!((message.reason, message.failure), (None, None));
    }
}

pub(super) async fn canceled_message_is_in_no_hands_once_released(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.claimed().await;
    applied(cancel(&ground, id, true).await);
    ground.claim(id).await.expect("its device is asked");
    // Nobody listens, and an earlier attempt may have reached it: it is asked when it comes.
    applied(ground.advance(id, Fence::Epoch(2), set_aside(false)).await);
    let pulled = ground.pull(ground.device, 10).await;
    assert_eq!(pulled.first().map(|message| message.reason), Some(Some(Reason::CancelRequested)));
    // Here it is sure.
    let moved = applied(ground.advance(id, Fence::Epoch(3), set_aside(true)).await);
    assert_eq!(moved.to, State::Canceled);
}

pub(super) async fn message_that_cannot_be_asked_for_stays(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    let before = ground.read(id).await;
    assert_eq!(cancel(&ground, id, false).await, Advanced::Unchanged);
    assert_eq!(ground.read(id).await, before);
}

pub(super) async fn message_on_the_air_is_not_canceled(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let sent = ground.dispatched().await;
    applied(ground.report(sent, ReportState::Sent).await);
    assert_eq!(cancel(&ground, sent, true).await, Advanced::Unchanged);
    // The radio was faster than the request.
    let faster = ground.dispatched().await;
    applied(cancel(&ground, faster, true).await);
    let moved = applied(ground.report(faster, ReportState::Sent).await);
    assert_eq!(moved.to, State::Sent);
    assert_eq!(ground.read(faster).await.reason, None);
    assert_eq!(ground.fail(faster, "canceled").await, Advanced::Recorded);
}

pub(super) async fn message_of_another_account_is_not_canceled(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let stranger = ground.new_account("stranger").await;
    let id = ground.queued().await;
    let change = Change::Cancel { by_asking: true };
    assert_eq!(ground.advance(id, Fence::Account(stranger), change.clone()).await, Advanced::Foreign);
    assert_eq!(ground.state(id).await, State::Queued);
    assert_eq!(ground.advance(ground.id(), Fence::Account(stranger), change).await, Advanced::Missing);
}

pub(super) async fn failed_message_is_asked_for_all_the_same(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    applied(cancel(&ground, id, true).await);
    // Its device might take a late copy for another attempt.
    let moved = applied(ground.fail(id, "no_service").await);
    assert_eq!(moved.to, State::Scheduled);
    ground.elapse(Duration::from_secs(10)).await;
    assert_eq!(ground.due_ids(false).await, [id]);
    let claimed = ground.claim(id).await.expect("its device is asked");
    assert_eq!(claimed.reason, Some(Reason::CancelRequested));
    let moved = applied(ground.fail(id, "canceled").await);
    assert_eq!(moved.to, State::Canceled);
}
