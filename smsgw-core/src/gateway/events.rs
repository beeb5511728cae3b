//! What happens, in order, for whoever wants to hear of it as it does. The last of it is kept, so that a listener that was away for a
//! moment goes on where it was.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::id::{AccountId, DeviceId};
use crate::store::Moved;
use crate::time::Timestamp;

/// How many events are kept, of all accounts.
pub(super) const KEPT: usize = 10_000;
/// How many of them a listener looks at at a time.
const BATCH: u64 = 256;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message changed, here or at another gateway that this one hears of.
    Message(Moved),
    /// A device came or went, as this gateway sees it, or was paused or not any more.
    Device(DeviceChange),
}

/// How a device is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceChange {
    /// The device.
    pub id: DeviceId,
    /// Its account.
    pub account: AccountId,
    /// Whether it is there.
    pub online: bool,
    /// Whether it is given nothing new.
    pub paused: bool,
    /// Since when.
    pub at: Timestamp,
}

impl Event {
    fn account(&self) -> AccountId {
        match self {
            Self::Message(moved) => moved.account,
            Self::Device(change) => change.account,
        }
    }
}

/// Names an event, and the start of the gateway that told it: no other gateway, and none that was started again, takes it for one
/// of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    log: Uuid,
    number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.log.simple(), self.number)
    }
}

/// A text that is no [`EventId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an event")]
pub struct EventIdError;

impl FromStr for EventId {
    type Err = EventIdError;
    fn from_str(text: &str) -> Result<Self, EventIdError> {
        let (log, number) = text.split_once('.').ok_or(EventIdError)?;
        let log = Uuid::try_parse(log).map_err(|_| EventIdError)?;
        Ok(Self { log, number: number.parse().map_err(|_| EventIdError)? })
    }
}

/// What a listener is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streamed {
    /// The next event.
    Event(EventId, Event),
    /// There were events that are kept no more, or nobody knows whether there were: read the state of things again. What comes next
    /// follows this id.
    Missed(EventId),
}

/// The last events of a gateway.
pub(super) struct EventLog {
    id: Uuid,
    ring: Mutex<Ring>,
    changed: Notify,
}

#[derive(Default)]
struct Ring {
    events: VecDeque<Event>,
    // The number of the newest; the first has 1.
    last: u64,
}

impl EventLog {
    /// `id` must be random.
    pub(super) fn new(id: Uuid) -> Self {
        Self { id, ring: Mutex::default(), changed: Notify::new() }
    }

    pub(super) fn push(&self, events: impl IntoIterator<Item = Event>) {
        let mut ring = self.ring();
        let before = ring.last;
        for event in events {
            if ring.events.len() == KEPT {
                ring.events.pop_front();
            }
            ring.events.push_back(event);
            ring.last += 1;
        }
        if ring.last != before {
            drop(ring);
            self.changed.notify_waiters();
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events of one account, from some moment on. Holds up nobody: where it is read too slowly, events are
/// [missed](Streamed::Missed).
pub struct EventStream {
    log: Arc<EventLog>,
    account: AccountId,
    // What was looked at last.
    seen: u64,
    ready: VecDeque<(u64, Event)>,
    missed: bool,
    stop: CancellationToken,
}

impl EventStream {
    pub(super) fn new(
        log: Arc<EventLog>,
        account: AccountId,
        after: Option<EventId>,
        stop: CancellationToken,
    ) -> Self {
        let last = log.ring().last;
        let seen = after.filter(|id| id.log == log.id && id.number <= last).map(|id| id.number);
        let missed = after.is_some() && seen.is_none();
        Self { account, seen: seen.unwrap_or(last), ready: VecDeque::new(), missed, stop, log }
    }

    /// The next of them, as soon as there is one; `None` once the gateway drains.
    ///
    /// # Cancel safety
    /// Dropped, nothing is lost.
    pub async fn next(&mut self) -> Option<Streamed> {
        loop {
            if std::mem::take(&mut self.missed) {
                return Some(Streamed::Missed(self.position()));
            }
            if let Some((number, event)) = self.ready.pop_front() {
                return Some(Streamed::Event(self.id(number), event));
            }
            let log = self.log.clone();
            // Before the look, so that nothing comes between.
            let changed = log.changed.notified();
            if self.look() {
                continue;
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                () = changed => {}
            }
        }
    }

    /// Where it is: a stream after this id goes on as this one does.
    pub fn position(&self) -> EventId {
        self.id(self.ready.front().map_or(self.seen, |(number, _)| number - 1))
    }

    fn id(&self, number: u64) -> EventId {
        EventId { log: self.log.id, number }
    }

    /// Looks at the next events; whether there were any.
    fn look(&mut self) -> bool {
        let ring = self.log.ring();
        if self.seen == ring.last {
            return false;
        }
        let oldest = ring.last - ring.events.len() as u64;
        if self.seen < oldest {
            self.seen = ring.last;
            self.missed = true;
            return true;
        }
        let (from, until) = (self.seen, ring.last.min(self.seen + BATCH));
        let index = |number: u64| usize::try_from(number - oldest).unwrap_or(usize::MAX);
        let fresh = ring.events.range(index(from)..index(until)).zip(from + 1..);
        let own = fresh.filter(|(event, _)| event.account() == self.account);
        self.ready.extend(own.map(|(event, number)| (number, event.clone())));
        self.seen = until;
        true
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("seen", &self.seen).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
