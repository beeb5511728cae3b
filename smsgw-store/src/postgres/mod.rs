//! [`PostgresStore`] and [`PostgresQueue`]: several gateways on one database.

mod accounts;
mod advance;
mod audit;
mod changes;
mod claim;
mod classify;
mod config;
mod connections;
mod devices;
mod due;
mod erase;
#[cfg(test)]
mod hot_path;
mod inbox;
mod insert;
mod keys;
mod messages;
mod migrate;
#[cfg(test)]
mod plans;
mod pulse;
mod queue;
mod recent;
mod remove;
mod rows;
mod session;
mod tokens;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::recent::Recent;
use async_trait::async_trait;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::store::{Store, StoreCapabilities};
use sqlx::postgres::{PgConnection, PgPool};

use self::classify::BACKEND;
use self::session::{Session, Work};

pub use self::config::PostgresConfig;
pub use self::queue::PostgresQueue;
pub use crate::schema::Schema;

/// How often what others have changed between reading and writing is read again. Each time one of them got further.
const ROUNDS: usize = 50;
/// How long a call may take on a pool that is not ours.
const CALL_TIMEOUT: Duration = Duration::from_millis(1_800);

/// A [`Store`] in a PostgreSQL database (15 or later), shared by any number of gateways.
///
/// A call that changes something reads what it is about, asks the rules, and writes what they say in one statement,
/// which skips what somebody else has changed meanwhile; that is read and decided again. So no transaction is ever open
/// between two statements, and whoever stops in the middle holds up nobody. Leases and events take their times from the
/// server's clock.
///
/// Calls fail with `Unavailable` or `Timeout` while the server is away, and work again when it is back: nothing needs
/// a restart. The first to find it away wait as long as they may; then all fail at once, and a task of ours asks the
/// server until it answers.
///
/// Dropped without [`close`](Store::close), calls that are under way still come to their end.
pub struct PostgresStore {
    session: Session,
    recent: Arc<Recent>,
}

impl PostgresStore {
    /// Connects to the database that `config` names and brings its schema up to date. Of two that do so at once, one
    /// does the work.
    ///
    /// Must be called in a Tokio runtime with time enabled; calls run as its tasks.
    ///
    /// # Errors
    /// `Invalid` where the URL cannot be read or names no database. `Unauthorized` where the server refuses the user.
    /// `Unsupported` where a newer program has been at the database. `Unavailable` where the server is away. The detail
    /// says what to do.
    pub async fn connect(config: PostgresConfig) -> Result<Self> {
        let session = Session::new(config.pool()?, true, config.call_timeout());
        migrate::migrate(&session, config.schema).await?;
        Ok(Self { session, recent: Arc::default() })
    }

    /// How far the schema of the database that `config` names has come. Changes nothing.
    ///
    /// # Errors
    /// As [`PostgresStore::connect`], but for `Unsupported`: one that is newer is answered.
    pub async fn schema(config: &PostgresConfig) -> Result<Schema> {
        let session = Session::new(config.pool()?, true, config.call_timeout());
        let schema = migrate::schema(&session).await;
        session.stop().await;
        session.close().await;
        schema
    }

    /// A store on a pool of yours, which [`close`](Store::close) leaves open: for programs that embed the gateway and
    /// have their own tables in the same database. Our tables are in the first schema of the pool's search path, and
    /// are brought up to date.
    ///
    /// This is the one place where a type of `sqlx` is part of the interface, so it goes with the versions of `sqlx`.
    /// The pool's `acquire_timeout` is how long it takes to know that the server is away: 1.5 s or so is good. Nor are
    /// `statement_timeout` and `lock_timeout` ours to set there: 1.8 s is as long as anybody waits for an answer. Pools
    /// in front of the server (PgBouncer) must keep prepared statements.
    ///
    /// # Errors
    /// As [`PostgresStore::connect`].
    pub async fn from_pool(pool: PgPool) -> Result<Self> {
        let session = Session::new(pool, false, CALL_TIMEOUT);
        migrate::migrate(&session, None).await?;
        Ok(Self { session, recent: Arc::default() })
    }

    /// A queue in the same database, over the same connections, with leases of `lease`. It is closed by itself; the
    /// connections end with the last of both.
    pub fn queue(&self, lease: Duration) -> PostgresQueue {
        PostgresQueue::over(self.session.another(), lease)
    }

    /// Has `work` done; see [`Session::run`].
    async fn run<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut PgConnection) -> Work<'c, T> + Send + 'static,
    {
        self.session.run(operation, work).await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

impl fmt::Display for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgreSQL store")
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities { durable: true, shared: true }
    }

    async fn ready(&self) -> Result<()> {
        ready(&self.session).await
    }

    async fn close(&self) -> Result<()> {
        self.session.stop().await;
        self.session.close().await;
        Ok(())
    }
}

/// Whether the server answers, our tables are there and it takes writes.
async fn ready(session: &Session) -> Result<()> {
    let standby = session
        .run("ready", |conn| {
            Box::pin(async {
                // The function is ours: without our schema there is none.
                sqlx::query_scalar("SELECT pg_is_in_recovery() FROM smsgw_now()").fetch_one(conn).await
            })
        })
        .await?;
    match standby {
        true => Err(Error::new(ErrorKind::Unavailable, BACKEND, "ready")
            .with_detail("the server is a standby; name the primary in the URL")),
        false => Ok(()),
    }
}

/// The error for what others have kept changing.
fn contended() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::ResourceBusy,
        "others keep changing the same messages",
    ))
}
