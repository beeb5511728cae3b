use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::row::Row;
use crate::id::MessageId;
use crate::message::Priority;
use crate::state::WaitsFor;
use crate::time::Timestamp;

/// Where a message stands among those that wait: high priority first, then in order of acceptance.
pub(super) type Place = (Reverse<Priority>, Timestamp, MessageId);

/// The messages that were set aside, by who may pull them.
#[derive(Default)]
pub(super) struct Waiting(HashMap<WaitsFor, BTreeSet<Place>>);

impl Waiting {
    /// Changes who may pull `row`.
    pub(super) fn set(&mut self, row: &mut Row, waits_for: Option<WaitsFor>) {
        if row.waits_for == waits_for {
            return;
        }
        let message = &row.message;
        let place = (Reverse(message.priority), message.created_at, message.id);
        if let Some(old) = row.waits_for
            && let Some(line) = self.0.get_mut(&old)
        {
            line.remove(&place);
            if line.is_empty() {
                self.0.remove(&old);
            }
        }
        if let Some(new) = waits_for {
            self.0.entry(new).or_default().insert(place);
        }
        row.waits_for = waits_for;
    }

    /// Those that `puller` may pull, in order.
    pub(super) fn line(&self, puller: WaitsFor) -> impl Iterator<Item = &Place> {
        self.0.get(&puller).into_iter().flatten()
    }
}
