//! Flags come before the environment, that before `.env`, that before `smsgw.toml`, that before what is said nowhere.

use crate::place::{FREE, Place};

/// Which place is heard, by what it says of a value that cannot be read.
fn heard(place: &Place, args: &[&str], env: &[(&str, &str)]) -> String {
    let said = place.run(args, env);
    said.stderr.split(['(', ')']).nth(1).unwrap_or(&said.stderr).to_owned()
}

#[test]
fn the_nearer_place_counts() {
    let place = Place::new();
    let flag = ["--rate-limit", "bad"];
    let env = [("RATE_LIMIT", "bad")];
    place.write("smsgw.toml", "rate_limit = \"bad\"\n");
    assert_eq!(heard(&place, &[], &[]), "smsgw.toml line 1");
    place.write(".env", "export RATE_LIMIT = 'bad' # a comment\r\n");
    assert_eq!(heard(&place, &[], &[]), ".env line 1");
    assert_eq!(heard(&place, &[], &env), "environment");
    assert_eq!(heard(&place, &flag, &env), "--rate-limit");
}

#[test]
fn what_is_empty_says_nothing() {
    let place = Place::new();
    place.write("smsgw.toml", "rate_limit = \"bad\"\n");
    place.write(".env", "RATE_LIMIT=\n");
    assert_eq!(heard(&place, &[], &[("RATE_LIMIT", "")]), "smsgw.toml line 1");
}

#[test]
fn another_file_may_be_named() {
    let place = Place::new();
    place.write("smsgw.toml", "nonsense = 1\n");
    place.write("other.toml", "\n\nrate_limit = \"bad\"\n");
    assert_eq!(heard(&place, &["--config", "other.toml"], &[]), "other.toml line 3");
}

#[test]
fn dotenv_is_read_as_its_other_readers_read_it() {
    // The value that counts is the one that cannot be read, where all others can.
    let lines = [
        ("RATE_LIMIT=1/s#bad", ".env line 1"),
        ("RATE_LIMIT=\"1/s # bad\"", ".env line 1"),
        ("RATE_LIMIT=1/s\nRATE_LIMIT=bad", ".env line 2"),
        ("OTHER=\"two\nRATE_LIMIT=1/s\nlines\"\nRATE_LIMIT=bad", ".env line 4"),
        ("\u{feff}RATE_LIMIT=bad", ".env line 1"),
        ("# RATE_LIMIT='\nRATE_LIMIT=bad", ".env line 2"),
        ("=\nexport\nNOT A LINE\nRATE_LIMIT=bad", ".env line 4"),
    ];
    for (text, expected) in lines {
        let place = Place::new();
        place.write(".env", text);
        assert_eq!(heard(&place, &[], &[]), expected, "{text:?}");
    }
}

#[test]
fn it_starts_with_what_the_file_says_and_ignores_what_is_not_its_own() {
    let place = Place::new();
    let toml = "http_addr = \"127.0.0.1:0\"\nmqtt_listen = \"127.0.0.1:0\"\nallow_insecure = false\n\
                rate_limit = \"10/s\"\ndata_dir = \"here\"\n";
    place.write("smsgw.toml", toml);
    place.write(".env", "POSTGRES_PASSWORD=x\nDJANGO=\"y\"\n");
    let (mut process, ready) = place.start(&[], &[("SMSGW_NOBODY", "1")]);
    assert!(ready["token"].is_string() && ready["devices"].as_array().is_some_and(|all| all.len() == 1));
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0));
    let secret = std::fs::read_to_string(place.path().join("here/secret.key")).expect("a secret");
    assert_eq!(secret.trim().len(), 64);
    let (_second, _) = place.start(&[], &[]);
    let again = std::fs::read_to_string(place.path().join("here/secret.key")).expect("a secret");
    assert_eq!(secret, again, "the secret is made once");
}

#[test]
fn who_names_a_database_gets_no_demo_unless_phones_are_asked_for() {
    let place = Place::new();
    let env =
        [("DATABASE_URL", "sqlite://mine/sms.db"), ("API_SECRET_KEY", "0123456789abcdef0123456789abcdef")];
    let (mut process, ready) = place.start(&FREE, &env);
    assert!(ready["token"].is_null() && ready["devices"].is_null(), "{ready}");
    assert_eq!(
        (&ready["store"], &ready["queue"]),
        (&"SQLite store mine/sms.db".into(), &"memory queue".into())
    );
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0));
    assert_eq!(place.names(), ["log", "mine"], "no directory of the demo");

    let (_process, ready) = place.start(&[&FREE[..], &["--devices", "2"]].concat(), &env);
    assert!(
        ready["token"].is_string() && ready["devices"].as_array().is_some_and(|all| all.len() == 2),
        "{ready}"
    );
}
