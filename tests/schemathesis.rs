//! The API against its own description: schemathesis asks everything that `/openapi.json` allows, and much that it does
//! not, and holds every answer against it.

mod support;

use std::path::Path;
use std::process::Command;

use support::Gateway;
use tempfile::tempdir;

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
        .args(["--exclude-path-regex", "^/(docs|health)", "--no-color"])
        .current_dir(dir.path())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&said.stdout);
    let text = text.replace(&gateway.token, "TOKEN");
    assert!(said.status.success(), "{text}");
    assert!(text.contains("No issues found"), "{text}");
}
