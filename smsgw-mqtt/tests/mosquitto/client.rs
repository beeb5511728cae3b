//! An MQTT 5 client that is told what the broker answers.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubAckReason, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use std::time::Duration;
use tokio::time::timeout;

use crate::fixtures::LONG;

pub(crate) struct Client {
    client: AsyncClient,
    events: EventLoop,
}

impl Client {
    /// `None` where the broker does not let it in.
    pub(crate) async fn connect(port: u16, id: &str, user: &str, password: &str) -> Option<Self> {
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_credentials(user, password).set_clean_start(true);
        let (client, events) = AsyncClient::new(options, 16);
        let mut connected = Self { client, events };
        match connected.packet().await {
            Some(Packet::ConnAck(_)) => Some(connected),
            _ => None,
        }
    }

    /// The next packet; `None` where the connection has ended.
    async fn packet(&mut self) -> Option<Packet> {
        let packet = async {
            loop {
                match self.events.poll().await {
                    Ok(Event::Incoming(packet)) => return Some(packet),
                    Ok(Event::Outgoing(_)) => {}
                    Err(_) => return None,
                }
            }
        };
        timeout(LONG, packet).await.expect("the broker answers in time")
    }

    /// Whether it may.
    pub(crate) async fn subscribe(&mut self, filter: &str) -> bool {
        self.client.try_subscribe_many([Filter::new(filter, QoS::AtLeastOnce)]).expect("room");
        loop {
            match self.packet().await.expect("the connection stays") {
                Packet::SubAck(ack) => {
                    return matches!(ack.return_codes[..], [SubscribeReasonCode::Success(_)]);
                }
                Packet::Publish(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whether it may.
    pub(crate) async fn publish(&mut self, topic: &str) -> bool {
        self.client.try_publish(topic, QoS::AtLeastOnce, false, "x").expect("room");
        loop {
            match self.packet().await.unwrap_or_else(|| panic!("{topic} ends the connection")) {
                Packet::PubAck(ack) => return ack.reason != PubAckReason::NotAuthorized,
                Packet::Publish(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The topic of the next message within `wait`.
    pub(crate) async fn hear(&mut self, wait: Duration) -> Option<String> {
        match timeout(wait, self.packet()).await {
            Ok(Some(Packet::Publish(publish))) => Some(String::from_utf8_lossy(&publish.topic).into_owned()),
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }

    /// Whether the broker ends the connection within `wait`.
    pub(crate) async fn is_ended(&mut self, wait: Duration) -> bool {
        let ended = async { while !matches!(self.packet().await, None | Some(Packet::Disconnect(_))) {} };
        timeout(wait, ended).await.is_ok()
    }
}
