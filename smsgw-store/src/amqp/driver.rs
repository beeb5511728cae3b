//! Leases jobs for those who call, settles them, and owns the channels that the leases live on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smsgw_core::error::Result;
use smsgw_core::queue::{Leased, Receipt, Settled, Settlement};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::classify::{classify, closed, timeout as timed_out};
use super::link::Link;
use super::session::Session;
use crate::handover::{Order, Waiters};

/// How long consumers stay open when nobody waits: longer than a gateway takes from one batch to the next, and no
/// longer than another may wait for jobs that nobody here wants.
const LINGER: Duration = Duration::from_millis(20);

/// What is asked of the driver beside leases.
#[derive(Debug)]
pub(super) struct Settle {
    pub(super) settlements: Vec<(Receipt, Settlement)>,
    pub(super) reply: oneshot::Sender<Vec<Settled>>,
}

pub(super) struct Driver {
    link: Arc<Link>,
    orders: mpsc::UnboundedReceiver<Order>,
    settles: mpsc::UnboundedReceiver<Settle>,
    waiters: Waiters,
    current: Option<Session>,
    /// Sessions that lease no more, and have leases that are not settled.
    retired: Vec<Session>,
    /// The number of the next session; no other handle's begin alike.
    next_session: u64,
    /// How many leases there are, for those who ask.
    leased: Arc<AtomicU64>,
}

type End = Option<oneshot::Sender<Result<()>>>;

impl Driver {
    pub(super) fn new(
        link: Arc<Link>,
        orders: mpsc::UnboundedReceiver<Order>,
        settles: mpsc::UnboundedReceiver<Settle>,
        first_session: u64,
        leased: Arc<AtomicU64>,
    ) -> Self {
        Self {
            link,
            orders,
            settles,
            waiters: Waiters::default(),
            current: None,
            retired: Vec::new(),
            next_session: first_session,
            leased,
        }
    }

    pub(super) async fn run(mut self) {
        let end = loop {
            if let Some(end) = self.turn().await {
                break end;
            }
            self.clear_away().await;
        };
        self.waiters.fail(&closed("lease"));
        // With its channel every lease ends. One that is just closing would keep the connection from being closed.
        for session in self.current.iter_mut().chain(&mut self.retired).filter(|session| session.is_alive()) {
            if let Ok(Err(error)) = timeout(self.link.timeout, session.close()).await {
                tracing::debug!(%error, "could not close a channel; it ends with the connection");
            }
        }
        let is_closed = self.link.close().await;
        if let Some(reply) = end {
            _ = reply.send(is_closed);
        }
    }

    /// Serves who waits, or waits for somebody.
    async fn turn(&mut self) -> Option<End> {
        if let Some(wanted) = self.waiters.wanted() {
            match self.take(wanted).await {
                Ok(jobs) if jobs.is_empty() => self.waiters.expire(Instant::now()),
                Ok(jobs) => {
                    self.count();
                    let unwanted = self.waiters.hand(jobs);
                    self.give_back(unwanted).await;
                    return None;
                }
                Err(error) => {
                    self.waiters.fail(&error);
                    self.forsake().await;
                }
            }
            // Whoever is still there waits for what was not there.
            self.waiters.wanted()?;
        }
        let first = self.waiters.deadlines().map(|(first, _)| first);
        let is_idle = first.is_none() && self.current.as_ref().is_some_and(Session::is_open);
        let arrival = async {
            match &mut self.current {
                Some(session) => session.arrival().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            settle = self.settles.recv() => match settle {
                Some(settle) => self.settle(settle).await,
                None => return Some(None),
            },
            order = self.orders.recv() => match order {
                Some(Order::Lease(waiter)) => self.waiters.push(waiter),
                Some(Order::Return(jobs)) => self.give_back(jobs).await,
                Some(Order::Close(reply)) => return Some(Some(reply)),
                None => return Some(None),
            },
            arrived = arrival, if first.is_some() => {
                if let Err(error) = arrived {
                    self.waiters.fail(&classify("lease", error));
                    self.forsake().await;
                }
            }
            () = sleep_until(first.unwrap_or_else(Instant::now)), if first.is_some() => {
                self.waiters.expire(Instant::now());
            }
            () = sleep(LINGER), if is_idle => self.retire().await,
        }
        None
    }

    async fn take(&mut self, wanted: usize) -> Result<Vec<Leased>> {
        if self.current.as_ref().is_some_and(|session| !session.is_alive()) {
            self.current = None;
        }
        let session = match &mut self.current {
            Some(session) => session,
            None => {
                let (generation, channel) = self.link.channel("lease").await?;
                let number = self.next_session;
                self.next_session += 1;
                self.current.insert(Session::new(number, generation, channel, &self.link.queues))
            }
        };
        match timeout(self.link.timeout, session.take(wanted)).await {
            Ok(taken) => taken.map_err(|error| classify("lease", error)),
            Err(_) => Err(timed_out("lease")),
        }
    }

    async fn settle(&mut self, Settle { settlements, reply }: Settle) {
        let mut outcomes = vec![Settled::Stale; settlements.len()];
        let sessions = self.current.iter_mut().chain(&mut self.retired);
        for session in sessions.filter(|session| session.is_alive()) {
            let own: Vec<(usize, (u64, Settlement))> = settlements
                .iter()
                .enumerate()
                .filter(|(_, (receipt, _))| receipt.source == session.number)
                .filter_map(|(at, (receipt, how))| Some((at, (u64::try_from(receipt.entry).ok()?, *how))))
                .collect();
            if own.is_empty() {
                continue;
            }
            let (places, own): (Vec<usize>, Vec<(u64, Settlement)>) = own.into_iter().unzip();
            match timeout(self.link.timeout, session.settle(&own)).await {
                Ok(Ok(ours)) => {
                    for (at, _) in places.into_iter().zip(ours).filter(|(_, ours)| *ours) {
                        outcomes[at] = Settled::Applied;
                    }
                }
                // The leases ended with the channel.
                Ok(Err(error)) => tracing::debug!(%error, "could not settle; the channel is gone"),
                Err(_) => tracing::debug!("could not settle in time"),
            }
        }
        self.count();
        _ = reply.send(outcomes);
    }

    /// Releases leases that nobody asked for.
    async fn give_back(&mut self, jobs: Vec<Leased>) {
        if jobs.is_empty() {
            return;
        }
        let settlements = jobs.iter().map(|leased| (leased.receipt, Settlement::Release)).collect();
        self.settle(Settle { settlements, reply: oneshot::channel().0 }).await;
    }

    /// Lets others have what nobody waits for here.
    async fn retire(&mut self) {
        let Some(mut session) = self.current.take() else { return };
        match timeout(self.link.timeout, session.retire()).await {
            Ok(Ok(())) => self.retired.push(session),
            Ok(Err(error)) => tracing::debug!(%error, "could not retire a channel; it is gone"),
            Err(_) => self.link.end(session.generation).await,
        }
    }

    /// Gives up on the connection of the current session, after a failure.
    async fn forsake(&mut self) {
        if let Some(session) = self.current.take() {
            self.link.end(session.generation).await;
        }
    }

    /// Closes channels that are done with.
    async fn clear_away(&mut self) {
        let over = |session: &mut Session| session.is_settled() || !session.is_alive();
        for mut session in self.retired.extract_if(.., over) {
            if session.is_alive()
                && let Ok(Err(error)) = timeout(self.link.timeout, session.close()).await
            {
                tracing::debug!(%error, "could not close a channel");
            }
        }
        self.count();
    }

    fn count(&self) {
        let sessions = self.current.iter().chain(&self.retired).filter(|session| session.is_alive());
        let leased: usize = sessions.map(Session::leased).sum();
        self.leased.store(leased as u64, Ordering::Relaxed);
    }
}
