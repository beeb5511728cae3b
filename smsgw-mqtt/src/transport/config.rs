use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;

/// Which broker, and the gateway's account on it.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MqttConfig {
    /// A name or an address.
    pub host: String,
    /// 1883 by convention without TLS.
    pub port: u16,
    /// The account; none where the broker asks for none.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// The gateway's client id. The broker keeps under it what devices say while the gateway is away, so it must stay
    /// the same, and no two gateways may use one.
    #[serde(default = "default_client_id")]
    pub client_id: String,
}

fn default_client_id() -> String {
    "smsgw-gateway".into()
}

impl MqttConfig {
    /// The broker at `host` and `port`, without an account.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, username: None, password: None, client_id: default_client_id() }
    }

    /// With an account.
    #[must_use]
    pub fn with_account(mut self, username: impl Into<String>, password: SecretString) -> Self {
        self.username = Some(username.into());
        self.password = Some(password);
        self
    }
}

impl fmt::Debug for MqttConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MqttConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("username", &self.username)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
