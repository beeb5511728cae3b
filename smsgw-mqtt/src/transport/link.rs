//! What one connection has under way: publishes that wait for their PUBACK, and the right to acknowledge.
//!
//! rumqttc names a packet only when it writes it: the order of its `Outgoing::Publish` events is the order of our
//! requests, and the packet id in each is what the PUBACK will name.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rumqttc::v5::AsyncClient;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{PubAckReason, Publish, PublishProperties};
use smsgw_core::error::{Error, ErrorKind};
use smsgw_core::transport::{Acknowledge, Sent};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::BACKEND;
use crate::dialect::Publication;

/// The connection of the moment, or none. Shared by senders, the connection's own task and acknowledgements.
#[derive(Default)]
pub(super) struct Link(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Raised by every connection: acknowledgements of an older one mean nothing to this one.
    generation: u64,
    client: Option<AsyncClient>,
    /// Requested, not yet written.
    requested: VecDeque<Slot>,
    /// Written, by packet id.
    written: HashMap<u16, Slot>,
    /// Held back by rumqttc because their packet id is taken still.
    collided: HashMap<u16, Slot>,
}

/// One publish: whom to answer, and its place in the window.
struct Slot {
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

    /// The connection is subscribed: senders may use it.
    pub(super) fn up(&self, client: AsyncClient) {
        self.lock().client = Some(client);
    }

    /// The connection is gone. What was under way has an unknown fate and is answered so.
    pub(super) fn down(&self) {
        let mut inner = self.lock();
        inner.client = None;
        inner.requested.clear();
        inner.written.clear();
        inner.collided.clear();
    }

    pub(super) fn is_up(&self) -> bool {
        self.lock().client.is_some()
    }

    /// Whether nothing waits for a PUBACK.
    pub(super) fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.requested.is_empty() && inner.written.is_empty() && inner.collided.is_empty()
    }

    /// Says goodbye after all that was requested. `false` where there is no connection.
    pub(super) fn disconnect(&self) -> bool {
        self.lock().client.take().is_some_and(|client| client.try_disconnect().is_ok())
    }

    /// Requests publishes. The lock makes the order of requests and the order of slots one; nothing here waits, so a
    /// dropped caller leaves no slot without its request.
    pub(super) fn publish(
        &self,
        publications: impl IntoIterator<Item = (Publication, OwnedSemaphorePermit)>,
    ) -> Vec<oneshot::Receiver<Sent>> {
        let mut inner = self.lock();
        let client = inner.client.clone();
        publications
            .into_iter()
            .map(|(publication, place)| {
                let (answer, answered) = oneshot::channel();
                let slot = Slot { answer, _place: place };
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
                    let _ = slot.answer.send(Sent::Failed(not_connected()));
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
        let slot = self.lock().written.remove(&packet);
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
