use async_trait::async_trait;

use crate::audit::{AuditAction, AuditEvent};
use crate::error::Result;
use crate::forward::forward_to_inner;
use crate::id::{AccountId, DeviceId};
use crate::key::KeyId;
use crate::store::{Cursor, Page};
use crate::time::Timestamp;

/// The audit log.
///
/// The rules of [`MessageStore`](crate::store::MessageStore) about batches, errors and dropped futures hold here too.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use smsgw_core::audit::{Act, AuditAction, AuditEvent};
/// use smsgw_core::id::IdSource;
/// use smsgw_core::memory::MemoryStore;
/// use smsgw_core::store::{AuditQuery, AuditStore};
/// use smsgw_core::time::{Clock, SystemClock};
///
/// let (store, now) = (MemoryStore::new(), SystemClock.now());
/// let act = Act::refused(AuditAction::Connect, "wrong key");
/// store.record(&[AuditEvent { id: IdSource::new().next(now), at: now, act }]).await?;
/// let refused = AuditQuery { refused: Some(true), ..AuditQuery::new(10) };
/// assert_eq!(store.audit(&refused).await?.items.len(), 1);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Adds events. One that is there is not added again.
    ///
    /// # Errors
    /// Any backend error.
    async fn record(&self, events: &[AuditEvent]) -> Result<()>;

    /// Events, newest first.
    ///
    /// # Errors
    /// Any backend error.
    async fn audit(&self, query: &AuditQuery) -> Result<Page<AuditEvent>>;

    /// Forgets events that are older than `before`, the oldest first and at most `max`. Says how many; fewer than `max`
    /// were the last.
    ///
    /// # Errors
    /// Any backend error.
    async fn forget_audit(&self, before: Timestamp, max: usize) -> Result<usize>;
}

forward_to_inner! {
    AuditStore: {
        async fn record(events: &[AuditEvent]) -> Result<()>;
        async fn audit(query: &AuditQuery) -> Result<Page<AuditEvent>>;
        async fn forget_audit(before: Timestamp, max: usize) -> Result<usize>;
    }
}

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Of this kind.
    pub action: Option<AuditAction>,
    /// Only what was refused, or only what was done.
    pub refused: Option<bool>,
    /// By this account.
    pub account: Option<AccountId>,
    /// Of this token or key.
    pub credential: Option<KeyId>,
    /// Of this device.
    pub device: Option<DeviceId>,
    /// At or after this.
    pub from: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
    /// After the page that ended there.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

impl AuditQuery {
    /// All events, `limit` a page.
    pub fn new(limit: usize) -> Self {
        Self {
            action: None,
            refused: None,
            account: None,
            credential: None,
            device: None,
            from: None,
            until: None,
            after: None,
            limit,
        }
    }
}
