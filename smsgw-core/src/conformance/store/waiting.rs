//! What [`MessageStore::claim_waiting`](crate::store::MessageStore::claim_waiting) promises.

use std::collections::HashSet;
use std::sync::Arc;

use super::StoreFixture;
use super::ground::{Ground, LEASE, applied, set_aside, urgent};
use crate::conformance::Stage;
use crate::id::MessageId;
use crate::message::{Message, NewMessage};
use crate::state::{Fence, Reason, State};
use crate::store::Pull;

fn ids(messages: &[Message]) -> Vec<MessageId> {
    messages.iter().map(|message| message.id).collect()
}

pub(super) async fn set_aside_message_waits_for_its_device(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let other = ground.new_device(ground.account).await;
    let id = ground.claimed().await;
    let moved = applied(ground.advance(id, Fence::Epoch(1), set_aside(false)).await);
    let seen = (moved.from, moved.to, moved.reason);
    assert_eq!(seen, (State::Sending, State::Scheduled, Some(Reason::DeviceOffline)));
    let waiting = ground.read(id).await;
    assert_eq!((waiting.state, waiting.reason), (State::Scheduled, Some(Reason::DeviceOffline)));
    assert_eq!(ids(&ground.pull(other, 10).await), [], "its device may have it");
    let pulled = ground.pull(ground.device, 10).await;
    assert_eq!(ids(&pulled), [id]);
    let [message] = pulled.as_slice() else { unreachable!("one was pulled") };
    assert_eq!((message.state, message.attempts, message.reason), (State::Sending, 2, None));
    assert_eq!(message.device, Some(ground.device));
    assert_eq!(ground.read(id).await, *message, "what is claimed is what is stored");
    assert_eq!(ids(&ground.pull(ground.device, 10).await), [], "it no longer waits");
}

pub(super) async fn released_message_waits_for_any_device_of_its_account(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let other = ground.new_device(ground.account).await;
    let stranger = ground.new_account("second").await;
    let foreign = ground.new_device(stranger).await;
    let id = ground.claimed().await;
    applied(ground.advance(id, Fence::Epoch(1), set_aside(true)).await);
    assert_eq!(ground.read(id).await.device, None, "no device has it");
    let pulls = [Pull { device: foreign, account: stranger, max: 10 }];
    assert_eq!(ground.store.claim_waiting(&pulls, LEASE).await.expect("claim_waiting"), [vec![]]);
    assert_eq!(ids(&ground.pull(other, 10).await), [id]);
    assert_eq!(ground.read(id).await.device, Some(other));
}

pub(super) async fn requested_device_stays_requested(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let other = ground.new_device(ground.account).await;
    let id = ground.submitted(NewMessage { device: Some(ground.device), ..ground.request() }).await;
    ground.claim(id).await.expect("queued");
    applied(ground.advance(id, Fence::Epoch(1), set_aside(true)).await);
    assert_eq!(ids(&ground.pull(other, 10).await), [], "its sender asked for one device");
    assert_eq!(ids(&ground.pull(ground.device, 10).await), [id]);
}

pub(super) async fn waiting_message_is_not_claimed_by_id(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.set_aside().await;
    assert!(ground.claim(id).await.is_none());
    let queued = ground.queued().await;
    assert_eq!(ids(&ground.pull(ground.device, 10).await), [id], "nor is a queued one pulled");
    assert_eq!(ground.state(queued).await, State::Queued);
}

/// Sets aside messages of the first account, some for the first device and some for any.
async fn waiting_line(ground: &Ground) -> Vec<MessageId> {
    let messages: Vec<_> = (0..8)
        .map(|turn| {
            let request = ground.request();
            // The third and the sixth go first. The even ones want the device.
            let request = if turn % 3 == 2 { urgent(request) } else { request };
            ground.accept(NewMessage { device: (turn % 2 == 0).then_some(ground.device), ..request })
        })
        .collect();
    ground.insert_new(&messages).await;
    // Set aside in an order that is not theirs.
    for message in messages.iter().rev() {
        applied(ground.advance(message.id, Fence::Unclaimed, set_aside(true)).await);
    }
    [2, 5, 0, 1, 3, 4, 6, 7].map(|turn: usize| messages[turn].id).to_vec()
}

pub(super) async fn high_priority_first_then_order_of_acceptance(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let line = waiting_line(&ground).await;
    assert_eq!(ids(&ground.pull(ground.device, 100).await), line);
}

pub(super) async fn pull_takes_at_most_its_max(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let line = waiting_line(&ground).await;
    assert_eq!(ids(&ground.pull(ground.device, 0).await), []);
    assert_eq!(ids(&ground.pull(ground.device, 3).await), line[..3]);
    assert_eq!(ids(&ground.pull(ground.device, 2).await), line[3..5]);
    assert_eq!(ids(&ground.pull(ground.device, 100).await), line[5..]);
}

pub(super) async fn pulls_of_one_batch_share_nothing(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let (second, stranger) = (ground.new_device(ground.account).await, ground.new_account("second").await);
    let foreign = ground.new_device(stranger).await;
    let line = waiting_line(&ground).await;
    let pulls = [
        Pull { device: foreign, account: stranger, max: 9 },
        ground.pull_for(second, 2),
        ground.pull_for(ground.device, 100),
        ground.pull_for(second, 100),
    ];
    let pulled = ground.store.claim_waiting(&pulls, LEASE).await.expect("claim_waiting");
    let pulled: Vec<_> = pulled.iter().map(|list| ids(list)).collect();
    // The second device gets the first two that may go to any device: the sixth and the second message.
    let (two, rest): (Vec<_>, Vec<_>) = line.iter().partition(|id| **id == line[1] || **id == line[3]);
    assert_eq!(pulled, [vec![], two, rest, vec![]]);
}

pub(super) async fn concurrent_pulls_have_one_winner(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let all = ground.queued_many(100).await;
    for id in &all {
        applied(ground.advance(*id, Fence::Unclaimed, set_aside(true)).await);
    }
    let mut tasks = Vec::new();
    for turn in 0..4 {
        let device = ground.new_device(ground.account).await;
        let store = match ground.fixture.peer().await {
            Some(peer) if turn % 2 == 1 => peer,
            _ => Arc::clone(&ground.store),
        };
        let pulls = [ground.pull_for(device, 7)];
        tasks.push(tokio::spawn(async move {
            let mut won = Vec::new();
            loop {
                let pulled = store.claim_waiting(&pulls, LEASE).await.expect("claim_waiting");
                let pulled: Vec<_> = pulled.into_iter().flatten().map(|message| message.id).collect();
                if pulled.is_empty() {
                    return won;
                }
                won.extend(pulled);
            }
        }));
    }
    let mut won = Vec::new();
    for task in tasks {
        won.extend(task.await.expect("the task ends"));
    }
    assert_eq!(won.len(), all.len(), "each message has one winner");
    assert_eq!(won.into_iter().collect::<HashSet<_>>(), all.into_iter().collect());
}

pub(super) async fn concurrent_pulls_leave_nothing_they_had_room_for(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let all = ground.queued_many(100).await;
    for id in &all {
        applied(ground.advance(*id, Fence::Unclaimed, set_aside(true)).await);
    }
    let mut tasks = Vec::new();
    // Just enough for all, and of different sizes, so that one finds only a part of its line taken by another.
    for max in [3, 37, 7, 36, 17] {
        let device = ground.new_device(ground.account).await;
        let (store, pulls) = (Arc::clone(&ground.store), [ground.pull_for(device, max)]);
        tasks.push(tokio::spawn(
            async move { store.claim_waiting(&pulls, LEASE).await.expect("claim_waiting") },
        ));
    }
    let mut won = 0;
    for task in tasks {
        won += task.await.expect("the task ends").iter().flatten().count();
    }
    assert_eq!(won, all.len(), "who got fewer than it had room for saw that nothing else waits");
}
