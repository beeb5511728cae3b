//! The unchanged client of the Python gateway, as its guide shows it: port 8883, TLS, a client certificate, and the
//! account that all devices share.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::deployment::{DEVICES, Deployment};
use crate::support::{Gateway, Process, eventually, python};

fn client(deployment: &Deployment, paho: &str, key: &str, account: &[&str]) -> Process {
    let mut command = python(paho, "original_client.py");
    command.args([key, "--host", "localhost", "--port", &deployment.mosquitto.port().to_string()]);
    command.arg("--ca").arg(deployment.cert("ca.crt"));
    command.arg("--cert").arg(deployment.cert("client.crt"));
    command.arg("--tls-key").arg(deployment.cert("client.key"));
    Process::start(command.args(account).stderr(Stdio::inherit()))
}

fn settings(deployment: &Deployment) -> Vec<(&'static str, String)> {
    let mut settings = deployment.settings();
    settings.push(("MQTT_DEVICE_USERNAME", DEVICES.0.into()));
    settings.push(("MQTT_DEVICE_PASSWORD", DEVICES.1.into()));
    settings
}

fn send(gateway: &Gateway, device: &str, body: &str) {
    let message = json!({"phone": "+5351234567", "message_body": body, "device_id": device});
    let (status, message) = gateway.post("/messages/create", &message);
    assert_eq!(status, 202, "{message}");
    gateway.reaches(message["id"].as_str().expect("an id"), "dispatched");
}

#[test]
fn it_authenticates_and_receives_over_tls_with_a_client_certificate() {
    let Some(deployment) = Deployment::start() else { return };
    let gateway = deployment.gateway("gateway", &settings(&deployment));
    for paho in ["1", "2"] {
        let (device, key) = gateway.device("original");
        for account in [&["--username", DEVICES.0, "--password", DEVICES.1][..], &[]] {
            let client = client(&deployment, paho, &key, account);
            assert_eq!(client.line_starting("auth "), "auth authenticated");
            send(&gateway, &device, "hola: ñ");
            assert_eq!(client.line_starting("sms "), "sms +5351234567 'hola: ñ'");
        }
    }
}

#[test]
fn it_goes_on_receiving_when_the_gateway_was_killed_and_started_again() {
    let Some(deployment) = Deployment::start() else { return };
    let settings = settings(&deployment);
    let mut gateway = deployment.gateway("gateway", &settings);
    let (device, key) = gateway.device("original");
    let client = client(&deployment, "2", &key, &[]);
    assert_eq!(client.line_starting("auth "), "auth authenticated");
    gateway.process.signal("-KILL");
    gateway.process.exit_code();
    let gateway = deployment.gateway("gateway", &settings);
    send(&gateway, &device, "still there?");
    assert_eq!(client.line_starting("sms "), "sms +5351234567 'still there?'");
    let log = gateway.log();
    assert!(!log.contains(&key), "{log}");
}

#[test]
fn what_it_received_is_in_the_inbox_once_whichever_gateway_hears_it() {
    let Some(deployment) = Deployment::start() else { return };
    let start = |name: &'static str| {
        let mut settings = settings(&deployment);
        settings.push(("MQTT_CLIENT_ID", format!("smsgw-{name}")));
        deployment.gateway(name, &settings)
    };
    let (north, _south) = (start("north"), start("south"));
    let (_, key) = north.device("original");
    const SMS: usize = 10;
    let program = format!(
        "import paho.mqtt.publish as p; p.multiple([('devices/messages/{key}', f'+53599:{{n}}') for n in range({SMS})], \
         hostname='localhost', port={port}, auth={{'username': '{user}', 'password': '{password}'}}, \
         tls={{'ca_certs': '{ca}', 'certfile': '{cert}', 'keyfile': '{tls_key}'}})",
        port = deployment.mosquitto.port(),
        user = DEVICES.0,
        password = DEVICES.1,
        ca = deployment.cert("ca.crt").display(),
        cert = deployment.cert("client.crt").display(),
        tls_key = deployment.cert("client.key").display(),
    );
    let root = env!("CARGO_MANIFEST_DIR");
    let status = Command::new(format!("{root}/.venv-paho-2/bin/python")).args(["-c", &program]).status();
    assert!(status.expect("python runs").success());
    let inbox = || north.get("/inbox?limit=100").1["items"].as_array().map_or(0, Vec::len);
    eventually("all are in the inbox", || (inbox() >= SMS).then_some(()));
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(inbox(), SMS, "each once");
}
