//! What the inbox of a transport promises.

use super::TransportFixture;
use super::ground::{BRIEF, Ground, LONG, ODD_TEXTS, native};
use crate::conformance::Stage;
use crate::device::Sim;
use crate::message::Failure;
use crate::state::{Report, ReportState};
use crate::time::Timestamp;
use crate::transport::{Ack, Address, DeviceEvent, InboundSms};

pub(super) async fn report_is_delivered(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    let id = native(&*device);
    let failure = Some(Failure::from_device("no_service"));
    let states = [
        (ReportState::Acknowledged, None),
        (ReportState::Sent, None),
        (ReportState::Delivered, None),
        (ReportState::Undelivered, None),
        (ReportState::Failed, failure),
        (ReportState::Unknown, None),
    ];
    for (state, failure) in states {
        let report = Report { id: ground.id(), state, failure, attempt: None };
        let message = ground.id();
        device.say(DeviceEvent::Report { device: id, message, report: report.clone() }).await;
        let (delivery, received) = ground.report(id).await;
        assert_eq!(received, report);
        assert!(matches!(delivery.event, DeviceEvent::Report { message: of, .. } if of == message));
        Ack::acknowledge(vec![delivery.ack]);
    }
}

pub(super) async fn received_sms_is_delivered_byte_for_byte(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    for text in ODD_TEXTS {
        let sms = InboundSms {
            id: Some(ground.id()),
            from: "MiBanco ✓".into(),
            body: text.into(),
            sim: Some(2),
            received_at: Timestamp::parse("2026-01-02T03:04:05Z"),
        };
        device.say(DeviceEvent::Inbound { origin: device.address(), sms: sms.clone() }).await;
        let delivery = ground.until(|event| matches!(event, DeviceEvent::Inbound { .. })).await;
        let DeviceEvent::Inbound { origin, sms: received } = delivery.event else { unreachable!() };
        assert_eq!(origin, device.address());
        assert_eq!(received.body.as_bytes(), text.as_bytes(), "{text:?}");
        let rest = |sms: &InboundSms| (sms.id, sms.from.clone(), sms.sim, sms.received_at);
        assert_eq!(rest(&received), rest(&sms));
        Ack::acknowledge(vec![delivery.ack]);
    }
}

pub(super) async fn device_introduces_itself(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    let id = native(&*device);
    let sims = vec![
        Sim { slot: 1, number: Some("+5350000001".into()), carrier: Some("Cubacel".into()) },
        Sim { slot: 2, number: None, carrier: None },
    ];
    device.say(DeviceEvent::Hello { device: id, sims: sims.clone() }).await;
    let delivery = ground.until(|event| matches!(event, DeviceEvent::Hello { .. })).await;
    let DeviceEvent::Hello { device: by, sims: said } = delivery.event else { unreachable!() };
    assert_eq!((by, said), (id, sims));
}

pub(super) async fn device_comes_and_goes(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.device().await;
    let Address::Native(id) = device.address() else { unreachable!("it is native") };
    for _ in 0..2 {
        device.connect().await;
        let is = |wanted: bool| move |event: &DeviceEvent| matches!(event, DeviceEvent::Presence { device, online } if *device == id && *online == wanted);
        ground.until(is(true)).await;
        device.vanish().await;
        ground.until(is(false)).await;
    }
}

pub(super) async fn events_are_delivered_in_order(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    let id = native(&*device);
    let mut said = Vec::new();
    for _ in 0..100 {
        let (event, report) = ground.reported(id, ReportState::Sent);
        device.say(event).await;
        said.push(report.id);
    }
    let mut acks = Vec::new();
    for expected in said {
        let (delivery, report) = ground.report(id).await;
        assert_eq!(report.id, expected);
        acks.push(delivery.ack);
    }
    Ack::acknowledge(acks);
}

pub(super) async fn full_inbox_drops_nothing(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    let id = native(&*device);
    let reports: Vec<_> =
        (0..ground.fixture.backlog()).map(|_| ground.reported(id, ReportState::Sent)).collect();
    let ids: Vec<_> = reports.iter().map(|(_, report)| report.id).collect();
    let speaker = tokio::spawn(async move {
        for (event, _) in reports {
            device.say(event).await;
        }
        device
    });
    // Nobody reads until whatever fits into the inbox is there.
    tokio::time::sleep(BRIEF * 3).await;
    let mut delivered = Vec::new();
    while delivered.len() < ids.len() {
        let (delivery, report) = ground.report(id).await;
        delivered.push(report.id);
        Ack::acknowledge(vec![delivery.ack]);
    }
    assert!(delivered == ids, "all, in order");
    speaker.await.expect("the task ends");
}

pub(super) async fn acknowledged_delivery_does_not_come_again(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    let id = native(&*device);
    let mut acks = Vec::new();
    for _ in 0..3 {
        device.say(ground.reported(id, ReportState::Sent).0).await;
        acks.push(ground.report(id).await.0.ack);
    }
    Ack::acknowledge(acks);
    // An acknowledgement is under way for a moment; only one that has arrived counts.
    tokio::time::sleep(BRIEF).await;
    ground.fixture.sever().await;
    ground.until_ready().await;
    let (event, last) = ground.reported(id, ReportState::Delivered);
    device.say(event).await;
    let (_, next) = ground.report(id).await;
    assert_eq!(next.id, last.id, "the next is the next one said");
    assert!(
        ground.next(LONG / 40).await.is_none_or(|more| !matches!(more.event, DeviceEvent::Report { .. }))
    );
}
