//! [`AmqpQueue`]: work shared by gateways through RabbitMQ 3.8 or later.

mod classify;
mod config;
mod driver;
mod link;
mod session;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Confirmation};
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::message::Priority;
use smsgw_core::queue::{Job, Leased, Queue, QueueCapabilities, QueueDepth, Receipt, Settled, Settlement};
use tokio::sync::{mpsc, oneshot};

use self::classify::{BACKEND, closed};
use self::driver::{Driver, Settle};
use self::link::{Link, waiting};
use crate::handover::{self, Orders};
use crate::packed::pack;

pub use self::config::AmqpConfig;

/// Tells AMQP to keep a message on the disk.
const PERSISTENT: u8 = 2;

/// A [`Queue`] on two quorum queues, one a priority.
///
/// What is pushed is on the disk of most nodes of the cluster before its caller hears of it. RabbitMQ knows no lease
/// timer: a lease lasts until it is settled, or the connection ends. Nothing is fetched that nobody has asked for, so
/// gateways do not hold jobs back from each other.
///
/// The connection is made again when it breaks, and the queues with it; leases end with the connection, and their
/// receipts are `Stale`.
pub struct AmqpQueue {
    link: Arc<Link>,
    orders: Orders,
    settles: mpsc::UnboundedSender<Settle>,
    leased: Arc<AtomicU64>,
    is_closed: AtomicBool,
}

impl AmqpQueue {
    /// Opens the queue that `config` names, and makes it where there is none.
    ///
    /// Must be called in a Tokio runtime with time and I/O enabled; the queue's tasks live in it.
    ///
    /// # Errors
    /// `Invalid` where the URL or the name is not what it should be, or a queue of another kind has the name;
    /// `Unauthorized` where RabbitMQ refuses the login; `Unavailable` where it cannot be reached.
    pub async fn open(config: AmqpConfig) -> Result<Self> {
        let link = Arc::new(Link::new(config.uri()?, config.queues()?, config.timeout()));
        link.call("open", async |_| Ok(())).await?;
        let random = getrandom::u64()
            .map_err(|error| Error::new(ErrorKind::Internal, BACKEND, "open").with_source(error))?;
        let (orders, order_inbox) = mpsc::unbounded_channel();
        let (settles, settle_inbox) = mpsc::unbounded_channel();
        let leased = Arc::new(AtomicU64::new(0));
        // Sessions are counted in the lower half.
        let first_session = random & !0xffff_ffff;
        let driver =
            Driver::new(Arc::clone(&link), order_inbox, settle_inbox, first_session, Arc::clone(&leased));
        tokio::spawn(driver.run());
        Ok(Self { link, orders, settles, leased, is_closed: AtomicBool::new(false) })
    }

    fn open_for(&self, operation: &'static str) -> Result<()> {
        match self.is_closed.load(Ordering::SeqCst) {
            true => Err(closed(operation)),
            false => Ok(()),
        }
    }

    async fn waiting(&self, operation: &'static str) -> Result<u64> {
        self.open_for(operation)?;
        let queues = &self.link.queues;
        let ask = async |channel: Channel| {
            let counts = try_join_all(queues.iter().map(|queue| waiting(&channel, queue))).await?;
            Ok(counts.iter().sum())
        };
        self.link.call(operation, ask).await
    }
}

impl fmt::Debug for AmqpQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpQueue")
            .field("link", &self.link)
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AmqpQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RabbitMQ queue {}", self.link.queues[1])
    }
}

/// What became of a batch that was published.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Published {
    All,
    /// Some were refused, as by a limit.
    Refused,
    /// Some found no queue.
    Lost,
}

/// Publishes jobs in order and waits until the broker has answered for all.
async fn publish(channel: Channel, queues: &[String; 2], jobs: &[Job]) -> lapin::Result<Published> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    // Each is on its way when it is first polled, which happens in order.
    let publishes = jobs.iter().map(async |job| {
        let queue = match job.priority {
            Priority::High => &queues[0],
            Priority::Normal => &queues[1],
        };
        channel.basic_publish("".into(), queue.as_str().into(), options, &pack(job), properties.clone()).await
    });
    let confirms = try_join_all(publishes).await?;
    let mut worst = Published::All;
    for confirm in confirms {
        worst = worst.max(match confirm.await? {
            Confirmation::Ack(None) => Published::All,
            Confirmation::Ack(Some(_)) => Published::Lost,
            Confirmation::Nack(_) | Confirmation::NotRequested => Published::Refused,
        });
    }
    Ok(worst)
}

#[async_trait]
impl Queue for AmqpQueue {
    fn capabilities(&self) -> QueueCapabilities {
        QueueCapabilities { durable: true, shared: true, lease_timer: false }
    }

    async fn push(&self, jobs: &[Job]) -> Result<()> {
        self.open_for("push")?;
        if jobs.is_empty() {
            return Ok(());
        }
        match self.link.call("push", |channel| publish(channel, &self.link.queues, jobs)).await? {
            Published::All => Ok(()),
            Published::Refused => Err(Error::new(ErrorKind::Throttled, BACKEND, "push")
                .with_detail("RabbitMQ refuses jobs: the queue is at a limit that a policy sets")),
            Published::Lost => {
                self.link.renew().await;
                Err(Error::new(ErrorKind::Unavailable, BACKEND, "push")
                    .with_detail("the queue is gone; it is made again"))
            }
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
        if settlements.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, outcomes) = oneshot::channel();
        let order = Settle { settlements: settlements.to_vec(), reply };
        // Handed over as a whole: a call that is dropped later is carried out all the same.
        self.settles.send(order).map_err(|_| closed("settle"))?;
        outcomes.await.map_err(|_| closed("settle"))
    }

    async fn depth(&self) -> Result<QueueDepth> {
        let ready = self.waiting("depth").await?;
        Ok(QueueDepth { ready, leased: self.leased.load(Ordering::Relaxed) })
    }

    async fn ready(&self) -> Result<()> {
        self.waiting("ready").await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.is_closed.store(true, Ordering::SeqCst);
        handover::close(&self.orders).await.unwrap_or(Ok(()))
    }
}
