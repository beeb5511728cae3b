//! Which connections act for which device, so that they can be ended, and which holds which client id.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use smsgw_core::id::DeviceId;
use smsgw_core::time::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;

/// How to end one connection, and how to learn that it has ended.
#[derive(Clone, Default)]
pub(super) struct Life {
    pub(super) kicked: CancellationToken,
    pub(super) over: CancellationToken,
}

/// A connection that acts for a device, and the end of the key that it came in with.
pub(super) struct Entry {
    pub(super) life: Life,
    pub(super) client_id: String,
    pub(super) expires_at: Option<Timestamp>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<DeviceId, HashMap<u64, Entry>>,
    /// When whose key ends.
    ends: BTreeSet<(Timestamp, DeviceId, u64)>,
    /// How often somebody was kicked.
    kicks: u64,
    /// The connection that came in last under each client id, of those that use the original protocol.
    holders: HashMap<String, (u64, Weak<Connection>)>,
}

#[derive(Default)]
pub(super) struct Roster {
    inner: Mutex<Inner>,
    /// A key ends sooner than those before it, perhaps.
    sooner: Notify,
}

impl Roster {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often somebody was kicked until now: to be read before a key is checked, for [`Roster::enter`].
    pub(super) fn kicks(&self) -> u64 {
        self.lock().kicks
    }

    /// Enters a connection whose key was good after `kicks`. `false` where somebody was kicked since then: the key
    /// may have been revoked in between, and must be checked again.
    pub(super) fn enter(&self, device: DeviceId, connection: u64, entry: Entry, kicks: u64) -> bool {
        let mut inner = self.lock();
        let fresh = inner.kicks == kicks;
        if fresh {
            if let Some(end) = entry.expires_at {
                inner.ends.insert((end, device, connection));
                self.sooner.notify_one();
            }
            inner.entries.entry(device).or_default().insert(connection, entry);
        }
        fresh
    }

    pub(super) fn leave(&self, device: DeviceId, connection: u64) {
        let mut inner = self.lock();
        let Some(entries) = inner.entries.get_mut(&device) else { return };
        let end = entries.remove(&connection).and_then(|entry| entry.expires_at);
        if entries.is_empty() {
            inner.entries.remove(&device);
        }
        if let Some(end) = end {
            inner.ends.remove(&(end, device, connection));
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

    /// Kicks the connections whose keys have expired. Returns the client ids that were theirs until now.
    pub(super) fn expire(&self, now: Timestamp) -> Vec<String> {
        let mut inner = self.lock();
        let mut over = Vec::new();
        while let Some((_, device, connection)) = inner.ends.first().copied().filter(|(end, ..)| *end <= now)
        {
            inner.ends.pop_first();
            let entry = inner.entries.get(&device).and_then(|entries| entries.get(&connection));
            if let Some(Entry { life, client_id, .. }) = entry {
                life.kicked.cancel();
                if inner.holders.get(client_id).is_none_or(|(holder, _)| *holder == connection) {
                    over.push(client_id.clone());
                }
            }
        }
        over
    }

    /// When the next key ends.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.lock().ends.first().map(|(end, ..)| *end)
    }

    /// Returns when another key ends sooner, perhaps.
    pub(super) async fn sooner(&self) {
        self.sooner.notified().await;
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_that_was_checked_before_a_kick_is_checked_again() {
        let device = "01990000-0000-7000-8000-000000000001".parse().expect("an id");
        let (roster, life) = (Roster::default(), Life::default());
        let entry = |expires_at| Entry { life: life.clone(), client_id: "phone".into(), expires_at };
        let kicks = roster.kicks();
        assert!(roster.kick(device).is_empty());
        assert!(!roster.enter(device, 1, entry(None), kicks));
        assert!(roster.enter(device, 1, entry(None), roster.kicks()));
        assert_eq!(roster.kick(device).len(), 1);
        assert!(life.kicked.is_cancelled());
        roster.leave(device, 1);
        assert!(roster.kick(device).is_empty());
    }

    #[test]
    fn who_has_an_expired_key_goes_at_the_instant_of_its_end() {
        let device = "01990000-0000-7000-8000-000000000001".parse().expect("an id");
        let (roster, end) = (Roster::default(), Timestamp::EPOCH + Duration::from_secs(60));
        let lives: Vec<Life> = (0..3).map(|_| Life::default()).collect();
        for (number, (life, expires_at)) in
            (1..).zip(lives.iter().zip([Some(end), None, Some(end + Duration::from_secs(1))]))
        {
            let entry = Entry { life: life.clone(), client_id: format!("phone-{number}"), expires_at };
            assert!(roster.enter(device, number, entry, roster.kicks()));
        }
        assert_eq!(roster.next_end(), Some(end));
        assert_eq!(roster.expire(end - Duration::from_micros(1)), Vec::<String>::new());
        assert!(!lives[0].kicked.is_cancelled());
        assert_eq!(roster.expire(end), ["phone-1"]);
        assert_eq!(roster.expire(end), Vec::<String>::new());
        assert!(lives[0].kicked.is_cancelled() && !lives[1].kicked.is_cancelled());
        roster.leave(device, 3);
        assert_eq!(roster.next_end(), None);
    }
}
