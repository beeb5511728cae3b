//! `gateway config`

use crate::json;
use crate::place::Place;

const SECRET: &str = "hunter2hunter2hunter2hunter2hunter2";

#[test]
fn it_says_what_counts_and_where_from_and_no_secret() {
    let place = Place::new();
    place.write("smsgw.toml", "rate_limit = \"10/s\"\nretention_days = 7\n");
    place.write(".env", &format!("RETENTION_DAYS=9\nAPI_SECRET_KEY={SECRET}\n"));
    let env = [("MQTT_USERNAME", "phones"), ("MQTT_PASSWORD", SECRET)];
    let args = ["config", "--http", "127.0.0.1:9000"];
    let said = place.run(&[&args[..], &["--output", "json"]].concat(), &env);
    let read = json(&said);
    let of = |name: &str| {
        let all = read["settings"].as_array().expect("a list");
        let one = all.iter().find(|one| one["name"] == name).expect("it is there");
        (one["value"].as_str().map(str::to_owned), one["source"].as_str().expect("one").to_owned())
    };
    let given = |value: &str, source: &str| (Some(value.to_owned()), source.to_owned());
    assert_eq!(of("HTTP_ADDR"), given("127.0.0.1:9000", "--http"));
    assert_eq!(of("MQTT_USERNAME"), given("phones", "environment"));
    assert_eq!(of("MQTT_PASSWORD"), given("(hidden)", "environment"));
    assert_eq!(of("RETENTION_DAYS"), given("9", ".env line 1"));
    assert_eq!(of("API_SECRET_KEY"), given("(hidden)", ".env line 2"));
    assert_eq!(of("RATE_LIMIT"), given("10/s", "smsgw.toml line 1"));
    assert_eq!(of("LOG_FORMAT"), given("text", "default"));
    assert_eq!(of("DATABASE_URL"), (None, "default".into()));

    let words = place.run(&args, &env);
    assert_eq!(words.code, Some(0), "{}", words.stderr);
    let row = words.stdout.lines().find(|line| line.starts_with("RATE_LIMIT")).expect("a row");
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["RATE_LIMIT", "10/s", "smsgw.toml", "line", "1"]);
    assert!(!format!("{}{}", words.stdout, said.stdout).contains(SECRET));
}

#[cfg(feature = "postgres")]
#[test]
fn a_url_is_shown_without_who_comes_in_by_it() {
    let place = Place::new();
    let env = [("DATABASE_URL", "postgres://user:hunter2@db.example.org:5432/sms?password=hunter2")];
    let said = place.run(&["config"], &env);
    assert!(said.stdout.contains("postgres://…@db.example.org:5432/sms"), "{}", said.stdout);
    assert!(!said.stdout.contains("hunter2"), "{}", said.stdout);
}

#[test]
fn it_makes_nothing() {
    let place = Place::new();
    assert_eq!(place.run(&["config"], &[]).code, Some(0));
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn settings_that_cannot_be_used_end_it() {
    let place = Place::new();
    let said = place.run(&["config"], &[("LOG_FORMAT", "xml")]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(78), ""), "{}", said.stderr);
    assert!(said.stderr.contains("LOG_FORMAT (environment): expected text or json"), "{}", said.stderr);
    assert_eq!(place.run(&["config", "--output", "xml"], &[]).code, Some(2));
}
