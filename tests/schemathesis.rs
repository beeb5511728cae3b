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

#[test]
fn every_answer_is_as_the_description_says() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-schemathesis/bin/schemathesis");
    assert!(program.exists(), "{} is missing: run `tests/setup.sh` first", program.display());
    let dir = tempdir().expect("a directory");
    let gateway = Gateway::start(&dir.path().join("demo"), &["--devices", "0"]);
    let said = Command::new(program)
        .args(["run", &format!("{}/openapi.json", gateway.http), "--url", &gateway.http])
        .args(["--header", &format!("Authorization: Bearer {}", gateway.token)])
        .args(["--seed", SEED, "--max-examples", "25", "--phases", "examples,coverage,fuzzing"])
        .args(["--exclude-checks", NOT_ASKED, "--exclude-path-regex", NO_PATHS, "--no-color"])
        .current_dir(dir.path())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&said.stdout);
    let text = text.replace(&gateway.token, "TOKEN");
    assert!(said.status.success(), "{text}");
    let passed =
        text.lines().find_map(|line| line.trim().split_once(" generated, ")?.1.strip_suffix(" passed"));
    let passed: usize = passed.and_then(|count| count.parse().ok()).expect("a count of cases");
    assert!(passed > 500, "{text}");
}
