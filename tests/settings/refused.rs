//! What cannot be is refused before anything is opened: with its place, its name and the cure, and without its value.

use crate::place::{FREE, Place};

/// What no message may show.
const SECRET: &str = "hunter2";

struct Case {
    dotenv: &'static str,
    toml: &'static str,
    env: &'static [(&'static str, &'static str)],
    args: &'static [&'static str],
    code: i32,
    /// All of them are said.
    says: &'static [&'static str],
}

const CASE: Case = Case { dotenv: "", toml: "", env: &[], args: &[], code: 78, says: &[] };

const CASES: &[Case] = &[
    // Where a value comes from.
    Case { env: &[("RATE_LIMIT", "fast")], says: &["RATE_LIMIT (environment)", "10/m"], ..CASE },
    Case { dotenv: "# us\nA=1\nRATE_LIMIT=fast", says: &["RATE_LIMIT (.env line 3)", "10/m"], ..CASE },
    Case {
        toml: "# us\n\nrate_limit = \"fast\"\n",
        says: &["RATE_LIMIT (smsgw.toml line 3)", "10/m"],
        ..CASE
    },
    Case { args: &["--rate-limit", "fast"], code: 2, says: &["RATE_LIMIT (--rate-limit)", "10/m"], ..CASE },
    Case { args: &["--config", "absent.toml"], says: &["absent.toml", "cannot be read"], ..CASE },
    // The file.
    Case {
        toml: "databse_url = \"x\"",
        says: &["smsgw.toml line 1", "databse_url", "did you mean database_url?"],
        ..CASE
    },
    Case { toml: "colour = 1", says: &["smsgw.toml line 1", "unknown name \"colour\""], ..CASE },
    Case { toml: "\nmqtt_password = \"hunter2", says: &["smsgw.toml line 2", "not TOML"], ..CASE },
    Case {
        toml: "mqtt_password = [\"hunter2\"]",
        says: &["MQTT_PASSWORD (smsgw.toml line 1)", "in quotes"],
        ..CASE
    },
    Case {
        toml: "[mqtt]\npassword = \"hunter2\"",
        says: &["smsgw.toml line 1", "unknown name \"mqtt\""],
        ..CASE
    },
    Case { dotenv: "A='x\nB=y\n", says: &[".env line 1", "quotes"], ..CASE },
    Case {
        dotenv: "DATABASE_URL=postgres://u:${PW}@h/d",
        says: &["DATABASE_URL (.env line 1)", "${"],
        ..CASE
    },
    Case { dotenv: "RATE_LIMIT 1/s", says: &[".env line 1", "expected RATE_LIMIT=VALUE"], ..CASE },
    // URLs.
    Case {
        env: &[("DATABASE_URL", "mysql://u:hunter2@h/d")],
        says: &["DATABASE_URL", "sqlite://PATH"],
        ..CASE
    },
    Case { env: &[("DATABASE_URL", "sqlite://")], says: &["DATABASE_URL", "sqlite:///var"], ..CASE },
    Case { env: &[("DATABASE_URL", "sqlite://:memory:")], says: &["DATABASE_URL", "name of a file"], ..CASE },
    Case {
        env: &[("BROKER_URL", "kafka://u:hunter2@h")],
        says: &["BROKER_URL", "amqp://", "memory://"],
        ..CASE
    },
    Case { env: &[("RESULT_BACKEND", "rpc://hunter2")], says: &["RESULT_BACKEND", "redis://"], ..CASE },
    // Numbers, switches, addresses.
    Case { env: &[("HTTP_ADDR", "8000")], says: &["HTTP_ADDR", "127.0.0.1:8000"], ..CASE },
    Case {
        env: &[("HTTP_MAX_CONNECTIONS", "0"), ("HTTP_MAX_CONNECTIONS_PER_ADDRESS", "many")],
        says: &["HTTP_MAX_CONNECTIONS (", "HTTP_MAX_CONNECTIONS_PER_ADDRESS (", "whole number from 1"],
        ..CASE
    },
    Case {
        args: &["--http-max-connections", "0"],
        code: 2,
        says: &["HTTP_MAX_CONNECTIONS (--http-max-connections)"],
        ..CASE
    },
    Case { env: &[("ALLOW_INSECURE", "perhaps")], says: &["ALLOW_INSECURE", "true or false"], ..CASE },
    Case {
        env: &[("MQTT_BROKER_HOST", "h"), ("MQTT_BROKER_PORT", "70000")],
        says: &["MQTT_BROKER_PORT", "1 to 65535"],
        ..CASE
    },
    Case {
        env: &[("MQTT_BROKER_HOST", "mqtt://u:hunter2@h")],
        says: &["MQTT_BROKER_HOST", "host name"],
        ..CASE
    },
    // Listeners.
    Case {
        toml: "http_addr = \"0.0.0.0:0\"",
        says: &["HTTP_ADDR (smsgw.toml line 1)", "ALLOW_INSECURE", "HTTP_TLS_CERT"],
        ..CASE
    },
    Case {
        env: &[("MQTT_LISTEN", "[::]:0")],
        says: &["MQTT_LISTEN", "ALLOW_INSECURE", "MQTT_TLS_CERT"],
        ..CASE
    },
    Case { args: &["--mqtt", "0.0.0.0:0"], says: &["MQTT_LISTEN (--mqtt)", "--allow-insecure"], ..CASE },
    // What makes no sense alone.
    Case { env: &[("MQTT_USERNAME", "admin")], says: &["MQTT_USERNAME", "needs MQTT_PASSWORD"], ..CASE },
    Case { env: &[("MQTT_PASSWORD", SECRET)], says: &["MQTT_PASSWORD", "needs MQTT_USERNAME"], ..CASE },
    Case { args: &["--mqtt-username", "admin"], code: 2, says: &["--mqtt-password"], ..CASE },
    Case {
        env: &[("MQTT_BROKER_PORT", "1883")],
        says: &["MQTT_BROKER_PORT", "without MQTT_BROKER_HOST"],
        ..CASE
    },
    Case { env: &[("MQTT_CLIENT_ID", "x")], says: &["MQTT_CLIENT_ID", "without MQTT_BROKER_HOST"], ..CASE },
    Case { env: &[("MQTT_SHARE", "false")], says: &["MQTT_SHARE", "without MQTT_BROKER_HOST"], ..CASE },
    Case {
        args: &["--mqtt-tells-no-subscriber", "false"],
        says: &["--mqtt-tells-no-subscriber", "without MQTT_BROKER_HOST"],
        ..CASE
    },
    Case {
        env: &[("MQTT_BROKER_HOST", "h"), ("MQTT_SHARE", "perhaps")],
        says: &["MQTT_SHARE", "expected true or false"],
        ..CASE
    },
    Case { env: &[("MQTT_TLS_LISTEN", "127.0.0.1:0")], says: &["MQTT_TLS_LISTEN", "MQTT_TLS_CERT"], ..CASE },
    Case { env: &[("MQTT_DEVICE_USERNAME", "a")], says: &["MQTT_DEVICE_USERNAME", "MQTT_USERNAME"], ..CASE },
    Case {
        env: &[("MQTT_BROKER_HOST", "h"), ("MQTT_LISTEN", "127.0.0.1:0")],
        says: &["MQTT_LISTEN", "MQTT_BROKER_HOST"],
        ..CASE
    },
    Case {
        env: &[("MQTT_BROKER_HOST", "h"), ("MQTT_DEVICE_PASSWORD", SECRET)],
        says: &["MQTT_DEVICE_PASSWORD", "needs MQTT_DEVICE_USERNAME"],
        ..CASE
    },
    // Secrets and files.
    Case {
        env: &[("API_SECRET_KEY", SECRET)],
        says: &["API_SECRET_KEY", "32 bytes", "openssl rand"],
        ..CASE
    },
    Case {
        env: &[("MQTT_CA_CERT", "absent.crt")],
        says: &["MQTT_CA_CERT", "absent.crt", "No such file"],
        ..CASE
    },
    Case {
        env: &[("MQTT_TLS_KEY", "-----BEGIN PRIVATE KEY-----hunter2")],
        says: &["MQTT_TLS_KEY", "name of a file", "needs MQTT_TLS_CERT"],
        ..CASE
    },
];

#[test]
fn it_says_where_what_and_how_to_mend_it_and_opens_nothing() {
    for (number, case) in CASES.iter().enumerate() {
        let place = Place::new();
        for (name, text) in [(".env", case.dotenv), ("smsgw.toml", case.toml)] {
            if !text.is_empty() {
                place.write(name, text);
            }
        }
        let before = place.names();
        let said = place.run(case.args, case.env);
        assert_eq!(said.code, Some(case.code), "case {number}: {}", said.stderr);
        for part in case.says {
            assert!(said.stderr.contains(part), "case {number}: no {part:?} in {}", said.stderr);
        }
        assert!(
            said.stderr.lines().all(|line| line.starts_with("smsgw: ")),
            "case {number}: {}",
            said.stderr
        );
        assert!(!said.stderr.contains(SECRET), "case {number}: {}", said.stderr);
        assert_eq!((said.stdout.as_str(), place.names()), ("", before), "case {number}");
    }
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let place = Place::new();
    let made = place.run(&["certs", "--out", "."], &[]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let key = std::fs::read_to_string(place.path().join("server.key")).expect("a key");
    place.write_mode("open.key", &key, 0o604);
    let said = place.run(&FREE, &[("MQTT_TLS_CERT", "server.crt"), ("MQTT_TLS_KEY", "open.key")]);
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    assert!(
        said.stderr.contains("MQTT_TLS_KEY") && said.stderr.contains("chmod 600 open.key"),
        "{}",
        said.stderr
    );

    place.write_mode("secret.key", &"0".repeat(64), 0o644);
    let said = place.run(&[&FREE[..], &["--data", "."]].concat(), &[]);
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    assert!(said.stderr.contains("chmod 600 ./secret.key"), "{}", said.stderr);
    assert!(!place.names().iter().any(|name| name.ends_with(".db")));
}

#[cfg(feature = "tls")]
#[test]
fn a_key_that_does_not_belong_to_its_certificate_is_refused() {
    let place = Place::new();
    place.run(&["certs", "--out", "."], &[]);
    let said = place.run(&FREE, &[("MQTT_TLS_CERT", "server.crt"), ("MQTT_TLS_KEY", "client.key")]);
    assert_eq!(said.code, Some(78), "{}", said.stderr);
    assert!(said.stderr.contains("MQTT_TLS_CERT (environment)"), "{}", said.stderr);
}

#[test]
fn a_build_that_lacks_a_backend_says_how_to_get_one_with_it() {
    let cases = [
        (
            cfg!(feature = "postgres"),
            "DATABASE_URL",
            "postgresql+psycopg2://u:hunter2@127.0.0.1:1/d",
            "postgres",
        ),
        (cfg!(feature = "postgres"), "BROKER_URL", "postgres://u:hunter2@127.0.0.1:1/d", "postgres"),
        (cfg!(feature = "amqp"), "BROKER_URL", "pyamqp://u:hunter2@127.0.0.1:1//", "amqp"),
        (cfg!(feature = "redis"), "BROKER_URL", "rediss://:hunter2@127.0.0.1:1/0", "redis"),
        (cfg!(feature = "redis"), "RESULT_BACKEND", "redis://:hunter2@127.0.0.1:1/0", "redis"),
    ];
    for (is_built, name, url, feature) in cases {
        // A gateway starts although that is away: see `results`.
        if is_built && name == "RESULT_BACKEND" {
            continue;
        }
        let place = Place::new();
        let said = place.run(&FREE, &[(name, url)]);
        assert!(!said.stderr.contains(SECRET), "{}", said.stderr);
        assert!(said.stderr.contains(name), "{}", said.stderr);
        match is_built {
            // It is tried, and nobody is there.
            true => assert_eq!(said.code, Some(1), "{}", said.stderr),
            false => {
                assert_eq!((said.code, place.names()), (Some(78), Vec::new()), "{}", said.stderr);
                let command = said.stderr.split("cargo run --release --features ").nth(1).expect("the cure");
                let features = command.split(' ').next().expect("features");
                assert!(features.split(',').any(|named| named == feature), "{}", said.stderr);
            }
        }
    }
}
