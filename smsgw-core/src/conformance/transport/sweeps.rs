//! The methods of a transport, dropped at each of their awaits.

use tokio::sync::Mutex;

use super::TransportFixture;
use super::ground::{Ground, LONG, downlink, heard, native};
use crate::conformance::Stage;
use crate::conformance::sweep::sweep;
use crate::message::Message;
use crate::state::ReportState;
use crate::transport::{Ack, DeviceEvent, Sent};

pub(super) async fn send_can_be_dropped(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    let (address, id) = (device.address(), native(&*device));
    let absent = ground.device().await.address();
    let tells = ground.transport.capabilities().tells_no_subscriber;
    let (ground, device) = (&ground, Mutex::new(&mut device));
    let prepare = async || ground.message(id, "hola");
    let send = async |message: &Message| {
        let batch = [address.clone(), absent.clone()].map(|address| downlink(address, message.clone()));
        ground.transport.send(&batch).await.expect("send")
    };
    sweep(prepare, send, async |message, first| {
        let again = send(&message).await;
        for sent in first.iter().chain([&again]) {
            assert!(matches!(sent[0], Sent::Taken), "{sent:?}: the first, not what was dropped before");
            assert!(!tells || matches!(sent[1], Sent::NoSubscriber), "{sent:?}");
        }
        // The message that comes after tells that all before it have come.
        let last = ground.message(id, "last");
        send(&last).await;
        let mut count = 0;
        loop {
            let now = device.lock().await.hear(LONG).await.expect("all is heard");
            if now == heard(&last) {
                break;
            }
            assert_eq!(now, heard(&message));
            count += 1;
        }
        let sure = 1 + usize::from(first.is_some());
        assert!((sure..=2).contains(&count), "heard {count} times");
    })
    .await;
}

pub(super) async fn receive_can_be_dropped(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    let id = native(&*device);
    let world = Mutex::new((ground, &mut device));
    let prepare = async || {
        let (ground, device) = &mut *world.lock().await;
        let (event, report) = ground.reported(id, ReportState::Sent);
        device.say(event).await;
        report
    };
    // An inbox appends to what the caller holds, so a dropped call hands over nothing or all it took.
    let batch = Mutex::new(Vec::new());
    let receive = async |_: &_| {
        world.lock().await.0.inbox.receive(&mut *batch.lock().await, 1).await;
    };
    sweep(prepare, receive, async |report, _| {
        let mut heard = Vec::new();
        while heard.is_empty() {
            for delivery in std::mem::take(&mut *batch.lock().await) {
                if let DeviceEvent::Report { report, .. } = &delivery.event {
                    heard.push(report.clone());
                }
                Ack::acknowledge(vec![delivery.ack]);
            }
            if heard.is_empty() {
                let next = world.lock().await.0.next(LONG).await.expect("nothing is lost");
                batch.lock().await.push(next);
            }
        }
        assert_eq!(heard, [report], "each once");
    })
    .await;
}

pub(super) async fn close_can_be_dropped(stage: &Stage<dyn TransportFixture>) {
    let prepare = async || Ground::new(stage).await;
    let call = async |ground: &Ground| ground.transport.close().await.expect("close");
    sweep(prepare, call, async |ground, _| {
        ground.transport.close().await.expect("close again");
        assert!(ground.transport.ready().await.is_err(), "it is closed in the end");
    })
    .await;
}
