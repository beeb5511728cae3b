//! What a client of the gateway beside it has to know.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::names::{
    DATA_DIR, HTTP_ADDR, HTTP_TLS_CERT, MQTT_BROKER_HOST, MQTT_BROKER_PORT, MQTT_LISTEN, MQTT_TLS_CERT,
    MQTT_TLS_LISTEN,
};
use super::problem::Problem;
use super::reader::Reader;
use super::sources::Sources;
use crate::flags::SettingFlags;

pub(crate) struct ClientSettings {
    /// Where the gateway of these settings is reached from its own machine.
    pub(crate) url: String,
    /// The port of the embedded broker for phones, or all of a broker outside.
    pub(crate) devices: Devices,
    pub(crate) data: PathBuf,
}

pub(crate) enum Devices {
    Embedded(u16),
    Outside(String),
}

impl ClientSettings {
    /// Reads those alone: what else is wrong is the gateway's business.
    pub(crate) fn read(flags: &SettingFlags) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(Sources::read(flags)?);
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut http = reader.address(HTTP_ADDR).unwrap_or(local(8000));
        match http.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => http = local(http.port()),
            IpAddr::V6(ip) if ip.is_unspecified() => http = local(http.port()),
            _ => {}
        }
        let scheme = if reader.has(HTTP_TLS_CERT) { "https" } else { "http" };
        let devices = match reader.text(MQTT_BROKER_HOST) {
            Some(host) => {
                let port = reader.text(MQTT_BROKER_PORT).unwrap_or_else(|| "1883".into());
                Devices::Outside(format!("{host}:{port}"))
            }
            None if reader.has(MQTT_TLS_CERT) => {
                Devices::Embedded(reader.address(MQTT_TLS_LISTEN).map_or(8883, |address| address.port()))
            }
            None => Devices::Embedded(reader.address(MQTT_LISTEN).map_or(1883, |address| address.port())),
        };
        let data = reader.text(DATA_DIR).unwrap_or_else(|| "./smsgw-demo".into()).into();
        if reader.problems.is_empty() {
            Ok(Self { url: format!("{scheme}://{http}"), devices, data })
        } else {
            Err(reader.problems)
        }
    }
}
