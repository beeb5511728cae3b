//! What a new user does: the run command, the printed curl, and a look at what became of the message.

mod support;

use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Gateway, Process, eventually, example};
use tempfile::tempdir;

#[test]
fn the_printed_curl_works_when_pasted_and_the_message_is_delivered() {
    let dir = tempdir().expect("a directory");
    let mut command = Command::new(example("gateway"));
    command.arg("--data").arg(dir.path().join("demo"));
    command.args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]).stderr(Stdio::null());
    let gateway = Process::start(&mut command);
    let curl = gateway.line_starting("  curl ");
    let output = Command::new("sh").arg("-c").arg(&curl).output().expect("curl runs");
    let message: Value = serde_json::from_slice(&output.stdout).expect("curl prints the message");
    let id = message["id"].as_str().expect("an id");
    let look = curl
        .replace("/messages ", &format!("/messages/{id} "))
        .split(" -d ")
        .next()
        .expect("a part")
        .to_owned();
    eventually("the message is delivered", || {
        let output = Command::new("sh").arg("-c").arg(&look).output().expect("curl runs");
        let message: Value = serde_json::from_slice(&output.stdout).expect("the message");
        (message["state"] == "delivered").then_some(())
    });
}

#[test]
fn the_history_shows_every_step() {
    let dir = tempdir().expect("a directory");
    let gateway = Gateway::start(&dir.path().join("demo"), &[]);
    assert_eq!(gateway.devices.len(), 1);
    let id = gateway.submit("+5351234567", "hola");
    gateway.reaches(&id, "delivered");
    let (status, events) = gateway.get(&format!("/messages/{id}/events"));
    assert_eq!(status, 200);
    let states: Vec<&str> =
        events["items"].as_array().expect("a list").iter().filter_map(|e| e["state"].as_str()).collect();
    // It goes at once, unless the phone was still being asked for what waited for it.
    assert!(["sending", "queued"].contains(&states[0]), "{states:?}");
    assert!(states.contains(&"sent"), "{states:?}");
    assert_eq!(states.last(), Some(&"delivered"), "{states:?}");
}

#[test]
fn token_and_phones_stay_the_same_and_another_directory_has_others() {
    let dir = tempdir().expect("a directory");
    let read = |name: &str| {
        let mut gateway = Gateway::start(&dir.path().join(name), &["--devices", "2"]);
        gateway.process.signal("-TERM");
        assert_eq!(gateway.process.exit_code(), Some(0));
        (gateway.token.clone(), gateway.devices.clone())
    };
    let first = read("one");
    assert_eq!(first, read("one"));
    assert_ne!(first.0, read("two").0);
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    let dir = tempdir().expect("a directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address").to_string();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a directory").expect("written");
    let file = file.to_str().expect("text");
    let fine = dir.path().join("fine");
    let fine = fine.to_str().expect("text");
    let cases: [(&[&str], i32, &str); 7] = [
        (&["--data", fine, "--mqtt", "127.0.0.1:0", "--http", &taken], 1, "--http"),
        (&["--data", fine, "--http", "127.0.0.1:0", "--mqtt", &taken], 1, "--mqtt"),
        (&["--data", file, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"], 1, "--data"),
        (&["--data", "/proc/smsgw", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"], 1, "--data"),
        (&["--data", fine, "--mqtt-username", "admin"], 2, "--mqtt-password"),
        (&["--devises", "2"], 2, "--devises"),
        (&["--data", fine, "--http", "0.0.0.0:0"], 78, "--allow-insecure"),
    ];
    for (args, code, cure) in cases {
        let output =
            Command::new(example("gateway")).args(args).env("RUST_LOG", "off").output().expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(cure) && said.lines().count() == 1, "{args:?}: {said}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_directory_is_for_one_gateway() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("demo");
    let _first = Gateway::start(&data, &["--devices", "0"]);
    let mut second = Command::new(example("gateway"));
    second.arg("--data").arg(&data).args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]);
    let output = second.env("RUST_LOG", "off").output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--data") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_signal_drains_and_nothing_that_was_accepted_is_lost() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("demo");
    for signal in ["-TERM", "-INT"] {
        let mut gateway = Gateway::start(&data, &["--devices", "0"]);
        let id = gateway.submit("+5351234567", signal);
        gateway.process.signal(signal);
        assert_eq!(gateway.process.exit_code(), Some(0), "{signal}");
        let again = Gateway::start(&data, &["--devices", "0"]);
        let (status, _) = again.get(&format!("/messages/{id}"));
        assert_eq!(status, 200, "{signal}");
    }
}

#[test]
fn it_is_ready_and_says_how_each_part_is() {
    let dir = tempdir().expect("a directory");
    let gateway = Gateway::start(&dir.path().join("demo"), &["--devices", "0"]);
    eventually("ready", || {
        let (status, health) = gateway.get("/health/ready");
        (status == 200).then_some(health)
    });
    assert_eq!(gateway.get("/health/live").0, 200);
    assert!(!gateway.log().contains(&gateway.token), "the log never holds the token");
}
