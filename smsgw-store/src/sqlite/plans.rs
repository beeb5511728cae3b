//! What SQLite's planner makes of the statements that must stay fast however many rows there are.

use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::sql::Batch;
use super::{accounts, advance, audit, changes, claim, damaged, devices, due, erase, inbox, insert, keys};
use super::{messages, migrate, remove, rows, tokens};

fn of_three(batch: &Batch) -> String {
    let mut sql = String::new();
    batch.write(&mut sql, 3);
    sql
}

/// Each statement and the index that it must use.
fn statements() -> Vec<(String, &'static str)> {
    let by_id = "sqlite_autoindex_messages_1";
    let by_seq = "USING INTEGER PRIMARY KEY";
    vec![
        (of_three(&rows::MESSAGES_BY_ID), by_id),
        (of_three(&insert::BY_KEY), "SEARCH i USING PRIMARY KEY"),
        (insert::FORGET.into(), "idempotency_age"),
        (claim::WAITING.into(), "messages_waiting"),
        (of_three(&advance::HEADS), by_id),
        (of_three(&advance::SEEN), "message_events_report (message=? AND report=?)"),
        (of_three(&advance::DISPATCHED), "messages_dispatched"),
        (of_three(&changes::UPDATE), by_seq),
        (due::TO_CHECK.into(), "messages_check"),
        (due::TO_REQUEUE.into(), "messages_requeue"),
        (of_three(&due::CHECK_AGAIN), by_seq),
        (of_three(&damaged::WITHHOLD), by_seq),
        (of_three(&damaged::LEAVE_ALONE), by_seq),
        (of_three(&messages::IN_HAND), by_id),
        (messages::ONE.into(), by_id),
        (messages::HISTORY.into(), "message_events_report"),
        (messages::PAGE.into(), "messages_newest"),
        (messages::BAD_ENDS.into(), "messages_bad_ends (account=? AND state=?"),
        (of_three(&devices::BY_ID), "SEARCH devices USING PRIMARY KEY"),
        (devices::PAGE.into(), "devices_newest"),
        (of_three(&devices::TOUCH), "SEARCH devices USING PRIMARY KEY"),
        (of_three(&keys::BY_ID), "SEARCH device_keys USING PRIMARY KEY"),
        (keys::VALID.into(), "SEARCH device_keys USING PRIMARY KEY"),
        (keys::OF_DEVICE.into(), "device_keys_newest"),
        (of_three(&inbox::EXISTING), "SEARCH inbox USING PRIMARY KEY"),
        (inbox::PAGE.into(), "inbox_newest"),
        (erase::ENDED.into(), "messages_ended"),
        (erase::ONE.into(), by_id),
        (of_three(&erase::ERASE), by_seq),
        (erase::RECEIVED.into(), "inbox_kept"),
        (of_three(&erase::ERASE_RECEIVED), "SEARCH inbox USING PRIMARY KEY"),
        (remove::EVENTS.into(), "messages_erased"),
        (remove::EVENTS.into(), "message_events_report"),
        (remove::MESSAGES.into(), "messages_erased"),
        (remove::RECEIVED.into(), "inbox_erased"),
        (accounts::PAGE.into(), "accounts_newest"),
        (tokens::ONE.into(), "SEARCH t USING PRIMARY KEY"),
        (tokens::OF_ACCOUNT.into(), "tokens_newest"),
        (audit::PAGE.into(), "SEARCH audit USING PRIMARY KEY"),
        (audit::OF_ACCOUNT.into(), "audit_account"),
        (audit::OF_CREDENTIAL.into(), "audit_credential"),
        (audit::OF_DEVICE.into(), "audit_device"),
        (audit::FORGET.into(), "SEARCH audit USING PRIMARY KEY"),
    ]
}

#[tokio::test]
async fn hot_statements_use_their_indexes() {
    let mut conn = SqliteConnection::connect(":memory:").await.expect("memory");
    migrate::migrate(&mut conn, Timestamp::EPOCH).await.expect("an empty database");
    for (sql, index) in statements() {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let steps = sqlx::raw_sql(explain).fetch_all(&mut conn).await.expect("SQLite reads it");
        let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
        let plan = steps.join("\n");
        assert!(plan.contains(index), "{sql}\nuses another index:\n{plan}");
        // The lists that a statement brings along are read whole.
        let reads_all = |step: &String| {
            step.starts_with("SCAN ") && !step.ends_with(" v") && !step.ends_with("-ROW VALUES CLAUSE")
        };
        assert!(!steps.iter().any(reads_all), "{sql}\nreads a whole table:\n{plan}");
        // The events of one message are few, and sorted.
        let sorts = plan.contains("USE TEMP B-TREE") && sql != messages::HISTORY;
        assert!(!sorts, "{sql}\nsorts:\n{plan}");
    }
}
