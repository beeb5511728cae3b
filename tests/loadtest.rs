//! The load test itself: a small run on the embedded parts loses nothing and says what it must say.

// Its own tests are in there.
#[allow(dead_code, reason = "the load test uses it")]
#[path = "../examples/loadtest/mqtt.rs"]
mod mqtt;
mod support;

use std::process::Command;

use serde_json::Value;
use support::example;

fn run(args: &[&str]) -> (Option<i32>, Value, String) {
    let output = Command::new(example("loadtest"))
        .args(["--json", "--gateway"])
        .arg(example("gateway"))
        .args(args)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), report, said)
}

#[test]
fn a_run_says_what_became_of_each_message_and_what_it_cost() {
    let (code, report, said) =
        run(&["--messages", "300", "--warmup", "20", "--connections", "8", "--devices", "5"]);
    assert_eq!(code, Some(0), "{report} {said}");
    assert_eq!((&report["lost"], &report["duplicated"]), (&0.into(), &0.into()), "{report}");
    assert_eq!(
        (&report["store"], &report["queue"], &report["broker"]),
        (&"sqlite".into(), &"memory".into(), &"embedded".into())
    );
    for rate in ["accepted_per_s", "e2e_per_s"] {
        assert!(report[rate].as_f64().is_some_and(|rate| rate > 0.0), "{rate}: {report}");
    }
    for latency in ["http_ms", "latency_ms", "report_ms"] {
        let of = |share: &str| report[latency][share].as_f64().expect("a number");
        assert!(0.0 < of("p50") && of("p50") <= of("p95") && of("p95") <= of("p99"), "{report}");
        assert!(of("p99") <= of("max"), "{report}");
    }
    for process in ["driver", "gateway"] {
        assert!(report["cpu_us_per_message"][process].is_number(), "{report}");
        assert!(report["rss_mb"][process].as_f64().is_some_and(|size| size > 1.0), "{report}");
    }
}

#[test]
fn several_messages_go_in_one_request() {
    // The last request has what is left.
    let args =
        ["--messages", "130", "--warmup", "20", "--connections", "3", "--devices", "5", "--bulk", "40"];
    let (code, report, said) = run(&args);
    assert_eq!(code, Some(0), "{report} {said}");
    assert_eq!((&report["bulk"], &report["lost"], &report["duplicated"]), (&40.into(), &0.into(), &0.into()));
}

#[test]
fn at_a_rate_it_takes_its_time() {
    let args = ["--messages", "50", "--warmup", "5", "--connections", "4", "--devices", "2", "--rate", "100"];
    let (code, report, said) = run(&args);
    assert_eq!(code, Some(0), "{report} {said}");
    assert!(report["accepted_per_s"].as_f64().is_some_and(|rate| rate < 103.0), "{report}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    for args in
        [&["--queue", "postgres"][..], &["--devices", "0"], &["--rate", "0"], &["--rate", "5", "--bulk", "2"]]
    {
        let (code, _, said) = run(args);
        assert_eq!(code, Some(2), "{args:?}");
        assert!(said.contains("--"), "it says what to do: {said}");
    }
}
