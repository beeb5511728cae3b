//! Two gateways with one client id: each connection ends the other's, for ever, unless one of them stops.
//!
//! MQTT 5 has a word for it, "session taken over". Mosquitto 2.0.11 does not say it; it only closes the connection, as
//! any bad network does. So each gateway leaves a retained word on a topic of its client id, a new one with every
//! connection, and when it comes back and finds another's there, it knows. The topic is that of a device named like the
//! gateway, where gateways may publish anyway; where a gateway may not subscribe to it, only the broker's word counts.
//!
//! On an open broker others may write there too, so what is found counts only where a takeover explains it best:
//! - our last connection was ended by the broker's side, without a reason, and the next try got in at once. A broker that
//!   was restarted, and has kept an old word, does not let in whoever comes while it is away;
//! - the word is retained (a broker sets that flag when it answers a subscription, not on what it passes on), is not
//!   ours, and we have never seen it. In particular we did not hear it being said: whoever has our client id has ended
//!   our connection before, so what is said while we are connected is somebody else's.
//!
//! What is left: somebody who leaves a new word in the moment in which the network has cut us off, three times in a
//! minute. Where others may write on the gateway's topic, give each device an account of its own.
//!
//! The word is taken away at a goodbye, and the broker forgets it where there was none.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Publish, PublishProperties};
use tokio::time::Instant;

use crate::wire::down_topic;

/// So many takeovers within [`WINDOW`] are no restart and no late packet of a connection of before.
const ENOUGH: usize = 3;
const WINDOW: Duration = Duration::from_secs(60);
/// MQTT 5 Message Expiry of a word, in seconds: longer than a rival waits before it comes back, and than [`WINDOW`].
const EXPIRY: u32 = 120;
/// How many words of others are remembered. The broker keeps the last one only.
const KNOWN: usize = 16;

/// Who else uses our client id.
pub(super) struct Rivals {
    word: Arc<Word>,
    /// What our words begin with. New with every start.
    mark: String,
    /// Counts our words.
    said: u64,
    /// The broker keeps retained messages, and so words.
    retains: bool,
    /// That it does not has been said.
    warned: bool,
    /// Our word was left, by an earlier connection or by this one.
    left: bool,
    left_now: bool,
    /// The last connection was ended by the other side, without a reason, and this one is the first try since.
    cut: bool,
    /// Words of others that were found or heard, the last one last.
    known: VecDeque<Vec<u8>>,
    takeovers: VecDeque<Instant>,
}

/// Our word on the broker, for the goodbye, which is said elsewhere.
pub(super) struct Word {
    /// Where it is left; none where it is not.
    topic: Option<String>,
    is_ours: AtomicBool,
}

impl Word {
    /// Takes our word away, where it is the last one that was left.
    pub(super) fn clear(&self, client: &AsyncClient) {
        if self.is_ours.swap(false, Ordering::Relaxed)
            && let Some(topic) = &self.topic
        {
            // Without it the broker forgets the word a little later.
            let _ = client.try_publish(topic, QoS::AtMostOnce, true, "");
        }
    }
}

impl Rivals {
    pub(super) fn new(client_id: &str) -> Self {
        let fits = !client_id.is_empty() && !client_id.contains(['/', '+', '#']);
        Self::on(fits.then(|| down_topic(client_id)))
    }

    /// Where nobody else can have our client id.
    pub(super) fn impossible() -> Self {
        Self::on(None)
    }

    fn on(topic: Option<String>) -> Self {
        Self {
            word: Arc::new(Word { topic, is_ours: AtomicBool::new(false) }),
            mark: format!("{:016x}", fastrand::u64(..)),
            said: 0,
            retains: true,
            warned: false,
            left: false,
            left_now: false,
            cut: false,
            known: VecDeque::new(),
            takeovers: VecDeque::new(),
        }
    }

    pub(super) fn word(&self) -> Arc<Word> {
        self.word.clone()
    }

    /// The broker has let us in, and says whether it keeps retained messages.
    pub(super) fn connected(&mut self, retains: bool) {
        self.retains = retains;
        self.left_now = false;
        if !retains && self.word.topic.is_some() && !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                "the broker keeps no retained messages: that another gateway uses this one's client id is noticed only \
                 where the broker says so, and which devices are online is known when they next say something"
            );
        }
    }

    /// What to subscribe to.
    pub(super) fn filter(&self) -> Option<Filter> {
        let topic = self.word.topic.as_ref().filter(|_| self.retains);
        topic.map(|topic| Filter::new(topic, QoS::AtMostOnce))
    }

    /// We are subscribed. What we say now comes back after the word that was left there.
    pub(super) fn ask(&mut self, client: &AsyncClient) {
        self.said += 1;
        self.say(client, false);
    }

    fn say(&self, client: &AsyncClient, retain: bool) {
        if let Some(topic) = self.word.topic.as_ref().filter(|_| self.retains) {
            let properties =
                PublishProperties { message_expiry_interval: Some(EXPIRY), ..PublishProperties::default() };
            let word = self.current();
            // Without it nothing is found out, that is all.
            let _ = client.try_publish_with_properties(topic, QoS::AtMostOnce, retain, word, properties);
        }
    }

    fn current(&self) -> String {
        format!("{}-{}", self.mark, self.said)
    }

    pub(super) fn is_mine(&self, publish: &Publish) -> bool {
        self.word.topic.as_ref().is_some_and(|topic| publish.topic == topic.as_bytes())
    }

    /// A word on our topic: ours, somebody else's, or that one was taken away.
    pub(super) fn hear(&mut self, publish: &Publish, client: &AsyncClient) {
        if publish.payload == self.current().as_bytes() {
            if !self.left_now {
                (self.left, self.left_now, self.cut) = (true, true, false);
                self.word.is_ours.store(true, Ordering::Relaxed);
                self.say(client, true);
            }
        } else if !publish.payload.is_empty() && !publish.payload.starts_with(self.mark.as_bytes()) {
            self.hear_other(publish);
        }
    }

    fn hear_other(&mut self, publish: &Publish) {
        if !publish.retain {
            // Whether it was left there instead of ours is not to be seen; it is not ours to take away.
            self.word.is_ours.store(false, Ordering::Relaxed);
        }
        if self.known.iter().any(|word| word == &publish.payload) {
            return;
        }
        if self.known.len() == KNOWN {
            self.known.pop_front();
        }
        self.known.push_back(publish.payload.to_vec());
        // The first word that is found tells of the time between the connections; there is no second.
        if publish.retain && self.left && std::mem::take(&mut self.cut) {
            tracing::warn!("another gateway was connected with the client id of this one");
            self.takeovers.push_back(Instant::now());
        }
    }

    /// A connection has ended, or was not made. `by_peer` where it was one that the broker had let in, and the other side
    /// has closed it without a reason.
    pub(super) fn lost(&mut self, by_peer: bool) {
        self.cut = by_peer;
        self.word.is_ours.store(false, Ordering::Relaxed);
    }

    /// The broker says that our session was taken over. What is found later is no other takeover.
    pub(super) fn took_over(&mut self) {
        self.lost(false);
        self.takeovers.push_back(Instant::now());
    }

    /// Whether one of us has to give up.
    pub(super) fn insist(&mut self) -> bool {
        self.takeovers.retain(|then| then.elapsed() < WINDOW);
        self.takeovers.len() >= ENOUGH
    }
}

#[cfg(test)]
#[path = "rivals_tests.rs"]
mod tests;
