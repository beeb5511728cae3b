//! What [`MessageStore::insert`](crate::store::MessageStore::insert) promises.

use std::sync::Arc;
use std::time::Duration;

use super::StoreFixture;
use super::ground::{Ground, LEASE, applied, dispatched, number, plain, urgent};
use crate::conformance::Stage;
use crate::message::{Body, Message, NewMessage};
use crate::state::{Fence, Reason, State, Transition};
use crate::store::{Claim, Idempotency, Inserted, Insertion, KEYS_KEPT};

pub(super) async fn inserted_message_reads_back_whole(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let plain = ground.message();
    let full = ground.accept(NewMessage {
        device: Some(ground.device),
        sim: Some(2),
        send_at: Some(ground.now() + Duration::from_secs(60)),
        ttl: Duration::from_secs(90),
        ..urgent(ground.request())
    });
    assert_eq!(
        (full.state, full.reason),
        (State::Scheduled, Some(Reason::SendAt)),
        "the sample is scheduled"
    );
    ground.insert_new(&[plain.clone(), full.clone()]).await;
    assert_eq!(ground.read(plain.id).await, plain);
    assert_eq!(ground.read(full.id).await, full);
}

pub(super) async fn insertion_answers_each_item_in_order(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let there = ground.message();
    ground.insert_new(std::slice::from_ref(&there)).await;
    let other = Message { to: number("+5359999999"), ..there.clone() };
    let (first, last) = (ground.message(), ground.message());
    let outcomes = ground.insert(&[first, other, there.clone(), last]).await;
    let expected = [Inserted::New, Inserted::Mismatch, Inserted::Duplicate(Box::new(there)), Inserted::New];
    assert_eq!(outcomes, expected);
}

pub(super) async fn inserting_again_is_a_duplicate(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let message = ground.message();
    ground.insert_new(std::slice::from_ref(&message)).await;
    let claimed = ground.claim(message.id).await.expect("queued");
    // The same request, accepted again: other times, the same SMS. The answer is what became of the first.
    let again = Message { created_at: message.created_at + Duration::from_secs(1), ..message.clone() };
    assert_eq!(ground.insert(&[again]).await, [Inserted::Duplicate(Box::new(claimed.clone()))]);
    assert_eq!(ground.read(message.id).await, claimed, "a duplicate changes nothing");
    assert_eq!(ground.history(message.id).await.len(), 2, "a duplicate adds no event");
}

pub(super) async fn another_request_under_the_same_id_is_a_mismatch(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let message = ground.message();
    ground.insert_new(std::slice::from_ref(&message)).await;
    let others = [
        Message { to: number("+5350000000"), ..message.clone() },
        Message { body: Body::new("adiós").expect("a good body"), ..message.clone() },
        Message { sim: Some(1), ..message.clone() },
        Message { device: Some(ground.device), device_fixed: true, ..message.clone() },
    ];
    assert_eq!(ground.insert(&others).await, vec![Inserted::Mismatch; others.len()]);
    assert_eq!(ground.read(message.id).await, message);
}

pub(super) async fn id_of_another_account_is_a_mismatch(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let message = ground.message();
    ground.insert_new(std::slice::from_ref(&message)).await;
    let stranger = ground.new_account("second").await;
    let theirs = Message { account: stranger, ..message.clone() };
    assert_eq!(ground.insert(&[theirs]).await, [Inserted::Mismatch], "whose id it is must not show");
    assert_eq!(ground.store.message(stranger, message.id).await.expect("message"), None);
    assert_eq!(ground.read(message.id).await, message);
}

fn keyed(message: &Message, key: &str, fingerprint: u8) -> Insertion {
    let idempotency = Some(Idempotency { key: key.into(), fingerprint: [fingerprint; 32] });
    Insertion { message: message.clone(), idempotency, lease: None }
}

pub(super) async fn idempotency_key_repeats_nothing(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let message = ground.message();
    let insert = async |batch: &[Insertion]| ground.store.insert(batch).await.expect("insert");
    assert_eq!(insert(&[keyed(&message, "k", 1)]).await, [Inserted::New]);
    // A repeated request gets a new id before it reaches the store; the key finds the first one.
    let (again, other, free) = (ground.message(), ground.message(), ground.message());
    let outcomes = insert(&[keyed(&again, "k", 1), keyed(&other, "k", 2), keyed(&free, "K", 1)]).await;
    let expected = [Inserted::Duplicate(Box::new(message)), Inserted::Mismatch, Inserted::New];
    assert_eq!(outcomes, expected, "keys are told apart by case, requests by fingerprint");
    for id in [again.id, other.id] {
        assert_eq!(
            ground.store.message(ground.account, id).await.expect("message"),
            None,
            "nothing was added"
        );
    }
}

pub(super) async fn idempotency_key_is_forgotten_when_it_is_old(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let keys = ["a", "b", "c"];
    let batch: Vec<_> = keys.map(|key| keyed(&ground.message(), key, 1)).into();
    ground.store.insert(&batch).await.expect("insert");
    let forget = async |max| ground.store.forget_keys(max).await.expect("forget_keys");
    ground.elapse(KEYS_KEPT - Duration::from_secs(5)).await;
    assert_eq!(forget(10).await, 0);
    let young = [keyed(&ground.message(), "young", 1)];
    ground.store.insert(&young).await.expect("insert");
    ground.elapse(Duration::from_secs(10)).await;
    assert_eq!((forget(2).await, forget(2).await, forget(2).await), (2, 1, 0));
    for key in keys {
        let outcomes = ground.store.insert(&[keyed(&ground.message(), key, 2)]).await.expect("insert");
        assert_eq!(outcomes, [Inserted::New], "{key} is free again");
    }
    let outcomes = ground.store.insert(&[keyed(&ground.message(), "young", 2)]).await.expect("insert");
    assert_eq!(outcomes, [Inserted::Mismatch]);
}

pub(super) async fn idempotency_keys_are_per_account(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let mine = ground.message();
    let theirs = Message { account: ground.new_account("second").await, ..ground.message() };
    let batch = [keyed(&mine, "k", 1), keyed(&theirs, "k", 2)];
    assert_eq!(ground.store.insert(&batch).await.expect("insert"), [Inserted::New, Inserted::New]);
}

pub(super) async fn duplicates_within_a_batch_are_seen(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let (message, first) = (ground.message(), ground.message());
    let other = Message { to: number("+5350000000"), ..message.clone() };
    let second = ground.message();
    let batch = [
        plain(message.clone()),
        plain(message.clone()),
        plain(other),
        keyed(&first, "k", 1),
        keyed(&second, "k", 1),
        keyed(&second, "k", 2),
    ];
    let expected = [
        Inserted::New,
        Inserted::Duplicate(Box::new(message.clone())),
        Inserted::Mismatch,
        Inserted::New,
        Inserted::Duplicate(Box::new(first)),
        Inserted::Mismatch,
    ];
    assert_eq!(ground.store.insert(&batch).await.expect("insert"), expected);
    assert_eq!(ground.history(message.id).await.len(), 1);
}

pub(super) async fn concurrent_insertions_of_one_id_make_one_message(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let batch = vec![plain(ground.message()), keyed(&ground.message(), "k", 1)];
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, batch) = (Arc::clone(&ground.store), batch.clone());
            tokio::spawn(async move { store.insert(&batch).await.expect("insert") })
        })
        .collect();
    let mut new = [0, 0];
    for task in tasks {
        let outcomes = task.await.expect("the task ends");
        for (count, outcome) in new.iter_mut().zip(&outcomes) {
            *count += usize::from(*outcome == Inserted::New);
            assert_ne!(*outcome, Inserted::Mismatch);
        }
    }
    assert_eq!(new, [1, 1]);
}

pub(super) async fn first_event_is_the_insertion(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let later = ground.now() + Duration::from_secs(60);
    let queued = ground.queued().await;
    let scheduled = ground.submitted(NewMessage { send_at: Some(later), ..ground.request() }).await;
    for (id, state, reason) in
        [(queued, State::Queued, None), (scheduled, State::Scheduled, Some(Reason::SendAt))]
    {
        let events = ground.store.events(ground.account, id).await.expect("events").expect("is there");
        let [event] = events.as_slice() else { panic!("one event, not {events:?}") };
        assert_eq!((event.state, event.reason, event.attempt, event.applied), (state, reason, 0, true));
    }
}

pub(super) async fn thousand_rows_in_one_batch(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let ids = ground.queued_many(1_000).await;
    let claims: Vec<_> = ids.iter().map(|id| Claim { id: *id, device: ground.device }).collect();
    let claimed = ground.store.claim(&claims, LEASE).await.expect("claim");
    let claimed: Vec<_> = claimed.into_iter().flatten().map(|message| message.id).collect();
    assert_eq!(claimed, ids, "all claimed, in order");
    let transitions: Vec<_> =
        ids.iter().map(|id| Transition { id: *id, fence: Fence::Epoch(1), change: dispatched() }).collect();
    let outcomes = ground.store.advance(&transitions).await.expect("advance");
    let moved: Vec<_> = outcomes.into_iter().map(|outcome| applied(outcome).id).collect();
    assert_eq!(moved, ids);
}

pub(super) async fn odd_texts_are_kept_byte_for_byte(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let texts = [
        "a:b\r\n\tc",
        " leading and trailing ",
        "'; drop table messages; -- \\x00 %s {} $1 ?",
        "👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "שלום \u{202e}abc\u{200f}",
        "e\u{301} é \u{fb01} \u{1e9e}",
        "\u{feff}\u{fffd}\u{ffff}\u{10ffff}",
        "\r\n",
    ];
    let messages: Vec<_> = texts
        .iter()
        .map(|text| {
            let body = Body::new(*text).expect("a good body");
            ground.accept(NewMessage { body, ..ground.request() })
        })
        .collect();
    ground.insert_new(&messages).await;
    for (message, text) in messages.iter().zip(texts) {
        assert_eq!(ground.read(message.id).await.body.expose().as_bytes(), text.as_bytes(), "{text:?}");
        let claimed = ground.claim(message.id).await.expect("queued");
        assert_eq!(claimed.body.expose().as_bytes(), text.as_bytes(), "{text:?}");
    }
}
