//! Two gateways with one client id: each connection ends the other's, for ever, unless one of them stops.
//!
//! MQTT 5 has a word for it, "session taken over". Mosquitto 2.0.11 does not say it; it only closes the connection, as
//! any bad network does. So each gateway leaves a retained word of its own on a topic of its client id, and when it
//! comes back and finds another there, it knows. The topic is that of a device named like the gateway, where gateways
//! may publish anyway; where a gateway may not subscribe to it, only the broker's word counts.

use std::collections::VecDeque;
use std::time::Duration;

use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Publish};
use tokio::time::Instant;

use crate::wire::down_topic;

/// So many takeovers within [`WINDOW`] are no restart and no late packet of a connection of before.
const ENOUGH: usize = 3;
const WINDOW: Duration = Duration::from_secs(60);

/// Who else uses our client id.
pub(super) struct Rivals {
    /// Where we leave our word; none where we do not.
    topic: Option<String>,
    /// New with every start.
    word: String,
    /// Our word was left, by an earlier connection or by this one.
    left: bool,
    left_now: bool,
    /// The broker has said why the last connection ended: what is found later is no other takeover.
    told: bool,
    takeovers: VecDeque<Instant>,
}

impl Rivals {
    pub(super) fn new(client_id: &str) -> Self {
        let fits = !client_id.is_empty() && !client_id.contains(['/', '+', '#']);
        Self { topic: fits.then(|| down_topic(client_id)), ..Self::impossible() }
    }

    /// Where nobody else can have our client id.
    pub(super) fn impossible() -> Self {
        Self {
            topic: None,
            word: format!("{:016x}", fastrand::u64(..)),
            left: false,
            left_now: false,
            told: false,
            takeovers: VecDeque::new(),
        }
    }

    /// What to subscribe to.
    pub(super) fn filter(&self) -> Option<Filter> {
        self.topic.as_ref().map(|topic| Filter::new(topic, QoS::AtMostOnce))
    }

    /// We are subscribed. What we say now comes back after the word that was left there.
    pub(super) fn ask(&mut self, client: &AsyncClient) {
        self.left_now = false;
        self.say(client, false);
    }

    fn say(&self, client: &AsyncClient, retain: bool) {
        if let Some(topic) = &self.topic {
            // Without it nothing is found out, that is all.
            let _ = client.try_publish(topic, QoS::AtMostOnce, retain, self.word.clone());
        }
    }

    pub(super) fn is_mine(&self, publish: &Publish) -> bool {
        self.topic.as_ref().is_some_and(|topic| publish.topic == topic.as_bytes())
    }

    /// A word on our topic: ours, or somebody else's.
    pub(super) fn hear(&mut self, publish: &Publish, client: &AsyncClient) {
        if publish.payload != self.word.as_bytes() {
            if self.left && !std::mem::take(&mut self.told) {
                tracing::warn!("another gateway was connected with the client id of this one");
                self.takeovers.push_back(Instant::now());
            }
        } else if !self.left_now {
            (self.left, self.left_now, self.told) = (true, true, false);
            self.say(client, true);
        }
    }

    /// The broker says that our session was taken over.
    pub(super) fn took_over(&mut self) {
        self.told = true;
        self.takeovers.push_back(Instant::now());
    }

    /// Whether one of us has to give up.
    pub(super) fn insist(&mut self) -> bool {
        self.takeovers.retain(|then| then.elapsed() < WINDOW);
        self.takeovers.len() >= ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::v5::MqttOptions;

    use super::*;

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn only_takeovers_of_the_last_minute_count() {
        let mut rivals = Rivals::new("gateway");
        for pause in [0, 59, 2, 59, 50] {
            pass(pause).await;
            rivals.took_over();
            assert!(!rivals.insist(), "after {pause}");
        }
        pass(8).await;
        rivals.took_over();
        assert!(rivals.insist(), "three within 58 s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_takeover_counts_once_however_it_is_known() {
        let (client, _events) = AsyncClient::new(MqttOptions::new("gateway", "localhost", 1883), 64);
        let topic = down_topic("gateway");
        let publish = |word: &str| Publish::new(&topic, QoS::AtMostOnce, word.to_owned(), None);
        let mut rivals = Rivals::new("gateway");
        assert!(rivals.is_mine(&publish("x")));
        let own = publish(&rivals.word);
        let connect = |rivals: &mut Rivals| {
            rivals.ask(&client);
            rivals.hear(&publish("another"), &client);
            let insists = rivals.insist();
            rivals.hear(&own, &client);
            rivals.hear(&own, &client);
            insists
        };
        assert!(!connect(&mut rivals), "that was one before us");
        assert_eq!(rivals.takeovers.len(), 0);
        rivals.took_over();
        assert!(!connect(&mut rivals));
        assert_eq!(rivals.takeovers.len(), 1, "the broker had said so");
        assert!(!connect(&mut rivals));
        assert!(connect(&mut rivals));
        assert_eq!(rivals.takeovers.len(), 3);
    }

    #[test]
    fn a_client_id_that_cannot_stand_in_a_topic_leaves_no_word() {
        for client_id in ["", "a/b", "+", "#"] {
            assert!(Rivals::new(client_id).filter().is_none(), "{client_id:?}");
        }
        assert!(Rivals::impossible().filter().is_none());
    }
}
