//! The network between one of two gateways and their database fails for 10 s, each way in which it can: the leases of
//! that gateway run out meanwhile, and the other takes over what it had.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use smsgw::id::MessageId;
use smsgw::memory::MemoryQueue;
use smsgw::mqtt::transport::{MqttConfig, MqttTransport};
use smsgw::postgres::{PostgresConfig, PostgresStore};
use smsgw::state::State;
use smsgw_test_support::{Missing, Mosquitto, Postgres, Proxy};

use crate::client::Load;
use crate::gateway::Serving;
use crate::phones::Phones;
use crate::suite::{HEALED, LOADED, READY, RESENT, each_way, measured};

const APART: Duration = Duration::from_secs(10);
/// Shorter than the partition, so that it is about who owns what.
const LEASE: Duration = Duration::from_secs(3);

pub(crate) fn trials() -> Vec<Trial> {
    each_way("database", apart)
}

/// How long the gateway's way to the broker fails before that to the database: meanwhile it claims messages of which it
/// cannot say what became. They are taken over only where no device has told the other gateway either. What is on that
/// way arrives late.
const CLAIMING: Duration = Duration::from_secs(1);

/// One of two gateways, which share a database and a broker, and nothing else.
async fn gateway(name: &str, database: String, broker: u16) -> Serving {
    let store = PostgresStore::connect(PostgresConfig::new(database)).await.expect("the database");
    let mut config = MqttConfig::new("127.0.0.1", broker).with_share("smsgw");
    config.client_id = name.to_owned();
    let (queue, transport) = (Arc::new(MemoryQueue::new()), MqttTransport::new(config));
    Serving::start(Arc::new(store), queue, transport, |builder| builder.lease(LEASE)).await
}

async fn apart(what: &'static str, harm: fn(&Proxy)) -> Result<(), Missing> {
    let (database, broker) = (Postgres::start()?, Mosquitto::start()?);
    let proxy = Proxy::start(database.port(), 1)?;
    let through = database.url().replace(&database.port().to_string(), &proxy.port().to_string());
    let way = Proxy::start(broker.port(), 2)?;
    let north = gateway("north", through, way.port()).await;
    let south = gateway("south", database.url(), broker.port()).await;
    let phones = Phones::start(&north.handle, north.account, &broker.url(), 4).await;
    north.ready(READY).await;
    south.ready(READY).await;
    let loads = [&north, &south].map(|gateway| Load::light(&gateway.api));
    tokio::time::sleep(Duration::from_secs(2)).await;
    way.stall();
    tokio::time::sleep(CLAIMING).await;
    let harmed = Instant::now();
    harm(&proxy);
    tokio::time::sleep(APART).await;
    proxy.up();
    proxy.resume();
    way.resume();
    let back = Instant::now();
    measured(&format!("database {what}: ready once the network is well"), north.ready(HEALED).await);
    let probe = [north.api.accepted("probe")].into();
    let pause = phones.air.all_sent(&probe, back, HEALED + LOADED).await;
    measured(&format!("database {what}: a message sent once the network is well"), pause);
    let [from_north, from_south] = loads.map(Load::end);
    for told in [&from_north, &from_south] {
        measured(&format!("database {what}: the slowest answer"), told.slowest());
        told.is_honest(harmed);
    }
    assert!(from_north.refused() > 0, "it was cut off");
    assert_eq!(from_south.refused(), 0, "it was not");
    let accepted: HashSet<String> = from_north.accepted.into_iter().chain(from_south.accepted).collect();
    let last = phones.air.all_sent(&accepted, back, RESENT + LOADED * 3).await;
    measured(&format!("database {what}: the last message sent once the network is well"), last);
    south.all_known(&accepted, HEALED + LOADED).await;
    phones.air.never_twice();
    let taken_over = one_owner_at_a_time(&south, &accepted).await;
    eprintln!("measured: database {what}: messages that were taken over: {taken_over}");
    assert!(taken_over > 0, "it had some when it was cut off");
    drop(phones);
    north.end().await;
    south.end().await;
    Ok(())
}

/// What counted of an attempt was written before the next began. Says how many messages had more than one.
async fn one_owner_at_a_time(gateway: &Serving, ids: &HashSet<String>) -> usize {
    let mut taken_over = 0;
    for id in ids {
        let id: MessageId = id.parse().expect("an id");
        let events = gateway.handle.message_events(gateway.account, id).await.expect("read").expect("there");
        let counted: Vec<_> = events.iter().filter(|event| event.applied).collect();
        let attempts: Vec<u32> = counted.iter().map(|event| event.attempt).collect();
        assert!(attempts.is_sorted(), "a late write counted: {events:?}");
        let claims = counted.iter().filter(|event| event.state == State::Sending);
        let mut claims: Vec<u32> = claims.map(|event| event.attempt).collect();
        let all = claims.len();
        claims.dedup();
        assert_eq!(claims.len(), all, "an attempt was claimed twice: {events:?}");
        taken_over += usize::from(all > 1);
    }
    taken_over
}
