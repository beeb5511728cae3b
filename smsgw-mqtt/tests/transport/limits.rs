//! Brokers that cannot do all of MQTT 5, and say so.

use std::sync::Arc;

use smsgw_core::error::ErrorKind;
use smsgw_core::transport::Transport;
use smsgw_mqtt::transport::{MqttConfig, MqttTransport};
use tokio::time::{sleep, timeout};

use crate::fixtures::{BRIEF, Fake, Habits, LONG, Place};
use crate::ground::{Gateway, until_failing};

/// MQTT 5, 3.2.2.3: a property and its value.
const NO_WILDCARDS: &[u8] = &[0x28, 0];
const NO_SHARES: &[u8] = &[0x2a, 0];

async fn broker(properties: &'static [u8]) -> (Fake, MqttConfig) {
    let fake = Fake::start(Habits { properties, acknowledges: Some(0) }).await;
    let config = MqttConfig::new("127.0.0.1", fake.port());
    (fake, config)
}

async fn refusal(config: MqttConfig) -> String {
    let transport = MqttTransport::new(config);
    let _inbox = transport.open().await.expect("open");
    let detail = until_failing(&transport, ErrorKind::Unsupported).await;
    timeout(LONG, transport.close()).await.expect("in time").expect("close");
    detail
}

pub(crate) async fn a_broker_without_shared_subscriptions_is_told_where_they_are_asked_for(_place: Place) {
    let (_fake, config) = broker(NO_SHARES).await;
    let detail = refusal(config.clone().with_share("smsgw")).await;
    for words in ["shared subscriptions", "one gateway alone", "`share` turned off"] {
        assert!(detail.contains(words), "{words:?} is not in {detail:?}");
    }
    Gateway::with(Arc::new(MqttTransport::new(config))).await;
}

pub(crate) async fn a_broker_without_wildcards_is_told(_place: Place) {
    let (_fake, config) = broker(NO_WILDCARDS).await;
    let detail = refusal(config).await;
    assert!(detail.contains("wildcards") && detail.contains("another broker"), "{detail}");
}

pub(crate) async fn a_broker_without_retained_messages_serves(_place: Place) {
    let place = Place::mosquitto("retain_available false\n").await.expect("it was there");
    let gateway = Gateway::open(&place).await;
    sleep(BRIEF * 3).await;
    gateway.transport.ready().await.expect("nothing was said that ends the connection");
    assert_eq!(place.proxy.accepted(), 1);
}
