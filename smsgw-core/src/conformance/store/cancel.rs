//! What becomes of messages that their senders take back.

use std::time::Duration;

use super::StoreFixture;
use super::ground::{Ground, applied, set_aside};
use crate::conformance::Stage;
use crate::id::MessageId;
use crate::message::NewMessage;
use crate::state::{CANCEL_RECHECK_WITHIN, Change, Fence, Reason, ReportState, State};
use crate::store::{Advanced, DueQuery};

async fn cancel(ground: &Ground, id: MessageId, by_asking: bool) -> Advanced {
    let device = ground.read(id).await.device;
    ground.advance(id, Fence::Account(ground.account), Change::Cancel { device, by_asking }).await
}

/// The messages whose device is to be asked for them now.
async fn asked(ground: &Ground) -> Vec<MessageId> {
    let due = ground.store.due(DueQuery { max: 100, requeue: true }).await.expect("due");
    assert!(due.jobs.is_empty(), "what was taken back is not queued: {due:?}");
    due.asks.iter().for_each(|ask| assert_eq!(ask.device, ground.device));
    due.asks.into_iter().map(|ask| ask.id).collect()
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
        assert_eq!((moved.from, moved.to), (held_as, State::Scheduled));
        assert_eq!(cancel(&ground, id, true).await, Advanced::Unchanged, "once is enough");
        // Whatever comes between, it is asked for again and never sent again.
        for epoch in 2..5 {
            assert_eq!(asked(&ground).await, [id], "{held_as} {epoch}");
            assert_eq!(asked(&ground).await, [], "not twice at once");
            let claimed = ground.claim(id).await.expect("its device is asked");
            assert_eq!(claimed.reason, Some(Reason::CancelRequested));
            applied(ground.dispatch(id, epoch).await);
            ground.elapse(CANCEL_RECHECK_WITHIN).await;
        }
        let moved = applied(ground.fail(id, "canceled").await);
        assert_eq!(moved.to, State::Canceled);
        let message = ground.read(id).await;
        assert_eq!((message.reason, message.failure), (None, None));
    }
}

pub(super) async fn device_that_comes_back_is_asked(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    applied(cancel(&ground, id, true).await);
    for epoch in 2..4 {
        let pulled = ground.pull(ground.device, 10).await;
        assert_eq!(pulled.first().map(|message| message.reason), Some(Some(Reason::CancelRequested)));
        // Nobody listened, or its session has ended.
        match epoch {
            2 => applied(ground.advance(id, Fence::Epoch(epoch), set_aside(false)).await),
            _ => applied(ground.dispatch(id, epoch).await),
        };
    }
    assert_eq!(ground.store.recall(&[ground.device]).await.expect("recall"), 1);
    assert_eq!(ground.pull(ground.device, 10).await.len(), 1);
}

pub(super) async fn device_that_says_nothing_is_asked_ever_less_often(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    applied(cancel(&ground, id, true).await);
    let mut times = 0;
    for _ in 0..120 {
        if !asked(&ground).await.is_empty() {
            times += 1;
            let claimed = ground.claim(id).await.expect("its device is asked");
            applied(ground.dispatch(id, claimed.attempts).await);
        }
        ground.elapse(Duration::from_secs(60)).await;
    }
    assert!((10..40).contains(&times), "{times} times in two hours");
}

pub(super) async fn what_was_taken_back_has_a_grace(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let ttl = Duration::from_secs(60);
    let id = ground.submitted(NewMessage { ttl, ..ground.request() }).await;
    ground.claim(id).await.expect("claimed");
    applied(ground.dispatch(id, 1).await);
    applied(ground.report(id, ReportState::Acknowledged).await);
    applied(cancel(&ground, id, true).await);
    ground.elapse(ttl).await;
    ground.due(true).await;
    let moved = applied(ground.report(id, ReportState::Sent).await);
    assert_eq!(moved.to, State::Sent, "its report is waited for a little longer than its life");
}

pub(super) async fn message_that_cannot_be_asked_for_stays(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    let before = ground.read(id).await;
    assert_eq!(cancel(&ground, id, false).await, Advanced::Unchanged);
    assert_eq!(ground.read(id).await, before);
    // Where it waits, nobody gives it to that device again.
    let waits = ground.set_aside().await;
    let moved = applied(cancel(&ground, waits, false).await);
    assert_eq!(moved.to, State::Canceled);
    // Whether its device can be asked holds for that device alone.
    let elsewhere = ground.set_aside().await;
    let change = Change::Cancel { device: None, by_asking: false };
    let outcome = ground.advance(elsewhere, Fence::Account(ground.account), change).await;
    assert_eq!(outcome, Advanced::Unchanged);
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
    let change = Change::Cancel { device: None, by_asking: true };
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
    assert_eq!(asked(&ground).await, [id]);
    let claimed = ground.claim(id).await.expect("its device is asked");
    assert_eq!(claimed.reason, Some(Reason::CancelRequested));
    let moved = applied(ground.fail(id, "canceled").await);
    assert_eq!(moved.to, State::Canceled);
}
