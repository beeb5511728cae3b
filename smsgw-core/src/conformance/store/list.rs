//! What the lists of messages promise.

use std::time::Duration;

use super::StoreFixture;
use super::ground::{Ground, number};
use crate::conformance::Stage;
use crate::id::MessageId;
use crate::message::{Message, NewMessage};
use crate::state::State;
use crate::store::MessageQuery;
use crate::time::Timestamp;

/// Messages of the first account, three accepted at a time, oldest first.
async fn messages(ground: &Ground, count: usize) -> Vec<Message> {
    let start = ground.now();
    let messages: Vec<_> = (0..count)
        .map(|turn| {
            let step = Duration::from_millis(turn as u64 / 3);
            Message { created_at: start + step, ..ground.message() }
        })
        .collect();
    // Stored in an order that is not theirs.
    let mut shuffled = messages.clone();
    shuffled.rotate_left(count / 2);
    ground.insert_new(&shuffled).await;
    messages
}

/// Reads all pages of a query and checks what every page promises.
async fn read_all(ground: &Ground, mut query: MessageQuery) -> Vec<MessageId> {
    let mut ids = Vec::new();
    for _ in 0..1_000 {
        let page = ground.store.messages(&query).await.expect("messages");
        assert!(page.items.len() <= query.limit);
        ids.extend(page.items.iter().map(|message| message.id));
        match page.next {
            Some(next) => {
                assert_eq!(page.items.len(), query.limit, "only the last page is short");
                query.after = Some(next);
            }
            None => return ids,
        }
    }
    panic!("there is always another page");
}

fn newest_first<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Vec<MessageId> {
    let mut places: Vec<_> = messages.into_iter().map(|message| (message.created_at, message.id)).collect();
    places.sort_unstable();
    places.into_iter().rev().map(|(_, id)| id).collect()
}

pub(super) async fn messages_are_listed_newest_first(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let mut messages = messages(&ground, 10).await;
    let page = ground.store.messages(&MessageQuery::new(ground.account, 10)).await.expect("messages");
    assert_eq!(page.next, None, "a page that holds all is the last");
    messages.sort_unstable_by_key(|message| std::cmp::Reverse((message.created_at, message.id)));
    assert_eq!(page.items, messages);
}

pub(super) async fn pages_have_no_gaps_and_no_repeats(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let messages = messages(&ground, 24).await;
    for limit in [1, 2, 5, 12, 24, 100] {
        let listed = read_all(&ground, MessageQuery::new(ground.account, limit)).await;
        assert_eq!(listed, newest_first(&messages), "{limit} a page");
    }
}

pub(super) async fn pages_stand_still_while_messages_come(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let before = messages(&ground, 9).await;
    let mut query = MessageQuery::new(ground.account, 4);
    let first = ground.store.messages(&query).await.expect("messages");
    ground.elapse(Duration::from_millis(10)).await;
    ground.queued_many(5).await;
    ground.claim(before[0].id).await.expect("queued");
    query.after = first.next;
    let mut listed: Vec<_> = first.items.iter().map(|message| message.id).collect();
    listed.extend(read_all(&ground, query).await);
    assert_eq!(listed, newest_first(&before), "newer ones belong before the first page");
}

pub(super) async fn filters_select(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let mut all = messages(&ground, 12).await;
    let other = NewMessage { to: number("+5359999999"), ..ground.request() };
    let elsewhere = Message { created_at: all[5].created_at, ..ground.accept(other) };
    ground.insert_new(std::slice::from_ref(&elsewhere)).await;
    all.push(elsewhere.clone());
    for message in [&all[1], &all[7]] {
        ground.claim(message.id).await.expect("queued");
    }
    let claimed = newest_first([&all[1], &all[7]]);
    let every = || MessageQuery::new(ground.account, 2);
    let by_state = MessageQuery { state: Some(State::Sending), ..every() };
    assert_eq!(read_all(&ground, by_state).await, claimed);
    let by_device = MessageQuery { device: Some(ground.device), ..every() };
    assert_eq!(read_all(&ground, by_device).await, claimed);
    let by_recipient = MessageQuery { to: Some(elsewhere.to), ..every() };
    assert_eq!(read_all(&ground, by_recipient).await, [elsewhere.id]);
    // From is inclusive, until is not.
    let (from, until) = (all[3].created_at, all[9].created_at);
    let by_time = MessageQuery { from: Some(from), until: Some(until), ..every() };
    let within = all.iter().filter(|message| (from..until).contains(&message.created_at));
    assert_eq!(read_all(&ground, by_time.clone()).await, newest_first(within));
    let by_all = MessageQuery { state: Some(State::Sending), device: Some(ground.device), ..by_time };
    assert_eq!(read_all(&ground, by_all).await, [all[7].id]);
    for (from, until) in [(until, from), (from, from), (Timestamp::MAX, Timestamp::MAX)] {
        let nothing = MessageQuery { from: Some(from), until: Some(until), ..every() };
        assert_eq!(read_all(&ground, nothing).await, []);
    }
}

pub(super) async fn others_see_nothing(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let messages = messages(&ground, 3).await;
    let stranger = ground.new_account("second").await;
    let mut query = MessageQuery::new(stranger, 10);
    assert_eq!(read_all(&ground, query.clone()).await, []);
    let own = ground.store.messages(&MessageQuery::new(ground.account, 1)).await.expect("messages");
    query.after = own.next;
    assert_eq!(read_all(&ground, query).await, [], "nor by the cursor of another account");
    assert_eq!(ground.store.message(stranger, messages[0].id).await.expect("message"), None);
    assert_eq!(ground.store.events(stranger, messages[0].id).await.expect("events"), None);
}
