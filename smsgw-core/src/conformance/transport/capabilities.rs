//! What [`TransportCapabilities`](crate::transport::TransportCapabilities) claim, tested both ways.

use std::time::Duration;

use super::TransportFixture;
use super::ground::{BRIEF, Ground, LONG, downlink, heard, native};
use crate::conformance::Stage;
use crate::device::Protocol;
use crate::state::ReportState;
use crate::transport::{DeviceEvent, Sent};

pub(super) async fn says_where_nobody_is_subscribed(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let tells = ground.transport.capabilities().tells_no_subscriber;
    let never = ground.device().await;
    let mut gone = ground.online().await;
    let id = native(&*gone);
    gone.vanish().await;
    let offline = |event: &DeviceEvent| matches!(event, DeviceEvent::Presence { device, online: false } if *device == id);
    ground.until(offline).await;
    for device in [never, gone] {
        let sent = ground.send(downlink(device.address(), ground.message(native(&*device), "hola"))).await;
        let told = matches!(sent, Sent::NoSubscriber);
        assert!(told == tells && (told || matches!(sent, Sent::Taken)), "{sent:?}");
    }
}

pub(super) async fn says_who_is_listening(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let Some(mut device) = ground.fixture.device(Protocol::Original).await else { return };
    let tells = ground.transport.capabilities().tells_listening;
    device.connect().await;
    let (mut presented, mut listening) = (false, false);
    let mut wait = LONG;
    while !(presented && listening)
        && let Some(delivery) = ground.next(wait).await
    {
        match delivery.event {
            DeviceEvent::Authenticate { .. } => presented = true,
            DeviceEvent::Listening { listening: now, .. } => listening = now,
            other => panic!("an original device does not say {other:?}"),
        }
        wait = if tells { LONG } else { BRIEF };
    }
    assert!(presented, "its key is presented");
    assert_eq!(listening, tells);
}

pub(super) async fn delivers_again_what_was_not_acknowledged(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let again = ground.transport.capabilities().redelivers;
    let mut device = ground.online().await;
    let id = native(&*device);
    let (first, second) =
        (ground.reported(id, ReportState::Acknowledged), ground.reported(id, ReportState::Sent));
    for (event, said) in [first.clone(), second.clone()] {
        device.say(event).await;
        let (delivery, report) = ground.report(id).await;
        assert_eq!(report, said);
        drop(delivery.ack);
    }
    ground.fixture.sever().await;
    if again {
        for (_, said) in [first, second] {
            assert_eq!(ground.report(id).await.1, said, "in order");
        }
    } else {
        let next = ground.next(BRIEF * 2).await;
        assert!(next.is_none_or(|next| !matches!(next.event, DeviceEvent::Report { .. })), "as it says");
    }
}

pub(super) async fn ends_the_session_of_a_device(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let claimed = ground.transport.capabilities();
    let (mut device, mut other) = (ground.online().await, ground.online().await);
    let id = native(&*device);
    ground.transport.disconnect(&[id, ground.id()]).await.expect("disconnect");
    if claimed.disconnects {
        let offline = |event: &DeviceEvent| matches!(event, DeviceEvent::Presence { device, online: false } if *device == id);
        ground.until(offline).await;
    } else {
        tokio::time::sleep(BRIEF).await;
    }
    for (device, cut_off) in [(&mut device, claimed.disconnects), (&mut other, false)] {
        let message = ground.message(native(&**device), "hola");
        let sent = ground.send(downlink(device.address(), message.clone())).await;
        if cut_off && claimed.tells_no_subscriber {
            assert!(matches!(sent, Sent::NoSubscriber), "{sent:?}");
        }
        let expected = (!cut_off).then(|| heard(&message));
        let wait = if cut_off { Duration::from_millis(100) } else { LONG };
        assert_eq!(device.hear(wait).await, expected);
    }
}
