//! PostgreSQL is stopped, as by `pg_ctl stop -m immediate`, and started.

use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use smsgw::memory::MemoryQueue;
use smsgw::mqtt::broker::Broker;
use smsgw::postgres::{PostgresConfig, PostgresStore};
use smsgw::queue::Queue;
use smsgw::store::Store;
use smsgw_test_support::{Missing, Postgres, Proxy};

use crate::client::{Load, Told};
use crate::gateway::{Serving, embedded};
use crate::phones::Phones;
use crate::suite::{LOADED, READY, RECLAIMED, case, measured};

/// How long it is away: longer than any call waits.
const AWAY: Duration = Duration::from_secs(4);
const LEASE: Duration = Duration::from_secs(30);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        case("postgres::stopped_and_started", async || stopped(|_| Arc::new(MemoryQueue::new())).await),
        case("postgres::stopped_and_started_with_its_queue", async || {
            stopped(|store| Arc::new(store.queue(LEASE))).await
        }),
        case("postgres::stalled_under_many_clients", stalled),
    ]
}

async fn stopped(queue: impl FnOnce(&PostgresStore) -> Arc<dyn Queue>) -> Result<(), Missing> {
    let server = Postgres::start()?;
    let store = PostgresStore::connect(PostgresConfig::new(server.url())).await.expect("the server");
    let queue = queue(&store);
    let store: Arc<dyn Store> = Arc::new(store);
    let (broker, transport, url) = embedded(&store).await;
    let gateway = Serving::start(store, queue, transport, |builder| builder).await;
    let phones = Phones::start(&gateway.handle, gateway.account, &url, 4).await;
    gateway.ready(READY).await;
    let load = Load::light(&gateway.api);
    let mut back = Instant::now();
    let mut harmed = None;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        harmed.get_or_insert_with(Instant::now);
        server.kill();
        tokio::time::sleep(AWAY).await;
        assert_eq!(gateway.api.ready().0, 503);
        server.start_again().expect("the same port and data");
        back = Instant::now();
        measured("ready after PostgreSQL is back", gateway.ready(READY).await);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = load.end();
    measured("the slowest answer while PostgreSQL was away", told.slowest());
    told.is_honest(harmed.expect("twice"));
    assert!(told.refused() > 0, "it was away");
    let accepted = told.accepted_after(back).expect("it accepts again");
    measured("a message accepted after PostgreSQL is back", accepted);
    assert!(accepted < READY + LOADED, "{accepted:?}");
    goes_out_once("the last message sent after PostgreSQL is back", &told, back, (phones, gateway, broker))
        .await;
    Ok(())
}

/// All that was accepted is sent, and only once; then everything ends.
async fn goes_out_once(
    what: &str,
    told: &Told,
    back: Instant,
    (phones, gateway, broker): (Phones, Serving, Broker),
) {
    let last = phones.air.all_sent(&told.accepted, back, RECLAIMED + LOADED).await;
    measured(what, last);
    gateway.all_known(&told.accepted, RECLAIMED).await;
    phones.air.never_twice();
    drop(phones);
    gateway.end().await;
    broker.close().await;
}

/// Nothing is refused by the server, and nothing answers: the hardest for those who wait behind others.
async fn stalled() -> Result<(), Missing> {
    let server = Postgres::start()?;
    let proxy = Proxy::start(server.port(), 1)?;
    let url = server.url().replace(&server.port().to_string(), &proxy.port().to_string());
    let store: Arc<dyn Store> =
        Arc::new(PostgresStore::connect(PostgresConfig::new(url)).await.expect("the server"));
    let (broker, transport, url) = embedded(&store).await;
    let queue = Arc::new(MemoryQueue::new());
    let gateway = Serving::start(store, queue, transport, |builder| builder).await;
    let phones = Phones::start(&gateway.handle, gateway.account, &url, 4).await;
    gateway.ready(READY).await;
    let load = Load::start(&gateway.api, 24, Duration::from_millis(100));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let harmed = Instant::now();
    proxy.stall();
    tokio::time::sleep(AWAY * 2).await;
    proxy.resume();
    let back = Instant::now();
    measured("ready after a stall", gateway.ready(READY).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = load.end();
    measured("the slowest answer during a stall", told.slowest());
    told.is_honest(harmed);
    assert!(told.refused() > 0, "it was away");
    goes_out_once("the last message sent after a stall", &told, back, (phones, gateway, broker)).await;
    Ok(())
}
