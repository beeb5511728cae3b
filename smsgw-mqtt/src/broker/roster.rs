//! Which connections act for which device, so that they can be ended, and which holds which client id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use smsgw_core::id::DeviceId;
use smsgw_core::time::Timestamp;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;

/// How to end one connection, and how to learn that it has ended.
#[derive(Clone, Default)]
pub(super) struct Life {
    pub(super) kicked: CancellationToken,
    pub(super) over: CancellationToken,
}

/// A connection that acts for a device, and the end of the key that it came in with.
struct Entry {
    life: Life,
    expires_at: Option<Timestamp>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<DeviceId, HashMap<u64, Entry>>,
    /// How often somebody was kicked.
    kicks: u64,
    /// The connection that came in last under each client id, of those that use the original protocol.
    holders: HashMap<String, (u64, Weak<Connection>)>,
}

#[derive(Default)]
pub(super) struct Roster(Mutex<Inner>);

impl Roster {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often somebody was kicked until now: to be read before a key is checked, for [`Roster::enter`].
    pub(super) fn kicks(&self) -> u64 {
        self.lock().kicks
    }

    /// Enters a connection whose key was good after `kicks`. `false` where somebody was kicked since then: the key
    /// may have been revoked in between, and must be checked again.
    pub(super) fn enter(
        &self,
        device: DeviceId,
        connection: u64,
        life: &Life,
        expires_at: Option<Timestamp>,
        kicks: u64,
    ) -> bool {
        let mut inner = self.lock();
        let fresh = inner.kicks == kicks;
        if fresh {
            let entry = Entry { life: life.clone(), expires_at };
            inner.entries.entry(device).or_default().insert(connection, entry);
        }
        fresh
    }

    pub(super) fn leave(&self, device: DeviceId, connection: u64) {
        let mut inner = self.lock();
        if let Some(entries) = inner.entries.get_mut(&device) {
            entries.remove(&connection);
            if entries.is_empty() {
                inner.entries.remove(&device);
            }
        }
    }

    /// Kicks all connections of `device`; they end soon after.
    pub(super) fn kick(&self, device: DeviceId) -> Vec<Life> {
        self.lock().kicks += 1;
        self.supersede(device)
    }

    /// The same, where the device may come in again with what it has shown.
    pub(super) fn supersede(&self, device: DeviceId) -> Vec<Life> {
        let inner = self.lock();
        let entries = inner.entries.get(&device).into_iter().flat_map(HashMap::values);
        let lives: Vec<Life> = entries.map(|entry| entry.life.clone()).collect();
        drop(inner);
        lives.iter().for_each(|life| life.kicked.cancel());
        lives
    }

    /// Kicks the connections whose keys have expired.
    pub(super) fn expire(&self, now: Timestamp) {
        let inner = self.lock();
        let over = |entry: &&Entry| entry.expires_at.is_some_and(|end| end <= now);
        let over = inner.entries.values().flat_map(HashMap::values).filter(over);
        over.for_each(|entry| entry.life.kicked.cancel());
    }

    /// A connection is the one of a client id from now on; returns the one that was.
    pub(super) fn sit_down(
        &self,
        client_id: &str,
        connection: u64,
        this: &Weak<Connection>,
    ) -> Option<Arc<Connection>> {
        let holder = (connection, this.clone());
        self.lock().holders.insert(client_id.to_owned(), holder).and_then(|(_, old)| old.upgrade())
    }

    pub(super) fn stand_up(&self, client_id: &str, connection: u64) {
        let mut inner = self.lock();
        if inner.holders.get(client_id).is_some_and(|(holder, _)| *holder == connection) {
            inner.holders.remove(client_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_checked_before_a_kick_is_checked_again() {
        let device = "01990000-0000-7000-8000-000000000001".parse().expect("an id");
        let (roster, life) = (Roster::default(), Life::default());
        let kicks = roster.kicks();
        assert!(roster.kick(device).is_empty());
        assert!(!roster.enter(device, 1, &life, None, kicks));
        assert!(roster.enter(device, 1, &life, None, roster.kicks()));
        assert_eq!(roster.kick(device).len(), 1);
        assert!(life.kicked.is_cancelled());
        roster.leave(device, 1);
        assert!(roster.kick(device).is_empty());
    }
}
