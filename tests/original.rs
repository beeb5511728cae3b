//! The unchanged client of the Python gateway, in real Python, on both versions of paho-mqtt that are in use.

mod support;

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use support::{Gateway, Process, eventually, python};
use tempfile::tempdir;

const ACCOUNT: [(&str, &str); 2] = [("MQTT_USERNAME", "admin"), ("MQTT_PASSWORD", "password")];
const SHARED: [&str; 4] = ["--username", "admin", "--password", "password"];
const BODY: &str = "code: 12:34\r\nline two\nñ 👩‍👩‍👧 שלום \"; drop table--";

fn client(gateway: &Gateway, paho: &str, key: &str, args: &[&str]) -> Process {
    let (host, port) = gateway.broker();
    let mut command = python(paho, "original_client.py");
    command.args([key, "--host", host, "--port", port]).args(args).stderr(Stdio::inherit());
    Process::start(&mut command)
}

/// What Python's `repr` shows, read back.
fn body_of(line: &str) -> String {
    let quoted = line.splitn(3, ' ').nth(2).expect("a body");
    let program = "import ast,sys; sys.stdout.buffer.write(ast.literal_eval(sys.argv[1]).encode())";
    let output =
        std::process::Command::new("python3").args(["-c", program, quoted]).output().expect("python runs");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn it_authenticates_and_receives_what_was_submitted_byte_for_byte() {
    let dir = tempdir().expect("a directory");
    let gateway = Gateway::start_with(&dir.path().join("demo"), &["--devices", "0"], &ACCOUNT);
    for paho in ["1", "2"] {
        let (device, key) = gateway.device("original");
        // As its users run it, on the shared account, and as we advise, by its key.
        for account in [&SHARED[..], &[]] {
            let client = client(&gateway, paho, &key, account);
            assert_eq!(client.line_starting("auth "), "auth authenticated");
            for body in [BODY, "a", ":", "x:"] {
                let (status, message) = gateway.post(
                    "/messages/create",
                    &json!({"phone": "+5351234567", "message_body": body, "device_id": device}),
                );
                assert_eq!(status, 202, "{message}");
                let lines = client.lines_until("sms ");
                // It subscribes while it is answered: where that was not seen, the answer is said once more.
                let again = lines.iter().filter(|line| line.starts_with("auth ")).count();
                assert!(again <= 1, "answered {again} times more");
                let line = &lines[lines.len() - 1];
                assert!(line.starts_with("sms +5351234567 "), "{line}");
                assert_eq!(body_of(line), body);
                gateway.reaches(message["id"].as_str().expect("an id"), "dispatched");
            }
        }
    }
}

#[test]
fn messages_wait_for_its_authentication() {
    let dir = tempdir().expect("a directory");
    let gateway = Gateway::start_with(&dir.path().join("demo"), &["--devices", "0"], &ACCOUNT);
    let (_, key) = gateway.device("original");
    let id = gateway.submit("+5351234567", "early");
    gateway.reaches(&id, "scheduled");
    let client = client(&gateway, "2", &key, &SHARED);
    assert_eq!(body_of(&client.line_starting("sms ")), "early");
}

#[test]
fn a_wrong_key_hears_so_receives_nothing_and_is_logged_without_the_key() {
    let dir = tempdir().expect("a directory");
    let gateway = Gateway::start_with(&dir.path().join("demo"), &["--devices", "0"], &ACCOUNT);
    let (device, key) = gateway.device("original");
    let flipped = if key.as_bytes()[30] == b'a' { 'b' } else { 'a' };
    let mistyped = format!("{}{flipped}{}", &key[..30], &key[31..]);
    for paho in ["1", "2"] {
        for wrong in ["nonsense", &mistyped] {
            let client = client(&gateway, paho, wrong, &SHARED);
            assert_eq!(client.line_starting("auth "), "auth unauthorized");
            gateway
                .post("/messages", &json!({"to": "+5351234567", "body": "not for you", "device_id": device}));
            while let Some(line) = client.line(Duration::from_millis(300)) {
                assert!(!line.starts_with("sms "), "{line}");
            }
        }
    }
    let log =
        eventually("the refusal is logged", || Some(gateway.log()).filter(|log| log.contains("refused")));
    assert!(!log.contains(&mistyped) && !log.contains(&key), "{log}");
}

#[test]
fn a_revoked_key_hears_so() {
    let dir = tempdir().expect("a directory");
    let gateway = Gateway::start_with(&dir.path().join("demo"), &["--devices", "0"], &ACCOUNT);
    let (device, key) = gateway.device("original");
    let (_, keys) = gateway.get(&format!("/devices/{device}/api-keys"));
    let id = keys["items"][0]["id"].as_str().expect("a key id").to_owned();
    assert!(!keys.to_string().contains(&key), "a list never shows the key");
    assert!(matches!(gateway.delete(&format!("/devices/{device}/api-keys/{id}")).0, 200 | 204));
    let client = client(&gateway, "2", &key, &SHARED);
    assert_eq!(client.line_starting("auth "), "auth unauthorized");
}

#[test]
fn what_it_received_is_in_the_inbox() {
    let dir = tempdir().expect("a directory");
    let gateway = Gateway::start_with(&dir.path().join("demo"), &["--devices", "0"], &ACCOUNT);
    let (_, key) = gateway.device("original");
    let (host, port) = gateway.broker();
    let program = format!(
        "import paho.mqtt.publish as p; p.single('devices/messages/{key}', '+53599:hi: there\\nñ', hostname='{host}', \
         port={port}, auth={{'username': 'admin', 'password': 'password'}})"
    );
    let root = env!("CARGO_MANIFEST_DIR");
    let status =
        std::process::Command::new(format!("{root}/.venv-paho-2/bin/python")).args(["-c", &program]).status();
    assert!(status.expect("python runs").success());
    let received = eventually("it is in the inbox", || {
        let (_, inbox) = gateway.get("/inbox");
        inbox["items"].as_array().filter(|items| !items.is_empty()).map(|items| items[0].clone())
    });
    assert_eq!((&received["from"], &received["body"]), (&json!("+53599"), &json!("hi: there\nñ")));
}
