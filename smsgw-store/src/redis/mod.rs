//! [`RedisQueue`] and [`RedisResults`]: work and news shared by gateways through Redis 6.2 or later.

mod classify;
mod config;
mod driver;
mod keys;
mod lease;
mod link;
mod results;
mod server;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::message::Priority;
use smsgw_core::queue::{Job, Leased, Queue, QueueCapabilities, QueueDepth, Receipt, Settled, Settlement};
use tokio::sync::mpsc;

use self::classify::{BACKEND, closed};
use self::driver::{Driver, Shared};
use self::keys::{DEPTH, GROUP, Keys, OPEN, PUSH};
use self::link::Link;
use crate::handover::{self, Orders};
use crate::packed::pack;

pub use self::config::RedisConfig;
pub use self::results::RedisResults;

/// Consumers that hold nothing and were idle for longer belong to gateways that are gone.
const GONE_AFTER: Duration = Duration::from_secs(3_600);

/// A [`Queue`] on two Redis streams, one a priority, with one consumer group.
///
/// A call is one round trip, whatever the size of its batch. Leases go by the server's clock; what is done with is
/// deleted, so the streams are as long as the queue is. Jobs outlive the gateway; whether they outlive Redis depends
/// on its own persistence (`appendonly`), and it matters little: what is lost is pushed again from the store.
///
/// The connections are made again when they break, and a group that was lost is made again at the next look.
pub struct RedisQueue {
    shared: Arc<Shared>,
    orders: Orders,
    capacity: u64,
    is_closed: AtomicBool,
}

impl RedisQueue {
    /// Opens the queue that `config` names, and makes it where there is none.
    ///
    /// Must be called in a Tokio runtime with time and I/O enabled; the queue's task lives in it. Dropped without
    /// [`close`](Queue::close), what it has leased comes back when the leases run out.
    ///
    /// # Errors
    /// `Invalid` where the URL is not what it should be, `Unauthorized` where Redis refuses the login, `Unsupported`
    /// where it is too old, `Unavailable` where it cannot be reached.
    pub async fn open(config: RedisConfig) -> Result<Self> {
        let server = Arc::new(config.server()?);
        let handle = random()? >> 1;
        let shared = Arc::new(Shared {
            link: Link::new(Arc::clone(&server), config.timeout()),
            keys: Keys::new(&config.key_prefix(&server)),
            server,
            handle,
            consumer: format!("{handle:016x}"),
            lease: config.lease(),
            timeout: config.timeout(),
        });
        let gone_after = GONE_AFTER.max(config.lease() * 10);
        let mut script = shared.keys.invoke(&OPEN);
        script.arg(GROUP).arg(u64::try_from(gone_after.as_millis()).unwrap_or(u64::MAX));
        shared.link.run::<()>("open", &script).await?;
        let (orders, inbox) = mpsc::unbounded_channel();
        tokio::spawn(Driver::new(Arc::clone(&shared), inbox).run());
        Ok(Self { shared, orders, capacity: config.capacity, is_closed: AtomicBool::new(false) })
    }

    fn open_for(&self, operation: &'static str) -> Result<()> {
        match self.is_closed.load(Ordering::SeqCst) {
            true => Err(closed(operation)),
            false => Ok(()),
        }
    }

    async fn counts(&self, operation: &'static str) -> Result<(u64, u64)> {
        self.open_for(operation)?;
        let mut script = self.shared.keys.invoke(&DEPTH);
        self.shared.link.run(operation, script.arg(GROUP)).await
    }
}

/// A number that no other gateway has.
fn random() -> Result<u64> {
    getrandom::u64().map_err(|error| Error::new(ErrorKind::Internal, BACKEND, "open").with_source(error))
}

impl fmt::Debug for RedisQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisQueue")
            .field("keys", &self.shared.keys)
            .field("lease", &self.shared.lease)
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RedisQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis queue {}", self.shared.keys.0[1])
    }
}

#[async_trait]
impl Queue for RedisQueue {
    fn capabilities(&self) -> QueueCapabilities {
        QueueCapabilities { durable: true, shared: true, lease_timer: true }
    }

    async fn push(&self, jobs: &[Job]) -> Result<()> {
        self.open_for("push")?;
        if jobs.is_empty() {
            return Ok(());
        }
        let of = |priority: Priority| jobs.iter().filter(move |job| job.priority == priority);
        let mut script = self.shared.keys.invoke(&PUSH);
        script.arg(self.capacity).arg(of(Priority::High).count());
        for job in of(Priority::High).chain(of(Priority::Normal)) {
            script.arg(pack(job));
        }
        match self.shared.link.run("push", &script).await? {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::Throttled, BACKEND, "push")
                .with_detail(format!("the queue holds {} jobs at most", self.capacity))),
        }
    }

    async fn lease(&self, max: usize, wait: Duration) -> Result<Vec<Leased>> {
        self.open_for("lease")?;
        if max == 0 {
            return Ok(Vec::new());
        }
        handover::lease(&self.orders, max, wait).await.unwrap_or_else(|| Err(closed("lease")))
    }

    async fn settle(&self, settlements: &[(Receipt, Settlement)]) -> Result<Vec<Settled>> {
        self.open_for("settle")?;
        self.shared.settle(settlements).await
    }

    async fn depth(&self) -> Result<QueueDepth> {
        let (total, leased) = self.counts("depth").await?;
        Ok(QueueDepth { ready: total.saturating_sub(leased), leased })
    }

    async fn ready(&self) -> Result<()> {
        self.counts("ready").await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.is_closed.store(true, Ordering::SeqCst);
        handover::close(&self.orders).await.unwrap_or(Ok(()))
    }
}
