//! What the broker delivered and has not been told that we have.
//!
//! MQTT 5 wants the acknowledgements in the order of the deliveries [MQTT-4.6.0-2]. So a `send` that finds
//! the device full holds back those behind it, the broker's Receive Maximum bounds how many that are, and
//! what is not acknowledged is delivered again after a crash.

use std::collections::VecDeque;

use rumqttc::v5::mqttbytes::v5::Publish;

use crate::wire::Sms;

/// A `send` that was to be taken when it arrived, and waits for room.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) sms: Sms,
    /// What [`Ledger::last_attempt`](super::ledger::Ledger::last_attempt) knew of its id at that time.
    pub(super) after: Option<u32>,
}

struct Item {
    publish: Box<Publish>,
    /// A message that is still to be taken; everything else is done with when it arrives.
    pending: Option<Pending>,
}

/// Deliveries in their order.
#[derive(Default)]
pub(super) struct Inbox {
    items: VecDeque<Item>,
    /// How many from the front may be acknowledged after the next commit.
    settled: usize,
}

impl Inbox {
    pub(super) fn push(&mut self, mut publish: Box<Publish>, pending: Option<Pending>) {
        // Only its packet id is needed from here on.
        publish.payload.clear();
        self.items.push_back(Item { publish, pending });
    }

    /// The next message to take, if `room`; passes over what needs no room.
    pub(super) fn admit(&mut self, room: bool) -> Option<Pending> {
        while let Some(item) = self.items.get_mut(self.settled) {
            if item.pending.is_some() && !room {
                return None;
            }
            self.settled += 1;
            if let Some(pending) = item.pending.take() {
                return Some(pending);
            }
        }
        None
    }

    /// Withdraws a message that is still to be taken.
    pub(super) fn withdraw(&mut self, id: &str) {
        for item in &mut self.items {
            item.pending.take_if(|pending| pending.sms.id == id);
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
