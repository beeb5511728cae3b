//! While the database is away, nothing piles up: clients and devices are told to come back, and memory stays flat.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use smsgw::mqtt::device::{Device, Outcome, Radio, RadioError, Sms};
use smsgw_test_support::{Missing, Postgres};
use tokio_util::sync::CancellationToken;

use crate::client::Load;
use crate::process::{api, is_ready, on_postgres, resident};
use crate::suite::{LOADED, READY, case, measured};
use crate::support::Gateway;

/// How long buffers and pools may take to fill to the size that they keep.
const SETTLED: Duration = Duration::from_secs(40);
/// How long memory must stay as it is then.
const WATCHED: Duration = Duration::from_secs(8);
/// What a heap may grow by in that time that only fragments, in KiB. The devices alone say several times as much.
const FLAT: u64 = 2 * 1_024;

pub(crate) fn trials() -> Vec<Trial> {
    vec![case("backlog::memory_is_flat_without_a_database", flat)]
}

struct Silent;

#[async_trait::async_trait]
impl Radio for Silent {
    async fn transmit(&mut self, _: &Sms) -> Result<Outcome, RadioError> {
        Ok(Outcome::Sent)
    }
}

/// A device that has received an SMS a millisecond, and tells of each until it is receipted.
fn loud(gateway: &Gateway, off: CancellationToken) {
    let (id, key) = gateway.device("native");
    let device = Device::builder(&gateway.mqtt, id, key).build().expect("a device");
    let handle = device.handle();
    tokio::spawn(device.run(Silent, off.clone().cancelled_owned()));
    tokio::spawn(async move {
        while !off.is_cancelled() && handle.inbound("+5359999999", "x".repeat(300), None).await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

async fn flat() -> Result<(), Missing> {
    let server = Postgres::start()?;
    let dir = tempfile::tempdir().expect("a directory");
    let gateway = on_postgres(dir.path(), &server.url(), &server);
    let off = CancellationToken::new();
    for _ in 0..4 {
        loud(&gateway, off.clone());
    }
    let load = Load::start(&api(&gateway), 48, Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let harmed = Instant::now();
    server.kill();
    let flat = settles(&gateway).await;
    server.start_again().expect("the same port and data");
    let back = Instant::now();
    is_ready(&gateway);
    let ready = back.elapsed();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = load.end();
    off.cancel();
    eprintln!("measured: requests that were refused: {}", told.refused());
    measured("the slowest answer of 48 clients without a database", told.slowest());
    measured("ready after the database is back", ready);
    told.is_honest(harmed);
    assert!(told.refused() > 0, "it was away");
    assert!(ready < READY + LOADED, "{ready:?}");
    assert!(flat, "memory grows on");
    assert!(told.accepted_after(back).is_some(), "it accepts again");
    Ok(())
}

/// Waits until memory has not grown for a while. `false`: it grows on.
async fn settles(gateway: &Gateway) -> bool {
    let begun = Instant::now();
    let (mut since, mut settled) = (begun, resident(gateway));
    while begun.elapsed() < SETTLED + WATCHED {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = resident(gateway);
        if now > settled + FLAT {
            (since, settled) = (Instant::now(), now);
        } else if since.elapsed() > WATCHED {
            eprintln!("measured: memory without a database: {settled} KiB, {WATCHED:?} later {now} KiB");
            return true;
        }
    }
    false
}
