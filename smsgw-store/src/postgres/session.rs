//! How calls reach the server.
//!
//! A call lives in a task of its own, not in its caller: dropping the caller's future leaves no connection in the
//! middle of an answer, and a call that has begun comes to its end. Calls that change something do so by one statement,
//! so that it happens as a whole or not at all, and no lock is held while we think.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use smsgw_core::error::{Error, ErrorKind, Result};
use sqlx::postgres::{PgConnection, PgPool};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use tokio::time::{Instant, sleep, timeout_at};

use super::classify::{BACKEND, classify, is_broken, is_in_the_way, is_silence};
use super::connections::Connections;
use super::pulse::Pulse;

/// How often a statement is tried that others were in the way of.
const TRIES: u32 = 6;
/// The pause before a server is asked again that does not answer.
const ASK_AGAIN: Duration = Duration::from_millis(150);

pub(super) type Work<'c, T> = Pin<Box<dyn Future<Output = sqlx::Result<T>> + Send + 'c>>;

/// A pool that several handles may share.
#[derive(Debug)]
struct Shared {
    connections: Connections,
    /// Whether the pool is ours to close.
    owned: bool,
    /// Handles that are not closed.
    handles: AtomicUsize,
    pulse: Pulse,
    /// How long a call may take as a whole.
    call_timeout: Duration,
}

/// One handle on the database: what a store or a queue calls through.
#[derive(Debug)]
pub(super) struct Session {
    shared: Arc<Shared>,
    /// Of this handle alone.
    closed: AtomicBool,
    /// Read by each call that is under way; written by `close`, which so waits for them.
    calls: Arc<RwLock<()>>,
}

impl Session {
    /// The first handle on `pool`. The last one to close closes the pool where it is `owned`.
    pub(super) fn new(pool: PgPool, owned: bool, call_timeout: Duration) -> Self {
        let (handles, pulse) = (AtomicUsize::new(1), Pulse::new());
        let connections = Connections::new(pool, owned);
        let shared = Arc::new(Shared { connections, owned, handles, pulse, call_timeout });
        Self { shared, closed: AtomicBool::new(false), calls: Arc::default() }
    }

    /// Another handle on the same pool.
    pub(super) fn another(&self) -> Self {
        self.shared.handles.fetch_add(1, Ordering::SeqCst);
        Self { shared: Arc::clone(&self.shared), closed: AtomicBool::new(false), calls: Arc::default() }
    }

    pub(super) fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, BACKEND, operation));
        }
        Ok(())
    }

    /// Has `work` done. It is done again where others were in the way, and so must hold no outcome.
    pub(super) async fn run<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut PgConnection) -> Work<'c, T> + Send + 'static,
    {
        self.run_then(operation, work, |outcome| outcome).await
    }

    /// As [`Session::run`]; `hand_over` then makes of the outcome what the caller gets, also where that has gone.
    pub(super) async fn run_then<T, U, F>(
        &self,
        operation: &'static str,
        work: F,
        hand_over: impl FnOnce(T) -> U + Send + 'static,
    ) -> Result<U>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: for<'c> Fn(&'c mut PgConnection) -> Work<'c, T> + Send + 'static,
    {
        self.check_open(operation)?;
        let call = Arc::clone(&self.calls).read_owned().await;
        self.check_open(operation)?;
        self.spawn(operation, call, self.shared.call_timeout, work, hand_over).await
    }

    /// Has `work` done that is nobody's call and may take its time.
    pub(super) async fn maintain<T, F>(&self, operation: &'static str, limit: Duration, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut PgConnection) -> Work<'c, T> + Send + 'static,
    {
        let call = Arc::clone(&self.calls).read_owned().await;
        self.spawn(operation, call, limit, work, |outcome| outcome).await
    }

    async fn spawn<T, U, F>(
        &self,
        operation: &'static str,
        call: OwnedRwLockReadGuard<()>,
        limit: Duration,
        work: F,
        hand_over: impl FnOnce(T) -> U + Send + 'static,
    ) -> Result<U>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: for<'c> Fn(&'c mut PgConnection) -> Work<'c, T> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let deadline = Instant::now() + limit;
        let task = tokio::spawn(async move {
            let outcome = attempt(&shared, operation, deadline, work).await.map(hand_over);
            drop(call);
            outcome
        });
        task.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, BACKEND, operation)))
    }

    /// Refuses new calls and waits for those under way.
    pub(super) async fn stop(&self) {
        if !self.closed.swap(true, Ordering::SeqCst) {
            self.shared.handles.fetch_sub(1, Ordering::SeqCst);
        }
        drop(self.calls.write().await);
    }

    /// Closes the pool, where this was the last of its handles and it is ours. After [`Session::stop`].
    pub(super) async fn close(&self) {
        if self.shared.owned && self.shared.handles.load(Ordering::SeqCst) == 0 {
            self.shared.connections.close().await;
        }
    }
}

impl Shared {
    /// Takes note of a call that got no answer; see [`Pulse::silent`].
    fn silent(self: &Arc<Self>, waited: bool) {
        if self.pulse.silent(waited) {
            tokio::spawn(ask_until_answered(Arc::downgrade(self)));
        }
    }

    /// Takes note of what an error says of the server.
    fn heard(self: &Arc<Self>, error: &sqlx::Error) {
        match is_silence(error) {
            true => self.silent(matches!(error, sqlx::Error::PoolTimedOut)),
            false => self.pulse.answered(),
        }
    }
}

/// Ends when the server answers, or nobody wants to know any more.
async fn ask_until_answered(shared: Weak<Shared>) {
    while let Some(shared) = shared.upgrade() {
        let pool = shared.connections.pool();
        let is_over = pool.is_closed() || shared.handles.load(Ordering::SeqCst) == 0;
        if is_over || shared.pulse.ask(pool, shared.call_timeout).await {
            return;
        }
        drop(shared);
        sleep(ASK_AGAIN).await;
    }
}

async fn attempt<T, F>(shared: &Arc<Shared>, operation: &'static str, deadline: Instant, work: F) -> Result<T>
where
    F: for<'c> Fn(&'c mut PgConnection) -> Work<'c, T>,
{
    if !shared.pulse.lets_through().await {
        return Err(Error::new(ErrorKind::Unavailable, BACKEND, operation)
            .with_detail("the server does not answer; calls go through again as soon as it does"));
    }
    let failed = |error| {
        shared.heard(&error);
        classify(operation, error)
    };
    let silent = || {
        shared.silent(true);
        Error::new(ErrorKind::Timeout, BACKEND, operation).with_detail("the server does not answer")
    };
    let mut tries = 0;
    loop {
        // In a box: it may have to connect, and all that this takes would be moved around with the task of each call.
        let taken = timeout_at(deadline, Box::pin(shared.connections.take())).await;
        let mut lent = taken.map_err(|_| silent())?.map_err(failed)?;
        let error = match timeout_at(deadline, work(lent.conn())).await {
            Ok(Ok(done)) => {
                shared.pulse.answered();
                shared.connections.keep(lent);
                return Ok(done);
            }
            Ok(Err(error)) => error,
            Err(_) => {
                // Nobody knows when it answers: it goes, and its place in the pool is free at once.
                lent.end();
                return Err(silent());
            }
        };
        if is_broken(&error) {
            lent.end();
        }
        tries += 1;
        if !is_in_the_way(&error) || tries == TRIES {
            return Err(failed(error));
        }
    }
}
