//! Short words for what the tests do.

use std::sync::Arc;
use std::time::Duration;

use smsgw_core::conformance::transport::TestDevice;
use smsgw_core::error::ErrorKind;
use smsgw_core::id::{DeviceId, ReportId};
use smsgw_core::message::{Body, Message, Priority};
use smsgw_core::segment::Encoding;
use smsgw_core::state::{Report, ReportState, State};
use smsgw_core::time::{Clock, SystemClock};
use smsgw_core::transport::{Ack, Command, Delivery, DeviceEvent, Downlink, Inbox, Sent, Transport};
use smsgw_mqtt::transport::MqttTransport;
use tokio::time::{sleep, timeout};

use crate::fixtures::{Device, LONG, Place};

/// An opened transport and what it hears.
pub(crate) struct Gateway {
    pub(crate) transport: Arc<MqttTransport>,
    pub(crate) inbox: Inbox,
}

impl Gateway {
    /// Opens the transport of a place.
    pub(crate) async fn open(place: &Place) -> Self {
        Self::with(place.transport.clone()).await
    }

    /// Opens another transport with the same account and client id, as after a restart.
    pub(crate) async fn restarted(place: &Place) -> Self {
        Self::with(Arc::new(MqttTransport::new(place.config()))).await
    }

    pub(crate) async fn with(transport: Arc<MqttTransport>) -> Self {
        let inbox = transport.open().await.expect("open");
        let gateway = Self { transport, inbox };
        gateway.until_ready().await;
        gateway
    }

    pub(crate) async fn until_ready(&self) {
        let ready = async {
            while self.transport.ready().await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LONG, ready).await.expect("it is ready in time");
    }

    /// The next delivery, if one comes within `wait`.
    pub(crate) async fn next(&mut self, wait: Duration) -> Option<Delivery> {
        let mut batch = Vec::new();
        timeout(wait, self.inbox.receive(&mut batch, 1)).await.ok()?;
        batch.pop()
    }

    /// The next report within `wait`; what else comes is acknowledged.
    pub(crate) async fn report_within(&mut self, wait: Duration) -> Option<(ReportId, Ack)> {
        loop {
            let delivery = self.next(wait).await?;
            match delivery.event {
                DeviceEvent::Report { report, .. } => return Some((report.id, delivery.ack)),
                _ => Ack::acknowledge(vec![delivery.ack]),
            }
        }
    }

    pub(crate) async fn report(&mut self) -> (ReportId, Ack) {
        self.report_within(LONG).await.expect("a report comes in time")
    }

    /// Sends and answers the one outcome.
    pub(crate) async fn send(&self, downlink: Downlink) -> Sent {
        self.transport.send(&[downlink]).await.expect("send").remove(0)
    }
}

/// Waits until `ready` fails with this kind, and answers the detail.
pub(crate) async fn until_failing(transport: &MqttTransport, kind: ErrorKind) -> String {
    let failing = async {
        loop {
            match transport.ready().await {
                Err(error) if error.kind() == kind => {
                    return error.detail().expect("it says what to do").to_owned();
                }
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(LONG, failing).await.expect("it is told in time")
}

/// A native device that is online.
pub(crate) async fn online(place: &Place) -> Device {
    let mut device = place.native().await;
    device.connect().await;
    device
}

/// The device says that a message was sent; answers the id of the report.
pub(crate) async fn say_report(place: &Place, device: &mut Device) -> ReportId {
    let report = Report { id: place.id(), state: ReportState::Sent, failure: None, attempt: None };
    let event = DeviceEvent::Report { device: device.id(), message: place.id(), report: report.clone() };
    device.say(event).await;
    report.id
}

/// A message for `device`.
pub(crate) fn downlink(place: &Place, device: &Device, text: &str) -> Downlink {
    let command = Command::Send {
        message: Box::new(message(place, device.id(), text)),
        remaining: Duration::from_secs(60),
    };
    Downlink { address: device.address(), command }
}

fn message(place: &Place, device: DeviceId, text: &str) -> Message {
    let now = SystemClock.now();
    Message {
        id: place.id(),
        account: place.id(),
        state: State::Sending,
        reason: None,
        to: "+5351234567".parse().expect("a good number"),
        body: Body::new(text).expect("a good body"),
        device: Some(device),
        device_fixed: false,
        sim: Some(1),
        encoding: Encoding::Gsm7,
        segments: 1,
        priority: Priority::Normal,
        attempts: 1,
        created_at: now,
        due_at: now,
        expires_at: now + Duration::from_secs(60),
        sent_at: None,
        delivered_at: None,
        failure: None,
        failures: 0,
        erased_at: None,
    }
}
