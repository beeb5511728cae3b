use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::row::Row;
use crate::id::MessageId;
use crate::time::Timestamp;

/// Finds the messages whose `check_at` has come.
///
/// A message changes its `check_at` several times within milliseconds and then mostly needs none. So an alarm is set
/// when a message has none that is early enough, and moved only when it rings: one push and one pop for a message
/// that goes its way, instead of an ordered removal and insertion for each of its states.
#[derive(Default)]
pub(super) struct Alarms {
    /// Every row with a `check_at` has an alarm here that is no later. An alarm that is not its row's `alarm_at` was
    /// superseded by an earlier one and means nothing.
    heap: BinaryHeap<Reverse<(Timestamp, MessageId)>>,
    /// Queued messages whose time came while nobody wanted them pushed again, by their `check_at`: out of the heap,
    /// so that they hold up nobody, but for an alarm at the end of their life.
    parked: BTreeSet<(Timestamp, MessageId)>,
}

impl Alarms {
    /// Changes when `row` is looked at.
    pub(super) fn set(&mut self, row: &mut Row, check_at: Option<Timestamp>) {
        if row.parked {
            let place = row.check_at.map(|at| (at, row.message.id));
            place.inspect(|place| _ = self.parked.remove(place));
            row.parked = false;
        }
        row.check_at = check_at;
        if let Some(at) = check_at {
            self.ring_at(row, at);
        }
    }

    /// Sees to it that `row` rings at `at` or earlier.
    pub(super) fn ring_at(&mut self, row: &mut Row, at: Timestamp) {
        if row.alarm_at.is_none_or(|earlier| at < earlier) {
            row.alarm_at = Some(at);
            self.heap.push(Reverse((at, row.message.id)));
        }
    }

    /// The next alarm that has come by `now`.
    pub(super) fn ring(&mut self, now: Timestamp) -> Option<(Timestamp, MessageId)> {
        self.is_ringing(now).then(|| self.heap.pop().map(|Reverse(alarm)| alarm)).flatten()
    }

    /// Whether an alarm has come by `now`.
    pub(super) fn is_ringing(&self, now: Timestamp) -> bool {
        self.heap.peek().is_some_and(|Reverse((at, _))| *at <= now)
    }

    /// Sets a queued `row` aside until its queue has run dry or its life ends.
    pub(super) fn park(&mut self, row: &mut Row) {
        if let Some(at) = row.check_at {
            row.parked = true;
            self.parked.insert((at, row.message.id));
            self.ring_at(row, row.message.expires_at);
        }
    }

    /// The parked message that has waited longest. Its row stays marked until [`Alarms::set`].
    pub(super) fn first_parked(&self) -> Option<MessageId> {
        self.parked.first().map(|(_, id)| *id)
    }
}
