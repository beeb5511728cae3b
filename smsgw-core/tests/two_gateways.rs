//! What one gateway does to a device holds for another one on the same store.

use std::time::Duration;

use smsgw_core::device::Protocol;
use smsgw_core::gateway::{Gateway, Handle, NewDevice, Submitted};
use smsgw_core::id::{AccountId, DeviceId};
use smsgw_core::key::KeyId;
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::message::{Body, NewMessage};
use smsgw_core::state::{Reason, State};
use smsgw_core::transport::{Command, TopicKey};

/// An original device at the north, whose session only its key could end; then the south does something.
async fn ended_elsewhere(act: impl AsyncFnOnce(&Handle, AccountId, DeviceId, KeyId)) {
    let store = MemoryStore::new();
    let build = |transport| Gateway::builder(store.clone(), MemoryQueue::new(), transport).build();
    let outside = MemoryTransport::new();
    let north = build(outside.clone()).start().await.expect("starts");
    let south = build(MemoryTransport::new()).start().await.expect("starts");
    let (north, south) = (north.handle(), south.handle());
    let account = north.ensure_account("test").await.expect("an account").id;
    let new = NewDevice { protocol: Protocol::Original, ..NewDevice::new("phone") };
    let device = north.create_device(account, new).await.expect("a device");
    let (key, record) = north.create_key(account, device.id, None).await.expect("a key").expect("a device");
    let mut phone = outside.connect_original(TopicKey::new(key.expose())).await;
    assert!(matches!(phone.command().await, Some(Command::Authentication { accepted: true })));
    let submit = async |body| {
        let to = "+5351234567".parse().expect("a number");
        let message = NewMessage::new(account, to, Body::new(body).expect("a body"));
        let accepted = north.submit(vec![message]).await.expect("submit").remove(0);
        let Submitted::Accepted(message) = accepted else { panic!("{accepted:?}") };
        message.id
    };
    // Nobody is shut out by being looked at.
    tokio::time::sleep(Duration::from_secs(5)).await;
    submit("before").await;
    assert!(matches!(phone.command().await, Some(Command::Send { .. })));
    act(&south, account, device.id, record.id).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let id = submit("after").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let message = north.message(account, id).await.expect("message").expect("it is there");
    assert_eq!((message.state, message.reason), (State::Scheduled, Some(Reason::NoDeviceOnline)));
}

#[tokio::test(start_paused = true)]
async fn a_key_revoked_at_another_gateway_ends_here() {
    ended_elsewhere(async |south, account, device, key| {
        assert!(south.revoke_key(account, device, key).await.expect("revoke_key"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_device_deleted_at_another_gateway_is_gone_here() {
    ended_elsewhere(async |south, account, device, _| {
        assert!(south.delete_device(account, device).await.expect("delete_device"));
    })
    .await;
}
