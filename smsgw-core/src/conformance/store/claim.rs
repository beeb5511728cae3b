//! What [`MessageStore::claim`](crate::store::MessageStore::claim) promises.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::StoreFixture;
use super::ground::{Ground, LEASE};
use crate::conformance::Stage;
use crate::id::MessageId;
use crate::message::NewMessage;
use crate::state::{ReportState, State};
use crate::store::Claim;

pub(super) async fn claim_takes_a_queued_message(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.queued().await;
    let claimed = ground.claim(id).await.expect("queued, free and not expired");
    assert_eq!((claimed.state, claimed.attempts, claimed.device), (State::Sending, 1, Some(ground.device)));
    assert!(!claimed.device_fixed, "its sender asked for no device");
    assert_eq!(ground.read(id).await, claimed, "what is claimed is what is stored");
    let events = ground.store.events(ground.account, id).await.expect("events").expect("is there");
    let last = events.last().expect("an event");
    assert_eq!((last.state, last.attempt, last.device), (State::Sending, 1, Some(ground.device)));
}

pub(super) async fn claim_answers_each_item_in_order(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let ids = ground.queued_many(3).await;
    let taken = ground.claimed().await;
    let finished = ground.dispatched().await;
    ground.report(finished, ReportState::Delivered).await;
    let asked = [ids[2], ground.id(), taken, ids[0], finished, ids[1], ids[0]];
    let claims = asked.map(|id| Claim { id, device: ground.device });
    let claimed = ground.store.claim(&claims, LEASE).await.expect("claim");
    let claimed: Vec<_> = claimed.into_iter().map(|message| message.map(|message| message.id)).collect();
    let expected = [Some(ids[2]), None, None, Some(ids[0]), None, Some(ids[1]), None];
    assert_eq!(claimed, expected, "unknown, taken, finished and repeated ids are None");
}

pub(super) async fn claim_raises_the_epoch_each_time(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.queued().await;
    for epoch in 1..=3 {
        let claimed = ground.claim(id).await.expect("free again");
        assert_eq!(claimed.attempts, epoch);
        ground.elapse(LEASE).await;
        assert_eq!(ground.due_ids(false).await, [id]);
    }
}

pub(super) async fn message_is_claimed_once(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.queued().await;
    assert!(ground.claim(id).await.is_some());
    assert!(ground.claim(id).await.is_none());
    let peer = ground.fixture.peer().await.unwrap_or_else(|| Arc::clone(&ground.store));
    let claims = [Claim { id, device: ground.device }];
    assert_eq!(peer.claim(&claims, LEASE).await.expect("claim"), [None]);
}

pub(super) async fn concurrent_claims_have_one_winner(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let ids = ground.queued_many(200).await;
    let mut tasks = Vec::new();
    for turn in 0..6 {
        let store = match ground.fixture.peer().await {
            Some(peer) if turn % 2 == 1 => peer,
            _ => Arc::clone(&ground.store),
        };
        // Each in another order, as dispatchers come upon them.
        let mut claims: Vec<_> = ids.iter().map(|id| Claim { id: *id, device: ground.device }).collect();
        claims.rotate_left(turn * 31);
        tasks.push(tokio::spawn(async move {
            let mut won: Vec<MessageId> = Vec::new();
            for chunk in claims.chunks(16) {
                let claimed = store.claim(chunk, LEASE).await.expect("claim");
                won.extend(claimed.into_iter().flatten().map(|message| message.id));
            }
            won
        }));
    }
    let mut won = Vec::new();
    for task in tasks {
        won.extend(task.await.expect("the task ends"));
    }
    assert_eq!(won.len(), ids.len(), "each message has one winner");
    assert_eq!(won.iter().collect::<HashSet<_>>().len(), ids.len());
}

pub(super) async fn scheduled_message_is_not_claimed(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let later = ground.now() + Duration::from_secs(60);
    let id = ground.submitted(NewMessage { send_at: Some(later), ..ground.request() }).await;
    assert!(ground.claim(id).await.is_none());
}

pub(super) async fn chosen_device_alone_claims(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let other = ground.new_device(ground.account).await;
    let id = ground.submitted(NewMessage { device: Some(ground.device), ..ground.request() }).await;
    assert!(ground.claim_for(id, other).await.is_none(), "its sender asked for another device");
    assert!(ground.claim(id).await.is_some());
    // A lost claim may have reached its device: only that one may be given the message again.
    let lost = ground.claimed().await;
    ground.elapse(LEASE).await;
    ground.due(false).await;
    assert!(ground.claim_for(lost, other).await.is_none(), "the first device may have it");
    assert!(ground.claim(lost).await.is_some());
}
