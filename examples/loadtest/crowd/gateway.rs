//! The gateway's program as a process of its own, and what is asked of it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Result;

pub(crate) type Settings = Vec<(&'static str, String)>;

/// Ended with this value.
pub(crate) struct Gateway {
    child: Child,
    http: String,
    /// From its start until it said that it serves.
    pub(crate) ready: Duration,
}

fn command(home: &Path, settings: &Settings) -> Result<Command> {
    let program = std::env::current_exe()?.with_file_name("gateway");
    if !program.exists() {
        return Err(format!(
            "{} is missing: cargo build --release --all-features --examples",
            program.display()
        )
        .into());
    }
    let mut command = Command::new(program);
    command.current_dir(home).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(settings.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    Ok(command)
}

/// Makes a token.
pub(crate) fn token(home: &Path, settings: &Settings) -> Result<String> {
    let output = command(home, settings)?.args(["token", "--account", "crowd"]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

impl Gateway {
    /// Starts it, with its log in its home, and waits until it serves.
    pub(crate) fn start(home: &Path, settings: &Settings) -> Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(home.join("log"))?;
        let mut command = command(home, settings)?;
        command.arg("--json").stdout(Stdio::piped()).stderr(log);
        let begun = Instant::now();
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let mut gateway = Self { child, http: String::new(), ready: begun.elapsed() };
        let said: Value = serde_json::from_str(&line).map_err(|_| {
            let log = std::fs::read_to_string(home.join("log")).unwrap_or_default();
            format!("the gateway does not start: {log}")
        })?;
        gateway.http = said["http"].as_str().ok_or("it does not say where it is")?.to_owned();
        Ok(gateway)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Registers `count` devices, as an application does. Their ids.
    pub(crate) fn register(&self, token: &str, count: usize) -> Result<Vec<String>> {
        let lines = 8;
        let line = |line: usize| -> std::result::Result<Vec<String>, String> {
            let agent = ureq::Agent::new_with_defaults();
            (line..count)
                .step_by(lines)
                .map(|n| {
                    let request = agent.post(format!("{}/devices", self.http));
                    let request = request.header("authorization", format!("Bearer {token}"));
                    let body = json!({"name": format!("phone {n}"), "protocol": "native"});
                    let mut answer = request.send_json(&body).map_err(|error| error.to_string())?;
                    let device: Value = answer.body_mut().read_json().map_err(|error| error.to_string())?;
                    Ok(device["id"].as_str().ok_or("a device without an id")?.to_owned())
                })
                .collect()
        };
        let ids: std::result::Result<Vec<_>, String> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..lines).map(|number| scope.spawn(move || line(number))).collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|_| Err("a worker panicked".into())))
                .collect()
        });
        Ok(ids?.concat())
    }

    /// How many of its devices are online.
    pub(crate) fn online(&self, token: &str) -> Result<usize> {
        let agent = ureq::Agent::new_with_defaults();
        let mut online = 0;
        let mut cursor = String::new();
        loop {
            let request = agent.get(format!("{}/devices?limit=1000{cursor}", self.http));
            let request = request.header("authorization", format!("Bearer {token}"));
            let page: Value = request.call()?.body_mut().with_config().limit(10 << 20).read_json()?;
            let items = page["items"].as_array().ok_or("a page without items")?;
            online += items.iter().filter(|device| device["online"] == true).count();
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(online),
            }
        }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.ok_or("no process")?, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Fails where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
