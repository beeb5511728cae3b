//! What stores promise of what is left of messages that were erased.

use super::StoreFixture;
use super::erase::{over, pseudonyms};
use super::ground::{Ground, MOMENT, applied};
use super::inbox;
use crate::conformance::Stage;
use crate::id::MessageId;
use crate::state::ReportState;
use crate::store::{Advanced, Inserted, MessageQuery, Received, ReceivedSms};

async fn listed(ground: &Ground) -> Vec<MessageId> {
    let page = ground.store.messages(&MessageQuery::new(ground.account, 10)).await.expect("messages");
    page.items.into_iter().map(|message| message.id).collect()
}

pub(super) async fn what_was_erased_is_removed(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let erase = async |id| {
        ground.store.erase_message(ground.account, id, &pseudonyms()).await.expect("erase_message");
        ground.elapse(MOMENT).await;
    };
    let (old, whole, young) = (over(&ground).await, over(&ground).await, over(&ground).await);
    erase(old).await;
    let moment = ground.now();
    ground.elapse(MOMENT).await;
    erase(young).await;
    assert_eq!(
        ground.store.remove(moment, 10).await.expect("remove"),
        1,
        "one that was erased long enough ago"
    );
    assert_eq!(ground.store.remove(moment, 10).await.expect("remove"), 0, "each once");
    assert_eq!(ground.store.message(ground.account, old).await.expect("message"), None);
    assert_eq!(ground.store.events(ground.account, old).await.expect("events"), None);
    assert_eq!(listed(&ground).await, [young, whole]);
    assert_eq!(ground.report(old, ReportState::Delivered).await, Advanced::Missing);
    assert!(ground.due_ids(true).await.is_empty(), "nobody looks after it");
    // It is as if it had never been.
    let mut again = ground.message();
    again.id = old;
    assert_eq!(ground.insert(&[again]).await, [Inserted::New]);
    assert_eq!(ground.history(old).await.len(), 1);
    assert!(ground.claim(old).await.is_some());
}

pub(super) async fn what_is_left_of_sms_is_removed(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let erase = async |sms: &ReceivedSms| {
        ground.store.receive(std::slice::from_ref(sms)).await.expect("receive");
        ground.elapse(MOMENT).await;
        let erased = ground.store.erase_received(ground.now(), 10, &pseudonyms()).await;
        assert_eq!(erased.expect("erase_received"), 1);
        ground.elapse(MOMENT).await;
    };
    let remove =
        async |before, max| ground.store.remove_received(before, max).await.expect("remove_received");
    let old = inbox::sms(&ground);
    erase(&old).await;
    let moment = ground.now();
    erase(&inbox::sms(&ground)).await;
    let whole = inbox::sms(&ground);
    ground.store.receive(std::slice::from_ref(&whole)).await.expect("receive");
    assert_eq!(remove(moment, 10).await, 1, "what was erased long enough ago");
    assert_eq!(remove(moment, 10).await, 0, "each once");
    assert_eq!(
        ground.store.receive(&[old]).await.expect("receive"),
        [Received::New],
        "nobody knows it any more"
    );
    assert_eq!(remove(ground.now(), 0).await, 0, "no more than are asked for");
    assert_eq!(remove(ground.now(), 10).await, 1, "what was erased");
    assert_eq!(inbox::read_all(&ground, inbox::query(&ground, 10)).await.len(), 2, "what is whole stays");
}

pub(super) async fn removing_goes_on_where_it_stopped(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(over(&ground).await);
    }
    for id in &all {
        ground.store.erase_message(ground.account, *id, &pseudonyms()).await.expect("erase_message");
        ground.elapse(MOMENT).await;
    }
    assert_eq!(ground.store.remove(ground.now(), 2).await.expect("remove"), 2);
    assert!(ground.store.message(ground.account, all[1]).await.expect("message").is_none());
    assert!(
        ground.store.message(ground.account, all[2]).await.expect("message").is_some(),
        "the oldest go first"
    );
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.push(ground.store.remove(ground.now(), 2).await.expect("remove"));
    }
    assert_eq!(counts, [2, 1, 0]);
    // Nothing that was said of them is said of the next.
    let next = ground.dispatched().await;
    assert_eq!(ground.history(next).await.len(), 3);
    applied(ground.report(next, ReportState::Sent).await);
}
