//! `gateway check`

use crate::place::{FREE, Place, nowhere};

#[test]
fn a_good_set_up_passes_and_nothing_is_made() {
    let place = Place::new();
    let said = place.run(&[&["check"], &FREE[..]].concat(), &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.lines().all(|line| line.starts_with("ok ")), "{}", said.stdout);
    for what in ["settings", "secret", "store", "queue", "http", "mqtt"] {
        assert!(said.stdout.contains(what), "{what}: {}", said.stdout);
    }
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn it_passes_beside_the_gateway_that_it_is_about() {
    let place = Place::new();
    let port = [nowhere(), nowhere()].map(|port| format!("127.0.0.1:{port}"));
    let args = ["--http", &port[0], "--mqtt", &port[1]];
    let (_process, _) = place.start(&args, &[]);
    let said = place.run(&[&["check"], &args[..]].concat(), &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert_eq!(said.stdout.matches("a gateway runs here").count(), 2, "{}", said.stdout);
}

#[test]
fn a_port_that_something_else_has_fails() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let said = place.run(&["check", "--http", &address, "--mqtt", "127.0.0.1:0"], &[]);
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("FAIL  http") && said.stdout.contains("HTTP_ADDR"), "{}", said.stdout);
}

#[test]
fn settings_that_cannot_be_read_fail_as_lines_and_as_json() {
    let place = Place::new();
    place.write(".env", "RATE_LIMIT=hunter2\n");
    let said = place.run(&["check"], &[]);
    assert_eq!(said.code, Some(1));
    assert!(said.stdout.contains("FAIL  settings  RATE_LIMIT (.env line 1)"), "{}", said.stdout);
    assert!(!said.stdout.contains("hunter2"));
    let said = place.run(&["check", "--json"], &[]);
    let read: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!((said.code, &read["findings"][0]["ok"]), (Some(1), &false.into()), "{read}");
}

#[cfg(all(feature = "amqp", feature = "postgres", feature = "redis", feature = "tls"))]
#[test]
fn each_backend_that_is_away_fails_with_its_cure_and_without_its_password() {
    let port = nowhere();
    let cases = [
        (
            "DATABASE_URL",
            format!("postgres://u:hunter2@127.0.0.1:{port}/d"),
            "FAIL  store",
            "check the server",
        ),
        ("BROKER_URL", format!("postgres://u:hunter2@127.0.0.1:{port}/d"), "FAIL  queue", "check the server"),
        ("BROKER_URL", format!("redis://:hunter2@127.0.0.1:{port}/0"), "FAIL  queue", "BROKER_URL"),
        ("BROKER_URL", format!("amqp://u:hunter2@127.0.0.1:{port}/d"), "FAIL  queue", "BROKER_URL"),
        ("RESULT_BACKEND", format!("redis://:hunter2@127.0.0.1:{port}/0"), "FAIL  results", "RESULT_BACKEND"),
    ];
    for (name, url, fails, cure) in cases {
        let place = Place::new();
        let said = place.run(&[&["check"], &FREE[..]].concat(), &[(name, &url)]);
        assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains(fails) && said.stdout.contains(cure), "{}", said.stdout);
        assert_eq!(said.stdout.matches("FAIL").count(), 1, "{}", said.stdout);
        assert!(!format!("{}{}", said.stdout, said.stderr).contains("hunter2"));
    }
    let (place, port) = (Place::new(), port.to_string());
    let env = [
        ("MQTT_BROKER_HOST", "127.0.0.1"),
        ("MQTT_BROKER_PORT", port.as_str()),
        ("MQTT_USERNAME", "u"),
        ("MQTT_PASSWORD", "hunter2"),
    ];
    let said = place.run(&["check", "--http", "127.0.0.1:0"], &env);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    assert!(
        said.stdout.contains("FAIL  broker") && said.stdout.contains("MQTT_BROKER_HOST"),
        "{}",
        said.stdout
    );
    assert!(!said.stdout.contains("hunter2"), "{}", said.stdout);
}
