//! What devices say, and when it counts as heard.

use std::collections::HashSet;

use smsgw_core::conformance::transport::TransportFixture;
use smsgw_core::device::Protocol;
use smsgw_core::transport::{Ack, Transport};
use tokio::time::{sleep, timeout};

use crate::fixtures::{BRIEF, LONG, Place};
use crate::ground::{Gateway, online, say_report};

pub(crate) async fn unreadable_payloads_are_counted_and_do_not_come_again(place: Place) {
    let mut gateway = Gateway::open(&place).await;
    let mut device = online(&place).await;
    let deep = "[".repeat(200);
    let babble = ["", "x", "[]", "null", &deep, r#"{"type":"report"}"#, r#"{"type":"dance"}"#];
    for payload in babble {
        device.babble(payload.as_bytes()).await;
    }
    device.babble(b"\xff\xfe").await;
    let count = babble.len() as u64 + 1;
    // And the rest goes on.
    let said = say_report(&place, &mut device).await;
    let (heard, ack) = gateway.report().await;
    assert_eq!(heard, said);
    assert_eq!(gateway.transport.unreadable(), count, "each is counted, once");
    Ack::acknowledge(vec![ack]);
    gateway.transport.close().await.expect("close");
    let mut gateway = Gateway::restarted(&place).await;
    let last = say_report(&place, &mut device).await;
    assert_eq!(gateway.report().await.0, last);
    assert_eq!(gateway.transport.unreadable(), 0, "none came again");
}

/// A broker delivers again what waits in a session as soon as the session is resumed, before it hears the subscription.
pub(crate) async fn deliveries_are_acknowledged_before_the_subscription_is_confirmed(place: Place) {
    let mut gateway = Gateway::open(&place).await;
    let mut device = online(&place).await;
    let first = say_report(&place, &mut device).await;
    assert_eq!(gateway.report().await.0, first);
    place.proxy.hold();
    place.sever().await;
    let (again, ack) = gateway.report().await;
    assert_eq!(again, first);
    Ack::acknowledge(vec![ack]);
    sleep(BRIEF).await;
    place.proxy.release();
    gateway.until_ready().await;
    sleep(BRIEF).await;
    place.sever().await;
    let second = say_report(&place, &mut device).await;
    assert_eq!(gateway.report().await.0, second, "the first was acknowledged");
}

/// Each connection brings all that is unacknowledged, until the inbox is full.
pub(crate) async fn an_inbox_that_nobody_reads_loses_nothing(place: Place) {
    let mut gateway = Gateway::open(&place).await;
    let mut device = online(&place).await;
    let mut said = HashSet::new();
    for _ in 0..1_500 {
        said.insert(say_report(&place, &mut device).await);
    }
    for _ in 0..6 {
        place.sever().await;
        // Not ready where it waits for room.
        sleep(BRIEF * 2).await;
    }
    while !said.is_empty() {
        let (report, ack) = gateway.report().await;
        said.remove(&report);
        Ack::acknowledge(vec![ack]);
    }
    // A device of another protocol is heard as ever.
    let mut other = place.device(Protocol::Original).await.expect("it is known");
    other.connect().await;
    timeout(LONG, gateway.transport.close()).await.expect("in time").expect("close");
}
