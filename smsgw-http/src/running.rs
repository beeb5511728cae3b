//! Idempotency keys whose first request is under way.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smsgw_core::id::AccountId;

type Key = (AccountId, String);

/// The keys at work in this process: no more than there are requests.
#[derive(Default)]
pub(crate) struct Running(Mutex<HashSet<Key>>);

/// A key at work, until it is dropped.
pub(crate) struct Run {
    running: Arc<Running>,
    key: Key,
}

impl Running {
    /// Begins a request with a key; `None` where one is under way.
    pub(crate) fn begin(self: &Arc<Self>, account: AccountId, key: &str) -> Option<Run> {
        let key = (account, key.to_owned());
        self.keys().insert(key.clone()).then(|| Run { running: self.clone(), key })
    }

    fn keys(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.running.keys().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_is_free_again_when_its_request_ends() {
        let running = Arc::new(Running::default());
        let [ann, bob] = [1, 2].map(|number| AccountId::from(Uuid::from_u128(number)));
        let first = running.begin(ann, "key");
        assert!(first.is_some() && running.begin(ann, "key").is_none());
        assert!(running.begin(bob, "key").is_some() && running.begin(ann, "other").is_some());
        drop(first);
        assert!(running.begin(ann, "key").is_some());
    }
}
