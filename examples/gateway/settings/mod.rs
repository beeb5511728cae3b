//! The settings: read from all places, checked before anything is opened.

mod build;
mod client;
mod dotenv;
mod file;
mod files;
mod given;
mod http;
mod mqtt;
pub(crate) mod names;
mod problem;
mod reader;
mod schemes;
mod sources;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use secrecy::SecretString;
use smsgw::key::{Credential, CredentialError, CredentialKind};
use smsgw::rate::RateLimit;
use smsgw::seal::MIN_SECRET;

pub(crate) use self::client::{ClientSettings, Devices};
pub(crate) use self::given::in_force;
pub(crate) use self::http::Http;
pub(crate) use self::mqtt::{Mqtt, Outside};
use self::names::{
    ACCOUNT_RATE_LIMIT, ALLOW_INSECURE, ALWAYS_QUEUE, API_SECRET_KEY, API_SECRET_KEY_PREVIOUS, BROKER_URL,
    DATA_DIR, DATABASE_URL, HISTORY_DAYS, HTTP_TLS_CERT, LOG_FORMAT, MIGRATE, MQTT_BROKER_HOST,
    MQTT_TLS_CERT, RATE_LIMIT, RESULT_BACKEND, RETENTION_DAYS, SMSGW_ADMIN_TOKEN,
};
pub(crate) use self::problem::{Problem, exit_code};
use self::reader::Reader;
pub(crate) use self::schemes::{QueueUrl, StoreUrl};
use self::sources::Sources;
use crate::flags::SettingFlags;
use crate::log::{self, Format};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_DAYS: u32 = 36_500;
/// How long texts and numbers are kept where nothing is said.
const RETENTION: Duration = Duration::from_secs(30 * DAY.as_secs());

/// What the gateway is to be.
pub(crate) struct Settings {
    /// What the demo shows, the database where none is named, and the secret where that has no better place.
    pub(crate) data: PathBuf,
    pub(crate) store: StoreUrl,
    pub(crate) queue: QueueUrl,
    pub(crate) results: Option<SecretString>,
    pub(crate) rate_limit: Option<RateLimit>,
    /// Where there is none, it is kept in [`secret_file`](Self::secret_file).
    pub(crate) secret: Option<SecretString>,
    pub(crate) secret_file: PathBuf,
    /// What it was before, for as long as anything is sealed under it.
    pub(crate) previous_secret: Option<SecretString>,
    /// The token of an administrator, made by the operator.
    pub(crate) admin_token: Option<SecretString>,
    /// How long texts and numbers are kept; for ever where there is none.
    pub(crate) retention: Option<Duration>,
    /// How long what is left of them is kept after that; for ever where there is none.
    pub(crate) history: Option<Duration>,
    /// How many requests an account may send.
    pub(crate) account_rate: Option<RateLimit>,
    /// Whether the schema is brought up to date by whoever opens the database.
    pub(crate) migrate: bool,
    /// Whether nothing goes past the queue.
    pub(crate) always_queue: bool,
    pub(crate) http: Http,
    pub(crate) mqtt: Mqtt,
    /// Nothing was set up, or phones were asked for: whoever starts this wants to see it work.
    pub(crate) is_demo: bool,
    /// Simulated phones.
    pub(crate) devices: u16,
    /// Whether the database is in [`data`](Self::data), for want of another.
    pub(crate) keeps_database: bool,
}

impl Settings {
    /// Reads them and says what is wrong. `devices` is how many simulated phones are asked for, where anything is said.
    pub(crate) fn read(flags: &SettingFlags, devices: Option<u16>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(Sources::read(flags)?);
        let allow_insecure = reader.switch(ALLOW_INSECURE).unwrap_or(false);
        let data: PathBuf = reader.text(DATA_DIR).unwrap_or_else(|| "./smsgw-demo".into()).into();
        let store = reader.read(DATABASE_URL, schemes::store);
        let queue = reader.read(BROKER_URL, schemes::queue);
        let results = reader.read(RESULT_BACKEND, schemes::results);
        let rate_limit = reader.read(RATE_LIMIT, str::parse);
        let secret = reader.read(API_SECRET_KEY, secret);
        let previous_secret = reader.read(API_SECRET_KEY_PREVIOUS, self::secret);
        let admin_token = reader.read(SMSGW_ADMIN_TOKEN, admin_token);
        let retention = reader.read(RETENTION_DAYS, days::<1>).unwrap_or(Some(RETENTION));
        let history = reader.read(HISTORY_DAYS, days::<2>).flatten();
        let account_rate = reader.read(ACCOUNT_RATE_LIMIT, str::parse);
        let always_queue = reader.switch(ALWAYS_QUEUE).unwrap_or(false);
        let migrate = reader.switch(MIGRATE).unwrap_or(true);
        reader.read(LOG_FORMAT, str::parse::<Format>);
        let http = http::read(&mut reader, allow_insecure);
        let mqtt = mqtt::read(&mut reader, allow_insecure);
        // A simulated phone would take its part of an operator's messages and say that they were delivered.
        let is_bare = [
            DATABASE_URL,
            BROKER_URL,
            RESULT_BACKEND,
            API_SECRET_KEY,
            SMSGW_ADMIN_TOKEN,
            MQTT_BROKER_HOST,
            MQTT_TLS_CERT,
            HTTP_TLS_CERT,
        ]
        .into_iter()
        .all(|name| !reader.has(name));
        let devices = devices.unwrap_or(is_bare.into());
        let store = store.unwrap_or_else(|| StoreUrl::Sqlite(data.join("smsgw.db")));
        let settings = Self {
            is_demo: is_bare || devices > 0,
            devices,
            keeps_database: !reader.has(DATABASE_URL),
            secret_file: crate::secret::place(&store, &data),
            store,
            queue: queue.unwrap_or(QueueUrl::Memory),
            data,
            results,
            rate_limit,
            secret,
            previous_secret,
            admin_token,
            retention,
            history,
            account_rate,
            migrate,
            always_queue,
            http,
            mqtt,
        };
        if settings.secret.is_none()
            && let Err(why) = files::for_its_owner_only(&settings.secret_file)
        {
            reader.problems.push(Problem::at(API_SECRET_KEY.name, why));
        }
        if reader.problems.is_empty() { Ok(settings) } else { Err(reader.problems) }
    }

    /// How the log is to be written, as soon as anything may be said there.
    pub(crate) fn log_format(flags: &SettingFlags) -> Format {
        // What is wrong is said by whoever reads the rest.
        let sources = Sources::read(flags).unwrap_or_default();
        sources.get(LOG_FORMAT).and_then(|given| given.text.parse().ok()).unwrap_or_default()
    }

    /// The same as [`read`](Self::read); what is wrong goes to standard error, a line each.
    pub(crate) fn read_or_explain(flags: &SettingFlags, devices: Option<u16>) -> Result<Self, ExitCode> {
        Self::read(flags, devices).map_err(|problems| explain(&problems, Format::Text))
    }
}

/// Says on standard error what is wrong, a line each, and as what the process ends.
pub(crate) fn explain(problems: &[Problem], format: Format) -> ExitCode {
    for problem in problems {
        log::last(format, problem);
    }
    exit_code(problems).into()
}

fn admin_token(text: &str) -> Result<SecretString, String> {
    match Credential::parse(text) {
        Ok(credential) if credential.kind() == CredentialKind::Token => Ok(text.into()),
        Err(CredentialError::Checksum) => Err("it is mistyped or incomplete; copy it again".into()),
        _ => Err("expected a token; make one by `gateway token generate`".into()),
    }
}

fn days<const LEAST: u32>(text: &str) -> Result<Option<Duration>, String> {
    if text == "never" {
        return Ok(None);
    }
    let days = text.parse().ok().filter(|days| (LEAST..=MOST_DAYS).contains(days));
    days.map(|days| Some(days * DAY))
        .ok_or_else(|| format!("expected a number of days from {LEAST} to {MOST_DAYS}, or never"))
}

fn secret(text: &str) -> Result<SecretString, String> {
    match text.len() >= MIN_SECRET {
        true => Ok(text.into()),
        false => Err(format!("expected {MIN_SECRET} bytes or more; make one by `openssl rand -hex 32`")),
    }
}
