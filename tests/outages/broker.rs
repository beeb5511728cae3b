//! Mosquitto is restarted, with or without what it kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use smsgw::memory::MemoryQueue;
use smsgw::mqtt::transport::{MqttConfig, MqttTransport};
use smsgw_test_support::{Missing, Mosquitto};

use crate::client::Load;
use crate::gateway::{Serving, sqlite};
use crate::phones::Phones;
use crate::suite::{HEALED, LOADED, READY, RESENT, case, measured};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        case("broker::restarted", async || restarted("restarted", |_| {}).await),
        case("broker::restarted_with_its_sessions_wiped", async || {
            restarted("wiped", |server| {
                let kept = server.directory().join("mosquitto.db");
                std::fs::remove_file(kept).expect("it has kept its sessions");
            })
            .await
        }),
    ]
}

async fn restarted(what: &str, wipe: impl Fn(&Mosquitto)) -> Result<(), Missing> {
    let server = Mosquitto::start()?;
    let dir = tempfile::tempdir().expect("a directory");
    let store = sqlite(&dir).await;
    let transport = MqttTransport::new(MqttConfig::new("127.0.0.1", server.port()));
    let queue = Arc::new(MemoryQueue::new());
    let gateway = Serving::start(store, queue, transport, |builder| builder).await;
    let phones = Phones::start(&gateway.handle, gateway.account, &server.url(), 4).await;
    gateway.ready(READY).await;
    let load = Load::light(&gateway.api);
    let mut back = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let harmed = Instant::now();
    for turn in 0..2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.kill();
        tokio::time::sleep(Duration::from_secs(3)).await;
        wipe(&server);
        server.start_again().expect("the same port");
        back = Instant::now();
        measured(&format!("broker {what}: connected once it is back"), gateway.ready(READY).await);
        let probe = [gateway.api.accepted(&format!("probe {turn}"))].into();
        let pause = phones.air.all_sent(&probe, back, HEALED + LOADED).await;
        measured(&format!("broker {what}: a message sent once it is back"), pause);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = load.end();
    told.is_honest(harmed);
    assert_eq!(told.refused(), 0, "a store is enough to accept");
    // What was under way is sent again.
    let last = phones.air.all_sent(&told.accepted, back, RESENT + LOADED * 3).await;
    measured(&format!("broker {what}: the last message sent once it is back"), last);
    gateway.all_known(&told.accepted, HEALED + LOADED).await;
    phones.air.never_twice();
    drop(phones);
    gateway.end().await;
    Ok(())
}
