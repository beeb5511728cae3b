//! How connections are set up.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};
use tokio::time::Instant;

use super::classify::is_busy;
use super::config::SqliteConfig;

/// How long a read waits for a free reader.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before a lock is tried again that SQLite itself does not wait for.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Makes, and makes again, the one connection that writes.
pub(super) struct Connector {
    options: SqliteConnectOptions,
    busy_timeout: Duration,
}

impl Connector {
    pub(super) fn new(file: &Path, config: &SqliteConfig) -> Self {
        let busy_timeout = Duration::from_millis(config.busy_timeout_ms.into());
        let options = common(file, busy_timeout)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on the disk when it returns: what was accepted is never lost.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What is erased is overwritten: its page is written in any case.
            .pragma("secure_delete", "fast")
            // In KiB. The pages of a full group of operations, so that none is written before its commit.
            .pragma("cache_size", "-32768")
            // Each batch statement in up to ten lengths.
            .statement_cache_capacity(256)
            .thread_name(|_| "smsgw-sqlite-writer".into());
        Self { options, busy_timeout }
    }

    pub(super) async fn connect(&self) -> sqlx::Result<SqliteConnection> {
        let deadline = Instant::now() + self.busy_timeout;
        loop {
            // Two that turn a new file to its write-ahead log at once do not wait for each other.
            match SqliteConnection::connect_with(&self.options).await {
                Err(error) if is_busy(&error) && Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_PAUSE).await
                }
                outcome => return outcome,
            }
        }
    }
}

/// The connections that read. They are made when they are needed.
pub(super) fn readers(file: &Path, config: &SqliteConfig) -> SqlitePool {
    let options = common(file, Duration::from_millis(config.busy_timeout_ms.into()))
        .read_only(true)
        .thread_name(|n| format!("smsgw-sqlite-{n}"));
    SqlitePoolOptions::new()
        .max_connections(config.readers.max(1))
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A file does not hang up.
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

fn common(file: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(busy_timeout)
        .pragma("temp_store", "memory")
        // Rows that may wait on their way from SQLite's thread to ours.
        .row_buffer_size(256)
        .disable_statement_logging()
}
