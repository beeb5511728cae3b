//! Reads the database by its own client, not by the code under test.

use std::process::Command;

use serde_json::Value;
use smsgw_test_support::Postgres;

use crate::logs::{Event, Row};

const ROWS: &str = "SELECT row_to_json(r) FROM (SELECT m.id, a.name AS account, m.device, m.state, m.body \
                    FROM messages m JOIN accounts a ON a.id = m.account) r";
const EVENTS: &str = "SELECT row_to_json(r) FROM (SELECT message, at, device, attempt, applied, state \
                      FROM message_events ORDER BY seq) r";
const DEVICES: &str = "SELECT row_to_json(r) FROM (SELECT d.id, a.name AS account FROM devices d JOIN accounts a ON a.id = d.account) r";
const OPEN: &str = "SELECT count(*) FROM messages \
                    WHERE state NOT IN ('delivered', 'undelivered', 'failed', 'expired', 'canceled', 'unknown')";

fn ask(postgres: &Postgres, question: &str) -> String {
    let port = postgres.port().to_string();
    let output = Command::new("psql")
        .args(["-h", "127.0.0.1", "-p", &port, "-U", "smsgw", "-d", "postgres", "-XAtq", "-c", question])
        .output()
        .expect("psql runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn lines(postgres: &Postgres, question: &str) -> Vec<Value> {
    ask(postgres, question).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn text_or_none(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// How many messages are not at their end.
pub(crate) fn open(postgres: &Postgres) -> usize {
    ask(postgres, OPEN).trim().parse().expect("a number")
}

pub(crate) fn rows(postgres: &Postgres) -> Vec<Row> {
    let row = |r: Value| Row {
        id: text(&r["id"]),
        account: text(&r["account"]),
        device: text_or_none(&r["device"]),
        state: text(&r["state"]),
        body: text(&r["body"]),
    };
    lines(postgres, ROWS).into_iter().map(row).collect()
}

pub(crate) fn events(postgres: &Postgres) -> Vec<Event> {
    let event = |e: Value| Event {
        message: text(&e["message"]),
        at: e["at"].as_i64().expect("a time"),
        device: text_or_none(&e["device"]),
        attempt: e["attempt"].as_u64().and_then(|n| u32::try_from(n).ok()).expect("an attempt"),
        applied: e["applied"].as_bool().expect("yes or no"),
        state: text(&e["state"]),
    };
    lines(postgres, EVENTS).into_iter().map(event).collect()
}

/// Each device and the name of its account.
pub(crate) fn devices(postgres: &Postgres) -> Vec<(String, String)> {
    lines(postgres, DEVICES).into_iter().map(|d| (text(&d["id"]), text(&d["account"]))).collect()
}
