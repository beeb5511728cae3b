//! Leases jobs for those who call, and waits for them on a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use redis::{RedisResult, Value};
use smsgw_core::error::{Error, Result};
use smsgw_core::queue::{Leased, Receipt, Settled, Settlement};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::classify::{classify, closed, timeout as timed_out, unavailable};
use super::keys::{CLOSE, GROUP, Keys, SETTLE, TAKE};
use super::lease::{Lease, Taken};
use super::link::Link;
use super::server::{Line, Server, Use};
use crate::handover::{Order, Waiters};

/// How long a read waits at most: so long may it take until leases that ran out, or a group that was lost, are seen.
const LOOK: Duration = Duration::from_millis(500);

/// What driver and handle have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) server: Arc<Server>,
    pub(super) link: Link,
    pub(super) keys: Keys,
    /// Tells this handle's leases from the others'; 63 bits.
    pub(super) handle: u64,
    /// The handle's name in the consumer group.
    pub(super) consumer: String,
    pub(super) lease: Duration,
    pub(super) timeout: Duration,
}

impl Shared {
    pub(super) async fn settle(&self, settlements: &[(Receipt, Settlement)]) -> Result<Vec<Settled>> {
        let leases: Vec<Option<Lease>> =
            settlements.iter().map(|(receipt, _)| Lease::of(*receipt, self.handle)).collect();
        let own =
            || leases.iter().zip(settlements).filter_map(|(lease, (_, how))| Some((lease.as_ref()?, *how)));
        let digits: String = own().map(|(lease, how)| lease.digit(how)).collect();
        let mut outcomes = vec![Settled::Stale; settlements.len()];
        if digits.is_empty() {
            return Ok(outcomes);
        }
        let mut script = self.keys.invoke(&SETTLE);
        script.arg(GROUP).arg(&self.consumer).arg(digits);
        for (lease, _) in own() {
            script.arg(lease.id()).arg(lease.deliveries);
        }
        let answers: Vec<u8> = self.link.run("settle", &script).await?;
        let places = leases.iter().zip(&mut outcomes).filter(|(lease, _)| lease.is_some());
        for ((_, outcome), answer) in places.zip(answers) {
            if answer == b'1' {
                *outcome = Settled::Applied;
            }
        }
        Ok(outcomes)
    }

    /// Gives up leases that nobody asked for. Where that fails, they run out.
    async fn give_up(&self, receipts: impl Iterator<Item = Receipt>, how: Settlement) {
        let settlements: Vec<_> = receipts.map(|receipt| (receipt, how)).collect();
        if settlements.is_empty() {
            return;
        }
        if let Err(error) = self.settle(&settlements).await {
            tracing::debug!(%error, jobs = settlements.len(), "could not release; the leases run out");
        }
    }
}

pub(super) struct Driver {
    shared: Arc<Shared>,
    orders: mpsc::UnboundedReceiver<Order>,
    waiters: Waiters,
    /// The connection that waits, and its number on the server, where a single server numbers it.
    own: Option<(Line, Option<i64>)>,
    /// When leases that ran out were last looked for.
    reclaimed_at: Option<Instant>,
}

/// Why the driver ends: somebody closed the handle, or dropped it.
type End = Option<oneshot::Sender<Result<()>>>;

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, orders: mpsc::UnboundedReceiver<Order>) -> Self {
        Self { shared, orders, waiters: Waiters::default(), own: None, reclaimed_at: None }
    }

    pub(super) async fn run(mut self) {
        let end = loop {
            if let Some(end) = self.turn().await {
                break end;
            }
        };
        self.waiters.fail(&closed("lease"));
        if let Some(reply) = end {
            let mut script = self.shared.keys.invoke(&CLOSE);
            script.arg(GROUP).arg(&self.shared.consumer);
            _ = reply.send(self.shared.link.run::<()>("close", &script).await);
        }
    }

    /// Serves who waits, or waits for somebody.
    async fn turn(&mut self) -> Option<End> {
        while let Ok(order) = self.orders.try_recv() {
            if let Some(end) = self.note(order).await {
                return Some(end);
            }
        }
        let Some(wanted) = self.waiters.wanted() else {
            return match self.orders.recv().await {
                Some(order) => self.note(order).await,
                None => Some(None),
            };
        };
        match self.take(wanted).await {
            Ok(taken) if taken.jobs.is_empty() && taken.foreign.is_empty() => {
                self.waiters.expire(Instant::now());
                match self.waiters.wanted() {
                    Some(wanted) => self.wait(wanted).await,
                    None => None,
                }
            }
            Ok(taken) => {
                self.hand(taken).await;
                None
            }
            Err(error) => {
                self.waiters.fail(&error);
                None
            }
        }
    }

    async fn note(&mut self, order: Order) -> Option<End> {
        match order {
            Order::Lease(waiter) => self.waiters.push(waiter),
            Order::Return(jobs) => {
                self.shared.give_up(jobs.iter().map(|leased| leased.receipt), Settlement::Release).await;
            }
            Order::Close(reply) => return Some(Some(reply)),
        }
        None
    }

    async fn hand(&mut self, taken: Taken) {
        let unwanted: Vec<Leased> = self.waiters.hand(taken.jobs);
        self.shared.give_up(unwanted.iter().map(|leased| leased.receipt), Settlement::Release).await;
        if !taken.foreign.is_empty() {
            tracing::warn!(
                entries = taken.foreign.len(),
                "entries of the queue are no jobs; they are removed"
            );
            self.shared.give_up(taken.foreign.into_iter(), Settlement::Done).await;
        }
    }

    /// Takes what is there.
    async fn take(&mut self, wanted: usize) -> Result<Taken> {
        let deadline = Instant::now() + self.shared.timeout;
        let mut line = match timeout_at(deadline, self.line()).await {
            Ok(line) => line.map_err(|error| classify("lease", error))?.0,
            Err(_) => return Err(unavailable("lease")),
        };
        let look = LOOK.min(self.shared.lease / 4);
        let reclaim = self.reclaimed_at.is_none_or(|at| at.elapsed() >= look);
        let mut script = self.shared.keys.invoke(&TAKE);
        let lease = u64::try_from(self.shared.lease.as_millis()).unwrap_or(u64::MAX);
        script.arg(GROUP).arg(&self.shared.consumer).arg(wanted).arg(lease).arg(u8::from(reclaim));
        let reply = match timeout_at(deadline, script.invoke_async::<Value>(&mut line)).await {
            Ok(reply) => self.told("lease", reply)?,
            Err(_) => return Err(self.silent("lease")),
        };
        if reclaim {
            self.reclaimed_at = Some(Instant::now());
        }
        Ok(Taken::from_script(self.shared.handle, &reply))
    }

    /// Waits for jobs, with an ear for those who call meanwhile.
    async fn wait(&mut self, wanted: usize) -> Option<End> {
        let now = Instant::now();
        let span = self.waiters.deadlines().map_or(LOOK, |(_, last)| last.saturating_duration_since(now));
        let span = span.min(LOOK).min(self.shared.lease / 4).max(Duration::from_millis(1));
        let (line, number) = match self.line().await {
            Ok(own) => own,
            Err(error) => {
                self.waiters.fail(&classify("lease", error));
                return None;
            }
        };
        let read = timeout(span + self.shared.timeout, self.read(line, wanted, span));
        tokio::pin!(read);
        let mut end = None;
        let mut is_called_off = false;
        let reply = loop {
            let first = self.waiters.deadlines().map_or(now + span, |(first, _)| first);
            tokio::select! {
                reply = &mut read => break reply,
                order = self.orders.recv(), if end.is_none() => match order {
                    Some(order) => end = self.note(order).await,
                    None => end = Some(None),
                },
                () = sleep_until(first), if !is_called_off => self.waiters.expire(Instant::now()),
            }
            if (end.is_some() || self.waiters.wanted().is_none()) && !is_called_off {
                is_called_off = true;
                self.call_off(number).await;
            }
        };
        let reply = match reply {
            Ok(reply) => self.told("lease", reply),
            Err(_) => Err(self.silent("lease")),
        };
        match reply {
            Ok(reply) => {
                let taken = Taken::from_read(self.shared.handle, &self.shared.keys.0, &reply);
                if end.is_some() {
                    // They are released with the rest.
                    return end;
                }
                self.hand(taken).await;
                self.waiters.expire(Instant::now());
            }
            // The next look makes the group anew.
            Err(error) if is_group_lost(&error) => {}
            Err(error) => self.waiters.fail(&error),
        }
        end
    }

    fn read(
        &self,
        mut line: Line,
        wanted: usize,
        span: Duration,
    ) -> impl Future<Output = RedisResult<Value>> + use<> {
        let mut command = redis::cmd("XREADGROUP");
        command.arg("GROUP").arg(GROUP).arg(&self.shared.consumer).arg("COUNT").arg(wanted);
        command.arg("BLOCK").arg(u64::try_from(span.as_millis()).unwrap_or(1).max(1));
        command.arg("STREAMS").arg(&self.shared.keys.0).arg(">").arg(">");
        async move { command.query_async(&mut line).await }
    }

    /// Ends the read that waits on the connection with this number. Where it cannot, the read ends by itself.
    async fn call_off(&self, number: Option<i64>) {
        let Some(number) = number else { return };
        let mut command = redis::cmd("CLIENT");
        command.arg("UNBLOCK").arg(number);
        let called = self
            .shared
            .link
            .call("lease", async |mut line: Line| command.query_async::<Value>(&mut line).await);
        if let Err(error) = called.await {
            tracing::debug!(%error, "could not call off a read; it ends by itself");
        }
    }

    /// The driver's own connection.
    async fn line(&mut self) -> RedisResult<(Line, Option<i64>)> {
        if let Some(own) = &self.own {
            return Ok(own.clone());
        }
        let mut line = self.shared.server.connect(Use::Waits).await?;
        let number = match &line {
            Line::One(_) => {
                let mut command = redis::cmd("CLIENT");
                let asked = command.arg("ID").query_async::<i64>(&mut line);
                // Not to be had where the user may not ask.
                asked.await.ok()
            }
            Line::Cluster(_) => None,
        };
        Ok(self.own.insert((line, number)).clone())
    }

    /// What came back on the driver's own connection, which ends where it broke.
    fn told(&mut self, operation: &'static str, reply: RedisResult<Value>) -> Result<Value> {
        reply.map_err(|error| {
            if error.is_unrecoverable_error() || error.is_io_error() {
                self.own = None;
            }
            classify(operation, error)
        })
    }

    /// Nothing came back on it.
    fn silent(&mut self, operation: &'static str) -> Error {
        self.own = None;
        timed_out(operation)
    }
}

fn is_group_lost(error: &Error) -> bool {
    let source =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<redis::RedisError>());
    source.is_some_and(|error| matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")))
}
