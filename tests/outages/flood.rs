//! A device that says far too much holds up no other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use smsgw::memory::MemoryQueue;
use smsgw_test_support::Missing;

use crate::gateway::{Serving, embedded, sqlite};
use crate::phones::Phones;
use crate::suite::{LOADED, PAUSE, READY, case, measured};

/// Words of the device, 1,000 a second.
const WORDS: usize = 10_000;
const A_SECOND: usize = 1_000;
/// As many as the broker takes in that time at 500 a second, after a burst of 1,000, and a little less.
const THROTTLED: Duration = Duration::from_secs(17);

pub(crate) fn trials() -> Vec<Trial> {
    vec![case("flood::others_are_served", flooded)]
}

async fn flooded() -> Result<(), Missing> {
    let dir = tempfile::tempdir().expect("a directory");
    let store = sqlite(&dir).await;
    let (broker, transport, url) = embedded(&store).await;
    let queue = Arc::new(MemoryQueue::new());
    let gateway = Serving::start(store, queue, transport, |builder| builder).await;
    let loud = Phones::start(&gateway.handle, gateway.account, &url, 1).await;
    let quiet = Phones::start(&gateway.handle, gateway.account, &url, 4).await;
    gateway.ready(READY).await;
    let before = slowest(&gateway, &quiet, "before", 100).await;
    let (_, device) = loud.each[0].clone();
    let flood = tokio::spawn(async move {
        let begun = Instant::now();
        for n in 0..WORDS {
            // Received SMS are the dearest of all reports: each is stored, and receipted.
            device.inbound("+5359999999", format!("{n}"), None).await;
            let due = Duration::from_secs(1) * u32::try_from(n).unwrap_or(u32::MAX) / A_SECOND as u32;
            tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
        }
        begun.elapsed()
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let during = slowest(&gateway, &quiet, "during", 300).await;
    assert!(!flood.is_finished(), "it was loud all the while");
    measured("the slowest of 100 messages before a device floods", before);
    measured("the slowest of 300 messages while a device floods", during);
    let took = flood.await.expect("it ends");
    measured("10,000 words of the flooding device taken", took);
    assert!(took > THROTTLED, "it was not throttled: {took:?}");
    drop((loud, quiet));
    gateway.end().await;
    broker.close().await;
    Ok(())
}

/// Sends messages one after the other, and says how long the slowest took to go over the air.
async fn slowest(gateway: &Serving, phones: &Phones, name: &str, count: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for n in 0..count {
        let begun = Instant::now();
        let id: HashSet<String> =
            [gateway.api.accepted_for(phones.each[n % 4].0, &format!("{name} {n}"))].into();
        slowest = slowest.max(phones.air.all_sent(&id, begun, PAUSE + LOADED).await);
    }
    slowest
}
