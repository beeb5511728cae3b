//! The dashboard in a real browser: `tests/browser/walk.mjs` walks through it, with every page checked for accessibility, for
//! what it asks of other hosts and for what its policy refuses, with JavaScript and without.

mod support;

use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use smsgw_test_support::Missing;
use support::{Gateway, example};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");

fn main() -> ExitCode {
    let trials = vec![Trial::ignorable_test("somebody_tries_the_dashboard", || match missing() {
        None => walk().map(|()| Completion::Completed),
        Some(missing) if missing.is_required() => Err(missing.into()),
        Some(missing) => Ok(Completion::ignored_with(missing.0)),
    })];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn missing() -> Option<Missing> {
    let runs = |program: &str| {
        Command::new(program).arg("--version").output().is_ok_and(|said| said.status.success())
    };
    if !runs("chromium") || !runs("node") {
        return Some(Missing("there is no chromium or no node: apt-get install chromium nodejs npm".into()));
    }
    let modules = Path::new(DIRECTORY).join("node_modules");
    (!modules.exists()).then(|| Missing("no modules for chromium: run `tests/setup.sh` first".into()))
}

fn walk() -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let gateway = Gateway::start(&dir.path().join("demo"), &["--devices", "1"]);
    let said = Command::new("node")
        .arg("walk.mjs")
        .args([&gateway.http, &gateway.token])
        .arg(example("device"))
        .current_dir(DIRECTORY)
        .output()?;
    let (told, wrong) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    if !said.status.success() {
        return Err(format!("{told}{wrong}").replace(&gateway.token, "TOKEN").into());
    }
    let report: serde_json::Value = serde_json::from_str(told.trim())?;
    match report["looked"].as_u64() {
        Some(looked) if looked > 25 => Ok(()),
        _ => Err(format!("too few pages: {told}").into()),
    }
}
