//! A device reaches its own topics and nothing else, whatever it asks for: real paho-mqtt against the real gateway.

mod support;

use std::process::{Command, Stdio};

use serde_json::json;
use support::{Gateway, PATIENCE, Process, python, start_device};
use tempfile::tempdir;

/// Subscribes to each filter, prints whether that was granted, then prints every message it gets.
const SPY: &str = r#"
import sys, paho.mqtt.client as mqtt
host, port, protocol, user, password, client_id, *filters = sys.argv[1:]
versions = {"311": mqtt.MQTTv311, "5": mqtt.MQTTv5}
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=versions[protocol])
client.username_pw_set(user, password)
client.on_connect = lambda c, u, f, code, p: print("connect", "ok" if code == 0 else "refused", flush=True)
client.on_subscribe = lambda c, u, mid, codes, p: print("granted" if any(x.value < 3 for x in codes) else "refused", flush=True)
client.on_message = lambda c, u, m: print("message", flush=True)
client.connect(host, int(port), 60)
for filter in filters:
    client.subscribe(filter, 1)
client.loop_forever()
"#;

fn spy(gateway: &Gateway, protocol: &str, user: &str, password: &str, filters: &[String]) -> Process {
    let (host, port) = gateway.broker();
    let python = python("2", "original_client.py").get_program().to_owned();
    let client = if user == "admin" { "spy" } else { user };
    let mut command = Command::new(python);
    command
        .args(["-c", SPY, host, port, protocol, user, password, client])
        .args(filters)
        .stderr(Stdio::null());
    Process::start(&mut command)
}

#[test]
fn a_second_device_reads_nothing_of_the_first_by_any_filter() {
    let dir = tempdir().expect("a directory");
    let account = [("MQTT_USERNAME", "admin"), ("MQTT_PASSWORD", "password")];
    let gateway = Gateway::start_with(&dir.path().join("demo"), &["--devices", "0"], &account);
    let (native, native_key) = gateway.device("native");
    let (original, original_key) = gateway.device("original");
    let (native_spy, native_spy_key) = gateway.device("native");
    let (_, original_spy_key) = gateway.device("original");
    let _phone = start_device(dir.path(), &gateway.mqtt, &native, &native_key, &[]);
    let (host, port) = gateway.broker();
    let mut first = python("2", "original_client.py");
    first.args([&original_key, "--host", host, "--port", port]).stderr(Stdio::null());
    let first = Process::start(&mut first);
    assert_eq!(first.line_starting("auth "), "auth authenticated");

    let mut filters: Vec<String> = [
        "#",
        "+/+",
        "+/+/+",
        "+/+/+/+",
        "devices/+/sms",
        "devices/#",
        "devices/auth/+",
        "devices/messages/+",
        "server/auth/+",
        "server/#",
        "smsgw/#",
        "smsgw/v1/+/down",
        "smsgw/v1/+/up",
        "smsgw/v1/+/presence",
        "$SYS/#",
        "$CONTROL/#",
        "$share/g/#",
        "$share/g/smsgw/v1/+/down",
        "$share/g/devices/+/sms",
    ]
    .map(str::to_owned)
    .to_vec();
    let foreign = [format!("smsgw/v1/{native}/down"), format!("smsgw/v1/{native}/up")];
    filters.extend(foreign.clone());
    filters.push(format!("$share/g/{}", foreign[0]));
    // Who has the shared account and knows a key is that device; the others are not.
    let with_key = [filters.clone(), vec![format!("devices/{original_key}/sms")]].concat();

    let spies = [
        (&native_spy[..], &native_spy_key[..], &with_key),
        (&original_spy_key, &original_spy_key, &with_key),
        ("admin", "password", &filters),
    ];
    for protocol in ["311", "5"] {
        for (user, password, filters) in &spies {
            // One connection a filter: a broker may close the connection of a client that asks for what is forbidden.
            for filter in filters.iter() {
                let spy = spy(&gateway, protocol, user, password, std::slice::from_ref(filter));
                assert_eq!(spy.line_starting("connect"), "connect ok");
                assert_eq!(spy.line(PATIENCE).as_deref(), Some("refused"), "{filter} over MQTT {protocol}");
            }
        }
    }
    // With every spy listening for all it asked for, messages reach their devices and nobody else.
    let listening: Vec<Process> =
        spies.iter().map(|(user, password, filters)| spy(&gateway, "5", user, password, filters)).collect();
    for spy in &listening {
        assert_eq!(spy.line_starting("connect"), "connect ok");
    }
    for device in [&native, &original] {
        let (_, message) =
            gateway.post("/messages", &json!({"to": "+5351234567", "body": "x", "device_id": device}));
        let end = if device == &native { "delivered" } else { "dispatched" };
        gateway.reaches(message["id"].as_str().expect("an id"), end);
    }
    first.line_starting("sms ");
    for spy in &listening {
        while let Some(line) = spy.line(std::time::Duration::from_millis(100)) {
            assert_eq!(line, "refused");
        }
    }
}

#[test]
fn nobody_comes_in_with_anothers_name_or_without_a_password() {
    let dir = tempdir().expect("a directory");
    let gateway = Gateway::start(&dir.path().join("demo"), &["--devices", "0"]);
    let (first, _) = gateway.device("native");
    let (second, second_key) = gateway.device("native");
    let strangers = [
        (&first[..], &second_key[..]),
        (&second, ""),
        (&second, "wrong"),
        ("admin", "password"),
        ("gateway", "gateway"),
        ("", ""),
    ];
    for protocol in ["311", "5"] {
        for (user, password) in strangers {
            let spy = spy(&gateway, protocol, user, password, &[]);
            assert_eq!(spy.line_starting("connect"), "connect refused", "{user} over MQTT {protocol}");
        }
    }
    assert!(!gateway.log().contains(&second_key), "a refused key is not logged");
}
