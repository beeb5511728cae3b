//! The way to the devices: a broker of the operator's, or the embedded one.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use smsgw::mqtt::broker::{BrokerConfig, BrokerTls, SharedAccount};
use smsgw::mqtt::transport::{MqttConfig, TlsConfig};

use super::build::{self, Part};
use super::files;
use super::names::{
    ALLOW_INSECURE, MQTT_BROKER_HOST, MQTT_BROKER_PORT, MQTT_CA_CERT, MQTT_CLIENT_ID, MQTT_DEVICE_PASSWORD,
    MQTT_DEVICE_USERNAME, MQTT_LISTEN, MQTT_PASSWORD, MQTT_SHARE, MQTT_TELLS_NO_SUBSCRIBER, MQTT_TLS_CERT,
    MQTT_TLS_KEY, MQTT_TLS_LISTEN, MQTT_USERNAME, Name,
};
use super::reader::Reader;

/// MQTT's registered ports, plain and with TLS (IANA).
const PLAIN: u16 = 1883;
const TLS: u16 = 8883;
/// Under which gateways share the traffic of one broker.
const SHARE: &str = "smsgw";
const NAMES_OF_FILES: [Name; 3] = [MQTT_TLS_CERT, MQTT_TLS_KEY, MQTT_CA_CERT];
/// Well below what a text of MQTT may have.
const LONGEST_CLIENT_ID: usize = 1_000;

#[derive(Debug)]
pub(crate) enum Mqtt {
    Embedded(BrokerConfig),
    Outside(Outside),
}

#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) config: MqttConfig,
    /// The account that devices of the original protocol share there.
    pub(crate) shared: Option<SharedAccount>,
}

/// The files for TLS, where they are named.
struct Files {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
}

pub(super) fn read(reader: &mut Reader, allow_insecure: bool) -> Mqtt {
    let account = reader.account(MQTT_USERNAME, MQTT_PASSWORD);
    reader.pair(MQTT_TLS_CERT, MQTT_TLS_KEY);
    let cert = reader.read(MQTT_TLS_CERT, files::readable);
    let key = reader.read(MQTT_TLS_KEY, files::private);
    let ca = reader.read(MQTT_CA_CERT, files::readable);
    let files = Files { cert, key, ca };
    match reader.has(MQTT_BROKER_HOST) {
        true => Mqtt::Outside(outside(reader, account, files)),
        false => Mqtt::Embedded(embedded(reader, allow_insecure, account, files)),
    }
}

fn outside(reader: &mut Reader, account: Option<SharedAccount>, files: Files) -> Outside {
    let host = reader.read(MQTT_BROKER_HOST, host).unwrap_or_default();
    let asked = reader.read(MQTT_BROKER_PORT, port);
    // The port for TLS, with nothing said of certificates: the authorities that this machine trusts.
    let reason = NAMES_OF_FILES.into_iter().find(|name| reader.has(*name));
    let reason = reason.or((asked == Some(TLS)).then_some(MQTT_BROKER_PORT));
    let port = asked.unwrap_or(if reason.is_some() { TLS } else { PLAIN });
    let mut config = MqttConfig::new(host, port);
    if reader.switch(MQTT_SHARE).unwrap_or(true) {
        config = config.with_share(SHARE);
    }
    config.tells_no_subscriber = reader.switch(MQTT_TELLS_NO_SUBSCRIBER).unwrap_or(true);
    config.client_id = reader.read(MQTT_CLIENT_ID, client_id).unwrap_or_else(default_client_id);
    if let Some(SharedAccount { username, password }) = account {
        config = config.with_account(username, password);
    }
    if let Some(name) = reason {
        config = config.with_tls(TlsConfig { ca: files.ca, cert: files.cert, key: files.key });
        check(reader, name, &config);
    }
    let why = "there is no embedded broker where MQTT_BROKER_HOST is set; leave one of them out";
    reader.no_use(&[MQTT_LISTEN, MQTT_TLS_LISTEN], why);
    Outside { config, shared: reader.account(MQTT_DEVICE_USERNAME, MQTT_DEVICE_PASSWORD) }
}

fn embedded(
    reader: &mut Reader,
    allow_insecure: bool,
    shared: Option<SharedAccount>,
    files: Files,
) -> BrokerConfig {
    let listen = reader.address(MQTT_LISTEN).unwrap_or((Ipv4Addr::LOCALHOST, PLAIN).into());
    if !listen.ip().is_loopback() && !allow_insecure {
        let cure = ALLOW_INSECURE.with_flag();
        let why = format!(
            "other machines would reach {listen} unencrypted; set {cure} to want that, or leave this on 127.0.0.1 and \
             set MQTT_TLS_CERT and MQTT_TLS_KEY for a listener with TLS"
        );
        reader.refuse(MQTT_LISTEN, why);
    }
    let why = "it has no effect without MQTT_BROKER_HOST; set that, or leave this out";
    reader.no_use(&[MQTT_BROKER_PORT, MQTT_CLIENT_ID, MQTT_SHARE, MQTT_TELLS_NO_SUBSCRIBER], why);
    let why = "on the embedded broker devices share MQTT_USERNAME and MQTT_PASSWORD; set those, or MQTT_BROKER_HOST";
    reader.no_use(&[MQTT_DEVICE_USERNAME, MQTT_DEVICE_PASSWORD], why);
    if !reader.has(MQTT_TLS_CERT) && !reader.has(MQTT_TLS_KEY) {
        let why = "it has no effect without MQTT_TLS_CERT and MQTT_TLS_KEY, or MQTT_BROKER_HOST";
        reader.no_use(&[MQTT_TLS_LISTEN, MQTT_CA_CERT], why);
    }
    let tls_listen = reader.address(MQTT_TLS_LISTEN);
    let mut config = BrokerConfig::new(listen);
    config.shared_account = shared;
    if let Files { cert: Some(cert), key: Some(key), ca } = files {
        // Whether the files are what they should be, and belong together; some CA is asked for.
        let some = ca.clone().or_else(|| Some(cert.clone()));
        let probe = TlsConfig { ca: some, cert: Some(cert.clone()), key: Some(key.clone()) };
        check(reader, MQTT_TLS_CERT, &MqttConfig::new("localhost", TLS).with_tls(probe));
        let mut tls = BrokerTls::new(cert, key);
        tls.client_ca = ca;
        tls.listen = tls_listen.unwrap_or(tls.listen);
        config = config.with_tls(tls);
    }
    config
}

/// Reads the files for TLS as they will be read. What is wrong with one was perhaps said already.
fn check(reader: &mut Reader, name: Name, config: &MqttConfig) {
    let is_readable = reader.problems.is_empty();
    match (build::has(Part::Tls), config.check()) {
        (Err(why), _) => reader.refuse(name, why),
        (Ok(()), Err(error)) if is_readable => {
            reader.refuse(name, error.detail().unwrap_or("the files for TLS cannot be used"));
        }
        _ => {}
    }
}

fn host(text: &str) -> Result<String, &'static str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    match text.chars().all(is_name) && (!text.contains(':') || text.parse::<IpAddr>().is_ok()) {
        true => Ok(text.to_owned()),
        false => Err(
            "expected a host name or an address alone, as broker.example.org; the port is MQTT_BROKER_PORT",
        ),
    }
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.parse().ok().filter(|port| *port > 0).ok_or("expected a number from 1 to 65535")
}

fn client_id(text: &str) -> Result<String, &'static str> {
    match text.len() <= LONGEST_CLIENT_ID && !text.contains(|c: char| c.is_control() || "/+#".contains(c)) {
        true => Ok(text.to_owned()),
        false => Err("expected a name without / + # and control characters"),
    }
}

/// One a machine: no two gateways may use one.
fn default_client_id() -> String {
    format!("smsgw-{}", rustix::system::uname().nodename().to_string_lossy())
}
