//! The gateway under load: the example gateway, in a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smsgw_test_support::usage;

use crate::Outcome;
use crate::phones::Identity;

/// What this program is built with: built alike, the gateway shares all that is compiled.
const FEATURES: &str = "amqp,postgres,redis";
/// How many requests register devices at the same time.
const LINES: usize = 8;
/// The account that sends.
const ACCOUNT: &str = "loadtest";

/// The program of the gateway beside this one, built anew where it is not up to date.
pub(crate) fn build() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--locked", "--example", "gateway", "--features", FEATURES]);
        // Beside us is what has our profile.
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        if !build.status()?.success() {
            return Err("the gateway does not build".into());
        }
    }
    let program = own.with_file_name("gateway");
    match program.exists() {
        true => Ok(program),
        false => Err(format!("there is no {}; see --gateway", program.display()).into()),
    }
}

pub(crate) struct Gateway {
    child: Child,
    log: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) mqtt: SocketAddr,
    pub(crate) token: String,
    /// From its start until it said that it serves.
    pub(crate) ready: Duration,
}

impl Gateway {
    /// Starts `program` in the directory `home`, with these settings and no others, and waits until it is ready.
    pub(crate) fn start(program: &Path, home: &Path, settings: &[(&str, String)]) -> Outcome<Self> {
        let mut settings = settings.to_vec();
        settings.push(("API_SECRET_KEY", "0123456789abcdef0123456789abcdef".into()));
        settings.push(("HTTP_ADDR", "127.0.0.1:0".into()));
        settings.push(("MQTT_LISTEN", "127.0.0.1:0".into()));
        if !settings.iter().any(|(name, _)| *name == "DATABASE_URL") {
            settings.push(("DATABASE_URL", format!("sqlite://{}", home.join("smsgw.db").display())));
        }
        if settings.iter().any(|(name, _)| *name == "MQTT_BROKER_HOST") {
            settings.retain(|(name, _)| *name != "MQTT_LISTEN");
        }
        let command = || {
            // The kernel ends it with us, however we end.
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--"]).arg(program).current_dir(home).env_clear();
            command.envs(settings.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
            command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("RUST_LOG", "warn");
            command
        };
        let made = command().args(["token", "--account", ACCOUNT]).output()?;
        let token = String::from_utf8(made.stdout)?.trim().to_owned();
        let log = home.join("gateway.log");
        let begun = Instant::now();
        let mut child = command().arg("--json").stdout(Stdio::piped()).stderr(File::create(&log)?).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let ready_after = begun.elapsed();
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("the gateway did not start; it said:\n{said}").into());
        };
        let address = |name: &str| -> Outcome<SocketAddr> {
            let url = ready[name].as_str().ok_or("the gateway does not say where it is")?;
            Ok(url.split("//").nth(1).unwrap_or_default().parse()?)
        };
        let gateway =
            Self { log, http: address("http")?, mqtt: address("mqtt")?, token, child, ready: ready_after };
        gateway.wait_until_ready()?;
        Ok(gateway)
    }

    fn wait_until_ready(&self) -> Outcome<()> {
        let mut last = Ok(());
        for _ in 0..500 {
            match ureq::get(format!("http://{}/health/ready", self.http)).call() {
                Ok(_) => return Ok(()),
                Err(error) => last = Err(error),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(last?)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time and memory in bytes so far.
    pub(crate) fn usage(&self) -> (Duration, u64) {
        (usage::cpu(self.child.id()), usage::memory(self.child.id()))
    }

    /// What it has said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Registers native devices. Their ids.
    pub(crate) fn register(&self, count: usize) -> Outcome<Vec<String>> {
        self.on_several_lines(count, |agent, number| {
            let name = format!("phone {number}");
            let device = self.post(agent, "/devices", &json!({"name": name, "protocol": "native"}))?;
            text(&device["id"])
        })
    }

    /// Registers native devices, and makes a key for each.
    pub(crate) fn create_devices(&self, count: usize) -> Outcome<Vec<Identity>> {
        let ids = self.register(count)?;
        self.on_several_lines(count, |agent, number| {
            let id = ids[number].clone();
            let key = self.post(agent, &format!("/devices/{id}/api-keys"), &json!({}))?;
            Ok(Identity { key: text(&key["api_key"])?, id })
        })
    }

    /// Does `work` for each number below `count`, some at a time. In order of the numbers.
    fn on_several_lines<T: Send>(
        &self,
        count: usize,
        work: impl Fn(&ureq::Agent, usize) -> Outcome<T> + Sync,
    ) -> Outcome<Vec<T>> {
        let size = count.div_ceil(LINES).max(1);
        let line = |first: usize| -> Outcome<Vec<T>> {
            let agent = ureq::Agent::new_with_defaults();
            (first..count.min(first + size)).map(|number| work(&agent, number)).collect()
        };
        std::thread::scope(|scope| {
            let starts = (0..count).step_by(size);
            let workers: Vec<_> = starts.map(|first| scope.spawn(move || line(first))).collect();
            let mut all = Vec::with_capacity(count);
            for worker in workers {
                all.extend(worker.join().map_err(|_| "a worker panicked")??);
            }
            Ok(all)
        })
    }

    fn post(&self, agent: &ureq::Agent, path: &str, body: &Value) -> Outcome<Value> {
        let request = agent.post(format!("http://{}{path}", self.http));
        let request = request.header("authorization", format!("Bearer {}", self.token));
        Ok(request.send_json(body)?.body_mut().read_json()?)
    }

    /// How many devices the gateway sees.
    pub(crate) fn online(&self) -> Outcome<usize> {
        self.count_listed("/devices?limit=1000", |device| device["online"] == true)
    }

    /// How many messages the store has in `state`, counted one by one.
    pub(crate) fn count(&self, state: &str) -> Outcome<usize> {
        self.count_listed(&format!("/messages?state={state}&limit=1000"), |_| true)
    }

    /// How many of a list are as `wanted`.
    fn count_listed(&self, list: &str, wanted: impl Fn(&Value) -> bool) -> Outcome<usize> {
        let (mut count, mut cursor) = (0, String::new());
        loop {
            let request = ureq::get(format!("http://{}{list}{cursor}", self.http));
            let request = request.header("authorization", format!("Bearer {}", self.token));
            let page: Value = request.call()?.body_mut().with_config().limit(64 << 20).read_json()?;
            let items = page["items"].as_array().ok_or("a page without items")?;
            count += items.iter().filter(|item| wanted(item)).count();
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(count),
            }
        }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let id = i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.ok_or("no process")?, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }
}

fn text(value: &Value) -> Outcome<String> {
    Ok(value.as_str().ok_or("an answer without an id or a key")?.to_owned())
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Fails where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
