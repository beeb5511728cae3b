//! A gateway that is killed loses nothing, and nothing is sent twice.

mod support;

use std::collections::HashSet;

use support::{Gateway, eventually, radio, start_device};
use tempfile::tempdir;

#[test]
fn what_was_accepted_without_a_device_survives_kill_9_and_goes_out_once() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("demo");
    let mut gateway = Gateway::start(&data, &["--devices", "0"]);
    let (device, key) = gateway.device("native");
    let accepted: HashSet<String> =
        (0..50).map(|n| gateway.submit("+5351234567", &format!("message {n}"))).collect();
    gateway.process.signal("-KILL");
    assert_eq!(gateway.process.exit_code(), None);

    let gateway = Gateway::start(&data, &["--devices", "0"]);
    let _phone = start_device(dir.path(), &gateway.mqtt, &device, &key, &[]);
    for id in &accepted {
        gateway.reaches(id, "delivered");
    }
    let sent = radio(dir.path(), &device);
    assert_eq!(sent.len(), accepted.len(), "each once");
    assert_eq!(sent.into_iter().collect::<HashSet<_>>(), accepted);
}

#[test]
fn kill_9_again_and_again_under_load_loses_nothing_and_repeats_nothing() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("demo");
    let mut gateway = Gateway::start(&data, &["--devices", "0"]);
    let (device, key) = gateway.device("native");
    // A fixed port, so that the device finds every new gateway.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let mqtt = format!("127.0.0.1:{port}");
    gateway.process.signal("-TERM");
    gateway.process.exit_code();

    let args = ["--devices", "0", "--mqtt", &mqtt];
    let mut gateway = Gateway::start(&data, &args);
    let _phone = start_device(dir.path(), &format!("mqtt://{mqtt}"), &device, &key, &["--latency", "5"]);
    let mut accepted = HashSet::new();
    for round in 0..5 {
        for n in 0..20 {
            accepted.insert(gateway.submit("+5351234567", &format!("message {n} of {round}")));
        }
        gateway.process.signal("-KILL");
        gateway.process.exit_code();
        gateway = Gateway::start(&data, &args);
    }
    // A lease of a killed gateway runs out after 30 s at the latest.
    let unsettled = || {
        let state = |id: &&String| gateway.get(&format!("/messages/{id}")).1["state"] != "delivered";
        accepted.iter().filter(state).count()
    };
    for _ in 0..3 {
        if unsettled() == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_secs(12));
    }
    eventually("all are delivered", || (unsettled() == 0).then_some(()));
    let sent = radio(dir.path(), &device);
    assert_eq!(sent.iter().collect::<HashSet<_>>().len(), sent.len(), "no id twice");
    assert_eq!(sent.into_iter().collect::<HashSet<_>>(), accepted);
}
