//! Two gateways on one store: what one has set aside, a device of the other takes.

use std::time::Duration;

use smsgw_core::gateway::{Gateway, NewDevice};
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::message::{Body, NewMessage};
use smsgw_core::transport::Command;

#[tokio::test]
async fn what_one_gateway_set_aside_a_device_of_the_other_takes() {
    let store = MemoryStore::new();
    let (north_phones, south_phones) = (MemoryTransport::new(), MemoryTransport::new());
    let north = Gateway::builder(store.clone(), MemoryQueue::new(), north_phones.clone()).build();
    let south = Gateway::builder(store, MemoryQueue::new(), south_phones).build();
    let (north, south) = (north.start().await.expect("starts"), south.start().await.expect("starts"));
    let account = north.handle().ensure_account("test").await.expect("an account").id;
    let device = north.handle().create_device(account, NewDevice::new("phone")).await.expect("a device");
    let mut phone = north_phones.connect(device.id).await;
    // So long that what its arrival sets going is over.
    tokio::time::sleep(Duration::from_millis(100)).await;
    // The south has no device: it sets the message aside.
    let to = "+5351234567".parse().expect("a number");
    let message = NewMessage::new(account, to, Body::new("x").expect("a body"));
    south.handle().submit(vec![message]).await.expect("accepted");
    let taken = tokio::time::timeout(Duration::from_secs(10), phone.command()).await;
    assert!(matches!(taken, Ok(Some(Command::Send { .. }))), "{taken:?}");
}
