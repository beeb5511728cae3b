//! The API against its own description: schemathesis asks everything that `/openapi.json` allows, and much that it does
//! not, and holds every answer against it.

mod support;

use std::path::Path;
use std::process::Command;

use support::Gateway;
use tempfile::tempdir;

/// What a description cannot say: that a time must be to come, whose a cursor is, which idempotency keys are taken; and that
/// after ten wrong tokens in a minute the eleventh is answered 429 (the tests of scopes show that each route wants one).
const NOT_ASKED: &str = "positive_data_acceptance,ignored_auth";
/// What is not asked at all: pages, health, what brokers ask; and the events, whose answer never ends.
const NO_PATHS: &str = "^/(docs|health|mqtt|events)";
/// The same requests at every run.
const SEED: &str = "20260102";

/// Many messages at once: each is answered by itself, so that what is wrong with one is no refusal of the request.
const BULK: &str = "send_bulk";

#[test]
fn every_answer_is_as_the_description_says() {
    let dir = tempdir().expect("a directory");
    let gateway = Gateway::start(&dir.path().join("demo"), &["--devices", "0"]);
    let all_but = ["--exclude-operation-id", BULK, "--exclude-checks", NOT_ASKED];
    let passed = ask(&gateway, dir.path(), &all_but);
    assert!(passed > 500, "only {passed} cases");
    let but_refusal = format!("{NOT_ASKED},negative_data_rejection");
    let passed =
        ask(&gateway, dir.path(), &["--include-operation-id", BULK, "--exclude-checks", &but_refusal]);
    assert!(passed > 20, "only {passed} cases");
}

/// How many cases passed; none fails.
fn ask(gateway: &Gateway, dir: &Path, args: &[&str]) -> usize {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-schemathesis/bin/schemathesis");
    assert!(program.exists(), "{} is missing: run `tests/setup.sh` first", program.display());
    let said = Command::new(program)
        .args(["run", &format!("{}/openapi.json", gateway.http), "--url", &gateway.http])
        .args(["--header", &format!("Authorization: Bearer {}", gateway.token)])
        .args(["--seed", SEED, "--max-examples", "25", "--phases", "examples,coverage,fuzzing"])
        .args(["--exclude-path-regex", NO_PATHS, "--no-color"])
        .args(args)
        .current_dir(dir)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&said.stdout);
    let text = text.replace(&gateway.token, "TOKEN");
    assert!(said.status.success(), "{text}");
    let passed =
        text.lines().find_map(|line| line.trim().split_once(" generated, ")?.1.strip_suffix(" passed"));
    passed.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count of cases: {text}"))
}
