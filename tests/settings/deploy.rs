//! The scripts that `deploy/compose.yaml` runs. What they need root or a container for is stood in for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::place::Place;
use crate::support::{PATIENCE, Process, eventually, example};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/setup").join(name)
}

/// Its programs come first: `chown` does nothing, `smsgw` is the gateway, or `stub`.
fn command(place: &Place, name: &str, stub: Option<&str>) -> Command {
    let bin = place.path().join("bin");
    fs::create_dir_all(&bin).expect("a directory");
    place.write_mode("bin/chown", "#!/bin/sh\n", 0o755);
    let gateway = format!("#!/bin/sh\nexec '{}' \"$@\"\n", example("gateway").display());
    place.write_mode("bin/smsgw", stub.unwrap_or(&gateway), 0o755);
    let init = "#!/bin/sh\necho '{}' > \"$3\"\necho \"$@\" >> calls\n";
    place.write_mode("bin/mosquitto_ctrl", init, 0o755);
    let mut command = Command::new("/bin/sh");
    command.arg(script(name)).env_clear().env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    command
        .env("CERTS", place.path())
        .env("DATA", place.path())
        .env("TOKEN", place.path())
        .current_dir(place.path());
    command.env("PUBLIC_HOST", "gw.example.org").env("MQTT_PASSWORD", "hunter2");
    command
}

fn run(place: &Place, name: &str) -> Output {
    let output = command(place, name, None).output().expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn certificates_that_were_half_made_are_made_and_whole_ones_stay() {
    let place = Place::new();
    let all = ["bin", "ca.crt", "ca.key", "client.crt", "client.key", "server.crt", "server.key"];
    let read = |name: &str| fs::read_to_string(place.path().join(name)).expect("it is there");
    run(&place, "certificates.sh");
    assert_eq!(place.names(), all);
    let ca = read("ca.crt");
    run(&place, "certificates.sh");
    assert_eq!(ca, read("ca.crt"), "made once");
    fs::remove_file(place.path().join("ca.key")).expect("taken away, as advised");
    run(&place, "certificates.sh");
    assert_eq!(ca, read("ca.crt"), "made once");

    // Ended before the last of them, or before any but the first; and in the middle of making them.
    for (left, new) in [(&all[2..], &[][..]), (&["bin", "ca.crt"][..], &["ca.key"][..])] {
        let place = Place::new();
        for name in left.iter().filter(|name| **name != "bin") {
            place.write(name, "old");
        }
        fs::create_dir(place.path().join("new")).expect("a directory");
        for name in new {
            place.write(&format!("new/{name}"), "half");
        }
        run(&place, "certificates.sh");
        assert_eq!(place.names(), all);
        for name in &all[1..] {
            let text = fs::read_to_string(place.path().join(name)).expect("it is there");
            assert!(text.starts_with("-----BEGIN"), "{name}");
        }
    }
}

#[test]
fn accounts_that_were_half_made_are_made_and_whole_ones_stay() {
    let place = Place::new();
    place.write("dynamic-security.json", "");
    place.write("dynamic-security.new", "half");
    run(&place, "accounts.sh");
    run(&place, "accounts.sh");
    assert_eq!(place.names(), ["bin", "calls", "dynamic-security.json"]);
    let read = |name: &str| fs::read_to_string(place.path().join(name)).expect("it is there");
    assert_eq!(read("dynamic-security.json"), "{}\n");
    assert_eq!(read("calls"), "dynsec init dynamic-security.new gateway hunter2\n", "made once");
}

#[test]
fn the_token_of_prometheus_is_made_once_and_one_that_was_half_made_anew() {
    let place = Place::new();
    place.write("metrics.new", "half");
    let stub = "#!/bin/sh\necho \"$@\" >> calls\necho sgw_tok\n";
    for _ in 0..2 {
        let made = command(&place, "token.sh", Some(stub)).output().expect("a shell");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    assert_eq!(place.names(), ["bin", "calls", "metrics"]);
    let read = |name: &str| fs::read_to_string(place.path().join(name)).expect("it is there");
    assert_eq!(read("metrics"), "sgw_tok\n");
    assert_eq!(read("calls"), "token --account prometheus --admin --scopes metrics:read --name Prometheus\n");

    let place = Place::new();
    let failed = command(&place, "token.sh", Some("#!/bin/sh\nexit 1\n")).output().expect("a shell");
    assert!(!failed.status.success() && !place.path().join("metrics").exists());
}

#[test]
fn a_gateway_that_ends_is_started_again_by_docker_unless_a_setting_is_wrong() {
    let place = Place::new();
    for code in [0, 1] {
        let stub = format!("#!/bin/sh\nexit {code}\n");
        let mut process = Process::start(&mut command(&place, "gateway.sh", Some(&stub)));
        assert_eq!(process.exit_code(), Some(code));
    }
    let log = fs::File::create(place.path().join("log")).expect("a log");
    let mut process = Process::start(command(&place, "gateway.sh", Some("#!/bin/sh\nexit 78\n")).stderr(log));
    eventually("it says why it waits", || place.log().contains("not started again").then_some(()));
    assert!(process.child.try_wait().expect("waits").is_none(), "it waits");
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(78));
}

#[test]
fn a_gateway_that_docker_stops_may_drain() {
    let place = Place::new();
    let stub = "#!/bin/sh\ntrap 'echo draining; sleep 0.3; echo drained; exit 0' TERM\necho ready\n\
                while :; do sleep 0.05; done\n";
    let mut process = Process::start(&mut command(&place, "gateway.sh", Some(stub)));
    assert_eq!(process.line(PATIENCE).as_deref(), Some("ready"));
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0));
    assert_eq!(process.line(PATIENCE).as_deref(), Some("draining"));
    assert_eq!(process.line(PATIENCE).as_deref(), Some("drained"), "before the script has ended");
}

#[test]
fn the_compose_file_runs_them_and_waits_for_the_database_itself() {
    let file = include_str!("../../deploy/compose.yaml");
    for name in ["certificates.sh", "accounts.sh", "gateway.sh", "token.sh"] {
        assert!(file.contains(&format!("/setup/{name}")) && script(name).exists(), "{name}");
    }
    assert!(file.contains("\"pg_isready\", \"-h\", \"127.0.0.1\""));
    let unit = include_str!("../../deploy/systemd/smsgw.service");
    assert!(unit.lines().any(|line| line == "RestartPreventExitStatus=78"));
}
