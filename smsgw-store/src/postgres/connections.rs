//! The connections that calls go over.
//!
//! A pool asks the server whether a connection is well each time one comes back, and hands them out in turn. So the few
//! that are in use all the time are kept out of it: a call costs one round trip instead of two, and the server's process
//! that it meets has just done the same.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Postgres};
use tokio::time::{Instant, timeout};

/// Connections that are kept at most: of new messages, of changes, of claims, and of whoever asks meanwhile.
const KEPT: usize = 4;
/// Connections that have been idle for longer are tried before they are used: the server may have gone meanwhile.
pub(super) const TRIED_AFTER: Duration = Duration::from_millis(500);
/// How long a trial may take before another connection is made.
const TRIAL: Duration = Duration::from_millis(300);
/// How long one is kept before it goes back to the pool, which ends those that are too old.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// A pool, and those of its connections that are kept.
#[derive(Debug)]
pub(super) struct Connections {
    pool: PgPool,
    /// How many are kept at most; none of a pool whose owner may need them.
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Each with when it was used last; that of the last call is on top.
    idle: Vec<(Lent, Instant)>,
    /// Calls that wait for the pool: what comes back is for them.
    waiting: usize,
}

/// A connection that a call goes over. Dropped, it goes back to the pool.
#[derive(Debug)]
pub(super) struct Lent {
    conn: PoolConnection<Postgres>,
    /// When the pool handed it out.
    since: Instant,
}

impl Lent {
    pub(super) fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
    }

    /// Ends it, without a word.
    pub(super) fn end(self) {
        drop(self.conn.detach());
    }
}

impl Connections {
    /// Those of `pool`, of which some are kept where it is `owned`.
    pub(super) fn new(pool: PgPool, owned: bool) -> Self {
        Self { pool, limit: if owned { KEPT } else { 0 }, kept: Mutex::default() }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// One that has just been used, or one of the pool.
    pub(super) async fn take(&self) -> sqlx::Result<Lent> {
        let waits = match self.pop_or_wait() {
            Ok((lent, used)) if used.elapsed() < TRIED_AFTER => return Ok(lent),
            Ok((lent, _)) => match (Trial { lent: Some(lent) }).passed().await {
                Some(lent) => return Ok(lent),
                None => self.end_idle(),
            },
            Err(waits) => waits,
        };
        let conn = self.pool.acquire().await?;
        drop(waits);
        Ok(Lent { conn, since: Instant::now() })
    }

    /// Takes one back whose call has succeeded.
    pub(super) fn keep(&self, lent: Lent) {
        let now = Instant::now();
        let is_old = |lent: &Lent| now - lent.since >= KEPT_FOR;
        let old = {
            let mut kept = self.lock();
            if kept.waiting == 0 && kept.idle.len() < self.limit && !is_old(&lent) && !self.pool.is_closed() {
                kept.idle.push((lent, now));
            }
            // Where few are needed now, nobody comes to the lowest.
            kept.idle.first().is_some_and(|(lent, _)| is_old(lent)).then(|| kept.idle.remove(0))
        };
        drop(old);
    }

    /// Closes the pool, those that are kept included.
    pub(super) async fn close(&self) {
        // Closed from here on, so that nothing is kept after the look.
        let closed = self.pool.close();
        let idle = std::mem::take(&mut self.lock().idle);
        drop(idle);
        closed.await;
    }

    /// One that is kept. Where there is none, a call waits for the pool from now on: nothing is kept between the look
    /// and that.
    fn pop_or_wait(&self) -> std::result::Result<(Lent, Instant), Waits<'_>> {
        let mut kept = self.lock();
        kept.idle.pop().ok_or_else(|| self.wait(&mut kept))
    }

    /// Ends all that are kept: the one that was used last is not well. The call waits for the pool.
    fn end_idle(&self) -> Waits<'_> {
        let mut kept = self.lock();
        kept.idle.drain(..).for_each(|(lent, _)| lent.end());
        self.wait(&mut kept)
    }

    fn wait(&self, kept: &mut Kept) -> Waits<'_> {
        kept.waiting += 1;
        Waits(self)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server answers on `conn`.
pub(super) async fn is_well(conn: &mut PgConnection) -> bool {
    matches!(timeout(TRIAL, conn.ping()).await, Ok(Ok(())))
}

/// A connection that has rested and is tried. Dropped, also in the middle, it ends: the pool would wait for its answer.
struct Trial {
    lent: Option<Lent>,
}

impl Trial {
    /// The connection, where the server answers on it.
    async fn passed(mut self) -> Option<Lent> {
        let is_well = match &mut self.lent {
            Some(lent) => is_well(&mut lent.conn).await,
            None => false,
        };
        if is_well { self.lent.take() } else { None }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(lent) = self.lent.take() {
            lent.end();
        }
    }
}

/// A call that waits for the pool.
struct Waits<'a>(&'a Connections);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

impl Drop for Connections {
    /// There may be no runtime any more, which the pool would need to take them back.
    fn drop(&mut self) {
        let kept = self.kept.get_mut().unwrap_or_else(PoisonError::into_inner);
        kept.idle.drain(..).for_each(|(lent, _)| lent.end());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use smsgw_test_support::{Postgres, Proxy};
    use tokio::time::sleep;

    use super::super::PostgresConfig;
    use super::super::hot_path::server;
    use super::*;

    fn pool(server: &Postgres, connections: u32) -> PgPool {
        PostgresConfig { connections, ..PostgresConfig::new(server.url()) }.pool().expect("a pool")
    }

    /// The process of the server that a call meets.
    async fn call(connections: &Connections) -> i32 {
        let mut lent = connections.take().await.expect("a connection");
        let process = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(lent.conn()).await;
        connections.keep(lent);
        process.expect("a number")
    }

    #[tokio::test]
    async fn calls_one_after_another_meet_the_same_process_and_the_pool_gets_nothing_back() {
        let Some(server) = server() else { return };
        let connections = Connections::new(pool(&server, 10), true);
        let first = call(&connections).await;
        for _ in 0..5 {
            assert_eq!(call(&connections).await, first);
            assert_eq!(connections.pool().num_idle(), 0);
        }
        connections.close().await;
        assert_eq!(connections.pool().size(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_waits_for_what_is_kept() {
        let Some(server) = server() else { return };
        let connections = Arc::new(Connections::new(pool(&server, 2), true));
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let connections = connections.clone();
                tokio::spawn(async move {
                    for _ in 0..50 {
                        call(&connections).await;
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("each got one in time");
        }
        assert!(connections.lock().idle.len() <= 2 && connections.lock().waiting == 0);
    }

    #[tokio::test]
    async fn what_was_ended_meanwhile_is_not_used() {
        let Some(server) = server() else { return };
        let connections = Connections::new(pool(&server, 2), true);
        let process = call(&connections).await;
        let mut other = PgConnection::connect(&server.url()).await.expect("the server");
        let end = sqlx::query("SELECT pg_terminate_backend($1)").bind(process);
        end.execute(&mut other).await.expect("ended");
        sleep(TRIED_AFTER).await;
        assert_ne!(call(&connections).await, process);
    }

    #[tokio::test]
    async fn a_call_that_ends_while_the_pool_is_closed_holds_up_nobody() {
        let Some(server) = server() else { return };
        let connections = Connections::new(pool(&server, 2), true);
        call(&connections).await;
        let late = connections.take().await.expect("a connection");
        let (closed, ()) = tokio::join!(timeout(Duration::from_secs(5), connections.close()), async {
            sleep(Duration::from_millis(50)).await;
            connections.keep(late);
        });
        closed.expect("it is closed");
        assert!(connections.take().await.is_err());
        assert_eq!(connections.lock().waiting, 0);
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_costs_one_trial_and_a_caller_that_goes_costs_no_place() {
        let Some(server) = server() else { return };
        let proxy = Proxy::start(server.port(), 1).expect("a proxy");
        let url = server.url().replace(&server.port().to_string(), &proxy.port().to_string());
        let config = PostgresConfig { connections: 3, ..PostgresConfig::new(url) };
        let connections = Connections::new(config.pool().expect("a pool"), true);
        let mut several = Vec::new();
        for _ in 0..3 {
            several.push(connections.take().await.expect("a connection"));
        }
        several.drain(..).for_each(|lent| connections.keep(lent));
        sleep(TRIED_AFTER).await;
        proxy.stall();
        assert!(timeout(TRIAL / 3, connections.take()).await.is_err(), "given up in the middle of a trial");
        assert!(timeout(TRIAL * 3 / 2, connections.take()).await.is_err(), "no other is there");
        assert!(connections.lock().idle.is_empty(), "one trial is enough");
        assert_eq!(connections.lock().waiting, 0);
        proxy.resume();
        for _ in 0..3 {
            let lent = timeout(Duration::from_secs(5), connections.take()).await.expect("there is a place");
            several.push(lent.expect("a connection"));
        }
    }

    #[tokio::test]
    async fn of_a_pool_of_others_nothing_is_kept() {
        let Some(server) = server() else { return };
        let connections = Connections::new(pool(&server, 1), false);
        call(&connections).await;
        drop(connections.pool().acquire().await.expect("its owner gets it"));
        assert!(connections.lock().idle.is_empty());
    }
}
