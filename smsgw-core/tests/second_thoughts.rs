//! Messages that are taken back or tried again, seen from outside.

mod manual;

use std::time::Duration;

use manual::{Setup, setup};
use smsgw_core::device::Protocol;
use smsgw_core::gateway::{Cancellation, NewDevice, Submitted};
use smsgw_core::id::{DeviceId, MessageId};
use smsgw_core::memory::MemoryDevice;
use smsgw_core::message::{Body, Failure, NewMessage};
use smsgw_core::state::{Reason, Report, ReportState, State};
use smsgw_core::transport::{Command, DeviceEvent, TopicKey};
use uuid::Uuid;

impl Setup {
    async fn device(&self, protocol: Protocol) -> DeviceId {
        self.device_with(protocol, None).await
    }

    async fn device_with(&self, protocol: Protocol, rate: Option<&str>) -> DeviceId {
        let rate_limit = rate.map(|rate| rate.parse().expect("a rate"));
        let new = NewDevice { protocol, rate_limit, ..NewDevice::new("phone") };
        self.handle.create_device(self.account, new).await.expect("a device").id
    }

    async fn submit(&self) -> MessageId {
        let to = "+5351234567".parse().expect("a number");
        let new = NewMessage::new(self.account, to, Body::new("hola").expect("a body"));
        match self.handle.submit(vec![new]).await.expect("submitted").remove(0) {
            Submitted::Accepted(message) => message.id,
            other => panic!("{other:?}"),
        }
    }

    async fn cancel(&self, id: MessageId) -> Cancellation {
        self.handle.cancel(self.account, id).await.expect("cancel").expect("it is there")
    }

    async fn becomes(&self, id: MessageId, state: State) {
        let reached = async {
            while self.handle.message(self.account, id).await.expect("read").expect("there").state != state {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(20), reached).await.is_err() {
            panic!("{:?}", self.handle.message(self.account, id).await);
        }
    }
}

async fn command(device: &mut MemoryDevice) -> Command {
    let next = tokio::time::timeout(Duration::from_secs(20), device.command()).await;
    next.expect("a command in time").expect("connected")
}

async fn fail(link: &MemoryDevice, device: DeviceId, message: MessageId, code: &str) {
    let failure = Some(Failure::from_device(code));
    let report = Report { id: Uuid::now_v7().into(), state: ReportState::Failed, failure, attempt: None };
    assert!(link.say(DeviceEvent::Report { device, message, report }).await, "the gateway listens");
}

#[tokio::test]
async fn what_waits_is_canceled_at_once_and_goes_to_nobody() {
    let setup = setup().await;
    let device = setup.device(Protocol::Native).await;
    let taken_back = setup.submit().await;
    let stays = setup.submit().await;
    assert!(matches!(setup.cancel(taken_back).await, Cancellation::Canceled(_)));
    assert!(matches!(setup.cancel(taken_back).await, Cancellation::Canceled(_)), "again is harmless");
    let mut link = setup.transport.connect(device).await;
    let Command::Send { message, .. } = command(&mut link).await else { panic!("no message") };
    assert_eq!(message.id, stays);
    let unknown = Uuid::from_u128(1).into();
    assert!(setup.handle.cancel(setup.account, unknown).await.expect("cancel").is_none());
}

#[tokio::test]
async fn a_device_is_asked_for_what_it_may_have() {
    let setup = setup().await;
    let device = setup.device(Protocol::Native).await;
    let mut link = setup.transport.connect(device).await;
    let id = setup.submit().await;
    assert!(matches!(command(&mut link).await, Command::Send { .. }));
    setup.becomes(id, State::Dispatched).await;
    let Cancellation::Requested(message) = setup.cancel(id).await else { panic!("not asked") };
    assert_eq!(message.reason, Some(Reason::CancelRequested));
    assert!(matches!(command(&mut link).await, Command::Cancel(asked) if asked == id));
    fail(&link, device, id, "canceled").await;
    setup.becomes(id, State::Canceled).await;
}

#[tokio::test]
async fn a_device_that_was_away_is_asked_when_it_comes_back() {
    let setup = setup().await;
    let device = setup.device(Protocol::Native).await;
    let mut link = setup.transport.connect(device).await;
    let id = setup.submit().await;
    assert!(matches!(command(&mut link).await, Command::Send { .. }));
    link.report(id, ReportState::Acknowledged).await.expect("heard");
    setup.becomes(id, State::Acknowledged).await;
    drop(link);
    assert!(matches!(setup.cancel(id).await, Cancellation::Requested(_)));
    let mut link = setup.transport.connect(device).await;
    loop {
        match command(&mut link).await {
            Command::Cancel(asked) => break assert_eq!(asked, id),
            Command::Send { .. } => panic!("sent again, though it was taken back"),
            Command::Receipt(_) | Command::Authentication { .. } => {}
        }
    }
    link.report(id, ReportState::Sent).await.expect("heard");
    setup.becomes(id, State::Sent).await;
    assert!(matches!(setup.cancel(id).await, Cancellation::TooLate(_)), "it is on the air");
}

#[tokio::test]
async fn no_rate_limit_holds_up_a_cancellation() {
    let setup = setup().await;
    let device = setup.device_with(Protocol::Native, Some("1/h")).await;
    let mut link = setup.transport.connect(device).await;
    let id = setup.submit().await;
    assert!(matches!(command(&mut link).await, Command::Send { .. }));
    link.report(id, ReportState::Acknowledged).await.expect("heard");
    setup.becomes(id, State::Acknowledged).await;
    assert!(matches!(command(&mut link).await, Command::Receipt(_)));
    let waits = setup.submit().await;
    setup.becomes(waits, State::Scheduled).await;
    assert!(matches!(setup.cancel(id).await, Cancellation::Requested(_)));
    assert!(matches!(command(&mut link).await, Command::Cancel(asked) if asked == id));
}

#[tokio::test]
async fn what_waits_for_an_original_device_is_canceled_at_once() {
    let setup = setup().await;
    let device = setup.device(Protocol::Original).await;
    let to = "+5351234567".parse().expect("a number");
    let mut new = NewMessage::new(setup.account, to, Body::new("hola").expect("a body"));
    new.device = Some(device);
    let accepted = setup.handle.submit(vec![new]).await.expect("submit").remove(0);
    let Submitted::Accepted(message) = accepted else { panic!("{accepted:?}") };
    setup.becomes(message.id, State::Scheduled).await;
    assert!(matches!(setup.cancel(message.id).await, Cancellation::Canceled(_)));
}

#[tokio::test]
async fn an_original_device_cannot_be_asked() {
    let setup = setup().await;
    let device = setup.device(Protocol::Original).await;
    let made = setup.handle.create_key(setup.account, device, None).await.expect("create_key");
    let key = made.expect("a device").0;
    let mut link = setup.transport.connect_original(TopicKey::new(key.expose())).await;
    assert!(matches!(command(&mut link).await, Command::Authentication { accepted: true }));
    let id = setup.submit().await;
    assert!(matches!(command(&mut link).await, Command::Send { .. }));
    setup.becomes(id, State::Dispatched).await;
    assert!(matches!(setup.cancel(id).await, Cancellation::TooLate(_)));
}

#[tokio::test]
async fn what_failed_for_a_while_is_tried_again_and_what_failed_for_good_is_not() {
    let setup = setup().await;
    let device = setup.device(Protocol::Native).await;
    let mut link = setup.transport.connect(device).await;
    let id = setup.submit().await;
    let Command::Send { message, .. } = command(&mut link).await else { panic!("no message") };
    assert_eq!(message.attempts, 1);
    fail(&link, device, id, "no_service").await;
    setup.becomes(id, State::Scheduled).await;
    setup.clock.advance(Duration::from_secs(10));
    loop {
        if let Command::Send { message, .. } = command(&mut link).await {
            assert_eq!((message.id, message.attempts), (id, 2));
            break;
        }
    }
    fail(&link, device, id, "invalid_number").await;
    setup.becomes(id, State::Failed).await;
}
