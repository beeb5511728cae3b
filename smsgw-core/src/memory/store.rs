//! [`MemoryStore`], a file for each part of the trait.

mod accounts;
mod alarms;
mod audit;
mod devices;
mod ended;
mod inbox;
mod messages;
mod row;
mod tables;
mod waiting;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::accounts::Accounts;
use self::audit::AuditRows;
use self::devices::Devices;
use self::inbox::ReceivedRows;
use self::tables::Messages;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Store, StoreCapabilities};
use crate::time::{Clock, SystemClock};

/// A [`Store`] in memory, gone with its process.
///
/// A clone is another handle on the same rows, with a life of its own: closing one leaves the others open. Rows stay until
/// they are removed: see [`GatewayBuilder::keep_history`](crate::gateway::GatewayBuilder::keep_history).
///
/// ```
/// use smsgw_core::id::IdSource;
/// use smsgw_core::memory::MemoryStore;
/// use smsgw_core::store::{MessageQuery, MessageStore};
/// use smsgw_core::time::Timestamp;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> smsgw_core::error::Result<()> {
/// let store = MemoryStore::new();
/// let account = IdSource::new().next(Timestamp::EPOCH);
/// assert!(store.messages(&MessageQuery::new(account, 10)).await?.items.is_empty());
/// # Ok(())
/// # }
/// ```
pub struct MemoryStore {
    shared: Arc<Shared>,
    /// Of this handle alone.
    closed: AtomicBool,
}

/// What all handles see. Each lock is held for one batch and never across an await; no call takes two.
struct Shared {
    clock: Arc<dyn Clock>,
    messages: Mutex<Messages>,
    devices: Mutex<Devices>,
    accounts: Mutex<Accounts>,
    inbox: Mutex<ReceivedRows>,
    audit: Mutex<AuditRows>,
}

impl MemoryStore {
    /// An empty store by the machine's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store by `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            clock,
            messages: Mutex::default(),
            devices: Mutex::default(),
            accounts: Mutex::default(),
            inbox: Mutex::default(),
            audit: Mutex::default(),
        };
        Self { shared: Arc::new(shared), closed: AtomicBool::new(false) }
    }

    /// Takes the lock of one part, for as long as this handle is open.
    fn lock<'a, T>(&self, part: &'a Mutex<T>, operation: &'static str) -> Result<MutexGuard<'a, T>> {
        let guard = part.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_open(operation)?;
        Ok(guard)
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, "memory", operation));
        }
        Ok(())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), closed: AtomicBool::new(false) }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("closed", &self.closed).finish_non_exhaustive()
    }
}

impl fmt::Display for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory store")
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities { durable: false, shared: false }
    }

    async fn ready(&self) -> Result<()> {
        self.check_open("ready")
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}
