//! The word by which a gateway finds out that another one has its client id, and what others can do to it.

use std::path::Path;
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use smsgw_core::transport::Transport;
use tokio::time::{sleep, timeout};

use crate::fixtures::{ADVISED, BRIEF, LONG, Place};
use crate::ground::Gateway;

/// As often as would end a gateway, and once more.
const OFTEN: usize = 4;

/// Somebody on the broker, which is open.
struct Somebody {
    client: AsyncClient,
    events: EventLoop,
    topic: String,
}

impl Somebody {
    fn on(place: &Place) -> Self {
        let address = place.server.address();
        let mut options = MqttOptions::new("somebody", address.ip().to_string(), address.port());
        options.set_clean_start(true);
        let (client, events) = AsyncClient::new(options, 16);
        Self { client, events, topic: format!("smsgw/v1/{}/down", place.config().client_id) }
    }

    async fn says(&mut self, word: &str, retain: bool) {
        self.client.try_publish(&self.topic, QoS::AtLeastOnce, retain, word.to_owned()).expect("room");
        let taken = async {
            while !matches!(self.events.poll().await.expect("connected"), Event::Incoming(Packet::PubAck(_)))
            {
            }
        };
        timeout(LONG, taken).await.expect("it is taken in time");
    }

    /// The word that is left.
    async fn finds(mut self) -> Option<Publish> {
        self.client.try_subscribe(&self.topic, QoS::AtMostOnce).expect("room");
        let found = async {
            loop {
                if let Event::Incoming(Packet::Publish(publish)) =
                    self.events.poll().await.expect("connected")
                    && publish.retain
                {
                    return publish;
                }
            }
        };
        timeout(BRIEF * 2, found).await.ok()
    }
}

/// Connected again after `accepted` connections.
async fn until_back(place: &Place, gateway: &Gateway, accepted: usize) {
    let back = async {
        while place.proxy.accepted() == accepted {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, back).await.expect("it comes back");
    gateway.until_ready().await;
}

pub(crate) async fn a_gateway_takes_its_word_away_when_it_closes(place: Place) {
    let gateway = Gateway::open(&place).await;
    sleep(BRIEF).await;
    let word = Somebody::on(&place).finds().await.expect("it is left");
    let expiry = word.properties.and_then(|properties| properties.message_expiry_interval);
    assert!(
        expiry.is_some_and(|seconds| (1..=120).contains(&seconds)),
        "no word outlives its use: {expiry:?}"
    );
    gateway.transport.close().await.expect("close");
    assert!(Somebody::on(&place).finds().await.is_none());
}

pub(crate) async fn a_gateway_leaves_the_word_of_another(place: Place) {
    let gateway = Gateway::open(&place).await;
    sleep(BRIEF).await;
    Somebody::on(&place).says("another", true).await;
    sleep(BRIEF).await;
    gateway.transport.close().await.expect("close");
    assert_eq!(Somebody::on(&place).finds().await.expect("it is left").payload, "another");
}

pub(crate) async fn whoever_can_publish_cannot_end_a_gateway(place: Place) {
    let gateway = Gateway::open(&place).await;
    let mut somebody = Somebody::on(&place);
    sleep(BRIEF).await;
    for n in 0..2 * OFTEN {
        somebody.says(&format!("forged-{n}"), n % 2 == 0).await;
    }
    sleep(BRIEF).await;
    gateway.transport.ready().await.expect("it is connected still");
    assert_eq!(place.proxy.accepted(), 1);
    // Also where the network is bad.
    for n in 0..OFTEN {
        somebody.says(&format!("left-{n}"), true).await;
        sleep(BRIEF).await;
        let accepted = place.proxy.accepted();
        place.proxy.cut().await;
        until_back(&place, &gateway, accepted).await;
        sleep(BRIEF).await;
    }
    gateway.transport.ready().await.expect("it is connected still");
}

/// Each restart brings back what the broker kept before this gateway came.
pub(crate) async fn a_word_that_a_killed_broker_restores_is_no_rival(_place: Place) {
    const BEFORE: &str = "of-an-earlier-run";
    let kept = tempfile::tempdir().expect("a directory");
    let settings = format!(
        "{ADVISED}persistence true\npersistence_location {}/\nautosave_on_changes true\nautosave_interval 1\n",
        kept.path().display()
    );
    let place = Place::mosquitto(&settings).await.expect("it was there");
    Somebody::on(&place).says(BEFORE, true).await;
    let database = kept.path().join("mosquitto.db");
    let is_kept = |file: &Path| {
        std::fs::read(file)
            .is_ok_and(|bytes| bytes.windows(BEFORE.len()).any(|part| part == BEFORE.as_bytes()))
    };
    let saved = async {
        while !is_kept(&database) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, saved).await.expect("the broker keeps it");
    let then = std::fs::read(&database).expect("it is there");
    let gateway = Gateway::open(&place).await;
    sleep(BRIEF).await;
    let mosquitto = place.server.process().expect("it is one");
    for _ in 0..OFTEN {
        mosquitto.kill();
        std::fs::write(&database, &then).expect("it is ours");
        mosquitto.start_again().await;
        // What the gateway found out before it was ready again was found out from the connection that failed.
        gateway.until_ready().await;
        sleep(BRIEF).await;
        gateway.until_ready().await;
    }
}
