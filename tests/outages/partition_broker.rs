//! The network between the gateway and its broker fails for 10 s, each way in which it can.

use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use smsgw::memory::MemoryQueue;
use smsgw::mqtt::transport::{MqttConfig, MqttTransport};
use smsgw_test_support::{Missing, Mosquitto, Proxy};

use crate::client::Load;
use crate::gateway::{Serving, sqlite};
use crate::phones::Phones;
use crate::suite::{HEALED, LOADED, READY, RESENT, each_way, measured};

const APART: Duration = Duration::from_secs(10);

pub(crate) fn trials() -> Vec<Trial> {
    each_way("broker", apart)
}

async fn apart(what: &'static str, harm: fn(&Proxy)) -> Result<(), Missing> {
    let server = Mosquitto::start()?;
    let proxy = Proxy::start(server.port(), 1)?;
    let dir = tempfile::tempdir().expect("a directory");
    let store = sqlite(&dir).await;
    let transport = MqttTransport::new(MqttConfig::new("127.0.0.1", proxy.port()));
    let queue = Arc::new(MemoryQueue::new());
    let gateway = Serving::start(store, queue, transport, |builder| builder).await;
    // The devices' own network is well.
    let phones = Phones::start(&gateway.handle, gateway.account, &server.url(), 4).await;
    gateway.ready(READY).await;
    let load = Load::light(&gateway.api);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let harmed = Instant::now();
    harm(&proxy);
    tokio::time::sleep(APART).await;
    proxy.up();
    proxy.resume();
    let back = Instant::now();
    let probe = [gateway.api.accepted("probe")].into();
    let pause = phones.air.all_sent(&probe, back, HEALED + LOADED).await;
    measured(&format!("broker {what}: a message sent once the network is well"), pause);
    let told = load.end();
    told.is_honest(harmed);
    assert_eq!(told.refused(), 0, "a store is enough to accept");
    let last = phones.air.all_sent(&told.accepted, back, RESENT + LOADED * 3).await;
    measured(&format!("broker {what}: the last message sent once the network is well"), last);
    gateway.ready(HEALED).await;
    gateway.all_known(&told.accepted, HEALED + LOADED).await;
    phones.air.never_twice();
    drop(phones);
    gateway.end().await;
    Ok(())
}
