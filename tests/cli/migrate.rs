//! `gateway migrate`, and what others do of a schema that is older or newer.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};

use crate::json;
use crate::place::{FREE, Place};

const ENV: [(&str, &str); 1] = [("DATABASE_URL", "sqlite://sms.db")];

/// How many steps there are, and the first of them.
fn steps() -> Vec<std::path::PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("smsgw-store/migrations/sqlite");
    let entries = std::fs::read_dir(directory).expect("the steps");
    let mut steps: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    steps.sort();
    steps
}

async fn open(place: &Place) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(place.path().join("sms.db")).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.expect("a database")
}

/// The database as a program left it that knew so many steps.
async fn left_by(place: &Place, version: usize) {
    let mut conn = open(place).await;
    let ours = "CREATE TABLE _smsgw_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, \
                applied_at INTEGER NOT NULL) STRICT";
    sqlx::raw_sql(ours).execute(&mut conn).await.expect("a table");
    for (path, version) in steps().iter().take(version).zip(1_i64..) {
        let sql = std::fs::read_to_string(path).expect("a step");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.expect("it is applied");
        let record = sqlx::query("INSERT INTO _smsgw_migrations VALUES (?, 'a step', 7)").bind(version);
        record.execute(&mut conn).await.expect("noted");
    }
    conn.close().await.expect("closed");
}

#[tokio::test]
async fn an_older_schema_is_left_alone_until_it_is_migrated() {
    let (place, known) = (Place::new(), steps().len());
    left_by(&place, 5).await;
    let check = place.run(&[&["check"], &FREE[..]].concat(), &ENV);
    assert_eq!(check.code, Some(1), "{}", check.stdout);
    let line = check.stdout.lines().find(|line| line.starts_with("FAIL")).expect("a fault");
    assert!(
        line.contains("schema 5 is older than this binary") && line.contains("`gateway migrate`"),
        "{line}"
    );
    let refused = place.run(&[&["serve", "--migrate", "false"], &FREE[..]].concat(), &ENV);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("`gateway migrate`"), "{}", refused.stderr);

    let said = place.run(&["migrate", "--output", "json"], &ENV);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let done = &json(&said)["migrated"][0];
    assert_eq!((&done["from"], &done["to"]), (&5.into(), &known.into()), "{done}");
    let check = place.run(&[&["check"], &FREE[..]].concat(), &ENV);
    assert_eq!(check.code, Some(0), "{}", check.stdout);
    let (_process, ready) = place.start(&[&["--migrate", "false"], &FREE[..]].concat(), &ENV);
    assert!(ready["http"].is_string());

    let again = place.run(&["migrate"], &ENV);
    let row = again.stdout.lines().nth(1).expect("a row");
    let known = known.to_string();
    let schemas: Vec<&str> = row.split_whitespace().rev().take(2).collect();
    assert_eq!(schemas, [&known; 2], "{row}");
}

#[tokio::test]
async fn a_start_brings_an_older_schema_up_to_date() {
    let place = Place::new();
    left_by(&place, 5).await;
    let (mut process, _) = place.start(&FREE, &ENV);
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0), "{}", place.log());
    let check = place.run(&[&["check"], &FREE[..]].concat(), &ENV);
    assert_eq!(check.code, Some(0), "{}", check.stdout);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let place = Place::new();
    left_by(&place, steps().len()).await;
    let mut conn = open(&place).await;
    let ahead = "INSERT INTO _smsgw_migrations VALUES (999, 'to come', 7)";
    sqlx::raw_sql(ahead).execute(&mut conn).await.expect("noted");
    conn.close().await.expect("closed");
    let said = place.run(&["migrate"], &ENV);
    assert_eq!((said.code, said.stderr.contains("999")), (Some(1), true), "{}", said.stderr);
    let check = place.run(&[&["check"], &FREE[..]].concat(), &ENV);
    assert!(check.code == Some(1) && check.stdout.contains("FAIL  store"), "{}", check.stdout);
}

#[test]
fn a_database_that_is_not_there_is_made() {
    let place = Place::new();
    let said = place.run(&["migrate", "--json"], &ENV);
    assert_eq!((said.code, &json(&said)["migrated"][0]["from"]), (Some(0), &0.into()), "{}", said.stderr);
    assert!(place.path().join("sms.db").exists());
}

#[cfg(feature = "postgres")]
#[test]
fn a_server_that_is_away_is_told_apart() {
    let url = format!("postgres://u:hunter2@127.0.0.1:{}/d", crate::place::nowhere());
    for args in [&["migrate"][..], &["token", "list"][..]] {
        let said = Place::new().run(args, &[("DATABASE_URL", &url)]);
        assert_eq!(said.code, Some(69), "{}", said.stderr);
        assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
    }
}
