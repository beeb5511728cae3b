//! Brings the schema up to date.

use smsgw_core::error::{Error, ErrorKind, Result};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use std::time::Duration;

use super::classify::BACKEND;
use super::session::Session;

/// Each step, in order; its number is its place, counted from 1. What has been released never changes.
const MIGRATIONS: [(&str, &str); 9] = [
    ("messages", include_str!("../../migrations/postgres/0001_messages.sql")),
    ("devices", include_str!("../../migrations/postgres/0002_devices.sql")),
    ("queue", include_str!("../../migrations/postgres/0003_queue.sql")),
    ("sealed keys", include_str!("../../migrations/postgres/0004_sealed_keys.sql")),
    ("failures", include_str!("../../migrations/postgres/0005_failures.sql")),
    ("key age", include_str!("../../migrations/postgres/0006_key_age.sql")),
    ("access", include_str!("../../migrations/postgres/0007_access.sql")),
    ("audit", include_str!("../../migrations/postgres/0008_audit.sql")),
    ("erasure", include_str!("../../migrations/postgres/0009_erasure.sql")),
];

const OURS: &str = "CREATE TABLE IF NOT EXISTS _smsgw_migrations (
    version    integer PRIMARY KEY,
    name       text    NOT NULL,
    applied_at bigint  NOT NULL
)";

const RECORD: &str = "INSERT INTO _smsgw_migrations (version, name, applied_at) VALUES ($1, $2, smsgw_now())";

/// `smsgw` in ASCII: what two of us agree to wait for, and nobody else is likely to.
const LOCK: i64 = 0x73_6d73_6777;

/// How long all of it may take, another program's share included.
const LIMIT: Duration = Duration::from_secs(600);

/// Makes the schema where it is named and not there, and applies what is missing, all of it or nothing. Of two at once
/// one waits, and finds nothing left to do.
///
/// # Errors
/// `Unsupported` where a newer program has been here.
pub(super) async fn migrate(session: &Session, schema: Option<String>) -> Result<()> {
    match session.maintain("migrate", LIMIT, move |conn| Box::pin(apply(conn, schema.clone()))).await? {
        found if found > MIGRATIONS.len() => {
            Err(Error::new(ErrorKind::Unsupported, BACKEND, "migrate").with_detail(format!(
                "the database has schema {found} and this program knows {}; run the newer program, or restore the \
                 backup made before it ran",
                MIGRATIONS.len()
            )))
        }
        _ => Ok(()),
    }
}

/// Applies what is missing and says which version was found.
async fn apply(conn: &mut PgConnection, schema: Option<String>) -> sqlx::Result<usize> {
    let mut transaction = conn.begin().await?;
    let conn = &mut *transaction;
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").execute(&mut *conn).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *conn).await?;
    if let Some(schema) = schema {
        // Its name was checked when the pool was made; it may be a word of SQL.
        let create = format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *conn).await?;
    }
    sqlx::raw_sql(OURS).execute(&mut *conn).await?;
    let found: i32 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _smsgw_migrations")
        .fetch_one(&mut *conn)
        .await?;
    let found = usize::try_from(found).unwrap_or(0);
    for (version, (name, sql)) in (1_i32..).zip(MIGRATIONS).skip(found) {
        sqlx::raw_sql(sql).execute(&mut *conn).await?;
        sqlx::query(RECORD).bind(version).bind(name).execute(&mut *conn).await?;
    }
    transaction.commit().await?;
    Ok(found)
}
