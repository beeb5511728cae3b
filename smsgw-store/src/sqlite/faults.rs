//! What the writer does when something goes wrong.

use std::sync::Arc;

use smsgw_core::account::Account;
use smsgw_core::error::{Error, ErrorKind, Result};
use smsgw_core::store::{AccountStore, Store};
use smsgw_core::time::{SystemClock, Timestamp};
use tempfile::TempDir;
use uuid::Uuid;

use super::{SqliteConfig, SqliteStore};

async fn fresh() -> (TempDir, SqliteStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let config = SqliteConfig::new(directory.path().join("smsgw.db"));
    let store = SqliteStore::open(config, Arc::new(SystemClock)).await.expect("a fresh database");
    (directory, store)
}

/// An account whose name takes ten pages.
fn large(n: u128) -> Account {
    let name = format!("{n}{}", "x".repeat(40_960));
    Account::new(Uuid::from_u128(n).into(), name, Timestamp::EPOCH)
}

/// Runs a statement on the connection that writes.
async fn control(store: &SqliteStore, sql: &'static str) -> Result<()> {
    store
        .write("control", 1, move |transaction| {
            Box::pin(async move { sqlx::raw_sql(sql).execute(&mut transaction.conn).await.map(drop) })
        })
        .await
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let (_directory, store) = fresh().await;
    store.ensure_account(&large(1)).await.expect("there is room");
    // SQLite raises the bound to the pages that are there.
    control(&store, "PRAGMA max_page_count = 1").await.expect("a bound");
    let error: Error = store.ensure_account(&large(2)).await.expect_err("there is no room");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("the disk is full"), "{error}");
    store.ready().await.expect("it still reads and commits");
    control(&store, "PRAGMA max_page_count = 100000").await.expect("room");
    assert_eq!(store.ensure_account(&large(2)).await.expect("there is room again").id, large(2).id);
    assert_eq!(store.ensure_account(&large(1)).await.expect("it was kept").id, large(1).id);
}

#[tokio::test]
async fn an_operation_that_fails_takes_nobody_with_it() {
    let (_directory, store) = fresh().await;
    let (one, two) = (large(1), large(2));
    let broken = "INSERT INTO accounts (id, name, created_at) VALUES (x'09', 'half', 0); INSERT INTO nowhere VALUES (1)";
    // On one thread all are in the channel before the writer sees the first: one group.
    let (first, failed, second) =
        tokio::join!(store.ensure_account(&one), control(&store, broken), store.ensure_account(&two));
    assert_eq!(failed.expect_err("no such table").kind(), ErrorKind::Internal);
    assert_eq!((first.expect("kept").id, second.expect("kept").id), (one.id, two.id));
    let half = Account { name: "half".into(), ..large(3) };
    assert_eq!(store.ensure_account(&half).await.expect("undone").id, half.id);
}

#[tokio::test]
async fn a_lost_transaction_is_an_error_for_its_whole_group() {
    let (_directory, store) = fresh().await;
    let (one, two) = (large(1), large(2));
    // As SQLite may do by itself when the disk fails.
    let (first, lost, second) =
        tokio::join!(store.ensure_account(&one), control(&store, "ROLLBACK"), store.ensure_account(&two));
    for outcome in [first.map(drop), lost, second.map(drop)] {
        let error = outcome.expect_err("nothing was committed");
        assert_eq!(error.operation(), "commit");
    }
    assert_eq!(store.ensure_account(&one).await.expect("the next group is fine").id, one.id);
}
