//! The least that publishing over MQTT costs here: rumqttc alone, with topics and payloads made beforehand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use rumqttc::NetworkOptions;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use secrecy::ExposeSecret;
use smsgw_core::transport::Downlink;
use smsgw_mqtt::measuring;
use smsgw_mqtt::transport::MqttConfig;
use tokio::runtime::Runtime;

use crate::fixtures::mqtt::{Kind, Place};
use crate::{BATCHES, Listeners, in_a_task, settings};

/// As many as the transport lets be under way.
const IN_FLIGHT: u16 = 4_000;

const BROKERS: &[(&str, Kind)] = &[
    #[cfg(feature = "broker")]
    ("embedded", Kind::Embedded),
    ("mosquitto", Kind::Mosquitto),
];

struct Bare {
    client: AsyncClient,
    events: EventLoop,
}

impl Bare {
    /// As the gateway would.
    async fn connect(config: MqttConfig) -> Self {
        let mut options = MqttOptions::new(config.client_id, config.host, config.port);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network).set_outgoing_inflight_upper_limit(IN_FLIGHT);
        if let (Some(user), Some(password)) = (config.username, config.password) {
            options.set_credentials(user, password.expose_secret());
        }
        let (client, events) = AsyncClient::new(options, usize::from(IN_FLIGHT));
        let mut bare = Self { client, events };
        while !matches!(bare.poll().await, Event::Incoming(Packet::ConnAck(_))) {}
        bare
    }

    async fn poll(&mut self) -> Event {
        self.events.poll().await.expect("the broker stays")
    }

    async fn turn(&mut self, listeners: &Listeners, batch: &[(String, Vec<u8>)], rounds: u64) -> Duration {
        let began = Instant::now();
        for _ in 0..rounds {
            listeners.take_room(batch.len()).await;
            for (topic, payload) in batch {
                self.client
                    .try_publish(topic.clone(), QoS::AtLeastOnce, false, payload.clone())
                    .expect("room for a batch");
            }
            let mut waiting = batch.len();
            while waiting > 0 {
                if let Event::Incoming(Packet::PubAck(ack)) = self.poll().await {
                    assert_eq!(ack.reason, PubAckReason::Success, "everyone listens");
                    waiting -= 1;
                }
            }
        }
        began.elapsed()
    }
}

/// What the transport makes of it.
fn publication(downlink: &Downlink) -> (String, Vec<u8>) {
    measuring::write(downlink).expect("the native protocol has words for a message")
}

pub(crate) fn measure(c: &mut Criterion, runtime: &Runtime) {
    for (name, kind) in BROKERS {
        // That it is missing was said before.
        let Ok(place) = runtime.block_on(Place::direct(*kind)) else { continue };
        let listeners = Arc::new(runtime.block_on(Listeners::connect(&place)));
        let mut bare = Some(runtime.block_on(Bare::connect(place.direct_config())));
        let mut group = c.benchmark_group(format!("transport/{name}, bare rumqttc"));
        settings(&mut group);
        for size in BATCHES {
            let batch: Arc<Vec<_>> = Arc::new(listeners.batch(size).iter().map(publication).collect());
            group.throughput(Throughput::Elements(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter_custom(|rounds| {
                    let (listeners, batch) = (listeners.clone(), batch.clone());
                    let mut own = bare.take().expect("it comes back");
                    let (took, back) = in_a_task(runtime, async move {
                        let took = own.turn(&listeners, &batch, rounds).await;
                        listeners.hear_all().await;
                        (took, own)
                    });
                    bare = Some(back);
                    took
                });
            });
        }
        group.finish();
    }
}
