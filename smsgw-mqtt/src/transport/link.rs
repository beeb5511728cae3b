//! What one connection has under way: publishes that wait for their PUBACK, and the right to acknowledge.
//!
//! rumqttc names a packet only when it writes it: the order of its `Outgoing::Publish` events is the order of our
//! requests, and the packet id in each is what the PUBACK will name.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{PubAckReason, Publish, PublishProperties};
use smsgw_core::error::{Error, ErrorKind};
use smsgw_core::transport::{Acknowledge, Sent};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::BACKEND;
use crate::dialect::Publication;

/// The most that a packet adds to topic and payload: the fixed header (5), the topic's length (2), the packet id (2),
/// the length of the properties (1) and Message Expiry (5).
const OVERHEAD: usize = 15;

/// How many times as long a publish may wait where the broker answers others meanwhile.
const PASSED_OVER: u32 = 3;

/// The connection of the moment, or none. Shared by senders, the connection's own task and acknowledgements.
#[derive(Default)]
pub(super) struct Link(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Raised by every connection: acknowledgements of an older one mean nothing to this one.
    generation: u64,
    /// From the CONNACK on: a broker delivers what waits in our session at once, and that may be acknowledged.
    client: Option<AsyncClient>,
    /// From the SUBACK on: senders may use it.
    subscribed: bool,
    /// MQTT 5 Maximum Packet Size of the broker, where it has one.
    max_packet: Option<u32>,
    /// When this connection last brought a PUBACK.
    last_answer: Option<Instant>,
    /// Requested, not yet written.
    requested: VecDeque<Slot>,
    /// Written, by packet id.
    written: HashMap<u16, Slot>,
    /// Held back by rumqttc because their packet id is taken still.
    collided: HashMap<u16, Slot>,
}

/// One publish: whom to answer, and its place in the window.
struct Slot {
    since: Instant,
    answer: oneshot::Sender<Sent>,
    _place: OwnedSemaphorePermit,
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection is being made; deliveries of it carry this generation.
    pub(super) fn begin(&self) -> u64 {
        let mut inner = self.lock();
        inner.generation += 1;
        inner.generation
    }

    /// The broker has let us in: what it delivers may be acknowledged.
    pub(super) fn connected(&self, client: AsyncClient, max_packet: Option<u32>) {
        let mut inner = self.lock();
        inner.client = Some(client);
        inner.max_packet = max_packet;
    }

    /// The connection is subscribed: senders may use it.
    pub(super) fn up(&self) {
        self.lock().subscribed = true;
    }

    /// The connection is gone. What was under way has an unknown fate and is answered so.
    pub(super) fn down(&self) {
        let mut inner = self.lock();
        inner.client = None;
        inner.subscribed = false;
        inner.last_answer = None;
        inner.requested.clear();
        inner.written.clear();
        inner.collided.clear();
    }

    pub(super) fn is_up(&self) -> bool {
        let inner = self.lock();
        inner.subscribed && inner.client.is_some()
    }

    /// Whether nothing waits for a PUBACK.
    pub(super) fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.requested.is_empty() && inner.written.is_empty() && inner.collided.is_empty()
    }

    /// Whether a publish waits for its PUBACK, and none at all has come for this long; or one waits for [`PASSED_OVER`] times
    /// as long while others are answered. That one holds its place until the connection ends.
    pub(super) fn is_silent(&self, span: Duration) -> bool {
        let inner = self.lock();
        let slots = inner.requested.iter().chain(inner.written.values()).chain(inner.collided.values());
        let Some(longest) = slots.map(|slot| slot.since.elapsed()).max() else { return false };
        let answers = inner.last_answer.is_some_and(|last| last.elapsed() <= span);
        longest > if answers { span * PASSED_OVER } else { span }
    }

    /// Says the last words and goodbye, after all that was requested. `false` where there is no connection.
    pub(super) fn disconnect(&self, last_words: impl FnOnce(&AsyncClient)) -> bool {
        let Some(client) = self.lock().client.take() else { return false };
        last_words(&client);
        client.try_disconnect().is_ok()
    }

    /// Requests publishes. The lock makes the order of requests and the order of slots one; nothing here waits, so a
    /// dropped caller leaves no slot without its request.
    pub(super) fn publish(
        &self,
        publications: impl IntoIterator<Item = (Publication, OwnedSemaphorePermit)>,
    ) -> Vec<oneshot::Receiver<Sent>> {
        let mut inner = self.lock();
        let client = inner.client.clone().filter(|_| inner.subscribed);
        let max_packet = inner.max_packet;
        let since = Instant::now();
        publications
            .into_iter()
            .map(|(publication, place)| {
                let (answer, answered) = oneshot::channel();
                let slot = Slot { since, answer, _place: place };
                if let Some(max) = max_packet.filter(|max| size(&publication) > *max as usize) {
                    // rumqttc would end the connection, and with it all that is under way.
                    let _ = slot.answer.send(Sent::NotSent(too_large(max)));
                    return answered;
                }
                let properties = PublishProperties {
                    message_expiry_interval: publication.expiry.map(|left| {
                        // Rounded up: a message in its last second may still be sent.
                        u32::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
                    }),
                    ..PublishProperties::default()
                };
                let requested = client.as_ref().is_some_and(|client| {
                    client
                        .try_publish_with_properties(
                            publication.topic,
                            QoS::AtLeastOnce,
                            false,
                            publication.payload,
                            properties,
                        )
                        .is_ok()
                });
                if requested {
                    inner.requested.push_back(slot);
                } else {
                    let _ = slot.answer.send(Sent::NotSent(not_connected()));
                }
                answered
            })
            .collect()
    }

    /// rumqttc has written a publish under this packet id.
    pub(super) fn written(&self, packet: u16) {
        let mut inner = self.lock();
        if let Some(slot) = inner.collided.remove(&packet).or_else(|| inner.requested.pop_front()) {
            inner.written.insert(packet, slot);
        }
    }

    /// rumqttc holds a publish back until this packet id is free.
    pub(super) fn held_back(&self, packet: u16) {
        let mut inner = self.lock();
        if let Some(slot) = inner.requested.pop_front() {
            inner.collided.insert(packet, slot);
        }
    }

    /// The broker's word on a packet.
    pub(super) fn answered(&self, packet: u16, reason: PubAckReason) {
        let slot = {
            let mut inner = self.lock();
            inner.last_answer = Some(Instant::now());
            inner.written.remove(&packet)
        };
        if let Some(slot) = slot {
            // A sender that has gone does not want to know.
            let _ = slot.answer.send(outcome(reason));
        }
    }
}

fn outcome(reason: PubAckReason) -> Sent {
    match reason {
        PubAckReason::Success => Sent::Taken,
        PubAckReason::NoMatchingSubscribers => Sent::NoSubscriber,
        PubAckReason::NotAuthorized => Sent::Failed(
            Error::new(ErrorKind::Unauthorized, BACKEND, "send")
                .with_detail("the broker's rules do not let the gateway publish to its devices"),
        ),
        PubAckReason::QuotaExceeded => Sent::Failed(Error::new(ErrorKind::Throttled, BACKEND, "send")),
        other => Sent::Failed(
            Error::new(ErrorKind::Unavailable, BACKEND, "send")
                .with_detail(format!("the broker answered {other:?}")),
        ),
    }
}

fn size(publication: &Publication) -> usize {
    publication.topic.len() + publication.payload.len() + OVERHEAD
}

fn too_large(max: u32) -> Error {
    Error::new(ErrorKind::Invalid, BACKEND, "send").with_detail(format!(
        "the broker takes packets of {max} bytes at most; raise its maximum packet size"
    ))
}

pub(super) fn not_connected() -> Error {
    Error::new(ErrorKind::Unavailable, BACKEND, "send").with_detail("not connected to the broker")
}

/// Names a delivery for [`Acknowledge`]: its connection and its packet id.
pub(super) fn token(generation: u64, packet: u16) -> u64 {
    generation << 16 | u64::from(packet)
}

impl Acknowledge for Link {
    fn acknowledge(&self, tokens: &[u64]) {
        let inner = self.lock();
        let Some(client) = &inner.client else { return };
        for token in tokens.iter().filter(|token| **token >> 16 == inner.generation) {
            let mut publish = Publish::new("", QoS::AtLeastOnce, Bytes::new(), None);
            publish.pkid = (token & 0xffff) as u16;
            if client.try_ack(&publish).is_err() {
                // The request queue is full or gone; unacknowledged deliveries come again with the next connection.
                tracing::warn!("could not acknowledge device traffic");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    const SPAN: Duration = Duration::from_secs(10);

    /// A link with these publishes under way, and the requests that nobody takes.
    fn link(packets: &[u16]) -> (Link, impl Sized) {
        let (sender, requests) = flume::bounded(packets.len());
        let link = Link::default();
        link.begin();
        link.connected(AsyncClient::from_senders(sender), None);
        link.up();
        let window = Arc::new(Semaphore::new(packets.len()));
        let publications = packets.iter().map(|_| {
            let publication = Publication { topic: "t".into(), payload: Vec::new(), expiry: None };
            (publication, window.clone().try_acquire_owned().expect("a place"))
        });
        link.publish(publications);
        packets.iter().for_each(|packet| link.written(*packet));
        (link, requests)
    }

    /// Whether it is silent, with and without an answer to another publish each second.
    async fn is_silent_after(seconds: u64, answers: bool) -> bool {
        let (link, _requests) = link(&[1, 2]);
        for _ in 0..seconds {
            tokio::time::advance(Duration::from_secs(1)).await;
            if answers {
                link.answered(2, PubAckReason::Success);
            }
        }
        link.is_silent(SPAN)
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_answers_nothing_is_silent_and_one_that_passes_over_a_publish_is_in_the_end() {
        assert!(!is_silent_after(10, false).await);
        assert!(is_silent_after(11, false).await);
        assert!(!is_silent_after(30, true).await, "it may be slow");
        assert!(is_silent_after(31, true).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_has_answered_all_may_be_still() {
        let (link, _requests) = link(&[1]);
        link.answered(1, PubAckReason::Success);
        tokio::time::advance(SPAN * 10).await;
        assert!(!link.is_silent(SPAN));
    }
}
