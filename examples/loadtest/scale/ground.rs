//! A store of our own to measure on, and the hand that does for it what a server does by itself at night.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use clap::ValueEnum;
use smsgw::id::MessageId;
use smsgw::postgres::{PostgresConfig, PostgresStore};
use smsgw::sqlite::{SqliteConfig, SqliteStore};
use smsgw::store::Store;
use smsgw::time::SystemClock;
use smsgw_test_support::Postgres;
use smsgw_test_support::usage::family;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

const FILLERS: u32 = 4;
/// After how many rounds it is looked whether there is something to clean up.
const LOOKS: u32 = 5;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Where the stores are: removed with this value.
#[derive(Debug)]
pub(crate) enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(Postgres),
}

impl Place {
    /// PostgreSQL does not wait for the disk, whose pace changes with the hour: what grows shows all the better. Nor does
    /// it clean up by itself, in the middle of a measurement: [`Ground::tidy`] does, where it would have.
    pub(crate) fn open(kind: Kind) -> Result<Self> {
        Ok(match kind {
            Kind::Sqlite => Self::Sqlite(tempfile::Builder::new().prefix("smsgw-scale-").tempdir()?),
            Kind::Postgres => {
                let settings =
                    ["fsync=off", "shared_buffers=512MB", "max_wal_size=4GB", "autovacuum=off", "jit=off"];
                Self::Postgres(Postgres::start_with(&settings).map_err(|missing| missing.0)?)
            }
        })
    }

    fn processes(&self) -> Vec<u32> {
        let Self::Postgres(server) = self else { return Vec::new() };
        let file =
            std::fs::read_to_string(server.directory().join("data/postmaster.pid")).unwrap_or_default();
        let first = file.lines().next().and_then(|line| line.trim().parse().ok());
        first.map(family).unwrap_or_default()
    }
}

enum Admin {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// One store among those of a [`Place`].
pub(crate) struct Ground {
    /// On one connection, so that few calls are the first of one, for which statements are planned.
    pub(crate) store: Arc<dyn Store>,
    /// The same on several, to fill it.
    pub(crate) filler: Arc<dyn Store>,
    /// The processes of the server.
    pub(crate) processes: Vec<u32>,
    admin: Admin,
    /// Rows that were removed or replaced since the last time that it was cleaned up, about.
    dirt: u64,
    /// How often it was asked to be tidy.
    asked: u32,
}

impl Ground {
    pub(crate) async fn open(place: &Place, name: &str) -> Result<Self> {
        let (store, filler, admin): (Arc<dyn Store>, Arc<dyn Store>, Admin) = match place {
            Place::Sqlite(directory) => {
                let path = directory.path().join(name);
                let store = SqliteStore::open(SqliteConfig::new(&path), Arc::new(SystemClock)).await?;
                let store = Arc::new(store);
                (store.clone(), store, Admin::Sqlite(beside(&path).await?))
            }
            Place::Postgres(server) => {
                let config = |connections| PostgresConfig {
                    schema: Some(name.into()),
                    connections,
                    // What is measured may be slow.
                    call_timeout_ms: 120_000,
                    ..PostgresConfig::new(server.url())
                };
                let store = PostgresStore::connect(config(1)).await?;
                let filler = PostgresStore::connect(config(FILLERS)).await?;
                let mut admin = PgConnection::connect(&server.url()).await?;
                let schema = AssertSqlSafe(format!("SET search_path = {name}"));
                sqlx::raw_sql(schema).execute(&mut admin).await?;
                (Arc::new(store), Arc::new(filler), Admin::Postgres(admin))
            }
        };
        Ok(Self { store, filler, processes: Vec::new(), admin, dirt: 0, asked: 0 })
    }

    pub(crate) async fn close(&self) -> Result<()> {
        self.filler.close().await?;
        Ok(self.store.close().await?)
    }

    /// Looks which processes there are now: a server makes one for each connection.
    pub(crate) fn look(&mut self, place: &Place) {
        self.processes = place.processes();
    }

    /// Removes messages, so that there are as many as before.
    pub(crate) async fn remove(&mut self, ids: &[MessageId]) -> Result<()> {
        match &mut self.admin {
            Admin::Sqlite(conn) => {
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *conn).await?;
                for id in ids {
                    let id = id.as_uuid().as_bytes().as_slice();
                    let events =
                        "DELETE FROM message_events WHERE message = (SELECT seq FROM messages WHERE id = ?)";
                    sqlx::query(events).bind(id).execute(&mut *conn).await?;
                    sqlx::query("DELETE FROM messages WHERE id = ?").bind(id).execute(&mut *conn).await?;
                }
                sqlx::raw_sql("COMMIT").execute(conn).await?;
            }
            Admin::Postgres(conn) => {
                let ids: Vec<_> = ids.iter().map(|id| *id.as_uuid()).collect();
                let events = "DELETE FROM message_events WHERE message = ANY ($1)";
                sqlx::query(events).bind(&ids).execute(&mut *conn).await?;
                sqlx::query("DELETE FROM messages WHERE id = ANY ($1)").bind(&ids).execute(conn).await?;
            }
        }
        self.dirt += ids.len() as u64;
        Ok(())
    }

    /// Says that rows were replaced.
    pub(crate) fn soil(&mut self, rows: u64) {
        self.dirt += rows;
    }

    /// Cleans up where PostgreSQL would have by now: with a fiftieth of `rows` dead, as our tables ask. It looks now and
    /// then only, and so do we: all statements are planned anew afterwards.
    pub(crate) async fn tidy(&mut self, rows: u64) -> Result<()> {
        self.asked += 1;
        if self.asked.is_multiple_of(LOOKS) && self.dirt > 50 + rows / 50 {
            self.settle().await?;
        }
        Ok(())
    }

    /// Cleans up, counts anew for the planner, and writes all to the disk.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        self.dirt = 0;
        match &mut self.admin {
            Admin::Sqlite(conn) => {
                sqlx::raw_sql("PRAGMA wal_checkpoint(PASSIVE)").execute(conn).await?;
            }
            Admin::Postgres(conn) => {
                for sql in ["VACUUM (ANALYZE) messages, message_events, devices, device_keys", "CHECKPOINT"] {
                    sqlx::raw_sql(sql).execute(&mut *conn).await?;
                }
            }
        }
        Ok(())
    }
}

async fn beside(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(std::time::Duration::from_secs(60));
    Ok(SqliteConnection::connect_with(&options).await?)
}
