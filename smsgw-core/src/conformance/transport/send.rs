//! What [`Transport::send`](crate::transport::Transport::send) promises.

use std::collections::HashSet;

use super::TransportFixture;
use super::ground::{BRIEF, Ground, LONG, ODD_TEXTS, downlink, heard, native};
use crate::conformance::Stage;
use crate::conformance::transport::Heard;
use crate::device::Protocol;
use crate::message::Message;
use crate::transport::{Command, Downlink, Sent};

pub(super) async fn message_arrives_whole(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    let first = Message { attempts: 3, ..ground.message(native(&*device), "hola") };
    let second = Message { sim: None, ..ground.message(native(&*device), "adiós") };
    for message in [first, second] {
        let sent = ground.send(downlink(device.address(), message.clone())).await;
        assert!(matches!(sent, Sent::Taken), "{sent:?}");
        assert_eq!(device.hear(LONG).await, Some(heard(&message)));
    }
}

pub(super) async fn messages_arrive_in_order(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    let messages: Vec<_> =
        (0..200).map(|turn| ground.message(native(&*device), &format!("{turn}"))).collect();
    for batch in messages.chunks(70) {
        let batch: Vec<_> = batch.iter().map(|message| downlink(device.address(), message.clone())).collect();
        let sent = ground.transport.send(&batch).await.expect("send");
        assert_eq!(sent.len(), batch.len());
        assert!(sent.iter().all(|sent| matches!(sent, Sent::Taken)), "{sent:?}");
    }
    for message in &messages {
        assert_eq!(device.hear(LONG).await, Some(heard(message)));
    }
}

pub(super) async fn outcomes_are_in_order(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let (mut first, mut second) = (ground.online().await, ground.online().await);
    let absent = ground.device().await;
    let addresses = [absent.address(), first.address(), second.address(), absent.address(), first.address()];
    let batch = addresses.map(|address| downlink(address, ground.message(ground.id(), "hola")));
    let sent = ground.transport.send(&batch).await.expect("send");
    let missing: Vec<_> = sent.iter().map(|sent| matches!(sent, Sent::NoSubscriber)).collect();
    let tells = ground.transport.capabilities().tells_no_subscriber;
    // No palindrome: outcomes in reverse would not be seen.
    assert_eq!(missing, [tells, false, false, tells, false], "{sent:?}");
    assert!(sent.iter().all(|sent| !matches!(sent, Sent::NotSent(_) | Sent::Failed(_))), "{sent:?}");
    for (device, count) in [(&mut first, 2), (&mut second, 1)] {
        for _ in 0..count {
            assert!(device.hear(LONG).await.is_some());
        }
    }
}

pub(super) async fn message_reaches_its_device_alone(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let (mut device, mut other) = (ground.online().await, ground.online().await);
    let message = ground.message(native(&*device), "hola");
    ground.send(downlink(device.address(), message.clone())).await;
    assert_eq!(device.hear(LONG).await, Some(heard(&message)));
    assert_eq!(other.hear(BRIEF).await, None);
    assert_eq!(device.hear(BRIEF).await, None, "once");
}

pub(super) async fn cancellation_arrives(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    let id = ground.message(native(&*device), "hola").id;
    let sent = ground.send(Downlink { address: device.address(), command: Command::Cancel(id) }).await;
    assert!(matches!(sent, Sent::Taken), "{sent:?}");
    assert_eq!(device.hear(LONG).await, Some(Heard::Cancel(id)));
}

pub(super) async fn receipts_arrive(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    let ids: Vec<_> = (0..50).map(|_| ground.id()).collect();
    let command = Command::Receipt(ids.clone());
    let sent = ground.send(Downlink { address: device.address(), command }).await;
    assert!(matches!(sent, Sent::Taken), "{sent:?}");
    // A long list may come in parts.
    let mut told = HashSet::new();
    while told.len() < ids.len() {
        match device.hear(LONG).await {
            Some(Heard::Receipt(ids)) => told.extend(ids),
            other => panic!("expected receipts, not {other:?}"),
        }
    }
    assert_eq!(told, ids.into_iter().collect());
}

pub(super) async fn odd_texts_arrive_byte_for_byte(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    for text in ODD_TEXTS {
        let message = ground.message(native(&*device), text);
        ground.send(downlink(device.address(), message.clone())).await;
        assert_eq!(device.hear(LONG).await, Some(heard(&message)), "{text:?}");
    }
}

pub(super) async fn original_device_hears_number_and_text(stage: &Stage<dyn TransportFixture>) {
    let ground = Ground::new(stage).await;
    let Some(mut device) = ground.fixture.device(Protocol::Original).await else { return };
    device.connect().await;
    let address = device.address();
    let command = Command::Authentication { accepted: true };
    ground.send(Downlink { address: address.clone(), command }).await;
    assert_eq!(device.hear(LONG).await, Some(Heard::Authentication { accepted: true }));
    for text in ODD_TEXTS {
        let message = ground.message(ground.id(), text);
        ground.send(downlink(address.clone(), message.clone())).await;
        match device.hear(LONG).await {
            Some(Heard::Send { to, body, .. }) => {
                assert_eq!(to, message.to.expose().as_str());
                assert_eq!(body.as_bytes(), text.as_bytes(), "{text:?}");
            }
            other => panic!("expected {text:?}, not {other:?}"),
        }
    }
}

pub(super) async fn sends_again_after_a_cut(stage: &Stage<dyn TransportFixture>) {
    let mut ground = Ground::new(stage).await;
    let mut device = ground.online().await;
    ground.fixture.sever().await;
    ground.until_ready().await;
    let message = ground.message(native(&*device), "hola");
    // Until the transport is back, a broker that is away fails each item.
    loop {
        match ground.send(downlink(device.address(), message.clone())).await {
            Sent::Taken => break,
            Sent::NotSent(error) | Sent::Failed(error) => assert!(error.is_retryable(), "{error}"),
            Sent::NoSubscriber => panic!("the device was not cut off"),
        }
        tokio::time::sleep(BRIEF / 10).await;
    }
    assert_eq!(device.hear(LONG).await, Some(heard(&message)));
}
