//! A directory to run the gateway in, with an environment of its own.
#![allow(unreachable_pub, reason = "a part of a test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{PATIENCE, Process, example};

/// Free ports, and a directory that is not the demo's.
pub const FREE: [&str; 4] = ["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"];

pub struct Place(TempDir);

/// What a program left behind.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        self.write_mode(name, text, 0o600)
    }

    pub fn write_mode(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        path
    }

    /// The names of what is in it.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).expect("a directory");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    pub fn command(&self, args: &[&str], env: &[(&str, &str)]) -> Command {
        let mut command = Command::new(example("gateway"));
        command.args(args).env_clear().env("RUST_LOG", "warn").envs(env.iter().copied());
        command.current_dir(self.path());
        command
    }

    pub fn run(&self, args: &[&str], env: &[(&str, &str)]) -> Said {
        let output = self.command(args, env).stdin(Stdio::null()).output().expect("runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts it and waits for its first line, which is JSON.
    pub fn start(&self, args: &[&str], env: &[(&str, &str)]) -> (Process, Value) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path().join("log"));
        let mut command = self.command(args, env);
        command.arg("--json").stderr(log.expect("a log"));
        let process = Process::start(&mut command);
        let Some(first) = process.line(PATIENCE) else { panic!("no first line; the log: {}", self.log()) };
        (process, serde_json::from_str(&first).expect("the first line is JSON"))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }
}

/// Where nothing listens.
pub fn nowhere() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into()
}

/// Submits a message as the bearer of that token, and returns its id.
#[cfg(any(feature = "redis", feature = "tls"))]
pub fn submit_to(http: &str, token: &str) -> String {
    let request = agent().post(format!("{http}/messages")).header("authorization", format!("Bearer {token}"));
    let message = serde_json::json!({"to": "+5351234567", "body": "hola"});
    let mut response = request.send_json(&message).expect("an answer");
    let message: Value = response.body_mut().read_json().expect("JSON");
    message["id"].as_str().expect("an id").to_owned()
}

/// What a gateway answers to a bearer of that token: the status, and the JSON.
pub fn answer_to(url: &str, token: &str) -> (u16, Value) {
    let request = agent().get(url).header("authorization", format!("Bearer {token}"));
    let mut response = request.call().expect("an answer");
    let body = response.body_mut().read_to_string().expect("text");
    (response.status().as_u16(), serde_json::from_str(&body).unwrap_or(Value::Null))
}
