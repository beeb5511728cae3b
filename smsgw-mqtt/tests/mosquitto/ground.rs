//! A Mosquitto with its dynamic security plugin, set up as the documentation of [`smsgw_mqtt::provision`] says.

use async_trait::async_trait;
use serde_json::Value;
use smsgw_core::conformance::Absent;
use smsgw_core::device::Protocol;
use smsgw_core::error::Result;
use smsgw_core::id::{DeviceId, IdSource};
use smsgw_core::key::{Credential, CredentialKind};
use smsgw_core::provision::{Grant, ValidKeys};
use smsgw_core::time::{Clock, SystemClock};
use smsgw_mqtt::provision::DynsecProvisioner;
use smsgw_mqtt::transport::MqttConfig;
use smsgw_test_support::{Missing, Mosquitto};

use crate::client::Client;

pub(crate) const USER: &str = Mosquitto::USER;
pub(crate) const PASSWORD: &str = Mosquitto::PASSWORD;

pub(crate) struct Ground {
    pub(crate) server: Mosquitto,
    ids: IdSource,
}

impl Ground {
    pub(crate) fn start() -> std::result::Result<Self, Absent> {
        Self::with("")
    }

    /// With these lines in its configuration.
    pub(crate) fn with(settings: &str) -> std::result::Result<Self, Absent> {
        let server = Mosquitto::start_with_accounts(settings).map_err(|Missing(why)| Absent(why))?;
        Ok(Self { server, ids: IdSource::new() })
    }

    /// What an operator does by hand.
    pub(crate) fn control(&self, words: &[&str]) -> String {
        self.server.control(words).unwrap_or_else(|Missing(why)| panic!("{why}"))
    }

    /// Lets everybody subscribe to everything. `mosquitto_ctrl` 2.0.11 has a command for that which does nothing.
    pub(crate) fn open_up(&self) {
        self.server.stop();
        let file = self.server.directory().join("accounts.json");
        let text = std::fs::read_to_string(&file).expect("it is there");
        let mut accounts: Value = serde_json::from_str(&text).expect("it is JSON");
        accounts["defaultACLAccess"]["subscribe"] = true.into();
        std::fs::write(&file, accounts.to_string()).expect("it is ours");
        self.server.start_again().expect("it starts again");
    }

    /// The gateway.
    pub(crate) fn config(&self) -> MqttConfig {
        MqttConfig::new("127.0.0.1", self.server.port()).with_account(USER, PASSWORD.to_owned().into())
    }

    pub(crate) fn provisioner(&self) -> DynsecProvisioner {
        DynsecProvisioner::new(self.config())
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

/// All the valid keys.
pub(crate) struct Keys(pub(crate) Vec<Grant>);

#[async_trait]
impl ValidKeys for Keys {
    async fn valid_keys(&self) -> Result<Vec<Grant>> {
        Ok(self.0.clone())
    }
}
