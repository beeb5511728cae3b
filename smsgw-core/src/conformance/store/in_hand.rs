//! What [`MessageStore::in_hand`](crate::store::MessageStore::in_hand) promises.

use super::StoreFixture;
use super::ground::{Ground, applied, set_aside};
use crate::conformance::Stage;
use crate::id::{DeviceId, MessageId};
use crate::state::{Fence, ReportState};
use crate::store::Claim;

async fn holds(ground: &Ground, id: MessageId, device: DeviceId) -> bool {
    let answers = ground.store.in_hand(&[Claim { id, device }]).await.expect("in_hand");
    assert_eq!(answers.len(), 1);
    answers[0]
}

pub(super) async fn claimed_message_is_in_hand_until_it_is_acknowledged(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.queued().await;
    assert!(!holds(&ground, id, ground.device).await, "nobody has it");
    assert!(ground.claim(id).await.is_some());
    assert!(holds(&ground, id, ground.device).await, "it is being sent");
    applied(ground.dispatch(id, 1).await);
    assert!(holds(&ground, id, ground.device).await, "it was sent");
    let other = ground.new_device(ground.account).await;
    assert!(!holds(&ground, id, other).await, "another device has it");
    applied(ground.report(id, ReportState::Acknowledged).await);
    assert!(!holds(&ground, id, ground.device).await, "the device has journalled it");
    let back = ground.claimed().await;
    applied(ground.advance(back, Fence::Epoch(1), set_aside(false)).await);
    assert!(!holds(&ground, back, ground.device).await, "it was taken back");
}

pub(super) async fn in_hand_answers_each_item_in_order(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let (queued, dispatched) = (ground.queued().await, ground.dispatched().await);
    let mut held: Vec<(MessageId, bool)> = vec![(dispatched, true), (queued, false), (ground.id(), false)];
    held.push((dispatched, true));
    let asked: Vec<Claim> = held.iter().map(|(id, _)| Claim { id: *id, device: ground.device }).collect();
    let answers = ground.store.in_hand(&asked).await.expect("in_hand");
    assert_eq!(answers, held.iter().map(|(_, holds)| *holds).collect::<Vec<_>>());
}
