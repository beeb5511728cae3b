//! What PostgreSQL's planner makes of the statements that must stay fast however many rows there are: on our own
//! connections and on those of a foreign pool, with a hundred thousand messages.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::hot_path::server;
use super::{PostgresConfig, PostgresStore};
use super::{accounts, advance, audit, changes, claim, devices, due, erase, inbox, insert, keys, messages};
use super::{queue, remove, tokens};

const ROWS: &str = "
    INSERT INTO messages (id, account, created_at, due_at, expires_at, check_at, look_at, requeue_at, device, waits_for, epoch,
        segments, priority, device_fixed, state, encoding, recipient, body, ended_at)
    SELECT md5(i::text)::uuid, md5('a' || i % 10)::uuid, i, i, 900000000, CASE WHEN i % 2 = 0 THEN 800000000 + i END,
        CASE WHEN i % 2 = 0 THEN 800000000 + i END,
        CASE WHEN i % 4 = 0 THEN 700000000 + i END, md5('d' || i % 1000)::uuid,
        CASE WHEN i % 8 = 2 THEN md5('d' || i % 1000)::uuid END, 1, 1, 0, false,
        CASE i % 4 WHEN 0 THEN 'queued' WHEN 2 THEN 'dispatched' ELSE 'sent' END, 'gsm7', '+5351234567', 'hola',
        CASE WHEN i % 2 = 1 THEN i END
    FROM generate_series(1, 100000) AS i;
    INSERT INTO message_leases SELECT i, i, ARRAY(SELECT md5(j::text)::uuid FROM generate_series(i * 10, i * 10 + 9) AS j), i
    FROM generate_series(1, 10000) AS i;
    INSERT INTO message_events (message, at, state, attempt, applied, report)
    SELECT md5(i::text)::uuid, i, 'sent', 1, true, md5('r' || i)::uuid FROM generate_series(1, 100000) AS i;
    INSERT INTO idempotency SELECT md5('a' || i % 10)::uuid, i::text, md5(i::text)::uuid, '' FROM generate_series(1, 20000) AS i;
    INSERT INTO devices SELECT md5('d' || i)::uuid, md5('a' || i % 10)::uuid, '', '', 'native', NULL, '[]', i, NULL
    FROM generate_series(1, 20000) AS i;
    INSERT INTO device_keys SELECT decode(md5('k' || i), 'hex'), md5('d' || i)::uuid, '', i FROM generate_series(1, 20000) AS i;
    INSERT INTO inbox SELECT md5('d' || i % 100)::uuid, md5(i::text)::uuid, md5('a' || i % 10)::uuid, i, NULL, '', ''
    FROM generate_series(1, 20000) AS i;
    INSERT INTO accounts (id, name, created_at) SELECT md5('a' || i)::uuid, i::text, i FROM generate_series(1, 20000) AS i;
    INSERT INTO tokens (id, account, name, digest, created_at)
    SELECT decode(md5('t' || i), 'hex'), md5('a' || i)::uuid, '', '', i FROM generate_series(1, 20000) AS i;
    INSERT INTO audit (at, id, action, refused, account, credential, device, count)
    SELECT i, md5(i::text)::uuid, 'connect', CASE WHEN i % 2 = 0 THEN 'wrong' END,
        CASE WHEN i % 2 = 1 THEN md5('a' || i % 10)::uuid END, CASE WHEN i % 2 = 1 THEN decode(md5('k' || i % 10), 'hex') END,
        CASE WHEN i % 2 = 1 THEN md5('d' || i % 10)::uuid END, 1
    FROM generate_series(1, 20000) AS i;
    INSERT INTO queue_jobs (visible_at, message, account, priority)
    SELECT CASE WHEN i % 2 = 0 THEN 0 ELSE i END, md5(i::text)::uuid, md5('a')::uuid, i % 2 FROM generate_series(1, 20000) AS i;
    ANALYZE;";

/// Each statement, the index that it must use, and whether its rows must come out of that in order.
fn statements() -> Vec<(&'static str, &'static str, bool)> {
    vec![
        (insert::BY_ID, "messages_pkey", true),
        (insert::BY_KEY, "idempotency_pkey", true),
        (insert::FORGET, "idempotency_age", true),
        (claim::TO_CLAIM, "messages_pkey", true),
        (claim::WAITING, "messages_waiting", true),
        (advance::HEADS, "messages_pkey", true),
        (advance::SEEN, "message_events_report", true),
        (advance::DISPATCHED, "messages_device", true),
        (advance::DISPATCHED, "messages_of_device", true),
        (advance::DISPATCHED, "message_leases_since", true),
        (changes::WRITE, "messages_pkey", true),
        (due::LEASES_OVER, "message_leases_look", false),
        (due::LEASES_OVER, "message_leases_requeue", false),
        (due::LEASES_OVER, "messages_pkey", false),
        (due::QUEUE_LEASES, "message_leases_requeue", false),
        (due::QUEUE_LEASES, "messages_pkey", false),
        (due::TO_CHECK, "messages_look", true),
        (due::TO_REQUEUE, "messages_requeue", true),
        (due::CHECK_AGAIN, "messages_pkey", false),
        (messages::IN_HAND, "messages_pkey", true),
        (messages::ONE, "messages_pkey", true),
        (messages::HISTORY, "message_events_report", false),
        (messages::PAGE, "messages_newest", true),
        (messages::BAD_ENDS, "messages_bad_ends", true),
        (messages::OF_DEVICE, "messages_of_device", false),
        (devices::BY_ID, "devices_pkey", true),
        (devices::PAGE, "devices_newest", true),
        (devices::TOUCH, "devices_pkey", false),
        (keys::BY_ID, "device_keys_pkey", true),
        (keys::VALID, "device_keys_pkey", true),
        (keys::OF_DEVICE, "device_keys_newest", true),
        (keys::RESEAL, "device_keys_pkey", false),
        (inbox::PAGE, "inbox_newest", true),
        (accounts::ONE, "accounts_pkey", true),
        (erase::KEPT, "messages_kept", true),
        (erase::KEEP, "messages_pkey", false),
        (erase::ONE, "messages_pkey", true),
        (erase::ERASE, "messages_pkey", false),
        (erase::RECEIVED, "inbox_kept", true),
        (erase::ERASE_RECEIVED, "inbox_pkey", false),
        (remove::MESSAGES, "messages_erased", true),
        (remove::MESSAGES, "message_events_report", true),
        (remove::RECEIVED, "inbox_erased", true),
        (accounts::PAGE, "accounts_newest", true),
        (tokens::ONE, "tokens_pkey", true),
        (tokens::OF_ACCOUNT, "tokens_newest", true),
        (audit::PAGE, "audit_pkey", true),
        (audit::OF_ACCOUNT, "audit_account", true),
        (audit::OF_CREDENTIAL, "audit_credential", true),
        (audit::OF_DEVICE, "audit_device", true),
        (audit::FORGET, "audit_pkey", true),
        (queue::LEASE_SOME, "queue_jobs_ready", true),
        (queue::SETTLE, "queue_jobs_pkey", true),
    ]
}

async fn plan(conn: &mut PgConnection, sql: &str) -> String {
    let parameters = (1..40).filter(|n| sql.contains(&format!("${n}"))).count();
    let values = vec!["NULL"; parameters].join(", ");
    let prepare = AssertSqlSafe(format!("PREPARE statement AS {sql}"));
    sqlx::raw_sql(prepare).execute(&mut *conn).await.expect("PostgreSQL reads it");
    let explain = AssertSqlSafe(format!("EXPLAIN (COSTS OFF) EXECUTE statement({values})"));
    let steps = sqlx::raw_sql(explain).fetch_all(&mut *conn).await.expect("a plan");
    sqlx::raw_sql("DEALLOCATE statement").execute(conn).await.expect("it was prepared");
    steps.iter().map(|step| step.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn hot_statements_use_their_indexes() {
    let Some(server) = server() else { return };
    PostgresStore::connect(PostgresConfig::new(server.url())).await.expect("a fresh database");
    let mut conn = PgConnection::connect(&server.url()).await.expect("the server");
    sqlx::raw_sql(ROWS).execute(&mut conn).await.expect("rows");
    let ours = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off";
    for settings in ["SELECT", ours] {
        sqlx::raw_sql(settings).execute(&mut conn).await.expect("settings");
        sqlx::raw_sql("SET plan_cache_mode = force_generic_plan")
            .execute(&mut conn)
            .await
            .expect("a setting");
        for (sql, index, sorted) in statements() {
            let plan = plan(&mut conn, sql).await;
            assert!(plan.contains(index), "{sql}\nuses another index:\n{plan}");
            assert!(!plan.contains("Seq Scan on"), "{sql}\nreads a whole table:\n{plan}");
            assert!(!sorted || !plan.contains("Sort Key"), "{sql}\nsorts:\n{plan}");
            // Lists that are joined by going through one for each entry of the other.
            assert!(!plan.contains("Join Filter: (v"), "{sql}\ngrows with the square of a batch:\n{plan}");
        }
    }
}
