//! A device, as far as a broker sees it, that keeps what it hears.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use smsgw_core::device::Protocol;
use smsgw_core::id::DeviceId;
use smsgw_core::key::KeyId;
use smsgw_mqtt::dialect::original;
use smsgw_mqtt::wire::{self, Down, Presence, ReportState, Up};
use tokio::time::{Instant, timeout_at};

use crate::client::{Client, Options, Said, Version};

/// What a device is known by.
#[derive(Clone)]
pub(crate) struct Phone {
    pub(crate) address: SocketAddr,
    pub(crate) device: DeviceId,
    pub(crate) protocol: Protocol,
    pub(crate) key: KeyId,
    pub(crate) secret: String,
}

impl Phone {
    pub(crate) fn name(&self) -> String {
        self.device.to_string()
    }

    pub(crate) fn up(&self) -> String {
        wire::up_topic(&self.name())
    }

    pub(crate) fn down(&self) -> String {
        wire::down_topic(&self.name())
    }

    pub(crate) fn presence(&self) -> String {
        wire::presence_topic(&self.name())
    }

    /// The topics that it may subscribe to.
    pub(crate) fn own(&self) -> Vec<String> {
        match self.protocol {
            Protocol::Native => vec![self.down()],
            Protocol::Original => {
                vec![original::answer_topic(&self.secret), original::sms_topic(&self.secret)]
            }
        }
    }

    /// As it logs in.
    pub(crate) fn options(&self, version: Version) -> Options {
        let name = self.name();
        match self.protocol {
            Protocol::Native => Options::new(version, &name, &name, &self.secret),
            Protocol::Original => Options::new(version, &name[24..], &self.secret, &self.secret),
        }
    }

    /// Connects, subscribes to what is its own, and says that it is there.
    pub(crate) async fn come(&self, version: Version) -> Ears {
        let client = self.options(version).connect(self.address).await;
        let mut ears = Ears { client, phone: self.clone(), heard: Vec::new() };
        for topic in self.own() {
            assert_eq!(ears.subscribe(&topic).await, 1);
        }
        match self.protocol {
            Protocol::Native => {
                let here = wire::encode(&Presence { online: true, at: None });
                ears.publish(&self.presence(), &here, true).await;
            }
            Protocol::Original => {
                ears.publish(&original::auth_topic(&self.secret), b"phone", false).await;
            }
        }
        ears
    }
}

/// A report of a native device.
pub(crate) fn report(message: &str, state: ReportState) -> (String, Vec<u8>) {
    let report_id = uuid::Uuid::now_v7().to_string();
    let report = wire::Report {
        report_id: report_id.clone(),
        id: message.into(),
        attempt: None,
        state,
        segment: None,
        code: None,
        at: "2026-01-02T03:04:05Z".into(),
    };
    (report_id, wire::encode(&Up::Report(report)))
}

/// A connection, and what has come in on it: topic and payload.
pub(crate) struct Ears {
    pub(crate) client: Client,
    pub(crate) phone: Phone,
    pub(crate) heard: Vec<(String, String)>,
}

impl Ears {
    /// The next word that is no message.
    async fn answer(&mut self) -> Said {
        loop {
            match self.client.hear().await {
                Said::Message { topic, payload, .. } => self.heard.push((topic, payload)),
                said => return said,
            }
        }
    }

    /// Subscribes and returns the code.
    pub(crate) async fn subscribe(&mut self, filter: &str) -> u8 {
        self.client.ask(filter);
        match self.answer().await {
            Said::Subscribed(codes) => codes[0],
            said => panic!("no SUBACK: {said:?}"),
        }
    }

    /// Publishes and returns the code.
    pub(crate) async fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) -> u8 {
        self.client.send(topic, payload, retain);
        match self.answer().await {
            Said::Acknowledged(code) => code,
            said => panic!("no PUBACK: {said:?}"),
        }
    }

    /// Listens until `enough` of it, or the end.
    pub(crate) async fn listen(&mut self, until: Instant, enough: impl Fn(&Self) -> bool) {
        while !enough(self) {
            match timeout_at(until, self.client.hear()).await {
                Ok(Said::Message { topic, payload, .. }) => self.heard.push((topic, payload)),
                Ok(said) => panic!("{said:?}"),
                Err(_) => return,
            }
        }
    }

    pub(crate) async fn listen_for(&mut self, time: Duration) {
        self.listen(Instant::now() + time, |_| false).await;
    }

    /// The different texts that it was to send.
    pub(crate) fn orders(&self) -> HashSet<String> {
        let order = |(topic, payload): &(String, String)| match self.phone.protocol {
            Protocol::Native => match Down::parse(payload.as_bytes()) {
                Ok(Down::Send(sms)) => Some(sms.id),
                _ => None,
            },
            Protocol::Original => topic.ends_with("/sms").then(|| payload.clone()),
        };
        self.heard.iter().filter_map(order).collect()
    }

    /// What it heard that was not for it: under another topic, or of another device.
    pub(crate) fn foreign(&self) -> usize {
        let (own, name) = (self.phone.own(), self.phone.name());
        let is_foreign = |(topic, payload): &&(String, String)| {
            !own.contains(topic) || (payload.contains("for ") && !payload.contains(&format!("for {name}")))
        };
        self.heard.iter().filter(is_foreign).count()
    }
}
