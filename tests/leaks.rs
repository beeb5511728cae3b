//! Nothing that is secret or personal is written where it does not belong: a whole life of a gateway at the level TRACE, with a
//! thousand planted texts, numbers and keys that are then looked for.

mod support;

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{Gateway, Process, eventually, python, start_device};
use tempfile::tempdir;

/// Texts and numbers, one each a message.
const MESSAGES: usize = 1_000;
/// Devices of each protocol.
const DEVICES: usize = 2;
/// Keys and tokens that are made beside those in use.
const KEYS: usize = 60;

fn body(n: usize) -> String {
    format!("planted text {n:04} \u{e9}\nsecond line {n:04}")
}

fn number(n: usize) -> String {
    format!("+5355{:07}", 7_310_000 + n)
}

/// What must be found nowhere: a piece of each, so that no way of quoting hides it.
fn planted() -> Vec<String> {
    let texts = (0..MESSAGES).map(|n| format!("planted text {n:04}"));
    texts.chain((0..MESSAGES).map(|n| number(n)[1..].to_owned())).collect()
}

/// The secret half of a key: its public half may be shown.
fn secret_of(key: &str) -> String {
    key.rsplit('_').next().expect("a secret").to_owned()
}

fn hits(place: &str, text: &str, needles: &[String]) -> Vec<String> {
    needles
        .iter()
        .filter(|needle| text.contains(*needle))
        .map(|needle| format!("{place}: {needle}"))
        .collect()
}

#[test]
fn no_text_number_or_key_is_in_a_log_or_a_problem_and_no_secret_in_the_database() {
    let dir = tempdir().expect("a directory");
    let data = dir.path().join("demo");
    let env = [("RUST_LOG", "trace"), ("MQTT_USERNAME", "admin"), ("MQTT_PASSWORD", "planted-password")];
    let gateway = Gateway::start_with(&data, &["--devices", "0"], &env);
    let mut keys = vec![gateway.token.clone(), "planted-password".to_owned()];
    let mut devices = Vec::new();
    let mut phones = Vec::new();
    let (host, port) = gateway.broker();
    for _ in 0..DEVICES {
        let (id, key) = gateway.device("native");
        phones.push(start_device(dir.path(), &gateway.mqtt, &id, &key, &[]));
        devices.push((id.clone(), "delivered"));
        keys.push(key);
        let (id, key) = gateway.device("original");
        let mut phone = python("2", "original_client.py");
        phone.args([&key, "--host", host, "--port", port]).stderr(Stdio::null());
        let phone = Process::start(&mut phone);
        phone.line_starting("auth ");
        phones.push(phone);
        devices.push((id, "dispatched"));
        keys.push(key);
    }
    for n in 0..KEYS {
        let (status, key) = gateway.post(&format!("/devices/{}/api-keys", devices[0].0), &json!({}));
        assert_eq!(status, 201, "{key}");
        keys.push(key["api_key"].as_str().expect("a key").to_owned());
        let (status, token) = gateway.post("/tokens", &json!({"name": format!("planted {n}")}));
        assert_eq!(status, 201, "{token}");
        keys.push(token["token"].as_str().expect("a token").to_owned());
    }

    let mut ids = Vec::new();
    for n in 0..MESSAGES {
        let (id, end) = &devices[n % devices.len()];
        let message = json!({"to": number(n), "body": body(n), "device_id": id});
        let (status, message) = gateway.post("/messages", &message);
        assert_eq!(status, 202, "{message}");
        ids.push((message["id"].as_str().expect("an id").to_owned(), *end));
    }

    // What is wrong with a request is said without repeating it.
    let mut problems = String::new();
    let mut refused = |(status, problem): (u16, Value)| {
        assert!((400..500).contains(&status), "{status} {problem}");
        problems.push_str(&problem.to_string());
    };
    for (n, key) in keys.iter().enumerate().take(50) {
        let (to, text) = (number(n), body(n));
        refused(gateway.post("/messages", &json!({"to": format!("{to}x"), "body": text})));
        refused(gateway.post("/messages", &json!({"to": to, "body": format!("{text}\u{0}")})));
        refused(gateway.post("/messages", &json!({"to": to, "body": text, (&text): to})));
        refused(gateway.post("/messages", &json!({"to": to, "body": text, "ttl": to})));
        refused(gateway.post("/messages", &json!({"to": to, "body": text, "device_id": to})));
        refused(gateway.get(&format!("/messages?to={}x", &to[1..])));
        refused(gateway.get(&format!("/messages/{}", &to[1..])));
        refused(gateway.get(&format!("/{key}")));
    }
    for key in keys.iter().skip(2) {
        // A key in the place of another, mistyped, and where none is expected.
        let mistyped = format!("{}a", &key[..key.len() - 1]);
        for wrong in [key, &mistyped] {
            let said = ureq_get(&format!("{}/devices?token={wrong}", gateway.http), wrong);
            problems.push_str(&said);
        }
        let user = devices[0].0.as_str();
        if key.starts_with("sgw_tok") {
            connect(&gateway, user, key);
        }
    }

    for (id, end) in &ids {
        gateway.reaches(id, end);
    }
    let (status, _) = gateway.delete(&format!("/messages/{}", ids[0].0));
    assert_eq!(status, 204);
    let log_path = gateway.log.clone();
    gateway.process.signal("-TERM");
    eventually("the gateway has drained", || {
        std::fs::read_to_string(&log_path).is_ok_and(|log| log.contains("draining")).then_some(())
    });
    drop(phones);
    let log = std::fs::read_to_string(&log_path).expect("the log");
    assert!(log.contains("DEBUG"), "more was logged than usual");

    let secrets: Vec<String> = keys.iter().map(|key| secret_of(key)).collect();
    let everything = [planted(), secrets.clone()].concat();
    let mut found = hits("log", &log, &everything);
    found.extend(hits("problem", &problems, &everything));
    for entry in std::fs::read_dir(&data).expect("the data directory") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        // The demo shows its token at each start, so it keeps it; nothing else does.
        if name.starts_with("smsgw.db") {
            let bytes = std::fs::read(&path).expect("the database");
            found.extend(hits(&name, &String::from_utf8_lossy(&bytes), &secrets));
        }
    }
    assert!(found.is_empty(), "{} hits, the first of them {:?}", found.len(), &found[..found.len().min(5)]);
}

/// An answer to a request with a wrong token.
fn ureq_get(url: &str, token: &str) -> String {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let answer = agent.get(url).header("authorization", format!("Bearer {token}")).call();
    answer.expect("an answer").body_mut().read_to_string().expect("text")
}

/// Tries to connect to the broker with a password that is none.
fn connect(gateway: &Gateway, user: &str, password: &str) {
    let (host, port) = gateway.broker();
    let script = "import sys, paho.mqtt.client as m\n\
        h, p, u, w = sys.argv[1:]\n\
        c = m.Client(m.CallbackAPIVersion.VERSION2, client_id=u, protocol=m.MQTTv5)\n\
        c.username_pw_set(u, w)\n\
        c.on_connect = lambda c, *a: c.disconnect()\n\
        c.connect(h, int(p), 60)\n\
        c.loop(2)\n";
    let python = python("2", "original_client.py").get_program().to_owned();
    let mut command = Command::new(python);
    command.args(["-c", script, host, port, user, password]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().expect("it runs");
}
