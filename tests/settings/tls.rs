//! TLS with what `gateway certs` makes: on the embedded broker, and to a Mosquitto that asks for a certificate.
#![cfg(feature = "tls")]

use std::path::Path;

use smsgw::mqtt::transport::{MqttConfig, MqttTransport, TlsConfig};
use smsgw::transport::Transport;
use smsgw_core::conformance::REQUIRE;
use smsgw_test_support::Mosquitto;

use crate::place::{FREE, Place, answer_to, submit_to};
use crate::support::eventually;

fn with_certs() -> Place {
    let place = Place::new();
    let said = place.run(&["certs", "--out", "tls"], &[]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_broker_shows_its_certificate_and_asks_for_one() {
    let place = with_certs();
    let env = [
        ("MQTT_TLS_CERT", "tls/server.crt"),
        ("MQTT_TLS_KEY", "tls/server.key"),
        ("MQTT_CA_CERT", "tls/ca.crt"),
        ("MQTT_TLS_LISTEN", "127.0.0.1:0"),
    ];
    let (_process, ready) = place.start(&FREE, &env);
    let address = ready["mqtts"].as_str().expect("an address").trim_start_matches("mqtts://");
    let port = address.rsplit_once(':').expect("a port").1.parse().expect("a number");
    let file = |name: &str| Some(place.path().join("tls").join(name));
    let with = TlsConfig { ca: file("ca.crt"), cert: file("client.crt"), key: file("client.key") };
    // The broker does not know the account, so it is TLS alone that lets one of them come as far as being refused.
    for (tls, gets_through) in
        [(with, true), (TlsConfig { ca: file("ca.crt"), ..TlsConfig::default() }, false)]
    {
        let config = MqttConfig::new("localhost", port).with_account("nobody", "x".into()).with_tls(tls);
        let transport = MqttTransport::new(config);
        let _inbox = transport.open().await.expect("opens");
        let mut trouble = String::new();
        for _ in 0..500 {
            trouble = transport.ready().await.err().map(|error| error.to_string()).unwrap_or_default();
            if !trouble.contains("has not answered yet") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(trouble.contains("user name"), gets_through, "{trouble}");
        transport.close().await.expect("closes");
    }
}

#[test]
fn simulated_phones_work_on_a_mosquitto_that_wants_a_certificate() {
    let place = with_certs();
    // It knows no accounts, so a phone's key will do.
    let Some(mosquitto) = started(&place, |_| "allow_anonymous true".into()) else { return };
    let port = mosquitto.port().to_string();
    let env = [
        ("MQTT_BROKER_HOST", "localhost"),
        ("MQTT_BROKER_PORT", port.as_str()),
        ("MQTT_CA_CERT", "tls/ca.crt"),
        ("MQTT_TLS_CERT", "tls/client.crt"),
        ("MQTT_TLS_KEY", "tls/client.key"),
    ];
    let (_process, ready) = place.start(&["--http", "127.0.0.1:0", "--devices", "1"], &env);
    let text = |name: &str| ready[name].as_str().expect("a text").to_owned();
    let (http, token) = (text("http"), text("token"));
    let id = submit_to(&http, &token);
    eventually("it is delivered", || {
        (answer_to(&format!("{http}/messages/{id}"), &token).1["state"] == "delivered").then_some(())
    });
}

/// One that asks for a password, and has no dynamic security.
fn mosquitto(place: &Place) -> Option<Mosquitto> {
    started(place, |directory| {
        let passwords = directory.join("passwords");
        let mut make = std::process::Command::new("mosquitto_passwd");
        make.args(["-c", "-b"]).arg(&passwords).args(["gateway", "hunter2"]);
        // Where that is not there, Mosquitto is not either, or does not start.
        let _ = make.output();
        format!("allow_anonymous false\npassword_file {}", passwords.display())
    })
}

/// One that listens with TLS and asks for a certificate; `who` else is let in is the caller's.
fn started(place: &Place, who: impl FnOnce(&Path) -> String) -> Option<Mosquitto> {
    let tls = place.path().join("tls");
    let started = Mosquitto::start_with(|at| {
        format!(
            "listener {} 127.0.0.1\ncafile {ca}/ca.crt\ncertfile {ca}/server.crt\nkeyfile {ca}/server.key\n\
             require_certificate true\n{}\n",
            at.port,
            who(at.directory),
            ca = tls.display(),
        )
    });
    match started {
        Ok(mosquitto) => Some(mosquitto),
        Err(missing) => {
            let required = std::env::var(REQUIRE).unwrap_or_default();
            assert!(!required.split(',').any(|name| name == "mqtt"), "{REQUIRE} names it: {missing}");
            None
        }
    }
}

#[test]
fn a_mosquitto_is_used_with_a_certificate_and_check_tells_what_is_wrong() {
    let place = with_certs();
    let Some(mosquitto) = mosquitto(&place) else { return };
    let port = mosquitto.port().to_string();
    let env = [
        ("MQTT_BROKER_HOST", "127.0.0.1"),
        ("MQTT_BROKER_PORT", port.as_str()),
        ("MQTT_USERNAME", "gateway"),
        ("MQTT_PASSWORD", "hunter2"),
        ("MQTT_CA_CERT", "tls/ca.crt"),
        ("MQTT_TLS_CERT", "tls/client.crt"),
        ("MQTT_TLS_KEY", "tls/client.key"),
    ];
    let check = ["check", "--http", "127.0.0.1:0"];
    let said = place.run(&check, &env);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("not protected"), "it has no dynamic security: {}", said.stdout);

    let with =
        |name: &str, value: &'static str| env.map(|(key, old)| (key, if key == name { value } else { old }));
    let said = place.run(&check, &with("MQTT_PASSWORD", "wrong"));
    assert!(said.code == Some(1) && said.stdout.contains("FAIL  broker"), "{}", said.stdout);
    let said = place.run(&check, &env[..5]);
    assert!(said.code == Some(1) && said.stdout.contains("FAIL  broker"), "{}", said.stdout);

    let (_process, ready) = place.start(&["--http", "127.0.0.1:0"], &env);
    assert!(ready["token"].is_null() && ready["mqtts"].is_string(), "{ready}");
    let http = ready["http"].as_str().expect("an address").to_owned();
    eventually("it is connected", || {
        let (status, _) = answer_to(&format!("{http}/health/ready"), "");
        (status == 200).then_some(())
    });
    assert!(place.log().contains("not protected"), "{}", place.log());
    assert!(!place.log().contains("hunter2"));
}
