//! The settings as flags. Each is taken as text: `settings` reads it as it reads all other places.

use std::path::PathBuf;

use clap::Args;

use crate::settings::names::{self, Name};

/// Each also in the environment, in `.env` and, in lower case, in `smsgw.toml`; see the README
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Settings (before the environment, .env and smsgw.toml)")]
pub(crate) struct SettingFlags {
    /// Read this file instead of ./smsgw.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to keep the database, the token and the simulated phones [default: ./smsgw-demo]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where applications reach the gateway; port 0 takes a free one [default: 127.0.0.1:8000]
    #[arg(long, value_name = "IP:PORT")]
    http: Option<String>,
    /// The certificate of the API, which is reached over TLS then: a PEM file
    #[arg(long, value_name = "FILE")]
    http_tls_cert: Option<String>,
    /// Its private key, a PEM file that nobody else may read
    #[arg(long, value_name = "FILE")]
    http_tls_key: Option<String>,
    /// How many connections applications may have at a time [default: 4096]
    #[arg(long, value_name = "N")]
    http_max_connections: Option<String>,
    /// The same for each address [default: 1024]
    #[arg(long, value_name = "N")]
    http_max_connections_per_address: Option<String>,
    /// Where devices reach the embedded broker; port 0 takes a free one [default: 127.0.0.1:1883]
    #[arg(long, value_name = "IP:PORT")]
    mqtt: Option<String>,
    /// Where they reach it over TLS, given a certificate and its key [default: 0.0.0.0:8883]
    #[arg(long, value_name = "IP:PORT")]
    mqtt_tls: Option<String>,
    /// How fast each device may be given messages, as 10/s, 10/m or 100/h
    #[arg(long, value_name = "RATE")]
    rate_limit: Option<String>,
    /// How many requests an account may send, as 100/s
    #[arg(long, value_name = "RATE")]
    account_rate_limit: Option<String>,
    /// Whether every message goes through the queue, also one that can go at once: for gateways that share one, so that each
    /// takes its part [default: false]
    #[arg(long, value_name = "BOOL")]
    always_queue: Option<String>,
    /// Days after which texts and numbers are erased, once a message is over; `never` keeps them [default: 30]
    #[arg(long, value_name = "DAYS")]
    retention_days: Option<String>,
    /// Days after which what is left of an erased message is removed with its history; `never` keeps it [default: never]
    #[arg(long, value_name = "DAYS")]
    history_days: Option<String>,
    /// Whether a start brings the database's schema up to date; false where `gateway migrate` does [default: true]
    #[arg(long, value_name = "BOOL")]
    migrate: Option<String>,
    /// How the log on standard error is written: text, or json with an object a line [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Listen beyond this machine, although nothing is encrypted
    #[arg(long)]
    allow_insecure: bool,
    /// sqlite://PATH or postgres://…; a password in it is better off in the environment
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// The queue: memory://, redis://…, amqp://… or postgres://…
    #[arg(long, value_name = "URL")]
    broker_url: Option<String>,
    /// Where gateways tell each other what became of messages: redis://…
    #[arg(long, value_name = "URL")]
    result_backend: Option<String>,
    /// An MQTT broker of yours instead of the embedded one
    #[arg(long, value_name = "HOST")]
    mqtt_broker_host: Option<String>,
    /// Its port [default: 8883 with TLS, else 1883]
    #[arg(long, value_name = "PORT")]
    mqtt_broker_port: Option<String>,
    /// The gateway's account there; on the embedded broker, the account that original devices share
    #[arg(long, value_name = "NAME")]
    mqtt_username: Option<String>,
    /// Its password; better off in the environment
    #[arg(long, value_name = "PASSWORD")]
    mqtt_password: Option<String>,
    /// The gateway's client id on a broker of yours [default: smsgw-HOSTNAME]
    #[arg(long, value_name = "ID")]
    mqtt_client_id: Option<String>,
    /// Whether several gateways share the traffic of a broker of yours; false where it has no shared subscriptions, with
    /// one gateway [default: true]
    #[arg(long, value_name = "BOOL")]
    mqtt_share: Option<String>,
    /// Whether a broker of yours says that nobody is subscribed; false where it answers success [default: true]
    #[arg(long, value_name = "BOOL")]
    mqtt_tells_no_subscriber: Option<String>,
    /// The account that original devices share on a broker of yours; its password is MQTT_DEVICE_PASSWORD
    #[arg(long, value_name = "NAME")]
    mqtt_device_username: Option<String>,
    /// Our certificate for MQTT over TLS, a PEM file
    #[arg(long, value_name = "FILE")]
    mqtt_tls_cert: Option<String>,
    /// Its private key, a PEM file that nobody else may read
    #[arg(long, value_name = "FILE")]
    mqtt_tls_key: Option<String>,
    /// The CA that must have signed the other side's certificate, a PEM file
    #[arg(long, value_name = "FILE")]
    mqtt_ca_cert: Option<String>,
}

impl SettingFlags {
    /// What a client of a gateway says of where that gateway's settings are.
    pub(crate) fn of_client(config: Option<PathBuf>, data: Option<String>) -> Self {
        Self { config, data, ..Self::default() }
    }

    /// Those that are there.
    pub(crate) fn given(&self) -> impl Iterator<Item = (Name, String)> {
        let given = [
            (names::DATA_DIR, &self.data),
            (names::HTTP_ADDR, &self.http),
            (names::HTTP_TLS_CERT, &self.http_tls_cert),
            (names::HTTP_TLS_KEY, &self.http_tls_key),
            (names::HTTP_MAX_CONNECTIONS, &self.http_max_connections),
            (names::HTTP_MAX_CONNECTIONS_PER_ADDRESS, &self.http_max_connections_per_address),
            (names::MQTT_LISTEN, &self.mqtt),
            (names::MQTT_TLS_LISTEN, &self.mqtt_tls),
            (names::RATE_LIMIT, &self.rate_limit),
            (names::ACCOUNT_RATE_LIMIT, &self.account_rate_limit),
            (names::ALWAYS_QUEUE, &self.always_queue),
            (names::RETENTION_DAYS, &self.retention_days),
            (names::HISTORY_DAYS, &self.history_days),
            (names::MIGRATE, &self.migrate),
            (names::LOG_FORMAT, &self.log_format),
            (names::DATABASE_URL, &self.database_url),
            (names::BROKER_URL, &self.broker_url),
            (names::RESULT_BACKEND, &self.result_backend),
            (names::MQTT_BROKER_HOST, &self.mqtt_broker_host),
            (names::MQTT_BROKER_PORT, &self.mqtt_broker_port),
            (names::MQTT_USERNAME, &self.mqtt_username),
            (names::MQTT_PASSWORD, &self.mqtt_password),
            (names::MQTT_CLIENT_ID, &self.mqtt_client_id),
            (names::MQTT_SHARE, &self.mqtt_share),
            (names::MQTT_TELLS_NO_SUBSCRIBER, &self.mqtt_tells_no_subscriber),
            (names::MQTT_DEVICE_USERNAME, &self.mqtt_device_username),
            (names::MQTT_TLS_CERT, &self.mqtt_tls_cert),
            (names::MQTT_TLS_KEY, &self.mqtt_tls_key),
            (names::MQTT_CA_CERT, &self.mqtt_ca_cert),
        ];
        let allow = self.allow_insecure.then(|| (names::ALLOW_INSECURE, "true".to_owned()));
        given.map(|(name, text)| text.clone().map(|text| (name, text))).into_iter().flatten().chain(allow)
    }
}
