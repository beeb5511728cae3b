//! A gateway on memory backends whose time stands still.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;

use smsgw_core::gateway::{Gateway, Handle, Running};
use smsgw_core::id::AccountId;
use smsgw_core::memory::{MemoryQueue, MemoryStore, MemoryTransport};
use smsgw_core::time::{Clock, ManualClock, SystemClock};

pub(crate) struct Setup {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) transport: MemoryTransport,
    pub(crate) handle: Handle,
    pub(crate) account: AccountId,
    /// Ends with this value, unless it is drained.
    pub(crate) running: Running,
}

pub(crate) async fn setup() -> Setup {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let (store, transport) = (MemoryStore::with_clock(clock.clone()), MemoryTransport::new());
    let builder = Gateway::builder(store, MemoryQueue::new(), transport.clone());
    let running = builder.clock(clock.clone()).build().start().await.expect("starts");
    let handle = running.handle();
    let account = handle.ensure_account("test").await.expect("an account").id;
    Setup { clock, transport, handle, account, running }
}
