//! What Prometheus is told.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::{Answer, Api, NUMBER, bearer};
use serde_json::json;
use smsgw_core::account::Scope;
use smsgw_core::gateway::NewToken;
use smsgw_core::state::ReportState;
use smsgw_core::transport::{Command, Transport};
use smsgw_http::ApiConfig;

/// A name, its type and its labels.
type Shape = (String, String, BTreeSet<String>);

async fn scrape(api: &Api) -> String {
    let answer = read(api).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    String::from_utf8(answer.body).expect("text")
}

async fn read(api: &Api) -> Answer {
    api.send("GET", "/metrics", &bearer(&api.root), "").await
}

/// What is served: each family with the labels of its samples.
fn served(text: &str) -> BTreeSet<Shape> {
    let mut families: BTreeMap<String, Shape> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("a type");
        families.insert(name.to_owned(), (name.to_owned(), kind.to_owned(), BTreeSet::new()));
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once([' ', '{']).expect("a sample");
        let base = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end));
        let known = if families.contains_key(name) { name } else { base.unwrap_or(name) };
        let family = families.get_mut(known).unwrap_or_else(|| panic!("{name} has no type"));
        let pairs = labels.split_once('}').map_or("", |(labels, _)| labels);
        let names = pairs.split(',').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()));
        family.2.extend(names.filter(|name| name != "le"));
    }
    families.into_values().collect()
}

/// What the document says: the rows of its table.
fn documented() -> BTreeSet<Shape> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
    let text = std::fs::read_to_string(path).expect("the document");
    let rows = text.lines().filter(|line| line.starts_with("| `smsgw_"));
    let plain = |cell: &str| cell.trim().replace('`', "");
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let labels = plain(cells[3]);
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(str::to_owned);
        (plain(cells[1]), plain(cells[2]), labels.collect())
    })
    .collect()
}

#[tokio::test]
async fn the_metrics_are_those_that_are_documented_and_count_what_was_done() {
    let api = Api::start().await;
    let device = api.device().await.parse().expect("an id");
    let mut link = api.transport.connect(device).await;
    let body = json!({ "to": NUMBER, "body": "hola" }).to_string();
    assert_eq!(api.json("POST", "/messages", &body).await.status, 202);
    let message = loop {
        if let Command::Send { message, .. } = link.command().await.expect("connected") {
            break message.id;
        }
    };
    link.report(message, ReportState::Undelivered).await.expect("heard");
    let text = loop {
        let text = scrape(&api).await;
        // The queue is asked once a second.
        if text.contains("{state=\"undelivered\"} 1\n") && text.contains("\nsmsgw_queue_depth 0\n") {
            break text;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(served(&text), documented());
    for line in [
        "smsgw_messages_accepted_total 1",
        "smsgw_messages_refused_total 0",
        "smsgw_messages_dispatched_total 1",
        "smsgw_messages_failed_by_code_total{code=\"none\"} 1",
        "smsgw_stage_duration_seconds_count{stage=\"intake\"} 1",
        "smsgw_stage_duration_seconds_bucket{stage=\"report\",le=\"+Inf\"} 1",
        "smsgw_devices_online 1",
        "smsgw_messages_in_hand 0",
        "smsgw_backend_up{backend=\"store\"} 1",
        "smsgw_backend_up{backend=\"transport\"} 1",
    ] {
        assert!(text.lines().any(|served| served == line), "{line} is not in {text}");
    }
    for secret in [NUMBER, "hola", &device.to_string(), &message.to_string()] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_backend_that_cannot_serve_is_told_and_the_others_are_not_blamed() {
    let api = Api::start().await;
    api.transport.close().await.expect("closed");
    let text = scrape(&api).await;
    for (backend, up) in [("store", 1), ("queue", 1), ("transport", 0)] {
        assert!(text.contains(&format!("smsgw_backend_up{{backend=\"{backend}\"}} {up}\n")), "{text}");
    }
}

#[tokio::test]
async fn a_token_for_metrics_opens_nothing_else_and_uses_up_no_rate() {
    let config = ApiConfig { account_rate: Some("1/h".parse().expect("a rate")), ..ApiConfig::default() };
    let api = Api::start_with(config).await;
    let root = api.handle.ensure_account("root").await.expect("an account").id;
    let new = NewToken { scopes: [Scope::MetricsRead].into_iter().collect(), ..NewToken::new("prometheus") };
    let token = bearer(api.handle.create_token(root, new).await.expect("a token").0.expose());
    for _ in 0..3 {
        let answer = api.send("GET", "/metrics", &token, "").await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None));
    }
    let refused = api.send("GET", "/messages", &token, "").await;
    refused.is_problem(403, "forbidden", "another route");
}
