//! Brings the schema up to date.

use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::classify::{BACKEND, classify};
use crate::schema::Schema;

/// Each step, in order; its number is its place, counted from 1. What has been released never changes.
const MIGRATIONS: [(&str, &str); 11] = [
    ("messages", include_str!("../../migrations/sqlite/0001_messages.sql")),
    ("devices", include_str!("../../migrations/sqlite/0002_devices.sql")),
    ("sealed keys", include_str!("../../migrations/sqlite/0003_sealed_keys.sql")),
    ("failures", include_str!("../../migrations/sqlite/0004_failures.sql")),
    ("key age", include_str!("../../migrations/sqlite/0005_key_age.sql")),
    ("access", include_str!("../../migrations/sqlite/0006_access.sql")),
    ("audit", include_str!("../../migrations/sqlite/0007_audit.sql")),
    ("erasure", include_str!("../../migrations/sqlite/0008_erasure.sql")),
    ("pause", include_str!("../../migrations/sqlite/0009_pause.sql")),
    ("bad ends", include_str!("../../migrations/sqlite/0010_bad_ends.sql")),
    ("removal", include_str!("../../migrations/sqlite/0011_removal.sql")),
];

/// What is there where there is no database yet.
pub(super) const NOTHING: Schema = Schema { found: 0, known: MIGRATIONS.len() };

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

/// Which version is there, where the database may be read and not written.
pub(super) async fn schema(conn: &mut SqliteConnection) -> sqlx::Result<Schema> {
    let is_ours = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '_smsgw_migrations'";
    let found: i64 = match sqlx::query_scalar(is_ours).fetch_one(&mut *conn).await? {
        0_i64 => 0,
        _ => {
            sqlx::query_scalar("SELECT ifnull(max(version), 0) FROM _smsgw_migrations")
                .fetch_one(conn)
                .await?
        }
    };
    Ok(Schema { found: usize::try_from(found).unwrap_or(0), ..NOTHING })
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;

    /// What a program left that knew the first five steps.
    const BEFORE: &str = "INSERT INTO accounts VALUES (x'01', 'ops', 7); \
         INSERT INTO tokens VALUES (x'02', x'01', 'cron', x'', 7, NULL, NULL); \
         INSERT INTO inbox VALUES (x'03', x'04', x'01', '+5351234567', 'hola', NULL, 7); \
         INSERT INTO messages (id, account, state, recipient, body, device_fixed, encoding, segments, priority, \
         epoch, created_at, due_at, expires_at, check_at, sent_at, delivered_at) \
         SELECT column1, x'01', column2, '+5351234567', 'hola', 0, 'gsm7', 1, 0, 1, 1, 1, column3, column4, column5, \
         column6 FROM (VALUES (x'a0', 'delivered', 50, NULL, 20, 30), (x'a1', 'sent', 50, NULL, 20, NULL), \
         (x'a2', 'expired', 50, NULL, NULL, NULL), (x'a3', 'dispatched', 4000000000000000, NULL, NULL, NULL), \
         (x'a4', 'dispatched', 50, 40, NULL, NULL), (x'a5', 'queued', 50, NULL, NULL, NULL), \
         (x'a6', 'lost', 50, NULL, NULL, NULL))";

    async fn values<T>(conn: &mut SqliteConnection, sql: &'static str) -> Vec<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + Send + Unpin,
    {
        sqlx::query_scalar(sql).fetch_all(conn).await.expect("our tables")
    }

    #[tokio::test]
    async fn what_an_earlier_program_left_is_taken_over() {
        let mut conn = SqliteConnection::connect(":memory:").await.expect("memory");
        sqlx::raw_sql(OURS).execute(&mut conn).await.expect("a table");
        for (_, sql) in &MIGRATIONS[..5] {
            sqlx::raw_sql(*sql).execute(&mut conn).await.expect("a step");
        }
        sqlx::raw_sql("INSERT INTO _smsgw_migrations VALUES (5, 'key age', 0)")
            .execute(&mut conn)
            .await
            .expect("a version");
        sqlx::raw_sql(BEFORE).execute(&mut conn).await.expect("rows");
        migrate(&mut conn, Timestamp::EPOCH).await.expect("the rest");
        let account: Vec<String> =
            values(&mut conn, "SELECT role || ifnull(closed_at, ' and open') FROM accounts").await;
        assert_eq!(account, ["user and open"]);
        let token: Vec<String> = values(&mut conn, "SELECT scopes FROM tokens").await;
        assert_eq!(token, [smsgw_core::account::Scopes::USER.to_string()]);
        let ended: Vec<Option<i64>> = values(&mut conn, "SELECT ended_at FROM messages ORDER BY id").await;
        let [delivered, sent, expired, silent, rest @ ..] = &ended[..] else { panic!("{ended:?}") };
        assert_eq!([*delivered, *sent, *expired], [Some(30), Some(20), Some(50)]);
        // Its life has not ended, but nobody looks after it since now at the latest.
        assert!(
            silent.is_some_and(|at| at > 1_700_000_000_000_000 && at < 4_000_000_000_000_000),
            "{silent:?}"
        );
        assert_eq!(rest, [None; 3], "waited for, or left alone because it cannot be read");
        let kept = "SELECT count(*) FROM messages, inbox WHERE messages.erased_at IS NULL AND inbox.erased_at IS NULL";
        assert_eq!(values::<i64>(&mut conn, kept).await, [7]);
    }
}
