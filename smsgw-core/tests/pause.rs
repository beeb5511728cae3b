//! Devices that are paused: nothing new is given to them, what they have is finished, and what waited goes in order.

use std::time::Duration;

use smsgw_core::device::Telemetry;
use smsgw_core::gateway::{Cancellation, Gateway, Handle, NewDevice, Presence, Running, Submitted};
use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::memory::{MemoryDevice, MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::message::{Body, Message, NewMessage};
use smsgw_core::state::{Reason, ReportState, State};
use smsgw_core::store::DevicePatch;
use smsgw_core::transport::{Command, DeviceEvent};
use uuid::Uuid;

/// Long enough for whatever a gateway does by itself; the time of these tests costs nothing.
const A_WHILE: Duration = Duration::from_secs(10);

struct Place {
    transport: MemoryTransport,
    handle: Handle,
    account: AccountId,
    _running: Running,
}

async fn place_on(store: MemoryStore) -> Place {
    let transport = MemoryTransport::new();
    let gateway = Gateway::builder(store, MemoryQueue::new(), transport.clone()).build();
    let running = gateway.start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    Place { transport, handle, account, _running: running }
}

impl Place {
    async fn phone(&self) -> (DeviceId, MemoryDevice) {
        let device = self.handle.create_device(self.account, NewDevice::new("phone")).await.expect("made").id;
        let phone = self.transport.connect(device).await;
        while !self.presence(device).await.online {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (device, phone)
    }

    async fn presence(&self, device: DeviceId) -> Presence {
        self.handle.device(self.account, device).await.expect("read").expect("there").presence
    }

    async fn pause(&self, device: DeviceId, paused: bool) {
        let patch = DevicePatch { paused: Some(paused), ..DevicePatch::default() };
        let changed = self.handle.update_device(self.account, device, patch).await.expect("changed");
        assert_eq!(changed.expect("there").device.paused, paused);
    }

    async fn submit(&self, device: Option<DeviceId>) -> MessageId {
        let to = "+5351234567".parse().expect("a number");
        let new =
            NewMessage { device, ..NewMessage::new(self.account, to, Body::new("hola").expect("a body")) };
        match self.handle.submit(vec![new]).await.expect("submitted").remove(0) {
            Submitted::Accepted(message) => message.id,
            other => panic!("{other:?}"),
        }
    }

    async fn until(&self, id: MessageId, done: impl Fn(&Message) -> bool) {
        let reached = async {
            while !done(&self.handle.message(self.account, id).await.expect("read").expect("there")) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(A_WHILE, reached).await.expect("in time");
    }

    async fn waits(&self, id: MessageId) {
        self.until(id, |message| message.reason == Some(Reason::DevicePaused)).await;
    }
}

/// The next message that a phone is given within a while.
async fn given(phone: &mut MemoryDevice) -> Option<MessageId> {
    let next = async {
        loop {
            match phone.command().await.expect("connected") {
                Command::Send { message, .. } => return message.id,
                Command::Receipt(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(A_WHILE, next).await.ok()
}

#[tokio::test(start_paused = true)]
async fn a_paused_device_finishes_what_it_has_and_goes_on_in_order() {
    let place = place_on(MemoryStore::new()).await;
    let (device, mut phone) = place.phone().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(place.submit(Some(device)).await);
        assert_eq!(given(&mut phone).await, held.last().copied());
    }
    place.pause(device, true).await;
    let mut waiting = Vec::new();
    for index in 0..20 {
        waiting.push(place.submit((index % 2 == 0).then_some(device)).await);
    }
    for id in &waiting {
        place.waits(*id).await;
    }
    assert_eq!(place.presence(device).await.in_hand, 3);
    let canceled = place.handle.cancel(place.account, held[2]).await.expect("cancel").expect("there");
    assert!(matches!(canceled, Cancellation::Requested(_)));
    assert!(matches!(phone.command().await, Some(Command::Cancel(id)) if id == held[2]), "it hears of that");
    for id in &held {
        phone.report(*id, ReportState::Delivered).await.expect("heard");
        place.until(*id, |message| message.state == State::Delivered).await;
    }
    assert_eq!(place.presence(device).await.in_hand, 0, "drained");
    assert_eq!(given(&mut phone).await, None, "nothing new");
    // Nor when it comes in anew.
    drop(phone);
    let mut phone = place.transport.connect(device).await;
    assert_eq!(given(&mut phone).await, None, "nothing new in a new session");
    place.pause(device, false).await;
    let mut got = Vec::new();
    while got.len() < waiting.len() {
        let id = given(&mut phone).await.expect("what waited");
        phone.report(id, ReportState::Sent).await.expect("heard");
        got.push(id);
    }
    assert_eq!(got, waiting);
}

#[tokio::test(start_paused = true)]
async fn messages_for_any_device_go_to_the_others() {
    let place = place_on(MemoryStore::new()).await;
    let (paused, mut idle) = place.phone().await;
    let (other, mut busy) = place.phone().await;
    place.pause(paused, true).await;
    for _ in 0..10 {
        let id = place.submit(None).await;
        assert_eq!(given(&mut busy).await, Some(id));
        busy.report(id, ReportState::Sent).await.expect("heard");
    }
    place.pause(other, true).await;
    let id = place.submit(None).await;
    place.waits(id).await;
    place.pause(paused, false).await;
    assert_eq!(given(&mut idle).await, Some(id), "whichever is there again");
    assert_eq!(given(&mut busy).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_pause_at_another_gateway_is_learned() {
    let store = MemoryStore::new();
    let (north, south) = (place_on(store.clone()).await, place_on(store).await);
    let (device, mut phone) = north.phone().await;
    for paused in [true, false, true] {
        south.pause(device, paused).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let id = north.submit(Some(device)).await;
        if paused {
            north.waits(id).await;
        } else {
            // The one that waited, and this one.
            assert!(given(&mut phone).await.is_some() && given(&mut phone).await.is_some());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_device_says_of_itself_is_shown() {
    let place = place_on(MemoryStore::new()).await;
    let (device, phone) = place.phone().await;
    assert_eq!(place.presence(device).await.telemetry, None);
    let telemetry = Telemetry::bounded(Some(80), Some(false), Some(-97), Some("lte"));
    let stranger = DeviceId::from(Uuid::from_u128(7));
    for device in [stranger, device] {
        let telemetry = telemetry.clone();
        assert!(phone.say(DeviceEvent::Telemetry { device, telemetry }).await);
    }
    while place.presence(device).await.telemetry.is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let seen = place.presence(device).await;
    assert_eq!(seen.telemetry, Some(telemetry));
    assert!(seen.telemetry_at.is_some_and(|at| at <= place.handle.now()));
    phone.leave().await;
    while place.presence(device).await.online {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(place.presence(device).await.telemetry.is_some(), "the last word stays");
}
