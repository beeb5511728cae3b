//! The real gateway, real devices and a real HTTP client, for the end-to-end tests.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything that must happen may take on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The program of an example. `cargo test` builds them; `cargo test --test NAME` does not.
pub fn example(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("the test's own path");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(name);
    assert!(path.exists(), "{} is missing: run `cargo build --examples` first", path.display());
    path
}

/// Waits until `look` finds something.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that is killed with the test, and the lines that it has printed.
pub struct Process {
    pub child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let stdout = child.stdout.take().expect("piped");
        Self { lines: read_lines(stdout), child }
    }

    /// The next line on standard output; `None` where none came in time or the process has ended.
    pub fn line(&self, within: Duration) -> Option<String> {
        self.lines.recv_timeout(within).ok()
    }

    /// Waits for a line that begins with `start`.
    pub fn line_starting(&self, start: &str) -> String {
        self.lines_until(start).pop().unwrap_or_default()
    }

    /// All lines up to one that begins with `start`, that one included.
    pub fn lines_until(&self, start: &str) -> Vec<String> {
        let end = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Some(line) = self.line(end.saturating_duration_since(Instant::now())) {
            seen.push(line);
            if seen.last().is_some_and(|line| line.starts_with(start)) {
                return seen;
            }
        }
        panic!("no line that begins with {start:?} among {seen:?}");
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for the end and returns the exit code; `None` where a signal ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        eventually("the process ends", || self.child.try_wait().expect("waits")).code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The example gateway as a process of its own.
pub struct Gateway {
    pub process: Process,
    pub http: String,
    pub mqtt: String,
    pub token: String,
    pub devices: Vec<Value>,
    pub log: PathBuf,
}

impl Gateway {
    /// Starts it on `data` with free ports, and waits until it is ready.
    pub fn start(data: &Path, args: &[&str]) -> Self {
        Self::start_with(data, args, &[])
    }

    /// The same with environment variables.
    pub fn start_with(data: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let log = data.with_extension("log");
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
        let mut command = Command::new(example("gateway"));
        command.arg("--data").arg(data).args(["--json", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]);
        command.args(args).envs(env.iter().copied()).stderr(stderr);
        let process = Process::start(&mut command);
        let Some(first) = process.line(PATIENCE) else {
            panic!("no first line; the log: {}", std::fs::read_to_string(&log).unwrap_or_default());
        };
        let ready: Value = serde_json::from_str(&first).expect("the first line is JSON");
        let text = |name: &str| ready[name].as_str().expect("a string").to_owned();
        let devices = ready["devices"].as_array().expect("a list").clone();
        Self { process, http: text("http"), mqtt: text("mqtt"), token: text("token"), devices, log }
    }

    /// The host and port of the broker.
    pub fn broker(&self) -> (&str, &str) {
        self.mqtt.trim_start_matches("mqtt://").rsplit_once(':').expect("host and port")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log")
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        let request = agent().get(format!("{}{path}", self.http)).header("authorization", self.bearer());
        answer(request.call())
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = agent().post(format!("{}{path}", self.http)).header("authorization", self.bearer());
        answer(request.send_json(body))
    }

    pub fn delete(&self, path: &str) -> (u16, Value) {
        let request = agent().delete(format!("{}{path}", self.http)).header("authorization", self.bearer());
        answer(request.call())
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Submits a message and returns its id.
    pub fn submit(&self, to: &str, body: &str) -> String {
        let (status, message) = self.post("/messages", &json!({"to": to, "body": body}));
        assert_eq!(status, 202, "{message}");
        message["id"].as_str().expect("an id").to_owned()
    }

    /// Makes a device with a key: its id and the key.
    pub fn device(&self, protocol: &str) -> (String, String) {
        let (status, device) = self.post("/devices", &json!({"name": "test", "protocol": protocol}));
        assert_eq!(status, 201, "{device}");
        let id = device["id"].as_str().expect("an id").to_owned();
        let (status, key) = self.post(&format!("/devices/{id}/api-keys"), &json!({}));
        assert_eq!(status, 201, "{key}");
        (id, key["api_key"].as_str().expect("a key").to_owned())
    }

    /// Waits until a message is in `state`.
    pub fn reaches(&self, id: &str, state: &str) {
        let mut last = Value::Null;
        eventually(&format!("{id} is {state}"), || {
            let (_, message) = self.get(&format!("/messages/{id}"));
            let reached = message["state"] == state;
            last = message;
            reached.then_some(())
        });
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into()
}

fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Value) {
    let mut response = response.expect("an answer");
    let text = response.body_mut().read_to_string().expect("text");
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
    (response.status().as_u16(), body)
}

/// A simulated native device as a process of its own, with its journal and radio file in `dir`.
pub fn start_device(dir: &Path, mqtt: &str, id: &str, key: &str, args: &[&str]) -> Process {
    let mut command = Command::new(example("device"));
    command.args(["--mqtt", mqtt, "--id", id]).env("SMSGW_DEVICE_KEY", key);
    command.arg("--journal").arg(dir.join(format!("{id}.journal")));
    command.arg("--radio").arg(radio_file(dir, id)).args(args).stderr(Stdio::null());
    let process = Process::start(&mut command);
    process.line_starting("device ");
    process
}

pub fn radio_file(dir: &Path, id: &str) -> PathBuf {
    dir.join(format!("{id}.radio"))
}

/// The ids that a device's radio has sent, in order.
pub fn radio(dir: &Path, id: &str) -> Vec<String> {
    let text = std::fs::read_to_string(radio_file(dir, id)).unwrap_or_default();
    let id = |line: &str| -> Option<String> {
        serde_json::from_str::<Value>(line).ok()?["id"].as_str().map(str::to_owned)
    };
    text.lines().map(|line| id(line).expect("a line of the radio")).collect()
}

/// A Python script of `examples/devices/python`, under paho-mqtt of that major version.
pub fn python(paho: &str, script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(format!(".venv-paho-{paho}/bin/python"));
    assert!(python.exists(), "{} is missing: run `tests/setup.sh` first", python.display());
    let mut command = Command::new(python);
    command.arg(root.join("examples/devices/python").join(script));
    command
}
