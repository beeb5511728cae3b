//! Devices: phones and modems that hold SIM cards.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, DeviceId};
use crate::key::{KeyDigest, KeyId};
use crate::rate::RateLimit;
use crate::seal::Sealed;
use crate::text::printable;
use crate::time::Timestamp;

/// What a device speaks, chosen when it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// JSON with message ids and reports: nothing is lost, nothing is sent twice.
    #[default]
    Native,
    /// `phone:body` as the Python gateway spoke it: no ids, no reports.
    Original,
}

impl Protocol {
    /// As it is written in JSON and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Original => "original",
        }
    }

    /// Whether devices of this protocol say what became of a message. Where they do not, `dispatched` is final.
    pub const fn reports(self) -> bool {
        matches!(self, Self::Native)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected native or original")]
pub struct ProtocolError;

impl FromStr for Protocol {
    type Err = ProtocolError;
    fn from_str(text: &str) -> Result<Self, ProtocolError> {
        [Self::Native, Self::Original].into_iter().find(|p| p.as_str() == text).ok_or(ProtocolError)
    }
}

/// How a device is, as it says itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// How full its battery is, in percent.
    pub battery: Option<u8>,
    /// Whether it is on a charger.
    pub charging: Option<bool>,
    /// How strong the signal is, in dBm.
    pub signal: Option<i16>,
    /// The kind of network, as `lte`: at most [`MAX_NETWORK`] printable characters.
    pub network: Option<String>,
}

/// The longest name of a network, in characters.
pub const MAX_NETWORK: usize = 32;

impl Telemetry {
    /// What may be kept of what a device said: a charge over 100 % and a signal that no radio has are left out, and the name of the
    /// network is made printable and cut.
    pub fn bounded(
        battery: Option<u8>,
        charging: Option<bool>,
        signal: Option<i32>,
        network: Option<&str>,
    ) -> Self {
        Self {
            battery: battery.filter(|percent| *percent <= 100),
            charging,
            signal: signal.and_then(|dbm| i16::try_from(dbm).ok()),
            network: network
                .map(|name| printable(name).chars().take(MAX_NETWORK).collect())
                .filter(|name: &String| !name.is_empty()),
        }
    }
}

/// One SIM card of a device, as the device describes it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sim {
    /// Its slot, counted from 1.
    pub slot: u8,
    /// Its own number, where the device knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The network's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The number of a SIM card is a phone number: never in a log.
        f.debug_struct("Sim")
            .field("slot", &self.slot)
            .field("carrier", &self.carrier)
            .finish_non_exhaustive()
    }
}

/// A phone or modem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id, also its MQTT user name and client id.
    pub id: DeviceId,
    /// Whose it is.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// More words of its owner.
    pub description: Option<String>,
    /// What it speaks.
    pub protocol: Protocol,
    /// How fast it may be given messages; the gateway's default where there is none.
    pub rate_limit: Option<RateLimit>,
    /// Whether it is given nothing new: it keeps what it has in hand, and reports.
    pub paused: bool,
    /// The SIM cards it said it has.
    pub sims: Vec<Sim>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last heard of.
    pub last_seen_at: Option<Timestamp>,
}

/// What a store keeps of a device's API key: never the key in the clear.
#[derive(Debug, Clone)]
pub struct DeviceKey {
    /// The public part of the key.
    pub id: KeyId,
    /// The device that it lets in.
    pub device: DeviceId,
    /// The hash that a presented key is compared with.
    pub digest: KeyDigest,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused.
    pub revoked_at: Option<Timestamp>,
    /// When a device last came in with it.
    pub last_used_at: Option<Timestamp>,
    /// The key itself, where it must be read back: it stands in the topics of the original protocol.
    pub sealed: Option<Sealed>,
}

impl DeviceKey {
    /// Whether it opens anything at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.ends_at().is_none_or(|end| now < end)
    }

    /// From when on it opens nothing, where there is an end.
    pub fn ends_at(&self) -> Option<Timestamp> {
        [self.expires_at, self.revoked_at].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_telemetry_only_what_can_be_is_kept() {
        let said = Telemetry::bounded(Some(101), Some(true), Some(40_000), Some(""));
        assert_eq!(said, Telemetry { charging: Some(true), ..Telemetry::default() });
        let said = Telemetry::bounded(Some(100), None, Some(-97), Some("lte\n"));
        let network = Some("lte\\u{a}".to_owned());
        assert_eq!(said, Telemetry { battery: Some(100), charging: None, signal: Some(-97), network });
        let long = Telemetry::bounded(None, None, None, Some(&"ñ".repeat(1_000))).network;
        assert_eq!(long.map(|name| name.chars().count()), Some(MAX_NETWORK));
    }
}
