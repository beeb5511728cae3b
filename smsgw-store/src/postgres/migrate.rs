//! Brings the schema up to date.

use smsgw_core::error::{Error, ErrorKind, Result};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use std::time::Duration;

use super::classify::BACKEND;
use super::session::Session;
use crate::schema::Schema;

/// Each step, in order; its number is its place, counted from 1. What has been released never changes.
const MIGRATIONS: [(&str, &str); 14] = [
    ("messages", include_str!("../../migrations/postgres/0001_messages.sql")),
    ("devices", include_str!("../../migrations/postgres/0002_devices.sql")),
    ("queue", include_str!("../../migrations/postgres/0003_queue.sql")),
    ("sealed keys", include_str!("../../migrations/postgres/0004_sealed_keys.sql")),
    ("failures", include_str!("../../migrations/postgres/0005_failures.sql")),
    ("key age", include_str!("../../migrations/postgres/0006_key_age.sql")),
    ("access", include_str!("../../migrations/postgres/0007_access.sql")),
    ("audit", include_str!("../../migrations/postgres/0008_audit.sql")),
    ("erasure", include_str!("../../migrations/postgres/0009_erasure.sql")),
    ("pause", include_str!("../../migrations/postgres/0010_pause.sql")),
    ("bad ends", include_str!("../../migrations/postgres/0011_bad_ends.sql")),
    ("looks", include_str!("../../migrations/postgres/0012_looks.sql")),
    ("queued", include_str!("../../migrations/postgres/0013_queued.sql")),
    ("removal", include_str!("../../migrations/postgres/0014_removal.sql")),
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

/// Which version is there, and changes nothing.
pub(super) async fn schema(session: &Session) -> Result<Schema> {
    let found = session.run("schema", |conn| Box::pin(found(conn))).await?;
    Ok(Schema { found, known: MIGRATIONS.len() })
}

async fn found(conn: &mut PgConnection) -> sqlx::Result<usize> {
    let is_ours = "SELECT to_regclass('_smsgw_migrations') IS NOT NULL";
    if !sqlx::query_scalar::<_, bool>(is_ours).fetch_one(&mut *conn).await? {
        return Ok(0);
    }
    let found: i32 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _smsgw_migrations").fetch_one(conn).await?;
    Ok(usize::try_from(found).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::hot_path::server;
    use super::super::{PostgresConfig, PostgresStore};
    use super::*;

    /// What a program left that knew the first six steps.
    const BEFORE: &str = "INSERT INTO accounts VALUES (gen_random_uuid(), 'ops', 7); \
         INSERT INTO tokens SELECT 'x', id, 'cron', '', 7 FROM accounts; \
         INSERT INTO inbox VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 7, NULL, '+5351234567', 'hola'); \
         INSERT INTO messages (id, account, recipient, body, device_fixed, encoding, segments, priority, epoch, created_at, \
         due_at, state, expires_at, check_at, sent_at, delivered_at) \
         SELECT gen_random_uuid(), gen_random_uuid(), '+5351234567', 'hola', false, 'gsm7', 1, 0, 1, v.place, 1, v.state, \
         v.expires_at, v.check_at, v.sent_at, v.delivered_at FROM (VALUES (1, 'delivered', 50, NULL::bigint, 20, 30), \
         (2, 'sent', 50, NULL, 20, NULL), (3, 'expired', 50, NULL, NULL, NULL), \
         (4, 'dispatched', 4000000000000000, NULL, NULL, NULL), (5, 'dispatched', 50, 40, NULL, NULL), \
         (6, 'queued', 50, NULL, NULL, NULL)) AS v (place, state, expires_at, check_at, sent_at, delivered_at)";

    #[tokio::test]
    async fn what_an_earlier_program_left_is_taken_over() {
        let Some(server) = server() else { return };
        let mut conn = PgConnection::connect(&server.url()).await.expect("the server");
        sqlx::raw_sql(OURS).execute(&mut conn).await.expect("a table");
        for (_, sql) in &MIGRATIONS[..6] {
            sqlx::raw_sql(*sql).execute(&mut conn).await.expect("a step");
        }
        sqlx::query(RECORD).bind(6).bind("key age").execute(&mut conn).await.expect("a version");
        sqlx::raw_sql(BEFORE).execute(&mut conn).await.expect("rows");
        PostgresStore::connect(PostgresConfig::new(server.url())).await.expect("the rest");
        let account: (String, Option<i64>) =
            sqlx::query_as("SELECT role, closed_at FROM accounts").fetch_one(&mut conn).await.expect("one");
        assert_eq!(account, ("user".into(), None));
        let scopes: String =
            sqlx::query_scalar("SELECT scopes FROM tokens").fetch_one(&mut conn).await.expect("one");
        assert_eq!(scopes, smsgw_core::account::Scopes::USER.to_string());
        let ended: Vec<Option<i64>> = sqlx::query_scalar("SELECT ended_at FROM messages ORDER BY created_at")
            .fetch_all(&mut conn)
            .await
            .expect("all");
        let [delivered, sent, expired, silent, rest @ ..] = &ended[..] else { panic!("{ended:?}") };
        assert_eq!([*delivered, *sent, *expired], [Some(30), Some(20), Some(50)]);
        // Its life has not ended, but nobody looks after it since now at the latest.
        assert!(
            silent.is_some_and(|at| at > 1_700_000_000_000_000 && at < 4_000_000_000_000_000),
            "{silent:?}"
        );
        assert_eq!(rest, [None; 2], "waited for, or left alone");
        let bad_ends: Vec<Option<String>> =
            sqlx::query_scalar("SELECT bad_end FROM messages ORDER BY created_at")
                .fetch_all(&mut conn)
                .await
                .expect("all");
        assert_eq!(bad_ends, [None, None, Some("expired".into()), None, None, None]);
    }
}
