//! What stores promise of texts and numbers that are to be erased.

use super::StoreFixture;
use super::ground::{Ground, MOMENT, applied};
use super::inbox;
use crate::conformance::Stage;
use crate::id::MessageId;
use crate::message::Failure;
use crate::pseudonym::Pseudonyms;
use crate::state::{Change, Fence, Report, ReportState, State};
use crate::store::{Advanced, Erased, Inserted};

pub(super) fn pseudonyms() -> Pseudonyms {
    Pseudonyms::new(&[7; 32])
}

/// A message of the first account that failed.
pub(super) async fn over(ground: &Ground) -> MessageId {
    let id = ground.dispatched().await;
    let outcome = ground.report(id, ReportState::Unknown).await;
    assert!(matches!(outcome, Advanced::Applied(_)), "{outcome:?}");
    id
}

pub(super) async fn what_is_over_is_erased(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let (old, open) = (over(&ground).await, ground.dispatched().await);
    ground.elapse(MOMENT).await;
    let moment = ground.now();
    ground.elapse(MOMENT).await;
    let young = over(&ground).await;
    let before = ground.read(old).await;
    let erased = ground.store.erase(moment, 10, &pseudonyms()).await.expect("erase");
    assert_eq!(erased, 1, "one that is over long enough");
    let after = ground.read(old).await;
    assert_eq!(after.body.expose(), "");
    assert_eq!(after.to, pseudonyms().of_number(before.to));
    assert!(after.erased_at.is_some());
    let rest = (before.state, before.segments, before.created_at, before.attempts);
    assert_eq!(rest, (after.state, after.segments, after.created_at, after.attempts), "the rest stays");
    for id in [open, young] {
        let message = ground.read(id).await;
        assert!(
            !message.body.expose().is_empty() && !message.to.is_pseudonym() && message.erased_at.is_none()
        );
    }
    assert_eq!(ground.store.erase(moment, 10, &pseudonyms()).await.expect("erase"), 0, "each once");
    // What was looked at before it was over is found when it is.
    applied(ground.report(open, ReportState::Unknown).await);
    ground.elapse(MOMENT).await;
    assert_eq!(ground.store.erase(moment, 10, &pseudonyms()).await.expect("erase"), 0, "not for long enough");
    assert_eq!(ground.store.erase(ground.now(), 10, &pseudonyms()).await.expect("erase"), 2);
    assert_eq!(ground.read(open).await.body.expose(), "");
}

pub(super) async fn erasing_goes_on_where_it_stopped(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    for _ in 0..5 {
        over(&ground).await;
    }
    ground.elapse(MOMENT).await;
    let mut counts = Vec::new();
    for _ in 0..4 {
        counts.push(ground.store.erase(ground.now(), 2, &pseudonyms()).await.expect("erase"));
    }
    assert_eq!(counts, [2, 2, 1, 0]);
}

pub(super) async fn sent_message_is_erased_and_still_delivered(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.dispatched().await;
    ground.report(id, ReportState::Sent).await;
    ground.elapse(MOMENT).await;
    assert_eq!(ground.store.erase(ground.now(), 10, &pseudonyms()).await.expect("erase"), 1);
    ground.report(id, ReportState::Delivered).await;
    assert_eq!(ground.state(id).await, State::Delivered);
    ground.elapse(MOMENT).await;
    assert_eq!(ground.store.erase(ground.now(), 10, &pseudonyms()).await.expect("erase"), 0);
    assert_eq!(ground.read(id).await.body.expose(), "");
}

pub(super) async fn one_message_is_erased_when_asked(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let (done, open) = (over(&ground).await, ground.queued().await);
    let erase = async |account, id| {
        ground.store.erase_message(account, id, &pseudonyms()).await.expect("erase_message")
    };
    let other = ground.new_account("other").await;
    assert_eq!(erase(other, done).await, None, "of another account");
    assert_eq!(erase(ground.account, ground.id()).await, None, "of nobody");
    assert_eq!(erase(ground.account, open).await, Some(Erased::NotOver));
    assert_eq!(ground.read(done).await.body.expose(), "hola", "nothing has happened yet");
    assert_eq!(erase(ground.account, done).await, Some(Erased::Done));
    let first = ground.read(done).await;
    assert!(first.to.is_pseudonym() && first.body.expose().is_empty() && first.erased_at.is_some());
    ground.elapse(MOMENT).await;
    assert_eq!(erase(ground.account, done).await, Some(Erased::Done), "again");
    assert_eq!(ground.read(done).await, first, "it was erased the first time");
    assert_eq!(ground.store.erase(ground.now(), 10, &pseudonyms()).await.expect("erase"), 0);
}

pub(super) async fn erased_message_is_not_sent_again(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = over(&ground).await;
    let mut again = ground.message();
    again.id = id;
    ground.store.erase_message(ground.account, id, &pseudonyms()).await.expect("erase_message");
    let outcomes = ground.insert(&[again]).await;
    assert_eq!(outcomes, [Inserted::Mismatch], "its id is taken");
}

pub(super) async fn received_sms_is_erased(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let old = inbox::sms(&ground);
    ground.elapse(MOMENT).await;
    let young = inbox::sms(&ground);
    ground.store.receive(&[old.clone(), young.clone()]).await.expect("receive");
    let erase = async || {
        ground.store.erase_received(young.received_at, 10, &pseudonyms()).await.expect("erase_received")
    };
    assert_eq!(erase().await, 1);
    assert_eq!(erase().await, 0, "each once");
    let all = inbox::read_all(&ground, inbox::query(&ground, 10)).await;
    let [second, first] = &all[..] else { panic!("two SMS: {}", all.len()) };
    assert_eq!(second, &young);
    assert_eq!((first.from.as_str(), first.body.as_str()), (&*pseudonyms().of_sender(&old.from), ""));
    assert!(first.erased_at.is_some());
    let again = ground.store.receive(&[old]).await.expect("receive");
    assert_eq!(again, [crate::store::Received::Duplicate], "it is known by its id");
}

pub(super) async fn words_of_a_device_are_erased(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let words = |ground: &Ground| {
        let failure = Some(Failure::from_device("no way to +5351234567"));
        Change::Reported(Report { id: ground.id(), state: ReportState::Undelivered, failure, attempt: None })
    };
    let fence = Fence::Device(ground.device);
    let (said, late) = (ground.dispatched().await, ground.dispatched().await);
    ground.advance(said, fence, words(&ground)).await;
    ground.report(late, ReportState::Sent).await;
    assert!(ground.read(said).await.failure.is_some_and(|failure| failure.detail.is_some()));
    for id in [said, late] {
        ground.store.erase_message(ground.account, id, &pseudonyms()).await.expect("erase_message");
    }
    ground.advance(late, fence, words(&ground)).await;
    for id in [said, late] {
        let message = ground.read(id).await;
        assert_eq!(message.state, State::Undelivered);
        assert_eq!(message.failure, Some(Failure { code: "other".into(), detail: None }));
    }
}
