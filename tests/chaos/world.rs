//! All parts of a run, real and private to it, with a bad network between them.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use smsgw_test_support::{Missing, Mosquitto, Postgres, Proxy, RabbitMq, Redis};
use tempfile::TempDir;

use crate::clients::{Account, agent};
use crate::gateway::{Addresses, Slot, command};
use crate::phones::{Host, HostProcess};
use crate::plans::{Plan, QueueKind};

const ACCOUNTS: [&str; 2] = ["north", "south"];
/// Each way between gateways and broker: a gateway that dies 10 ms after a publish dies before its PUBACK.
const TO_BROKER: Duration = Duration::from_millis(8);

/// The server of the queue, where it has one.
pub(crate) enum QueueServer {
    None,
    Redis(Redis),
    RabbitMq(Box<RabbitMq>),
}

// Dropped in this order: processes before what they speak to.
pub(crate) struct World {
    pub(crate) slots: Vec<Slot>,
    pub(crate) hosts: Vec<HostProcess>,
    /// One for each gateway.
    pub(crate) gateway_broker: Vec<Proxy>,
    pub(crate) gateway_database: Proxy,
    pub(crate) device_broker: Proxy,
    pub(crate) queue: QueueServer,
    pub(crate) mosquitto: Mosquitto,
    pub(crate) postgres: Postgres,
    pub(crate) accounts: Vec<Account>,
    pub(crate) addresses: Addresses,
    pub(crate) directory: TempDir,
}

impl World {
    pub(crate) fn start(plan: &Plan, seed: u64) -> Result<Self, Missing> {
        let directory = tempfile::Builder::new().prefix("smsgw-chaos-").tempdir();
        let directory = directory.map_err(|error| Missing(error.to_string()))?;
        let postgres = Postgres::start()?;
        let mosquitto = broker()?;
        let queue = match plan.queue {
            QueueKind::Memory | QueueKind::Postgres => QueueServer::None,
            QueueKind::Redis => QueueServer::Redis(Redis::start()?),
            QueueKind::RabbitMq => QueueServer::RabbitMq(Box::new(RabbitMq::start()?)),
        };
        let gateway_broker = (0..plan.gateways).map(|_| Proxy::start(mosquitto.port(), seed));
        let gateway_broker: Vec<Proxy> = gateway_broker.collect::<Result<_, _>>()?;
        gateway_broker.iter().for_each(|line| line.latency(TO_BROKER, Duration::from_millis(1)));
        let gateway_database = Proxy::start(postgres.port(), seed)?;
        let device_broker = Proxy::start(mosquitto.port(), seed)?;
        let database = format!("postgres://smsgw@127.0.0.1:{}/postgres", gateway_database.port());
        let mut settings = vec![
            ("DATABASE_URL", database.clone()),
            ("API_SECRET_KEY", "0123456789abcdef0123456789abcdef".to_owned()),
            ("MQTT_BROKER_HOST", "127.0.0.1".to_owned()),
            ("MQTT_BROKER_PORT", gateway_broker[0].port().to_string()),
            ("MQTT_USERNAME", Mosquitto::USER.to_owned()),
            ("MQTT_PASSWORD", Mosquitto::PASSWORD.to_owned()),
            ("HTTP_ADDR", "127.0.0.1:0".to_owned()),
        ];
        match &queue {
            QueueServer::None if plan.queue == QueueKind::Postgres => settings.push(("BROKER_URL", database)),
            QueueServer::None => {}
            QueueServer::Redis(redis) => settings.push(("BROKER_URL", redis.url())),
            QueueServer::RabbitMq(rabbitmq) => settings.push(("BROKER_URL", rabbitmq.url())),
        }
        let tokens: Vec<String> =
            ACCOUNTS.iter().map(|name| token(directory.path(), &settings, name)).collect();
        let addresses = Addresses::default();
        let slots = gateway_broker.iter().enumerate().map(|(n, broker)| {
            let mut settings = settings.clone();
            settings.push(("MQTT_BROKER_PORT", broker.port().to_string()));
            Slot::new(directory.path(), n, settings, &addresses)
        });
        let slots = slots.collect();
        let mut world = Self {
            slots,
            hosts: Vec::new(),
            gateway_broker,
            gateway_database,
            device_broker,
            queue,
            mosquitto,
            postgres,
            accounts: Vec::new(),
            addresses,
            directory,
        };
        for slot in &mut world.slots {
            assert!(slot.start(None), "a gateway starts; see {}", slot.log().display());
        }
        world.add_phones(plan, seed, &tokens);
        Ok(world)
    }

    /// Devices of the accounts in turn, in processes of ten.
    fn add_phones(&mut self, plan: &Plan, seed: u64, tokens: &[String]) {
        let address = self.addresses.any(&mut fastrand::Rng::with_seed(seed)).expect("a gateway");
        self.accounts = ACCOUNTS
            .iter()
            .zip(tokens)
            .map(|(name, token)| Account { name: (*name).into(), token: token.clone(), devices: Vec::new() })
            .collect();
        let mut phones = Vec::new();
        for n in 0..plan.phones {
            let account = &mut self.accounts[n % ACCOUNTS.len()];
            let post = |path: &str, body: &Value| -> Value {
                let request = agent().post(format!("{address}{path}"));
                let request = request.header("authorization", format!("Bearer {}", account.token));
                request.send_json(body).expect("an answer").body_mut().read_json().expect("JSON")
            };
            let device = post("/devices", &json!({"name": format!("phone {n}"), "protocol": "native"}));
            let id = device["id"].as_str().expect("an id").to_owned();
            let key = post(&format!("/devices/{id}/api-keys"), &json!({}));
            phones.push((id.clone(), key["api_key"].as_str().expect("a key").to_owned()));
            account.devices.push(id);
        }
        for (number, phones) in phones.chunks(10).enumerate() {
            let host = Host {
                mqtt: format!("mqtt://127.0.0.1:{}", self.device_broker.port()),
                directory: self.directory.path().to_owned(),
                seed: seed + number as u64,
                phones: phones.to_vec(),
            };
            self.hosts.push(HostProcess::new(&host, number));
        }
    }

    /// Ends the broker and starts it without its sessions.
    pub(crate) fn wipe_broker(&self) {
        self.mosquitto.stop();
        // It is not there where nothing was ever kept.
        let _ = std::fs::remove_file(self.mosquitto.directory().join("mosquitto.db"));
        self.mosquitto.start_again().expect("the broker starts");
    }

    /// Whether all messages came to their end within `limit`.
    pub(crate) fn settles(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while crate::export::open(&self.postgres) > 0 {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        true
    }
}

/// Debian's place of the plugin that keeps the accounts of devices.
const PLUGIN: &str = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so";

/// As `deploy/` sets it up, without TLS: an account for each device, sessions on disk. But written every second, not with
/// every change: side by side with others, the disk would be all that is tested, and one that is killed forgets more.
fn broker() -> Result<Mosquitto, Missing> {
    if !Path::new(PLUGIN).exists() {
        return Err(Missing(format!("there is no {PLUGIN}: apt-get install mosquitto")));
    }
    Mosquitto::start_with(|place| {
        let accounts = place.directory.join("accounts.json");
        let mut init = std::process::Command::new("mosquitto_ctrl");
        init.args(["dynsec", "init"]).arg(&accounts).args([Mosquitto::USER, Mosquitto::PASSWORD]);
        assert!(
            init.output().expect("mosquitto_ctrl runs").status.success(),
            "mosquitto_ctrl makes an account"
        );
        format!(
            "per_listener_settings false\nallow_anonymous false\nset_tcp_nodelay true\n\
             max_inflight_messages 1000\nmax_queued_messages 100000\n\
             autosave_on_changes false\nautosave_interval 1\n\
             plugin {PLUGIN}\nplugin_opt_config_file {}\nlistener {} 127.0.0.1\n",
            accounts.display(),
            place.port
        )
    })
}

fn token(directory: &Path, settings: &[(&'static str, String)], account: &str) -> String {
    let output =
        command(directory, settings).args(["token", "--account", account]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}
