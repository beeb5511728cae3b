//! The metrics of a gateway with real traffic, and what `deploy/` makes of them, as Prometheus itself reads both.
#![allow(clippy::print_stderr, reason = "says what it could not ask")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use smsgw_test_support::Missing;
use support::{Gateway, eventually, example};
use tempfile::tempdir;

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy(path)).expect("a file of deploy/")
}

/// Prometheus' own tool; says so where there is none.
fn promtool(args: &[&str]) -> Option<Command> {
    if Command::new("promtool").arg("--version").output().is_err() {
        let missing = Missing("there is no promtool: apt-get install prometheus".into());
        assert!(!missing.is_required(), "{missing}");
        eprintln!("skipped: {missing}");
        return None;
    }
    let mut command = Command::new("promtool");
    command.args(args);
    Some(command)
}

fn passes(said: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(said.status.success(), "{}{}", text(&said.stdout), text(&said.stderr));
}

/// What a gateway whose two phones have delivered messages tells Prometheus, who comes with a token of its own.
fn scraped() -> &'static str {
    static SCRAPED: OnceLock<String> = OnceLock::new();
    SCRAPED.get_or_init(|| {
        let dir = tempdir().expect("a directory");
        let data = dir.path().join("demo");
        let gateway = Gateway::start(&data, &["--devices", "2"]);
        let ids: Vec<String> =
            (0..5).map(|n| gateway.submit("+5351234567", &format!("number {n}"))).collect();
        ids.iter().for_each(|id| gateway.reaches(id, "delivered"));
        let made = Command::new(example("gateway"))
            .args(["token", "--account", "prometheus", "--admin", "--scopes", "metrics:read", "--data"])
            .arg(&data)
            .output()
            .expect("it runs");
        passes(&made);
        let token = String::from_utf8(made.stdout).expect("a token");
        let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
        eventually("everything is counted", || {
            let bearer = format!("Bearer {}", token.trim());
            let request = agent.get(format!("{}/metrics", gateway.http)).header("authorization", bearer);
            let text = request.call().expect("answered").body_mut().read_to_string().expect("text");
            let all = ["smsgw_messages_reached_total{state=\"delivered\"} 5\n", "\nsmsgw_queue_depth "];
            all.iter().all(|part| text.contains(part)).then_some(text)
        })
    })
}

/// The names of all samples, and of the families that they belong to.
fn served() -> BTreeSet<&'static str> {
    let sample = |line: &'static str| match line.strip_prefix("# TYPE ") {
        Some(family) => family.split(' ').next(),
        None => line.split([' ', '{']).next(),
    };
    scraped().lines().filter_map(sample).collect()
}

/// The metrics of ours that a text names.
fn named(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c)).filter(|word| word.starts_with("smsgw_")).collect()
}

#[test]
fn prometheus_can_read_what_a_working_gateway_tells() {
    let Some(mut command) = promtool(&["check", "metrics"]) else { return };
    let mut check =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    check.stdin.take().expect("piped").write_all(scraped().as_bytes()).expect("written");
    let said = check.wait_with_output().expect("it ends");
    passes(&said);
    assert!(said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn the_messages_of_a_working_gateway_are_counted() {
    let value = |start: &str| -> f64 {
        let line = scraped().lines().find_map(|line| line.strip_prefix(start));
        line.unwrap_or_else(|| panic!("{start} is served")).trim().parse().expect("a number")
    };
    for (metric, count) in [
        ("smsgw_messages_accepted_total ", 5.0),
        ("smsgw_messages_reached_total{state=\"delivered\"} ", 5.0),
        ("smsgw_stage_duration_seconds_count{stage=\"intake\"} ", 5.0),
        ("smsgw_stage_duration_seconds_count{stage=\"queue_wait\"} ", 5.0),
        ("smsgw_devices_online ", 2.0),
        ("smsgw_backend_up{backend=\"transport\"} ", 1.0),
    ] {
        assert_eq!(value(metric), count, "{metric}");
    }
    assert!(value("smsgw_stage_duration_seconds_sum{stage=\"report\"} ") > 0.0);
}

#[test]
fn prometheus_takes_the_rules_and_they_tell_what_they_should() {
    let rules = deploy("prometheus/alerts.yml").display().to_string();
    let tests = deploy("prometheus/alerts_test.yml").display().to_string();
    for args in [["check", "rules", &rules], ["test", "rules", &tests]] {
        let Some(mut command) = promtool(&args) else { return };
        passes(&command.output().expect("it runs"));
    }
}

#[test]
fn prometheus_takes_its_settings() {
    // Where the token is in the container, a file is here.
    let dir = tempdir().expect("a directory");
    let (token, config) = (dir.path().join("metrics"), dir.path().join("prometheus.yml"));
    fs::write(&token, "token").expect("written");
    fs::copy(deploy("prometheus/alerts.yml"), dir.path().join("alerts.yml")).expect("copied");
    let settings = read("prometheus/prometheus.yml");
    let there = "/etc/prometheus/token/metrics";
    assert!(settings.contains(there));
    fs::write(&config, settings.replace(there, &token.display().to_string())).expect("written");
    let Some(mut command) = promtool(&["check", "config", &config.display().to_string()]) else { return };
    passes(&command.output().expect("it runs"));
}

#[test]
fn rules_and_dashboard_name_only_what_is_served() {
    let dashboard = read("grafana/dashboards/smsgw.json");
    let parsed: Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = parsed["panels"].as_array().expect("panels");
    assert!(
        panels.iter().all(|panel| panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()))
    );
    let rules = read("prometheus/alerts.yml");
    let families: BTreeSet<&str> = served();
    for (what, text) in [("the dashboard", &dashboard), ("the rules", &rules)] {
        let unknown: Vec<_> = named(text).difference(&families).copied().collect();
        assert!(named(text).len() > 5 && unknown.is_empty(), "{what}: {unknown:?}");
    }
}

#[test]
fn each_alert_is_explained_and_says_what_to_do() {
    let rules = read("prometheus/alerts.yml");
    let document = include_str!("../docs/OPERATIONS.md");
    let explained: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `Smsgw").and_then(|_| line.split('`').nth(1)))
        .collect();
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    let names: BTreeSet<&str> = alerts.iter().filter_map(|alert| alert.lines().next()).collect();
    assert_eq!(names, explained);
    for alert in alerts {
        for part in ["  for: ", "severity: ", "summary: ", "description: "] {
            assert!(alert.contains(part), "{part} is missing in {alert}");
        }
    }
}

#[test]
fn the_containers_are_given_what_their_settings_name() {
    let compose = read("compose.yaml");
    for (file, place) in [
        ("prometheus/prometheus.yml", "/etc/prometheus/prometheus.yml"),
        ("prometheus/alerts.yml", "/etc/prometheus/alerts.yml"),
        ("grafana/datasources.yml", "/etc/grafana/provisioning/datasources/smsgw.yml"),
        ("grafana/dashboards.yml", "/etc/grafana/provisioning/dashboards/smsgw.yml"),
        ("grafana/dashboards", "/etc/grafana/dashboards"),
    ] {
        assert!(compose.contains(&format!("- ./{file}:{place}:ro")) && deploy(file).exists(), "{file}");
    }
    assert!(compose.contains("- token:/etc/prometheus/token:ro") && compose.contains("token:/token\"]"));
    assert!(read("grafana/dashboards.yml").contains("path: /etc/grafana/dashboards"));
}
