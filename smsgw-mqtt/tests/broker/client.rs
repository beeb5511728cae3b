//! One face for the two clients of rumqttc: what was said, in the same words for MQTT 5 and 3.1.1.

use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5 as m5;
use rumqttc::{mqttbytes::v4 as m4, v5};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A silence this long is a failed test.
const PATIENCE: Duration = Duration::from_secs(30);
/// A silence this long is silence.
pub(crate) const SILENCE: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V5,
    V311,
}

pub(crate) const BOTH: [Version; 2] = [Version::V5, Version::V311];

/// What a client hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Connected {
        session_present: bool,
    },
    /// The name of the return code.
    Refused(String),
    /// The codes of MQTT 5; refusals of MQTT 3.1.1 are 0x80.
    Subscribed(Vec<u8>),
    Unsubscribed,
    /// 0 or a code of MQTT 5.
    Acknowledged(u8),
    Message {
        topic: String,
        payload: String,
        retain: bool,
    },
    Lost,
}

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) version: Version,
    pub(crate) client_id: String,
    pub(crate) login: Option<(String, String)>,
    pub(crate) clean: bool,
    /// Topic, payload, retained.
    pub(crate) will: Option<(String, String, bool)>,
    pub(crate) manual_acks: bool,
    pub(crate) transport: rumqttc::Transport,
}

impl Options {
    pub(crate) fn new(version: Version, client_id: &str, username: &str, password: &str) -> Self {
        let login = Some((username.to_owned(), password.to_owned()));
        Self {
            version,
            client_id: client_id.to_owned(),
            login,
            clean: true,
            will: None,
            manual_acks: false,
            transport: rumqttc::Transport::Tcp,
        }
    }

    pub(crate) fn persistent(mut self) -> Self {
        self.clean = false;
        self
    }

    pub(crate) fn will(mut self, topic: &str, payload: &str, retain: bool) -> Self {
        self.will = Some((topic.to_owned(), payload.to_owned(), retain));
        self
    }

    /// Connects, and says what the broker answered.
    pub(crate) async fn try_connect(self, address: SocketAddr) -> (Client, Said) {
        let mut client = match self.version {
            Version::V5 => self.v5(address),
            Version::V311 => self.v311(address),
        };
        let said = client.hear().await;
        (client, said)
    }

    pub(crate) async fn connect(self, address: SocketAddr) -> Client {
        let (client, said) = self.try_connect(address).await;
        assert!(matches!(said, Said::Connected { .. }), "{said:?}");
        client
    }

    fn v5(self, address: SocketAddr) -> Client {
        use v5::{ConnectionError, Event};
        let mut options = v5::MqttOptions::new(self.client_id, address.ip().to_string(), address.port());
        options.set_keep_alive(Duration::from_secs(30)).set_clean_start(self.clean);
        options.set_manual_acks(self.manual_acks).set_transport(self.transport);
        if !self.clean {
            options.set_session_expiry_interval(Some(3_600));
        }
        if let Some((username, password)) = self.login {
            options.set_credentials(username, password);
        }
        if let Some((topic, payload, retain)) = self.will {
            let qos = v5::mqttbytes::QoS::AtLeastOnce;
            options.set_last_will(m5::LastWill::new(topic, payload, qos, retain, None));
        }
        let (client, mut events) = v5::AsyncClient::new(options, 64);
        let (heard, hears) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let said = match events.poll().await {
                    Ok(Event::Incoming(packet)) => said_in_v5(packet),
                    Ok(Event::Outgoing(_)) => None,
                    Err(ConnectionError::ConnectionRefused(code)) => Some(Said::Refused(format!("{code:?}"))),
                    Err(_) => Some(Said::Lost),
                };
                let over = matches!(said, Some(Said::Refused(_) | Said::Lost));
                if said.is_some_and(|said| heard.send(said).is_err()) || over {
                    return;
                }
            }
        });
        Client { inner: Inner::V5(client), hears, task }
    }

    fn v311(self, address: SocketAddr) -> Client {
        use rumqttc::{ConnectionError, Event};
        let mut options = rumqttc::MqttOptions::new(self.client_id, address.ip().to_string(), address.port());
        options.set_keep_alive(Duration::from_secs(30)).set_clean_session(self.clean);
        options.set_manual_acks(self.manual_acks).set_transport(self.transport);
        if let Some((username, password)) = self.login {
            options.set_credentials(username, password);
        }
        if let Some((topic, payload, retain)) = self.will {
            options.set_last_will(m4::LastWill::new(topic, payload, rumqttc::QoS::AtLeastOnce, retain));
        }
        let (client, mut events) = rumqttc::AsyncClient::new(options, 64);
        let (heard, hears) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let said = match events.poll().await {
                    Ok(Event::Incoming(packet)) => said_in_v311(packet),
                    Ok(Event::Outgoing(_)) => None,
                    Err(ConnectionError::ConnectionRefused(code)) => Some(Said::Refused(format!("{code:?}"))),
                    Err(_) => Some(Said::Lost),
                };
                let over = matches!(said, Some(Said::Refused(_) | Said::Lost));
                if said.is_some_and(|said| heard.send(said).is_err()) || over {
                    return;
                }
            }
        });
        Client { inner: Inner::V311(client), hears, task }
    }
}

fn said_in_v5(packet: m5::Packet) -> Option<Said> {
    Some(match packet {
        m5::Packet::ConnAck(ack) => Said::Connected { session_present: ack.session_present },
        m5::Packet::SubAck(ack) => Said::Subscribed(
            ack.return_codes
                .iter()
                .map(|code| match code {
                    m5::SubscribeReasonCode::Success(qos) => *qos as u8,
                    m5::SubscribeReasonCode::NotAuthorized => 0x87,
                    _ => 0x80,
                })
                .collect(),
        ),
        m5::Packet::UnsubAck(_) => Said::Unsubscribed,
        m5::Packet::PubAck(ack) => Said::Acknowledged(match ack.reason {
            m5::PubAckReason::Success => 0,
            m5::PubAckReason::NoMatchingSubscribers => 0x10,
            m5::PubAckReason::NotAuthorized => 0x87,
            _ => 0x80,
        }),
        m5::Packet::Publish(publish) => Said::Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: String::from_utf8_lossy(&publish.payload).into_owned(),
            retain: publish.retain,
        },
        m5::Packet::Disconnect(_) => Said::Lost,
        _ => return None,
    })
}

fn said_in_v311(packet: m4::Packet) -> Option<Said> {
    Some(match packet {
        m4::Packet::ConnAck(ack) => Said::Connected { session_present: ack.session_present },
        m4::Packet::SubAck(ack) => Said::Subscribed(
            ack.return_codes
                .iter()
                .map(|code| match code {
                    m4::SubscribeReasonCode::Success(qos) => *qos as u8,
                    m4::SubscribeReasonCode::Failure => 0x80,
                })
                .collect(),
        ),
        m4::Packet::UnsubAck(_) => Said::Unsubscribed,
        m4::Packet::PubAck(_) => Said::Acknowledged(0),
        m4::Packet::Publish(publish) => Said::Message {
            topic: publish.topic,
            payload: String::from_utf8_lossy(&publish.payload).into_owned(),
            retain: publish.retain,
        },
        m4::Packet::Disconnect => Said::Lost,
        _ => return None,
    })
}

enum Inner {
    V5(v5::AsyncClient),
    V311(rumqttc::AsyncClient),
}

/// A connection; dropped, its socket is cut without a DISCONNECT.
pub(crate) struct Client {
    inner: Inner,
    hears: mpsc::UnboundedReceiver<Said>,
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    pub(crate) async fn hear(&mut self) -> Said {
        let said = tokio::time::timeout(PATIENCE, self.hears.recv()).await;
        said.expect("the broker is silent").unwrap_or(Said::Lost)
    }

    pub(crate) async fn hears_nothing(&mut self) {
        if let Ok(said) = tokio::time::timeout(SILENCE, self.hears.recv()).await {
            panic!("heard {said:?}");
        }
    }

    /// Subscribes at QoS 1 without waiting for the answer.
    pub(crate) fn ask(&self, filter: &str) {
        match &self.inner {
            Inner::V5(client) => client.try_subscribe(filter, v5::mqttbytes::QoS::AtLeastOnce).expect("room"),
            Inner::V311(client) => client.try_subscribe(filter, rumqttc::QoS::AtLeastOnce).expect("room"),
        }
    }

    /// Subscribes at QoS 1 and returns the code.
    pub(crate) async fn subscribe(&mut self, filter: &str) -> u8 {
        self.ask(filter);
        match self.hear().await {
            Said::Subscribed(codes) => codes[0],
            said => panic!("no SUBACK: {said:?}"),
        }
    }

    pub(crate) async fn unsubscribe(&mut self, filter: &str) {
        match &self.inner {
            Inner::V5(client) => client.try_unsubscribe(filter).expect("room"),
            Inner::V311(client) => client.try_unsubscribe(filter).expect("room"),
        }
        assert_eq!(self.hear().await, Said::Unsubscribed);
    }

    /// Publishes at QoS 1 without waiting for the acknowledgement.
    pub(crate) fn send(&self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool) {
        let payload = payload.into();
        match &self.inner {
            Inner::V5(client) => {
                client.try_publish(topic, v5::mqttbytes::QoS::AtLeastOnce, retain, payload).expect("room");
            }
            Inner::V311(client) => {
                client.try_publish(topic, rumqttc::QoS::AtLeastOnce, retain, payload).expect("room");
            }
        }
    }

    /// Publishes at QoS 1 and returns the code.
    pub(crate) async fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> u8 {
        self.send(topic, payload, false);
        self.acknowledged().await
    }

    pub(crate) async fn publish_retained(&mut self, topic: &str, payload: &str) -> u8 {
        self.send(topic, payload, true);
        self.acknowledged().await
    }

    async fn acknowledged(&mut self) -> u8 {
        match self.hear().await {
            Said::Acknowledged(code) => code,
            said => panic!("no PUBACK: {said:?}"),
        }
    }

    /// Says goodbye: no last will.
    pub(crate) async fn disconnect(mut self) {
        match &self.inner {
            Inner::V5(client) => client.try_disconnect().expect("room"),
            Inner::V311(client) => client.try_disconnect().expect("room"),
        }
        while self.hear().await != Said::Lost {}
    }
}

/// A message that is not from the broker's memory.
pub(crate) fn message(topic: &str, payload: &str) -> Said {
    Said::Message { topic: topic.into(), payload: payload.into(), retain: false }
}
