//! What the broker delivered and has not been told that we have.
//!
//! MQTT 5 wants the acknowledgements in the order of the deliveries [MQTT-4.6.0-2]. So a `send` that finds
//! the device full holds back those behind it, the broker's Receive Maximum bounds how many that are, and
//! what is not acknowledged is delivered again after a crash.

use std::collections::VecDeque;

use rumqttc::v5::mqttbytes::v5::Publish;

use crate::wire::Sms;

struct Item {
    publish: Box<Publish>,
    /// A message that is still to be taken; everything else is done with when it arrives.
    sms: Option<Sms>,
}

/// Deliveries in their order.
#[derive(Default)]
pub(super) struct Inbox {
    items: VecDeque<Item>,
    /// How many from the front may be acknowledged after the next commit.
    settled: usize,
}

impl Inbox {
    pub(super) fn push(&mut self, mut publish: Box<Publish>, sms: Option<Sms>) {
        // Only its packet id is needed from here on.
        publish.payload.clear();
        self.items.push_back(Item { publish, sms });
    }

    /// The next message to take, if `room`; passes over what needs no room.
    pub(super) fn admit(&mut self, room: bool) -> Option<Sms> {
        while let Some(item) = self.items.get_mut(self.settled) {
            if item.sms.is_some() && !room {
                return None;
            }
            self.settled += 1;
            if let Some(sms) = item.sms.take() {
                return Some(sms);
            }
        }
        None
    }

    /// Withdraws a message that is still to be taken.
    pub(super) fn withdraw(&mut self, id: &str) {
        for item in &mut self.items {
            item.sms.take_if(|sms| sms.id == id);
        }
    }

    /// Acknowledges what is settled, for as long as `ack` takes it.
    pub(super) fn acknowledge(&mut self, mut ack: impl FnMut(&Publish) -> bool) {
        while self.settled > 0 && self.items.front().is_some_and(|item| ack(&item.publish)) {
            self.items.pop_front();
            self.settled -= 1;
        }
    }

    /// Whether acknowledgements wait for room in the connection.
    pub(super) fn is_owing(&self) -> bool {
        self.settled > 0
    }

    /// Forgets a connection's deliveries; the broker repeats what was not acknowledged.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.settled = 0;
    }
}
