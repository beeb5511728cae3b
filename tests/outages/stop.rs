//! SIGTERM: under load, and where it is not enough.

use std::net::TcpListener;
use std::time::Duration;

use libtest_mimic::Trial;
use smsgw_test_support::{Missing, Postgres, Proxy};
use tempfile::tempdir;

use crate::client::Load;
use crate::process::{api, ended, is_ready, on_postgres};
use crate::suite::{LOADED, measured, plain};
use crate::support::{Gateway, radio, start_device};

/// How long a gateway may take to end that was told to.
const DRAINED: Duration = Duration::from_secs(10);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        plain("stop::under_load", under_load),
        plain("stop::while_the_database_is_stalled", || stalled(1)),
        plain("stop::twice_is_at_once", || stalled(2)),
    ]
}

fn under_load() -> Result<(), Missing> {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("demo");
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    // The same all along, so that the devices find the next gateway too.
    let mqtt = format!("127.0.0.1:{port}");
    let args = ["--devices", "0", "--mqtt", &mqtt];
    let mut gateway = Gateway::start(&data, &args);
    is_ready(&gateway);
    let devices = [gateway.device("native"), gateway.device("native")];
    let _phones = devices.each_ref().map(|(id, key)| start_device(dir.path(), &gateway.mqtt, id, key, &[]));
    let load = Load::start(&api(&gateway), 8, Duration::from_millis(20));
    std::thread::sleep(Duration::from_secs(2));
    gateway.process.signal("-TERM");
    let (took, code) = ended(&mut gateway);
    let told = load.end();
    measured("the end after SIGTERM under load", took);
    assert_eq!(code, Some(0), "{}", gateway.log());
    assert!(took < DRAINED + LOADED, "{took:?}");
    for answer in told.answers.iter().filter(|answer| !matches!(answer.status, 202 | 0)) {
        assert!(answer.status == 503 && answer.says_when, "{answer:?}");
    }
    assert!(told.accepted.len() > 20, "it was under load");

    let gateway = Gateway::start(&data, &args);
    for id in &told.accepted {
        gateway.reaches(id, "delivered");
    }
    let mut sent: Vec<String> = devices.iter().flat_map(|(id, _)| radio(dir.path(), id)).collect();
    let all = sent.len();
    sent.sort_unstable();
    sent.dedup();
    assert_eq!(sent.len(), all, "none went over the air twice");
    Ok(())
}

/// What is under way cannot be finished; told once more, the gateway does not even try.
fn stalled(signals: u32) -> Result<(), Missing> {
    let server = Postgres::start()?;
    let proxy = Proxy::start(server.port(), 1)?;
    let url = server.url().replace(&server.port().to_string(), &proxy.port().to_string());
    let dir = tempdir().expect("a directory");
    let mut gateway = on_postgres(dir.path(), &url, &server);
    let load = Load::start(&api(&gateway), 8, Duration::from_millis(5));
    std::thread::sleep(Duration::from_secs(1));
    proxy.stall();
    std::thread::sleep(Duration::from_millis(200));
    for _ in 1..signals {
        gateway.process.signal("-TERM");
        std::thread::sleep(Duration::from_millis(200));
    }
    gateway.process.signal("-TERM");
    let (took, _) = ended(&mut gateway);
    load.end();
    measured(&format!("the end after {signals} SIGTERM with a database that is stalled"), took);
    let promised = if signals == 1 { DRAINED } else { Duration::ZERO };
    assert!(took < promised + LOADED, "{took:?}");
    Ok(())
}
