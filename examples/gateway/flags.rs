//! The command line. What is a setting is taken as text: `settings` reads it as it reads all other places.

use std::path::PathBuf;
use std::process::exit;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::settings::names::{self, Name};
use crate::token::{CreateFlags, TokenCommand};

/// An SMS gateway. Without a command it serves; with nothing set, it is a demo: everything in one process.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, args_override_self = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeFlags,
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
}

#[derive(Debug, Args)]
pub(crate) struct ServeFlags {
    /// How many simulated phones to start; 1 where neither a database nor a broker is named, else none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1_000))]
    pub(crate) devices: Option<u16>,
    /// Print one line of JSON instead of words
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an API token and print it
    #[command(args_conflicts_with_subcommands = true)]
    Token {
        #[command(subcommand)]
        command: Option<TokenCommand>,
        #[command(flatten)]
        create: CreateFlags,
    },
    /// Make certificates of a server and a client, and a CA where there is none, for TLS
    Certs {
        /// Where to put them; a ca.crt and ca.key that are there sign them
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// A name or an address by which clients reach the server, beside localhost and this machine's name
        #[arg(long, value_name = "NAME_OR_IP")]
        host: Vec<String>,
        /// Replace the certificates and keys of server and client that are there; never the CA
        #[arg(long)]
        renew: bool,
    },
    /// Test the settings and each backend, and name the cure
    Check {
        /// Print one line of JSON instead of words
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Box<SettingFlags>,
    },
}

/// Each also in the environment, in `.env` and, in lower case, in `smsgw.toml`; see the README
#[derive(Debug, Args)]
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

impl Flags {
    /// Reads the command line; ends the process where it is wrong, with one sentence.
    pub(crate) fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            let text = error.to_string();
            if !error.use_stderr() {
                print!("{text}");
                exit(0);
            }
            let line: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            eprintln!("smsgw: {}; try --help", line.join(" ").trim_start_matches("error: "));
            exit(2);
        })
    }
}

impl SettingFlags {
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

pub(crate) fn span(text: &str) -> Result<Duration, &'static str> {
    let wrong = "expected a whole number and m, h, d or w, as 90d";
    let unit = text.chars().last().ok_or(wrong)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong),
    };
    let count: u64 = text.trim_end_matches(unit).parse().map_err(|_| wrong)?;
    match count.checked_mul(seconds) {
        Some(seconds) if (1..=100 * 366 * 86_400).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected more than nothing and less than 100 years"),
    }
}
