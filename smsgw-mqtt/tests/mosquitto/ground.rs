//! A Mosquitto with its dynamic security plugin, set up as the documentation of [`smsgw_mqtt::provision`] says.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use smsgw_core::conformance::Absent;
use smsgw_core::device::Protocol;
use smsgw_core::id::{DeviceId, IdSource};
use smsgw_core::key::{Credential, CredentialKind};
use smsgw_core::time::{Clock, SystemClock};
use smsgw_mqtt::provision::{Grant, Provisioner};
use smsgw_mqtt::transport::MqttConfig;
use smsgw_test_support::Mosquitto;

use crate::client::Client;

const PLUGIN: &str = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so";
const USER: &str = "gateway";
const PASSWORD: &str = "correct";

pub(crate) struct Ground {
    pub(crate) server: Mosquitto,
    ids: IdSource,
}

impl Ground {
    pub(crate) fn start() -> Result<Self, Absent> {
        if !Path::new(PLUGIN).exists() {
            return Err(Absent(format!("there is no {PLUGIN}: apt-get install mosquitto")));
        }
        let server = Mosquitto::start_with(|place| {
            let accounts = place.directory.join("accounts.json");
            let file = accounts.to_str().expect("it is UTF-8");
            control(&["dynsec", "init", file, USER, PASSWORD]);
            change(&accounts, give_gateway_its_topics);
            // With `max_queued_messages 0`, 2.0.11 ends the connection of whoever publishes what it may not.
            format!(
                "per_listener_settings false\nset_tcp_nodelay true\nmax_inflight_messages 1000\n\
                 max_queued_messages 100000\nallow_anonymous false\npersistence false\nlog_dest stderr\n\
                 plugin {PLUGIN}\nplugin_opt_config_file {file}\nlistener {} 127.0.0.1\n",
                place.port
            )
        })
        .map_err(|missing| Absent(missing.0))?;
        Ok(Self { server, ids: IdSource::new() })
    }

    /// What an operator does by hand.
    pub(crate) fn control(&self, words: &[&str]) {
        let port = self.server.port().to_string();
        let mut all = vec!["-h", "127.0.0.1", "-p", &port, "-u", USER, "-P", PASSWORD, "dynsec"];
        all.extend(words);
        control(&all);
    }

    /// Lets everybody subscribe to everything. `mosquitto_ctrl` 2.0.11 has a command for that which does nothing.
    pub(crate) fn open_up(&self) {
        self.server.stop();
        let file = self.server.directory().join("accounts.json");
        change(&file, |accounts| accounts["defaultACLAccess"]["subscribe"] = true.into());
        self.server.start_again().expect("it starts again");
    }

    /// The gateway.
    pub(crate) fn config(&self) -> MqttConfig {
        MqttConfig::new("127.0.0.1", self.server.port()).with_account(USER, PASSWORD.to_owned().into())
    }

    pub(crate) fn provisioner(&self) -> Provisioner {
        Provisioner::new(self.config())
    }

    /// A new device with a key.
    pub(crate) fn device(&self, protocol: Protocol) -> Key {
        let id: uuid::Uuid = self.ids.next(SystemClock.now());
        Key::new(id.into(), protocol)
    }

    /// A client of a device, as it should be: `None` where it is not let in.
    pub(crate) async fn client(&self, key: &Key) -> Option<Client> {
        let port = self.server.port();
        let id = key.grant.device.to_string();
        match key.grant.protocol {
            Protocol::Native => Client::connect(port, &id, &id, &key.text).await,
            Protocol::Original => Client::connect(port, "phone", &key.text, &key.text).await,
        }
    }
}

/// The same as the commands of the documentation do. `mosquitto_ctrl` would take ten seconds for the last: it is kicked
/// by what it has done, and waits for the answer.
fn give_gateway_its_topics(accounts: &mut Value) {
    let rule = |topic| json!({ "acltype": "publishClientSend", "topic": topic, "allow": true });
    let rules = ["smsgw/v1/+/down", "devices/+/sms", "server/auth/+"].map(rule);
    let roles = accounts["roles"].as_array_mut().expect("they are a list");
    roles.push(json!({ "rolename": "smsgw-gateway", "acls": rules }));
    let own = accounts["clients"][0]["roles"].as_array_mut().expect("they are a list");
    own.push(json!({ "rolename": "smsgw-gateway" }));
}

fn change(file: &Path, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(file).expect("it is there");
    let mut accounts = serde_json::from_str(&text).expect("it is JSON");
    change(&mut accounts);
    std::fs::write(file, accounts.to_string()).expect("it is ours");
}

/// A key of a device.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) grant: Grant,
    pub(crate) text: String,
}

impl Key {
    pub(crate) fn new(device: DeviceId, protocol: Protocol) -> Self {
        let credential = Credential::generate(CredentialKind::Device).expect("random numbers");
        let text = credential.expose().to_owned();
        let secret = Some(text.clone().into());
        Self { grant: Grant { device, protocol, key: credential.id(), secret }, text }
    }

    /// Another of the same device.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.grant.device, self.grant.protocol)
    }

    /// As a store knows it later.
    pub(crate) fn sealed(&self) -> Grant {
        Grant { secret: None, ..self.grant.clone() }
    }
}

fn control(words: &[&str]) {
    let output = Command::new("mosquitto_ctrl").args(words).output().expect("it comes with mosquitto");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("rror"), "mosquitto_ctrl {words:?}: {said}");
}
