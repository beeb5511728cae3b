//! The servers of one deployment, and gateways on them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smsgw_test_support::{Missing, Mosquitto, Postgres};
use tempfile::TempDir;

use crate::support::{Gateway, PATIENCE, Process, example};

/// The gateway's account on Mosquitto, and that of the devices of the original protocol.
const GATEWAY: (&str, &str) = ("gateway", "the gateway's own");
pub(crate) const DEVICES: (&str, &str) = ("admin", "password");
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Debian's place of what `deploy/mosquitto/mosquitto.conf` names as in its image.
const PLUGIN: &str = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so";

/// Skips a test whose server is missing, unless it must be there.
pub(crate) fn available<T>(started: Result<T, Missing>, name: &str) -> Option<T> {
    let required = std::env::var("SMSGW_TEST_REQUIRE").is_ok_and(|names| names.split(',').any(|n| n == name));
    match started {
        Ok(server) => Some(server),
        Err(Missing(why)) if required => panic!("{why}"),
        Err(_) => None,
    }
}

/// A database, a broker with certificates, and settings by their original names.
pub(crate) struct Deployment {
    dir: TempDir,
    pub(crate) postgres: Postgres,
    pub(crate) mosquitto: Mosquitto,
}

impl Deployment {
    pub(crate) fn start() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a directory");
        let certs = dir.path().join("certs");
        let made = Command::new(example("gateway")).args(["certs", "--out"]).arg(&certs).output();
        let made = made.expect("the gateway runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let postgres = available(Postgres::start(), "postgres")?;
        let mosquitto = available(mosquitto(&certs), "mqtt")?;
        Some(Self { dir, postgres, mosquitto })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn cert(&self, name: &str) -> PathBuf {
        self.dir.path().join("certs").join(name)
    }

    /// The arguments by which the example device comes in.
    pub(crate) fn device_args(&self) -> Vec<String> {
        [("--ca", "ca.crt"), ("--cert", "client.crt"), ("--tls-key", "client.key")]
            .into_iter()
            .flat_map(|(flag, file)| [flag.to_owned(), self.cert(file).display().to_string()])
            .collect()
    }

    pub(crate) fn broker_url(&self) -> String {
        format!("mqtts://localhost:{}", self.mosquitto.port())
    }

    /// What the Python gateway's `.env` holds.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let file = |name| self.cert(name).display().to_string();
        vec![
            ("DATABASE_URL", self.postgres.url()),
            ("API_SECRET_KEY", SECRET.into()),
            ("RATE_LIMIT", "1000/s".into()),
            ("MQTT_BROKER_HOST", "localhost".into()),
            ("MQTT_BROKER_PORT", self.mosquitto.port().to_string()),
            ("MQTT_USERNAME", GATEWAY.0.into()),
            ("MQTT_PASSWORD", GATEWAY.1.into()),
            ("MQTT_CA_CERT", file("ca.crt")),
            ("MQTT_TLS_CERT", file("client.crt")),
            ("MQTT_TLS_KEY", file("client.key")),
            ("HTTP_ADDR", "127.0.0.1:0".into()),
        ]
    }

    /// As [`start`], with the broker of this deployment.
    pub(crate) fn gateway(&self, name: &str, settings: &[(&str, String)]) -> Gateway {
        start(self.path(), name, settings, self.broker_url())
    }

    /// What `gateway check` says with these settings: its exit code and its lines.
    pub(crate) fn check(&self, name: &str, settings: &[(&str, String)]) -> (Option<i32>, String) {
        let output = command(self.path(), name, settings).arg("check").output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The gateway's program with these settings and no others, in a directory of that name.
fn command(dir: &Path, name: &str, settings: &[(&str, String)]) -> Command {
    let home = dir.join(name);
    std::fs::create_dir_all(&home).expect("a directory");
    let mut command = Command::new(example("gateway"));
    command.env_clear().envs(settings.iter().map(|(name, value)| (name, value))).current_dir(home);
    command
}

/// Starts a gateway, and waits until it is ready; devices find it at `mqtt`.
pub(crate) fn start(dir: &Path, name: &str, settings: &[(&str, String)], mqtt: String) -> Gateway {
    let token = command(dir, name, settings).args(["token", "--account", "test"]).output().expect("runs");
    assert!(token.status.success(), "{}", String::from_utf8_lossy(&token.stderr));
    let log = dir.join(name).with_extension("log");
    let stderr = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log file");
    let process = Process::start(command(dir, name, settings).arg("--json").stderr(stderr));
    let Some(first) = process.line(PATIENCE) else {
        panic!("no first line; the log: {}", std::fs::read_to_string(&log).unwrap_or_default());
    };
    let ready: Value = serde_json::from_str(&first).expect("the first line is JSON");
    let gateway = Gateway {
        process,
        http: ready["http"].as_str().expect("an address").to_owned(),
        mqtt,
        token: String::from_utf8(token.stdout).expect("text").trim().to_owned(),
        devices: Vec::new(),
        log,
    };
    crate::support::eventually("it is ready", || (gateway.get("/health/ready").0 == 200).then_some(()));
    gateway
}

/// Set up as `deploy/README.md` says.
fn mosquitto(certs: &Path) -> Result<Mosquitto, Missing> {
    if !Path::new(PLUGIN).exists() {
        return Err(Missing(format!("there is no {PLUGIN}: apt-get install mosquitto")));
    }
    Mosquitto::start_with(|place| {
        let accounts = place.directory.join("dynamic-security.json");
        let mut init = Command::new("mosquitto_ctrl");
        init.args(["dynsec", "init"]).arg(&accounts).args([GATEWAY.0, GATEWAY.1]);
        let init = init.output().expect("mosquitto_ctrl runs");
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        include_str!("../../deploy/mosquitto/mosquitto.conf")
            .replace("/usr/lib/mosquitto_dynamic_security.so", PLUGIN)
            .replace("/mosquitto/data/", &format!("{}/", place.directory.display()))
            .replace("/mosquitto/certs/", &format!("{}/", certs.display()))
            .replace("listener 8883", &format!("listener {} 127.0.0.1", place.port))
    })
}

/// Longer than the lease of a gateway that was killed, which is 30 s.
const RECLAIMED: Duration = Duration::from_secs(60);

/// Waits until all are delivered, however that may take after a kill, and says how long it took.
pub(crate) fn all_delivered<'a>(gateway: &Gateway, ids: impl IntoIterator<Item = &'a String>) -> Duration {
    let begun = Instant::now();
    let mut left: Vec<&String> = ids.into_iter().collect();
    loop {
        left.retain(|id| gateway.get(&format!("/messages/{id}")).1["state"] != "delivered");
        let Some(first) = left.first() else { return begun.elapsed() };
        let stuck = || gateway.get(&format!("/messages/{first}")).1;
        assert!(
            begun.elapsed() < RECLAIMED,
            "{} are left, the first as {}: {}",
            left.len(),
            stuck(),
            gateway.log()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Submits so many messages and returns their ids.
pub(crate) fn submit_many(gateway: &Gateway, count: usize, text: &str) -> Vec<String> {
    (0..count)
        .map(|n| {
            let (status, message) =
                gateway.post("/messages", &json!({"to": "+5351234567", "body": format!("{text} {n}")}));
            assert_eq!(status, 202, "{message}");
            message["id"].as_str().expect("an id").to_owned()
        })
        .collect()
}
