//! The table of backends in the README says what the backends say of themselves.
#![allow(clippy::print_stderr, reason = "says what it could not compare")]

use std::sync::Arc;
use std::time::Duration;

use smsgw::memory::{MemoryQueue, MemoryStore};
use smsgw::queue::Queue;
use smsgw::sqlite::{SqliteConfig, SqliteStore};
use smsgw::store::Store;
use smsgw::time::SystemClock;
use smsgw_test_support::{Missing, Postgres, RabbitMq, Redis};

/// The cells of the row that names `backend`.
fn row(backend: &str) -> Vec<String> {
    let readme = include_str!("../README.md");
    let line = readme.lines().find(|line| line.contains(&format!("| `{backend}` |")));
    let line = line.unwrap_or_else(|| panic!("{backend} is not in the table"));
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn says(claims: bool) -> &'static str {
    if claims { "yes" } else { "no" }
}

fn check_store(name: &str, store: &dyn Store) {
    let (row, capabilities) = (row(name), store.capabilities());
    assert_eq!((&*row[4], &*row[5]), (says(capabilities.durable), says(capabilities.shared)), "{name}");
}

fn check_queue(name: &str, queue: &dyn Queue) {
    let (row, capabilities) = (row(name), queue.capabilities());
    let said = [says(capabilities.durable), says(capabilities.shared), says(capabilities.lease_timer)];
    assert_eq!([&*row[4], &*row[5], &*row[6]], said, "{name}");
}

/// The server, or nothing where it is missing and need not be there.
fn server<T>(started: Result<T, Missing>, name: &str) -> Option<T> {
    let required = std::env::var("SMSGW_TEST_REQUIRE").is_ok_and(|names| names.split(',').any(|n| n == name));
    match started {
        Ok(server) => Some(server),
        Err(Missing(why)) if required => panic!("{why}"),
        Err(Missing(why)) => {
            eprintln!("not compared: {why}");
            None
        }
    }
}

#[tokio::test]
async fn the_table_of_backends_is_true() {
    let dir = tempfile::tempdir().expect("a directory");
    check_store("MemoryStore", &MemoryStore::new());
    check_queue("MemoryQueue", &MemoryQueue::new());
    let sqlite = SqliteStore::open(SqliteConfig::new(dir.path().join("db")), Arc::new(SystemClock)).await;
    check_store("SqliteStore", &sqlite.expect("opens"));
    if let Some(server) = server(Postgres::start(), "postgres") {
        let config = smsgw::postgres::PostgresConfig::new(server.url());
        let store = smsgw::postgres::PostgresStore::connect(config).await.expect("connects");
        check_queue("PostgresQueue", &store.queue(Duration::from_secs(30)));
        check_store("PostgresStore", &store);
    }
    if let Some(server) = server(Redis::start(), "redis") {
        let config = smsgw::redis::RedisConfig::new(server.url());
        check_queue("RedisQueue", &smsgw::redis::RedisQueue::open(config).await.expect("connects"));
    }
    if let Some(server) = server(RabbitMq::start(), "amqp") {
        let config = smsgw::amqp::AmqpConfig::new(server.url());
        check_queue("AmqpQueue", &smsgw::amqp::AmqpQueue::open(config).await.expect("connects"));
    }
}
