//! [`SqliteStore`]: everything in one file, nothing to install.

mod accounts;
mod advance;
mod audit;
mod changes;
mod claim;
mod classify;
mod config;
mod connect;
mod damaged;
mod devices;
mod due;
mod erase;
#[cfg(test)]
mod faults;
mod file;
mod inbox;
mod insert;
mod keys;
mod messages;
mod migrate;
#[cfg(test)]
mod plans;
mod remove;
mod rows;
mod sql;
mod tokens;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use smsgw_core::error::Result;
use smsgw_core::store::{Store, StoreCapabilities};
use smsgw_core::time::Clock;
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePool;

use self::classify::{classify, is_no_database};
use self::connect::Connector;
use self::damaged::{DamageLog, Rows};
use self::sql::{Args, fetch, fetch_good};
use self::writer::{Transaction, Work, Writer};

pub use self::config::SqliteConfig;
pub use crate::schema::Schema;

/// How many unreadable rows a page may be put together around.
const PAGE_DAMAGED: usize = 1_000;

/// A [`Store`] in a SQLite database.
///
/// Writes go through one task and share commits: whatever waits while a commit is under way forms the next. A commit
/// is on the disk before its callers hear of it. Reads have connections of their own and wait for no write.
///
/// Several stores, in one process or in several of one machine, may share a file; they take turns at writing.
///
/// A stored row that cannot be read holds up no other: lists leave it out, a message of which that is so is sent by
/// nobody, and the log names it once, at level `error`.
///
/// Dropped without [`close`](Store::close), it still does what waits, and closes the file behind it.
pub struct SqliteStore {
    path: PathBuf,
    readers: SqlitePool,
    writer: Writer,
    damage: Arc<DamageLog>,
}

impl SqliteStore {
    /// Opens the database that `config` names, makes it where there is none, and brings its schema up to date. Of two
    /// that do so at once, one does the work. Leases and events take their times from `clock`.
    ///
    /// Must be called in a Tokio runtime with time enabled; the store's task lives in it.
    ///
    /// # Errors
    /// `Invalid` where the path cannot be a database: a directory, some other file, a place that cannot be written.
    /// `Unsupported` where a newer program has written it. `Unavailable` where another process holds it for longer
    /// than the configured time, or its disk is full. The detail says what to do.
    pub async fn open(config: SqliteConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        let file = file::prepare(&config.path)?;
        let failed = |error: sqlx::Error| match is_no_database(&error) {
            true => file::no_database(&config.path),
            false => classify("open", error),
        };
        let connector = Connector::new(&file, &config);
        let mut conn = connector.connect().await.map_err(failed)?;
        migrate::migrate(&mut conn, clock.now()).await?;
        let readers = connect::readers(&file, &config);
        let damage = Arc::<DamageLog>::default();
        let writer = Writer::start(conn, connector, clock, damage.clone());
        Ok(Self { path: config.path, readers, writer, damage })
    }

    /// How far the schema of the database that `config` names has come. Changes nothing, and makes no file.
    ///
    /// # Errors
    /// `Invalid` where the path is something else than a database. `Unavailable` where it cannot be read now.
    pub async fn schema(config: &SqliteConfig) -> Result<Schema> {
        let Some(file) = file::existing(&config.path)? else { return Ok(migrate::NOTHING) };
        let failed = |error: sqlx::Error| match is_no_database(&error) {
            true => file::no_database(&config.path),
            false => classify("schema", error),
        };
        let readers = connect::readers(&file, config);
        let mut conn = readers.acquire().await.map_err(failed)?;
        let schema = migrate::schema(&mut conn).await.map_err(failed);
        drop(conn);
        readers.close().await;
        schema
    }

    /// Has `work` done and committed; see [`Writer::run`].
    async fn write<T, F>(&self, operation: &'static str, rows: usize, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Transaction) -> Work<'c, T> + Send + 'static,
    {
        self.writer.run(operation, rows, work).await
    }

    /// Runs a statement that changes nothing; see [`fetch`].
    async fn read<R: DeserializeOwned + Send>(
        &self,
        operation: &'static str,
        sql: &'static str,
        args: sqlx::Result<Args>,
    ) -> Result<Vec<R>> {
        let failed = |error| classify(operation, error);
        let args = args.map_err(failed)?;
        let mut conn = self.reader(operation).await?;
        fetch(&mut conn, sql, args).await.map_err(failed)
    }

    /// Reads one row more than a page of `limit`, of those that can be read. `args` makes the values of the statement
    /// for so many rows.
    ///
    /// # Errors
    /// `Corrupt` where there are more than [`PAGE_DAMAGED`] in the way.
    async fn read_page<R: DeserializeOwned + Send>(
        &self,
        operation: &'static str,
        sql: &'static str,
        limit: usize,
        args: impl Fn(usize) -> sqlx::Result<Args> + Send + Sync,
    ) -> Result<Vec<R>> {
        let failed = |error| classify(operation, error);
        let mut spare = 0;
        loop {
            let asked = limit.saturating_add(1).saturating_add(spare);
            let args = args(asked).map_err(failed)?;
            let mut conn = self.reader(operation).await?;
            let Rows { good, damaged } = fetch_good(&mut conn, sql, args).await.map_err(failed)?;
            self.damage.tell(operation, &damaged);
            let last = good.len() + damaged.len() < asked;
            if last || good.len() > limit {
                return Ok(good);
            }
            if damaged.len() > PAGE_DAMAGED {
                return Err(failed(sqlx::Error::Decode("too many rows that cannot be read".into())));
            }
            spare = 2 * damaged.len();
        }
    }

    /// A connection to read from.
    async fn reader(&self, operation: &'static str) -> Result<PoolConnection<Sqlite>> {
        self.readers.acquire().await.map_err(|error| classify(operation, error))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Display for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SQLite store {}", self.path.display())
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn capabilities(&self) -> StoreCapabilities {
        StoreCapabilities { durable: true, shared: true }
    }

    async fn ready(&self) -> Result<()> {
        // An empty transaction takes the write lock and gives it back.
        self.write("ready", 0, |_| Box::pin(async { Ok(()) })).await
    }

    async fn close(&self) -> Result<()> {
        // Readers first: the last connection to close puts the write-ahead log away.
        self.readers.close().await;
        self.writer.close().await
    }
}
