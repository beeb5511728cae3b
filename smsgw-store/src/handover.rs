//! How a driver task hands leased jobs to the calls that wait for them, so that a call that is dropped loses none.

use smsgw_core::error::{Error, Result};
use smsgw_core::queue::Leased;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant};

/// What a driver is asked.
#[derive(Debug)]
pub(crate) enum Order {
    /// Jobs for a call.
    Lease(Waiter),
    /// A call was dropped: the jobs that it was handed and has not seen, if any.
    Return(Vec<Leased>),
    /// To release what is leased and to end.
    Close(oneshot::Sender<Result<()>>),
}

/// The way to a driver.
pub(crate) type Orders = mpsc::UnboundedSender<Order>;

/// Has the driver lease up to `max` jobs. Dropped, it returns them. `None`: the driver has ended.
pub(crate) async fn lease(orders: &Orders, max: usize, wait: Duration) -> Option<Result<Vec<Leased>>> {
    let (reply, answer) = oneshot::channel();
    orders.send(Order::Lease(Waiter { max, deadline: Instant::now() + wait, reply })).ok()?;
    let mut call = Call { answer, orders, is_answered: false };
    let answer = (&mut call.answer).await;
    call.is_answered = true;
    answer.ok()
}

/// Has the driver release everything and end. `None`: it has ended.
pub(crate) async fn close(orders: &Orders) -> Option<Result<()>> {
    let (reply, answer) = oneshot::channel();
    orders.send(Order::Close(reply)).ok()?;
    answer.await.ok()
}

struct Call<'a> {
    answer: oneshot::Receiver<Result<Vec<Leased>>>,
    orders: &'a Orders,
    is_answered: bool,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        // Closed first: whatever is sent from now on stays with the driver.
        self.answer.close();
        let unseen = self.answer.try_recv().ok().and_then(Result::ok).unwrap_or_default();
        // Fails only where the driver has ended, and with it the leases.
        _ = self.orders.send(Order::Return(unseen));
    }
}

/// A call that waits, as the driver sees it.
#[derive(Debug)]
pub(crate) struct Waiter {
    max: usize,
    deadline: Instant,
    reply: oneshot::Sender<Result<Vec<Leased>>>,
}

/// The calls that wait, the first to come first.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Vec<Waiter>);

impl Waiters {
    pub(crate) fn push(&mut self, waiter: Waiter) {
        self.0.push(waiter);
    }

    /// How many jobs the first wants. `None`: nobody waits.
    pub(crate) fn wanted(&mut self) -> Option<usize> {
        self.0.retain(|waiter| !waiter.reply.is_closed());
        self.0.first().map(|waiter| waiter.max)
    }

    /// When the first of them gives up, and when the last does.
    pub(crate) fn deadlines(&self) -> Option<(Instant, Instant)> {
        let deadlines = || self.0.iter().map(|waiter| waiter.deadline);
        Some((deadlines().min()?, deadlines().max()?))
    }

    /// Hands jobs over, in order. Returns those that nobody wants.
    #[must_use]
    pub(crate) fn hand(&mut self, mut jobs: Vec<Leased>) -> Vec<Leased> {
        while !jobs.is_empty() && !self.0.is_empty() {
            let waiter = self.0.remove(0);
            let rest = jobs.split_off(waiter.max.min(jobs.len()));
            jobs = match waiter.reply.send(Ok(jobs)) {
                Err(Ok(mut refused)) => {
                    refused.extend(rest);
                    refused
                }
                _ => rest,
            };
        }
        jobs
    }

    /// Tells those whose time is over that none came.
    pub(crate) fn expire(&mut self, now: Instant) {
        for waiter in self.0.extract_if(.., |waiter| waiter.deadline <= now) {
            _ = waiter.reply.send(Ok(Vec::new()));
        }
    }

    pub(crate) fn fail(&mut self, error: &Error) {
        for waiter in self.0.drain(..) {
            _ = waiter.reply.send(Err(error.clone()));
        }
    }
}
