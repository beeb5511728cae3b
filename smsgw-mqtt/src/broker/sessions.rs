//! The sessions that the library keeps: whose they are, and how they end.

use std::sync::Arc;

use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::storage::{ClientSession, DynamicStorage, MemoryBackend, QueueLimits, StorageBackend};

use crate::login::Denial;
use crate::rules::Account;

/// What waits in one session, in bytes.
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;

pub(super) struct Sessions {
    pub(super) router: Arc<MessageRouter>,
    pub(super) storage: Arc<DynamicStorage>,
    /// Sessions without a connection that are kept.
    max_away: usize,
}

impl Sessions {
    pub(super) fn new(max_queued_messages: usize, max_away: usize) -> Self {
        let limits = QueueLimits { max_messages: max_queued_messages, max_bytes: MAX_QUEUED_BYTES };
        let storage = Arc::new(DynamicStorage::Memory(MemoryBackend::with_queue_limits(limits)));
        Self { router: Arc::new(MessageRouter::with_storage(storage.clone())), storage, max_away }
    }

    async fn get(&self, client_id: &str) -> Option<ClientSession> {
        // In memory nothing fails.
        self.storage.get_session(client_id).await.ok().flatten()
    }

    /// Makes sure that `account` may take the session of `client_id`. The client id of a native device is its own:
    /// whoever else has taken it goes, and `true` says so.
    pub(super) async fn claim(&self, client_id: &str, account: &Account) -> Result<bool, Denial> {
        let Some(session) = self.get(client_id).await else { return Ok(false) };
        if session.user_id.as_deref() == Some(account.to_string().as_str()) {
            return Ok(false);
        }
        if account.is_original() {
            return Err(Denial::ClientIdTaken);
        }
        self.router.unregister_client(client_id).await;
        self.forget(client_id).await;
        Ok(true)
    }

    /// What the session of `client_id` is subscribed to.
    pub(super) async fn filters(&self, client_id: &str) -> Vec<String> {
        self.get(client_id)
            .await
            .map(|session| session.subscriptions.into_keys().collect())
            .unwrap_or_default()
    }

    /// Ends the session of `client_id`, with what waits in it. Not while somebody is connected.
    pub(super) async fn forget(&self, client_id: &str) {
        let _slot = self.router.lock_session(client_id).await;
        if self.router.is_connected(client_id).await {
            return;
        }
        // Its subscriptions.
        self.router.unregister_client(client_id).await;
        // In memory nothing fails.
        let _ = self.storage.remove_session(client_id).await;
        let _ = self.storage.remove_all_inflight_messages(client_id).await;
        self.router.queue_handle(client_id).clear(None);
    }

    /// Removes what has expired, and the oldest sessions past the bound.
    pub(super) async fn sweep(&self) {
        let _ = self.storage.cleanup_expired().await;
        self.router.sweep_sessions().await;
        let ids = self.storage.session_client_ids().await.unwrap_or_default();
        if ids.len() <= self.max_away {
            return;
        }
        let mut away = Vec::new();
        for id in ids {
            let left_at = self.get(&id).await.and_then(|session| session.disconnected_at);
            away.extend(left_at.map(|left_at| (left_at, id)));
        }
        let surplus = away.len().saturating_sub(self.max_away);
        if surplus > 0 {
            tracing::warn!(surplus, "too many sessions without a connection: ending the oldest");
        }
        away.sort_unstable();
        for (_, id) in away.into_iter().take(surplus) {
            self.forget(&id).await;
        }
    }

    /// Drops the last wills that wait for their time.
    pub(super) async fn drop_wills(&self) {
        for id in self.storage.session_client_ids().await.unwrap_or_default() {
            self.router.cancel_pending_will(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_sessions_go_where_there_are_too_many() {
        let now = mqtt5::broker::storage::unix_millis_now();
        let sessions = Sessions::new(10, 2);
        for (age, id) in [(1, "newest"), (3, "oldest"), (2, "older"), (0, "connected")] {
            let mut session = ClientSession::new(id, true, Some(3_600));
            if age > 0 {
                session.mark_disconnected(now - age);
            }
            assert!(sessions.storage.store_session(session).await.is_ok());
        }
        sessions.sweep().await;
        let mut left = sessions.storage.session_client_ids().await.unwrap_or_default();
        left.sort_unstable();
        assert_eq!(left, ["connected", "newest", "older"]);
    }
}
