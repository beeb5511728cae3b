//! The trait [`Store`]: the truth about messages, devices and accounts.

mod account;
mod audit;
mod device;
mod inbox;
mod message;

use std::fmt;

use async_trait::async_trait;

pub use account::{AccountPatch, AccountStore};
pub use audit::{AuditQuery, AuditStore};
pub use device::{DevicePatch, DeviceStore};
pub use inbox::{InboxQuery, InboxStore, Received, ReceivedSms};
pub use message::{
    Advanced, Claim, Due, DueQuery, Erased, Idempotency, Inserted, Insertion, KEYS_KEPT, MessageQuery,
    MessageStore, Moved, Pull,
};

use crate::error::Result;
use crate::forward::forward_to_inner;
use crate::time::Timestamp;

/// Everything that a gateway must not forget. The parts are traits of their own, a file each.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use smsgw_core::memory::MemoryStore;
/// use smsgw_core::store::Store;
///
/// // Whatever the backend: a gateway holds it so.
/// let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
/// store.ready().await?;
/// store.close().await?;
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Store:
    MessageStore
    + DeviceStore
    + AccountStore
    + InboxStore
    + AuditStore
    + fmt::Debug
    + fmt::Display
    + Send
    + Sync
    + 'static
{
    /// What this store promises.
    fn capabilities(&self) -> StoreCapabilities;

    /// Whether the store can serve now.
    ///
    /// # Errors
    /// `Unavailable`, with what to do about it.
    async fn ready(&self) -> Result<()>;

    /// Ends what is under way, commits it and lets go of files and connections. Later calls on this handle fail with
    /// `Closed`; other handles on the same rows go on. Closing twice is no error.
    ///
    /// # Errors
    /// Where what was under way could not be committed.
    async fn close(&self) -> Result<()>;
}

forward_to_inner! {
    Store: {
        fn capabilities() -> StoreCapabilities;
        async fn ready() -> Result<()>;
        async fn close() -> Result<()>;
    }
}

/// What a store promises. The conformance suite checks each claim both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreCapabilities {
    /// What was committed is still there after the process was killed.
    pub durable: bool,
    /// Several gateway processes may share it.
    pub shared: bool,
}

/// One page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A page of the first `limit` of `rows`, which hold one more where there is more; `key` names a row's place.
    pub fn from_rows(mut rows: Vec<T>, limit: usize, key: impl Fn(&T) -> Cursor) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(key).filter(|_| more);
        Self { items: rows, next }
    }
}

/// A place in a list: the row before the next page. Lists are ordered by time, then by id, both descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The row's time.
    pub at: Timestamp,
    /// The row's id.
    pub id: uuid::Uuid,
}
