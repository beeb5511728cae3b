use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{Heard, TestDevice, TransportFixture};
use crate::conformance::Stage;
use crate::device::Protocol;
use crate::id::{DeviceId, IdSource};
use crate::message::{Body, Message, NewMessage};
use crate::state::{Report, ReportState, State};
use crate::time::{Clock, SystemClock};
use crate::transport::{Ack, Address, Command, Delivery, DeviceEvent, Downlink, Inbox, Sent, Transport};

/// Long enough for what is on its way, short enough to be waited for in vain.
pub(super) const BRIEF: Duration = Duration::from_millis(300);
/// How long what must come is waited for: a transport may have to connect again.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// An opened transport with short words for what the cases do.
pub(super) struct Ground {
    pub(super) fixture: Box<dyn TransportFixture>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) inbox: Inbox,
    ids: IdSource,
}

impl Ground {
    pub(super) async fn new(stage: &Stage<dyn TransportFixture>) -> Self {
        let fixture = stage.fresh().await;
        let transport = fixture.transport();
        let inbox = transport.open().await.expect("open");
        let ground = Self { fixture, transport, inbox, ids: IdSource::new() };
        ground.until_ready().await;
        ground
    }

    /// Waits for the transport to reach its broker.
    pub(super) async fn until_ready(&self) {
        let ready = async {
            while self.transport.ready().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LONG, ready).await.expect("the transport is ready in time");
    }

    pub(super) fn id<T: From<uuid::Uuid>>(&self) -> T {
        self.ids.next(SystemClock.now())
    }

    /// A native device, not connected.
    pub(super) async fn device(&self) -> Box<dyn TestDevice> {
        self.fixture.device(Protocol::Native).await.expect("every transport knows native devices")
    }

    /// A native device that is online, and known to be.
    pub(super) async fn online(&mut self) -> Box<dyn TestDevice> {
        let mut device = self.device().await;
        device.connect().await;
        let id = native(&*device);
        self.until(|event| matches!(event, DeviceEvent::Presence { device, online: true } if *device == id))
            .await;
        device
    }

    /// A message for `device` with this text.
    pub(super) fn message(&self, device: DeviceId, text: &str) -> Message {
        let to = "+5351234567".parse().expect("a good number");
        let request = NewMessage::new(self.id(), to, Body::new(text).expect("a good body"));
        let accepted = NewMessage { sim: Some(1), ..request }.accept(self.id(), SystemClock.now());
        Message { state: State::Sending, attempts: 1, device: Some(device), ..accepted }
    }

    /// Sends and answers the one outcome.
    pub(super) async fn send(&self, downlink: Downlink) -> Sent {
        let sent = self.transport.send(&[downlink]).await.expect("send");
        <[_; 1]>::try_from(sent).ok().and_then(|sent| sent.into_iter().next()).expect("one outcome")
    }

    /// The next delivery, if one comes within `wait`.
    pub(super) async fn next(&mut self, wait: Duration) -> Option<Delivery> {
        let mut batch = Vec::new();
        timeout(wait, self.inbox.receive(&mut batch, 1)).await.ok()?;
        batch.pop()
    }

    /// Acknowledges deliveries until one is as `wanted`, and answers that one.
    pub(super) async fn until(&mut self, wanted: impl Fn(&DeviceEvent) -> bool) -> Delivery {
        let found = async {
            loop {
                let delivery = self.next(LONG).await.expect("the inbox stays open");
                if wanted(&delivery.event) {
                    return delivery;
                }
                Ack::acknowledge(vec![delivery.ack]);
            }
        };
        timeout(LONG, found).await.expect("it is delivered in time")
    }

    /// The next report of `device`.
    pub(super) async fn report(&mut self, device: DeviceId) -> (Delivery, Report) {
        let of =
            |event: &DeviceEvent| matches!(event, DeviceEvent::Report { device: by, .. } if *by == device);
        let delivery = self.until(of).await;
        let DeviceEvent::Report { report, .. } = &delivery.event else { unreachable!("it was looked for") };
        let report = report.clone();
        (delivery, report)
    }

    /// What `device` says of a message that nobody knows.
    pub(super) fn reported(&self, device: DeviceId, state: ReportState) -> (DeviceEvent, Report) {
        let report = Report { id: self.id(), state, failure: None, attempt: None };
        (DeviceEvent::Report { device, message: self.id(), report: report.clone() }, report)
    }
}

pub(super) fn native(device: &dyn TestDevice) -> DeviceId {
    match device.address() {
        Address::Native(id) => id,
        Address::Original(_) => panic!("a native device was asked for"),
    }
}

pub(super) fn downlink(address: Address, message: Message) -> Downlink {
    let command = Command::Send { message: Box::new(message), remaining: Duration::from_secs(60) };
    Downlink { address, command }
}

/// What a native device hears of `message`.
pub(super) fn heard(message: &Message) -> Heard {
    Heard::Send {
        id: Some(message.id),
        to: message.to.expose().to_string(),
        body: message.body.expose().to_owned(),
        sim: message.sim,
        attempt: Some(message.attempts),
    }
}

/// Texts that a careless encoding would not bring back.
pub(super) const ODD_TEXTS: [&str; 8] = [
    "a:b\r\n\tc",
    " leading and trailing ",
    "\"quotes\" \\ {\"json\":1} \\u0041 ;--",
    "👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "שלום \u{202e}abc\u{200f}",
    "e\u{301} é \u{fb01}",
    "\u{feff}\u{fffd}\u{ffff}\u{10ffff}\u{2028}",
    "\r\n",
];
