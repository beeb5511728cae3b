//! The settings: read from all places, checked before anything is opened.

mod build;
mod dotenv;
mod file;
mod files;
mod mqtt;
pub(crate) mod names;
mod problem;
mod reader;
mod schemes;
mod sources;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use secrecy::SecretString;
use smsgw::rate::RateLimit;
use smsgw::seal::MIN_SECRET;

pub(crate) use self::mqtt::{Mqtt, Outside};
use self::names::{
    ALLOW_INSECURE, API_SECRET_KEY, BROKER_URL, DATA_DIR, DATABASE_URL, HTTP_ADDR, MQTT_BROKER_HOST,
    MQTT_TLS_CERT, RATE_LIMIT, RESULT_BACKEND,
};
pub(crate) use self::problem::Problem;
use self::reader::Reader;
pub(crate) use self::schemes::{QueueUrl, StoreUrl};
use self::sources::Sources;
use crate::flags::SettingFlags;

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
    pub(crate) http: SocketAddr,
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
        let http = reader.address(HTTP_ADDR).unwrap_or((Ipv4Addr::LOCALHOST, 8000).into());
        if !http.ip().is_loopback() && !allow_insecure {
            let why = format!(
                "other machines would reach {http} unencrypted; set {} to want that, or have a proxy with TLS in \
                 front of 127.0.0.1",
                ALLOW_INSECURE.with_flag()
            );
            reader.refuse(HTTP_ADDR, why);
        }
        let mqtt = mqtt::read(&mut reader, allow_insecure);
        // A simulated phone would take its part of an operator's messages and say that they were delivered.
        let is_bare =
            [DATABASE_URL, BROKER_URL, RESULT_BACKEND, API_SECRET_KEY, MQTT_BROKER_HOST, MQTT_TLS_CERT]
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

    /// The same; what is wrong goes to standard error, a line each.
    pub(crate) fn read_or_explain(flags: &SettingFlags, devices: Option<u16>) -> Result<Self, ExitCode> {
        Self::read(flags, devices).map_err(|problems| {
            for problem in &problems {
                eprintln!("smsgw: {problem}");
            }
            problem::exit_code(&problems).into()
        })
    }
}

fn secret(text: &str) -> Result<SecretString, String> {
    match text.len() >= MIN_SECRET {
        true => Ok(text.into()),
        false => Err(format!("expected {MIN_SECRET} bytes or more; make one by `openssl rand -hex 32`")),
    }
}
