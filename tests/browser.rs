//! The dashboard in a real browser: `tests/browser/walk.mjs` walks through it, with every page checked for accessibility, for
//! what it asks of other hosts and for what its policy refuses, with JavaScript and without.

mod support;

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use smsgw_test_support::Missing;
use support::{Gateway, example};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");

fn main() -> ExitCode {
    let trial = |name, run: fn() -> Result<Completion, Failed>| {
        Trial::ignorable_test(name, move || match missing() {
            None => run(),
            Some(missing) if missing.is_required() => Err(missing.into()),
            Some(missing) => Ok(Completion::ignored_with(missing.0)),
        })
    };
    let trials = vec![
        trial("somebody_tries_the_dashboard", || walk().map(|()| Completion::Completed)),
        trial("somebody_signs_in_from_another_machine_without_tls", from_afar),
    ];
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

/// Browsers say less of where a form comes from to a host that is neither theirs nor behind TLS.
fn from_afar() -> Result<Completion, Failed> {
    // Nothing is sent: the system only says from which address it would be.
    let probe = UdpSocket::bind("0.0.0.0:0")?;
    let Ok(address) = probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr()) else {
        return Ok(Completion::ignored_with("this machine has no address but its own"));
    };
    let dir = tempfile::tempdir()?;
    let gateway = Gateway::start(&dir.path().join("demo"), &["--http", "0.0.0.0:0", "--allow-insecure"]);
    let port = gateway.http.rsplit(':').next().ok_or("no port")?;
    let origin = format!("http://{}:{port}", address.ip());
    let said = Command::new("node")
        .arg("afar.mjs")
        .args([&origin, &gateway.token])
        .current_dir(DIRECTORY)
        .output()?;
    match said.status.success() {
        true => Ok(Completion::Completed),
        false => Err(String::from_utf8_lossy(&said.stderr).replace(&gateway.token, "TOKEN").into()),
    }
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
