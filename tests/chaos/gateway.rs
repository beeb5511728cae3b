//! A gateway process: started, killed, told to end, stopped and continued.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Process, example};

/// By when a gateway must have started on a loaded machine.
const START: Duration = Duration::from_secs(40);

/// Where clients find the gateways that run.
#[derive(Clone, Default)]
pub(crate) struct Addresses(Arc<RwLock<Vec<Option<String>>>>);

impl Addresses {
    fn set(&self, slot: usize, address: Option<String>) {
        let mut all = self.0.write().expect("no panic");
        let size = all.len().max(slot + 1);
        all.resize(size, None);
        all[slot] = address;
    }

    /// One of them.
    pub(crate) fn any(&self, random: &mut fastrand::Rng) -> Option<String> {
        let all = self.0.read().expect("no panic");
        let there: Vec<&String> = all.iter().flatten().collect();
        random.choice(there).cloned()
    }
}

/// The gateway's program with these settings and no others, ended with the thread that starts it.
pub(crate) fn command(home: &Path, settings: &[(&str, String)]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(example("gateway")).current_dir(home);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(settings.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    command
}

/// A place for a gateway, in which one process follows another.
pub(crate) struct Slot {
    number: usize,
    home: PathBuf,
    settings: Vec<(&'static str, String)>,
    addresses: Addresses,
    process: Option<Process>,
}

impl Slot {
    pub(crate) fn new(
        directory: &Path,
        number: usize,
        mut settings: Vec<(&'static str, String)>,
        addresses: &Addresses,
    ) -> Self {
        let home = directory.join(format!("gateway-{number}"));
        std::fs::create_dir_all(&home).expect("a directory");
        settings.push(("MQTT_CLIENT_ID", format!("smsgw-{number}")));
        Self { number, home, settings, addresses: addresses.clone(), process: None }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// Starts it, to die at a crash point where one is given. Whether it serves; it may have died before.
    pub(crate) fn start(&mut self, crash: Option<&str>) -> bool {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log()).expect("a log");
        let mut command = command(&self.home, &self.settings);
        command.arg("--json").stderr(log).envs(crash.map(|at| ("SMSGW_CRASH", at)));
        let process = Process::start(&mut command);
        let line = process.line(START);
        self.process = Some(process);
        let ready: Option<Value> = line.and_then(|line| serde_json::from_str(&line).ok());
        let address = ready.as_ref().and_then(|ready| Some(ready["http"].as_str()?.to_owned()));
        self.addresses.set(self.number, address.clone());
        address.is_some()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// How it has ended, where it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let process = self.process.as_mut()?;
        let ended = process.child.try_wait().expect("waits");
        if ended.is_some() {
            self.gone();
        }
        ended
    }

    fn gone(&mut self) {
        self.addresses.set(self.number, None);
        self.process = None;
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if Instant::now() > end {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.gone();
    }

    /// SIGTERM; returns at once.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    pub(crate) fn signal(&self, signal: &str) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }
}
