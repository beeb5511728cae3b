//! What [`Store`](crate::store::Store) promises of its own life, and what its capabilities say.

use super::StoreFixture;
use super::ground::{Ground, LEASE};
use super::{calls, inbox};
use crate::conformance::Stage;
use crate::error::ErrorKind;
use crate::message::{Body, NewMessage};
use crate::state::State;
use crate::store::{DueQuery, ReceivedSms};

pub(super) async fn ready_while_open(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    for (name, error) in calls::all(&ground, &ground.store).await {
        assert!(error.is_none(), "{name}: {error:?}");
    }
    assert!(!ground.store.to_string().is_empty(), "it has a name for people");
}

pub(super) async fn closed_store_answers_closed(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    ground.store.close().await.expect("close");
    for (name, error) in calls::all(&ground, &ground.store).await {
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Closed), "{name}");
    }
}

pub(super) async fn closing_twice_is_no_error(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    ground.store.close().await.expect("close");
    ground.store.close().await.expect("close again");
}

pub(super) async fn closing_one_handle_leaves_the_other(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let Some(peer) = ground.fixture.peer().await else { return };
    peer.close().await.expect("close");
    for (name, error) in calls::all(&ground, &ground.store).await {
        assert!(error.is_none(), "{name}: {error:?}");
    }
}

pub(super) async fn empty_batches_do_nothing(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let id = ground.queued().await;
    let before = ground.read(id).await;
    let store = &ground.store;
    assert_eq!(store.insert(&[]).await.expect("insert"), []);
    assert_eq!(store.claim(&[], LEASE).await.expect("claim"), []);
    assert_eq!(store.claim_waiting(&[], LEASE).await.expect("claim_waiting"), Vec::<Vec<_>>::new());
    assert_eq!(store.advance(&[]).await.expect("advance"), []);
    assert_eq!(store.recall(&[]).await.expect("recall"), 0);
    assert_eq!(store.find_devices(&[]).await.expect("find_devices"), []);
    store.touch_devices(&[]).await.expect("touch_devices");
    assert_eq!(store.receive(&[]).await.expect("receive"), []);
    let due = store.due(DueQuery { max: 0, requeue: true }).await.expect("due");
    assert!(due.jobs.is_empty() && due.moved.is_empty());
    assert_eq!(ground.read(id).await, before);
}

pub(super) async fn peer_sees_what_is_committed(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let Some(peer) = ground.fixture.peer().await else {
        assert!(!ground.store.capabilities().shared, "it says that several may share it");
        return;
    };
    let id = ground.queued().await;
    let read = || peer.message(ground.account, id);
    assert_eq!(read().await.expect("message"), Some(ground.read(id).await));
    let claimed = ground.claim(id).await;
    assert_eq!(read().await.expect("message"), claimed);
    let found = peer.find_devices(&[ground.device]).await.expect("find_devices");
    assert!(found.iter().all(Option::is_some));
}

pub(super) async fn committed_survives_a_kill(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let (queued, dispatched) = (ground.queued().await, ground.dispatched().await);
    let sms = inbox::sms(&ground);
    ground.store.receive(std::slice::from_ref(&sms)).await.expect("receive");
    let before = [ground.read(queued).await, ground.read(dispatched).await];
    let history = ground.store.events(ground.account, dispatched).await.expect("events");
    let durable = ground.store.capabilities().durable;
    let Some(reopened) = ground.fixture.reopen().await else {
        assert!(!durable, "it says that what was committed is still there after a kill");
        return;
    };
    let after = async |id| reopened.message(ground.account, id).await.expect("message");
    if !durable {
        assert_eq!(after(queued).await, None, "what survives may be claimed");
        return;
    }
    for message in before {
        assert_eq!(after(message.id).await, Some(message));
    }
    assert_eq!(reopened.events(ground.account, dispatched).await.expect("events"), history);
    let found = reopened.find_devices(&[ground.device]).await.expect("find_devices");
    assert!(found.iter().all(Option::is_some));
    let inbox = reopened.inbox(&inbox::query(&ground, 10)).await.expect("inbox");
    assert!(inbox.items == [sms]);
    // What the dead gateway left behind comes back.
    ground.elapse(LEASE).await;
    let due = reopened.due(DueQuery { max: 10, requeue: true }).await.expect("due");
    assert_eq!(due.moved.iter().map(|moved| moved.to).collect::<Vec<_>>(), [State::Queued]);
    reopened.close().await.expect("close");
}

pub(super) async fn debug_shows_no_content(stage: &Stage<dyn StoreFixture>) {
    let ground = Ground::new(stage).await;
    let body = Body::new("attack at dawn").expect("a good body");
    ground.submitted(NewMessage { body, ..ground.request() }).await;
    let sms = ReceivedSms { body: "attack at dawn".into(), ..inbox::sms(&ground) };
    ground.store.receive(&[sms]).await.expect("receive");
    let shown = format!("{:?} {:#?} {}", ground.store, ground.store, ground.store);
    for secret in ["attack", "5351234567", "5350000001"] {
        assert!(!shown.contains(secret), "Debug or Display shows what is nobody's business");
    }
}
