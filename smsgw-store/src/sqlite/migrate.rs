//! Brings the schema up to date.

use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::classify::{BACKEND, classify};

/// Each step, in order; its number is its place, counted from 1. What has been released never changes.
const MIGRATIONS: [(&str, &str); 5] = [
    ("messages", include_str!("../../migrations/sqlite/0001_messages.sql")),
    ("devices", include_str!("../../migrations/sqlite/0002_devices.sql")),
    ("sealed keys", include_str!("../../migrations/sqlite/0003_sealed_keys.sql")),
    ("failures", include_str!("../../migrations/sqlite/0004_failures.sql")),
    ("key age", include_str!("../../migrations/sqlite/0005_key_age.sql")),
];

const OURS: &str = "CREATE TABLE IF NOT EXISTS _smsgw_migrations (
    version    INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT";

/// Applies what is missing, all of it or nothing. Of two at once one waits, and finds nothing left to do.
///
/// # Errors
/// `Unsupported` where a newer program has been here.
pub(super) async fn migrate(conn: &mut SqliteConnection, now: Timestamp) -> Result<()> {
    match apply(conn, now).await {
        Ok(found) if found > MIGRATIONS.len() => Err(Error::new(ErrorKind::Unsupported, BACKEND, "migrate")
            .with_detail(format!(
                "the database has schema {found} and this program knows {}; run the newer program, or restore the \
                 backup made before it ran",
                MIGRATIONS.len()
            ))),
        Ok(_) => Ok(()),
        Err(error) => Err(classify("migrate", error)),
    }
}

/// Applies what is missing and says which version was found.
async fn apply(conn: &mut SqliteConnection, now: Timestamp) -> sqlx::Result<usize> {
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *conn).await?;
    sqlx::raw_sql(OURS).execute(&mut *conn).await?;
    let found: i64 = sqlx::query_scalar("SELECT ifnull(max(version), 0) FROM _smsgw_migrations")
        .fetch_one(&mut *conn)
        .await?;
    let found = usize::try_from(found).unwrap_or(0);
    for (version, (name, sql)) in (1_i64..).zip(MIGRATIONS).skip(found) {
        sqlx::raw_sql(sql).execute(&mut *conn).await?;
        sqlx::query("INSERT INTO _smsgw_migrations (version, name, applied_at) VALUES (?, ?, ?)")
            .bind(version)
            .bind(name)
            .bind(now.as_micros())
            .execute(&mut *conn)
            .await?;
    }
    sqlx::raw_sql("COMMIT").execute(&mut *conn).await?;
    Ok(found)
}
