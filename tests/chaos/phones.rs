//! Phones: native devices in a child process, several in each, with a journal and a radio log in a file each.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smsgw::mqtt::device::{Device, Outcome, Radio, RadioError, Sms};

use crate::logs::{Aired, now};
use crate::support::Process;

/// The first argument of this program, where it is to be phones.
pub(crate) const PHONES: &str = "phones";

/// What a process of phones is told, in a file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) mqtt: String,
    pub(crate) directory: PathBuf,
    pub(crate) seed: u64,
    /// Ids and keys.
    pub(crate) phones: Vec<(String, String)>,
}

/// A line of a radio log.
#[derive(Serialize, Deserialize)]
struct Line {
    at: i64,
    id: String,
    body: String,
}

/// A process of phones that can be killed and comes back with what is in its files.
pub(crate) struct HostProcess {
    config: PathBuf,
    process: Option<Process>,
}

impl HostProcess {
    pub(crate) fn new(host: &Host, number: usize) -> Self {
        let config = host.directory.join(format!("phones-{number}.json"));
        let text = serde_json::to_vec(host).expect("JSON");
        std::fs::write(&config, text).expect("a file");
        let mut made = Self { config, process: None };
        made.start();
        made
    }

    pub(crate) fn start(&mut self) {
        let this = std::env::current_exe().expect("this program");
        let log = OpenOptions::new().create(true).append(true).open(self.config.with_extension("log"));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(this).arg(PHONES).arg(&self.config);
        command.stdin(Stdio::null()).stderr(log.expect("a log"));
        self.process = Some(Process::start(&mut command));
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        // Killed and waited for by its destructor.
        self.process = None;
    }
}

/// What all radios of a directory have sent.
pub(crate) fn read_radios(directory: &Path) -> Vec<Aired> {
    let mut aired = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "radio") {
            continue;
        }
        let device = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        for line in std::fs::read_to_string(&path).expect("a radio log").lines() {
            let Line { at, id, body } = serde_json::from_str(line).expect("a line of a radio log");
            aired.push(Aired { at, device: device.clone(), id, body });
        }
    }
    aired
}

/// A radio that writes down what it sends before anybody hears that it has.
struct LoggedRadio {
    log: File,
    random: fastrand::Rng,
}

#[async_trait::async_trait]
impl Radio for LoggedRadio {
    async fn transmit(&mut self, sms: &Sms) -> Result<Outcome, RadioError> {
        let line = Line { at: now(), id: sms.id.clone(), body: sms.body.clone() };
        let mut text = serde_json::to_string(&line).map_err(|_| RadioError::new("radio_log"))?;
        text.push('\n');
        let log = self.log.try_clone().map_err(|_| RadioError::new("radio_log"))?;
        let written = tokio::task::spawn_blocking(move || {
            (&log).write_all(text.as_bytes())?;
            log.sync_data()
        });
        written.await.ok().and_then(Result::ok).ok_or_else(|| RadioError::new("radio_log"))?;
        tokio::time::sleep(Duration::from_millis(self.random.u64(5..60))).await;
        Ok(Outcome::DeliveredAfter(Duration::from_millis(self.random.u64(5..500))))
    }
}

/// The child's side: serves until it is killed.
pub(crate) fn serve(config: &str) {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let text = std::fs::read(config).expect("the file of the phones");
    let host: Host = serde_json::from_slice(&text).expect("JSON");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut phones = tokio::task::JoinSet::new();
        for (n, (id, key)) in host.phones.iter().enumerate() {
            let file = |kind: &str| host.directory.join(format!("{id}.{kind}"));
            let log = OpenOptions::new().create(true).append(true).open(file("radio")).expect("a radio log");
            let random = fastrand::Rng::with_seed(host.seed + n as u64);
            let device = Device::builder(&host.mqtt, id, key.as_str()).journal(file("journal"));
            let device = device.keep_alive(Duration::from_secs(5)).build().expect("a device");
            phones.spawn(device.run(LoggedRadio { log, random }, std::future::pending()));
        }
        // A phone ends only where its journal fails.
        phones.join_next().await.expect("a phone").expect("no panic").expect("a journal");
    });
}
