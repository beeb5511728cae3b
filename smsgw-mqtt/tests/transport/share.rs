//! Several gateways on one broker: with client ids of their own, and with one for two.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use smsgw_core::error::ErrorKind;
use smsgw_core::id::ReportId;
use smsgw_core::transport::{Ack, DeviceEvent, Sent, Transport};
use smsgw_mqtt::transport::{MqttConfig, MqttTransport};
use tokio::time::{Instant, sleep, timeout};

use crate::fixtures::{BRIEF, Device, LONG, Place};
use crate::ground::{Gateway, downlink, online, say_report};

/// Within which the share of a gateway that is gone for good goes to the others.
const HEIR: Duration = Duration::from_secs(12);

async fn gateway(place: &Place, client_id: &str) -> Gateway {
    let config = MqttConfig { client_id: client_id.into(), ..place.config() }.with_share("smsgw");
    Gateway::with(Arc::new(MqttTransport::new(config))).await
}

async fn say(place: &Place, device: &mut Device, count: usize) -> HashSet<ReportId> {
    let mut said = HashSet::new();
    for _ in 0..count {
        said.insert(say_report(place, device).await);
    }
    said
}

/// All reports that a gateway has heard, acknowledged.
async fn heard(gateway: &mut Gateway) -> Vec<ReportId> {
    let mut heard = Vec::new();
    while let Some((report, ack)) = gateway.report_within(BRIEF * 2).await {
        Ack::acknowledge(vec![ack]);
        heard.push(report);
    }
    heard
}

async fn sees(gateway: &mut Gateway, device: &Device) {
    loop {
        let delivery = gateway.next(LONG).await.expect("it is told");
        Ack::acknowledge(vec![delivery.ack]);
        if let DeviceEvent::Presence { device: id, online: true } = delivery.event {
            assert_eq!(id, device.id());
            return;
        }
    }
}

pub(crate) async fn gateways_with_one_share_hear_each_word_once(place: Place) {
    let (mut one, mut two) = (gateway(&place, "one").await, gateway(&place, "two").await);
    let mut device = online(&place).await;
    sees(&mut one, &device).await;
    sees(&mut two, &device).await;
    let said = say(&place, &mut device, 100).await;
    let (first, second) = tokio::join!(heard(&mut one), heard(&mut two));
    assert!(!first.is_empty() && !second.is_empty(), "both work: {} and {}", first.len(), second.len());
    assert_eq!(first.len() + second.len(), said.len(), "each is heard by one");
    assert_eq!(first.into_iter().chain(second).collect::<HashSet<_>>(), said);
    // Who comes later knows who is there, too.
    sees(&mut gateway(&place, "three").await, &device).await;
}

pub(crate) async fn a_gateway_that_closes_leaves_its_share_at_once(place: Place) {
    let (one, mut two) = (gateway(&place, "one").await, gateway(&place, "two").await);
    let mut device = online(&place).await;
    one.transport.close().await.expect("close");
    let said = say(&place, &mut device, 50).await;
    assert_eq!(heard(&mut two).await.into_iter().collect::<HashSet<_>>(), said);
}

pub(crate) async fn the_share_of_a_gateway_that_died_goes_to_the_others(place: Place) {
    let (one, mut two) = (gateway(&place, "one").await, gateway(&place, "two").await);
    let mut device = online(&place).await;
    let died = Instant::now();
    // Its socket is cut.
    drop(one);
    tokio::time::sleep_until(died + HEIR).await;
    let said = say(&place, &mut device, 50).await;
    let heard: HashSet<_> = heard(&mut two).await.into_iter().collect();
    assert!(heard.is_superset(&said), "all of them");
}

/// Each ends the other's connection until one of them gives up.
pub(crate) async fn of_two_gateways_with_one_client_id_one_gives_up(place: Place) {
    let mut gateways = Vec::new();
    for _ in 0..2 {
        let transport = Arc::new(MqttTransport::new(place.config()));
        let inbox = transport.open().await.expect("open");
        gateways.push(Gateway { transport, inbox });
    }
    let [one, two] = &mut gateways[..] else { panic!("two") };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let over = async {
        tokio::select! {
            received = one.inbox.receive(&mut first, 1) => { assert_eq!(received, 0); 0 }
            received = two.inbox.receive(&mut second, 1) => { assert_eq!(received, 0); 1 }
        }
    };
    let loser = timeout(LONG, over).await.expect("one gives up in time");
    let client_id = place.config().client_id;
    let error = gateways[loser].transport.ready().await.expect_err("it has given up");
    let device = online(&place).await;
    let sent = gateways[loser].send(downlink(&place, &device, "hola")).await;
    let Sent::NotSent(refusal) = sent else { panic!("{sent:?}") };
    for error in [error, refusal] {
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        let detail = error.detail().expect("it says why");
        for words in ["another gateway", &client_id, "its own client id", "MQTT_CLIENT_ID"] {
            assert!(detail.contains(words), "{words:?} is not in {detail:?}");
        }
    }
    let winner = gateways.remove(1 - loser);
    winner.until_ready().await;
    sleep(Duration::from_secs(3)).await;
    winner.transport.ready().await.expect("nobody disturbs it any more");
    assert!(gateways[0].transport.ready().await.is_err());
    timeout(LONG, gateways[0].transport.close()).await.expect("in time").expect("close");
}

/// As where a gateway is started anew while the old one still stops.
pub(crate) async fn a_gateway_that_is_taken_over_once_or_twice_comes_back(place: Place) {
    let gateway = Gateway::open(&place).await;
    for _ in 0..2 {
        let accepted = place.proxy.accepted();
        let other = Gateway::restarted(&place).await;
        // The first one comes back at once, and takes over in turn.
        let back = async {
            while place.proxy.accepted() < accepted + 2 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, back).await.expect("it comes back");
        drop(other);
        gateway.until_ready().await;
    }
}
