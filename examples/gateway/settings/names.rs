//! What each setting is called: in the environment and `.env`, in `smsgw.toml` (the same in lower case), and as a flag.

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) name: &'static str,
    /// Secrets have none: other users of the machine see what stands on a command line.
    pub(crate) flag: Option<&'static str>,
}

impl Name {
    const fn new(name: &'static str, flag: &'static str) -> Self {
        Self { name, flag: Some(flag) }
    }

    const fn secret(name: &'static str) -> Self {
        Self { name, flag: None }
    }

    /// How to set it, for whoever has to.
    pub(crate) fn with_flag(self) -> String {
        match self.flag {
            Some(flag) => format!("{} ({flag})", self.name),
            None => self.name.to_owned(),
        }
    }
}

pub(crate) const DATABASE_URL: Name = Name::new("DATABASE_URL", "--database-url");
pub(crate) const BROKER_URL: Name = Name::new("BROKER_URL", "--broker-url");
pub(crate) const RESULT_BACKEND: Name = Name::new("RESULT_BACKEND", "--result-backend");
pub(crate) const RATE_LIMIT: Name = Name::new("RATE_LIMIT", "--rate-limit");
pub(crate) const ACCOUNT_RATE_LIMIT: Name = Name::new("ACCOUNT_RATE_LIMIT", "--account-rate-limit");
pub(crate) const ALWAYS_QUEUE: Name = Name::new("ALWAYS_QUEUE", "--always-queue");
pub(crate) const RETENTION_DAYS: Name = Name::new("RETENTION_DAYS", "--retention-days");
pub(crate) const HISTORY_DAYS: Name = Name::new("HISTORY_DAYS", "--history-days");
pub(crate) const API_SECRET_KEY: Name = Name::secret("API_SECRET_KEY");
pub(crate) const API_SECRET_KEY_PREVIOUS: Name = Name::secret("API_SECRET_KEY_PREVIOUS");
pub(crate) const SMSGW_ADMIN_TOKEN: Name = Name::secret("SMSGW_ADMIN_TOKEN");
pub(crate) const MQTT_BROKER_HOST: Name = Name::new("MQTT_BROKER_HOST", "--mqtt-broker-host");
pub(crate) const MQTT_BROKER_PORT: Name = Name::new("MQTT_BROKER_PORT", "--mqtt-broker-port");
pub(crate) const MQTT_USERNAME: Name = Name::new("MQTT_USERNAME", "--mqtt-username");
pub(crate) const MQTT_PASSWORD: Name = Name::new("MQTT_PASSWORD", "--mqtt-password");
pub(crate) const MQTT_CLIENT_ID: Name = Name::new("MQTT_CLIENT_ID", "--mqtt-client-id");
pub(crate) const MQTT_SHARE: Name = Name::new("MQTT_SHARE", "--mqtt-share");
pub(crate) const MQTT_TELLS_NO_SUBSCRIBER: Name =
    Name::new("MQTT_TELLS_NO_SUBSCRIBER", "--mqtt-tells-no-subscriber");
pub(crate) const MQTT_DEVICE_USERNAME: Name = Name::new("MQTT_DEVICE_USERNAME", "--mqtt-device-username");
pub(crate) const MQTT_DEVICE_PASSWORD: Name = Name::secret("MQTT_DEVICE_PASSWORD");
pub(crate) const MQTT_TLS_CERT: Name = Name::new("MQTT_TLS_CERT", "--mqtt-tls-cert");
pub(crate) const MQTT_TLS_KEY: Name = Name::new("MQTT_TLS_KEY", "--mqtt-tls-key");
pub(crate) const MQTT_CA_CERT: Name = Name::new("MQTT_CA_CERT", "--mqtt-ca-cert");
pub(crate) const MQTT_LISTEN: Name = Name::new("MQTT_LISTEN", "--mqtt");
pub(crate) const MQTT_TLS_LISTEN: Name = Name::new("MQTT_TLS_LISTEN", "--mqtt-tls");
pub(crate) const HTTP_ADDR: Name = Name::new("HTTP_ADDR", "--http");
pub(crate) const HTTP_TLS_CERT: Name = Name::new("HTTP_TLS_CERT", "--http-tls-cert");
pub(crate) const HTTP_TLS_KEY: Name = Name::new("HTTP_TLS_KEY", "--http-tls-key");
pub(crate) const HTTP_MAX_CONNECTIONS: Name = Name::new("HTTP_MAX_CONNECTIONS", "--http-max-connections");
pub(crate) const HTTP_MAX_CONNECTIONS_PER_ADDRESS: Name =
    Name::new("HTTP_MAX_CONNECTIONS_PER_ADDRESS", "--http-max-connections-per-address");
pub(crate) const ALLOW_INSECURE: Name = Name::new("ALLOW_INSECURE", "--allow-insecure");
pub(crate) const MIGRATE: Name = Name::new("MIGRATE", "--migrate");
pub(crate) const LOG_FORMAT: Name = Name::new("LOG_FORMAT", "--log-format");
pub(crate) const DATA_DIR: Name = Name::new("DATA_DIR", "--data");

pub(crate) const ALL: [Name; 34] = [
    DATABASE_URL,
    BROKER_URL,
    RESULT_BACKEND,
    RATE_LIMIT,
    ACCOUNT_RATE_LIMIT,
    ALWAYS_QUEUE,
    RETENTION_DAYS,
    HISTORY_DAYS,
    API_SECRET_KEY,
    API_SECRET_KEY_PREVIOUS,
    SMSGW_ADMIN_TOKEN,
    MQTT_BROKER_HOST,
    MQTT_BROKER_PORT,
    MQTT_USERNAME,
    MQTT_PASSWORD,
    MQTT_CLIENT_ID,
    MQTT_SHARE,
    MQTT_TELLS_NO_SUBSCRIBER,
    MQTT_DEVICE_USERNAME,
    MQTT_DEVICE_PASSWORD,
    MQTT_TLS_CERT,
    MQTT_TLS_KEY,
    MQTT_CA_CERT,
    MQTT_LISTEN,
    MQTT_TLS_LISTEN,
    HTTP_ADDR,
    HTTP_TLS_CERT,
    HTTP_TLS_KEY,
    HTTP_MAX_CONNECTIONS,
    HTTP_MAX_CONNECTIONS_PER_ADDRESS,
    ALLOW_INSECURE,
    MIGRATE,
    LOG_FORMAT,
    DATA_DIR,
];
