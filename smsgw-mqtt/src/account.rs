use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;

/// The account that devices of the original protocol share (`MQTT_USERNAME`, `MQTT_PASSWORD`).
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedAccount {
    /// Its user name.
    pub username: String,
    /// Its password.
    pub password: SecretString,
}

impl fmt::Debug for SharedAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedAccount").field("username", &self.username).finish_non_exhaustive()
    }
}
