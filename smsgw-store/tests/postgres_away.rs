//! A PostgreSQL that does not answer is waited for once, not by every call; and a single call without an answer is no
//! outage.

use std::time::{Duration, Instant};

use smsgw_core::account::Account;
use smsgw_core::conformance::REQUIRE;
use smsgw_core::error::{Error, ErrorKind};
use smsgw_core::store::{AccountStore, Store};
use smsgw_core::time::Timestamp;
use smsgw_store::postgres::{PostgresConfig, PostgresStore};
use smsgw_test_support::{Missing, Postgres};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::runtime::Handle;
use uuid::Uuid;

/// How soon a call must fail that is the first to find the server away.
const AWAY: Duration = Duration::from_secs(2);
/// How soon all others must, which is far less than any of them may wait for an answer.
const AT_ONCE: Duration = Duration::from_millis(700);
const BACK: Duration = Duration::from_secs(5);

/// `None` where the server is missing and may be.
async fn started() -> Option<(Postgres, PostgresStore)> {
    let required = std::env::var(REQUIRE).unwrap_or_default();
    let server = match Postgres::start() {
        Err(Missing(why)) if required.split(',').any(|name| name.trim() == "postgres") => {
            panic!("{REQUIRE} names it: {why}")
        }
        server => server.ok()?,
    };
    let store = PostgresStore::connect(PostgresConfig::new(server.url())).await.expect("the server");
    Some((server, store))
}

async fn fails_within(limit: Duration, call: impl Future<Output = Result<(), Error>>) {
    let start = Instant::now();
    let error = call.await.expect_err("the server is away");
    assert!(start.elapsed() < limit, "took {:?}: {error}", start.elapsed());
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error:?}");
    assert!(error.is_retryable());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_after_does_not_wait_again() {
    let Some((server, store)) = started().await else { return };
    for harm in [Postgres::pause, Postgres::kill] {
        // As after a while in which nobody asked anything.
        tokio::time::sleep(AWAY).await;
        harm(&server);
        fails_within(AWAY, store.ready()).await;
        for _ in 0..5 {
            fails_within(AT_ONCE, store.ready()).await;
        }
        server.resume();
        server.start_again().expect("the same port and data");
        // It is noticed by itself.
        let start = Instant::now();
        while store.ready().await.is_err() {
            assert!(start.elapsed() < BACK);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_that_waits_in_vain_holds_up_no_other() {
    let Some((server, store)) = started().await else { return };
    let mut other = PgConnection::connect(&server.url()).await.expect("the server");
    sqlx::raw_sql("BEGIN; LOCK TABLE accounts").execute(&mut other).await.expect("a lock");
    let account = Account::new(Uuid::from_u128(1).into(), "one", Timestamp::EPOCH);
    let waits = async {
        let error = store.ensure_account(&account).await.expect_err("the table is locked");
        assert_eq!(error.kind(), ErrorKind::Timeout);
    };
    let works = async {
        let start = Instant::now();
        while start.elapsed() < AWAY * 2 {
            store.ready().await.expect("the server answers");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::join!(waits, works);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_asks_on_when_the_store_is_closed_or_dropped() {
    let Some((server, store)) = started().await else { return };
    let dropped = PostgresStore::connect(PostgresConfig::new(server.url())).await.expect("the server");
    server.kill();
    for store in [&store, &dropped] {
        fails_within(AWAY, store.ready()).await;
    }
    store.close().await.expect("close");
    drop(dropped);
    let start = Instant::now();
    while Handle::current().metrics().num_alive_tasks() > 0 {
        assert!(start.elapsed() < BACK, "somebody asks on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
