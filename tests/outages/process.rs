//! The example gateway as a process, for what only a process shows: its memory, its end, its disk.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use smsgw_test_support::Postgres;

use crate::client::Api;
use crate::support::{Gateway, PATIENCE, Process, eventually, example};

/// Starts one on the PostgreSQL at `url`, with the embedded broker.
pub(crate) fn on_postgres(dir: &Path, url: &str, server: &Postgres) -> Gateway {
    let command = |url: &str| {
        let mut command = Command::new(example("gateway"));
        command.env_clear().env("DATABASE_URL", url).current_dir(dir);
        command.args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]);
        command
    };
    let mut token = Command::new(example("gateway"));
    token.env_clear().env("DATABASE_URL", server.url()).current_dir(dir);
    let token = token.args(["token", "--account", "test"]).output().expect("runs");
    assert!(token.status.success(), "{}", String::from_utf8_lossy(&token.stderr));
    let log = dir.join("gateway.log");
    let stderr = std::fs::File::create(&log).expect("a log file");
    let process = Process::start(command(url).arg("--json").stderr(stderr));
    let ready: Value = serde_json::from_str(&process.line(PATIENCE).expect("a first line")).expect("JSON");
    let text = |name: &str| ready[name].as_str().expect("an address").to_owned();
    let token = String::from_utf8(token.stdout).expect("text").trim().to_owned();
    let (http, mqtt) = (text("http"), text("mqtt"));
    let gateway = Gateway { process, http, mqtt, token, devices: Vec::new(), log };
    is_ready(&gateway);
    gateway
}

pub(crate) fn is_ready(gateway: &Gateway) {
    eventually("it is ready", || (gateway.get("/health/ready").0 == 200).then_some(()));
}

pub(crate) fn api(gateway: &Gateway) -> Api {
    Api::new(gateway.http.clone(), gateway.token.clone())
}

/// What the process has in memory, in KiB.
pub(crate) fn resident(gateway: &Gateway) -> u64 {
    let status = format!("/proc/{}/status", gateway.process.child.id());
    let text = std::fs::read_to_string(status).expect("it runs");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("of every process");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

/// Waits until it has ended. Says how long that took, and the exit code.
pub(crate) fn ended(gateway: &mut Gateway) -> (Duration, Option<i32>) {
    let begun = Instant::now();
    let code = gateway.process.exit_code();
    (begun.elapsed(), code)
}
