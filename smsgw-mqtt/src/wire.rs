//! The native protocol, version 1: what a device and the gateway say to each other in JSON.
//!
//! Both halves use these types, so that they cannot drift apart. Ids and times stay strings here: what they
//! must look like is for the half that reads them to decide. Unknown fields are ignored, so that either half
//! may be upgraded first. `Debug` shows neither a phone number nor a text.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
pub use smsgw_core::device::Sim;
pub use smsgw_core::state::ReportState;

/// The version of the protocol that a device names in its [`Hello`].
pub const PROTOCOL: u32 = 1;

/// Where the gateway writes to a device: [`Down`], QoS 1, not retained.
pub fn down_topic(device_id: &str) -> String {
    format!("smsgw/v1/{device_id}/down")
}

/// Where a device writes to the gateway: [`Up`], QoS 1, not retained.
pub fn up_topic(device_id: &str) -> String {
    format!("smsgw/v1/{device_id}/up")
}

/// Where a device, and its last will, say whether it is there: [`Presence`], QoS 1, retained.
pub fn presence_topic(device_id: &str) -> String {
    format!("smsgw/v1/{device_id}/presence")
}

/// From the gateway to a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Down {
    /// Send this SMS.
    Send(Sms),
    /// Do not send this SMS, if the radio has not had it yet.
    Cancel(Cancel),
    /// These reports are stored: stop repeating them.
    Receipt(Receipt),
    /// Settings; a device takes what it knows.
    Config(Config),
}

/// From a device to the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Up {
    /// The first word after each connect.
    Hello(Hello),
    /// What became of a message; repeated until its receipt comes.
    Report(Report),
    /// An SMS that the device received; repeated until its receipt comes.
    Inbound(Inbound),
    /// How the device is; the newest word counts, none is repeated.
    Telemetry(Telemetry),
}

/// One SMS for one recipient.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sms {
    /// The message id; a device sends each id at most once.
    pub id: String,
    /// The recipient, E.164.
    pub to: String,
    /// The text, as its author wrote it.
    pub body: String,
    /// The SIM slot to use, from 1; none leaves it to the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sim: Option<u8>,
    /// How many SMS parts the gateway counted.
    #[serde(default = "one")]
    pub segments: u32,
    /// RFC 3339; after this moment the message must not be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Which attempt this is, from 1. Only after the receipt of a `failed` report may a higher one be sent again.
    #[serde(default = "one")]
    pub attempt: u32,
}

fn one() -> u32 {
    1
}

impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sms")
            .field("id", &self.id)
            .field("sim", &self.sim)
            .field("segments", &self.segments)
            .field("expires_at", &self.expires_at)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// Withdraws a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// The message id.
    pub id: String,
}

/// Says which reports are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The `report_id`s of reports and inbound messages.
    pub report_ids: Vec<String>,
}

/// Settings for a device. Version 1 names none; whatever comes is kept by name.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Config {
    /// The settings by name.
    #[serde(flatten)]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("settings", &self.settings.len()).finish()
    }
}

/// Who the device is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Program and version, such as `smsgw-device/0.1.0`.
    pub agent: String,
    /// The protocol version that it speaks.
    pub protocol: u32,
    /// The SIM cards in it, where it can tell.
    #[serde(default)]
    pub sims: Vec<Sim>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Names this report in its receipt; the same each time the report is repeated.
    pub report_id: String,
    /// The message id.
    pub id: String,
    /// The attempt of the `send` it is about; none where it is about no single one, as after a `cancel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What happened.
    pub state: ReportState,
    /// The SMS part this is about, from 1; none means the whole message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// Why it failed: a short stable word such as `no_service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// RFC 3339, by the device's clock.
    pub at: String,
}

/// An SMS that the device received.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbound {
    /// Names this message in its receipt, and tells two messages with the same text apart.
    pub report_id: String,
    /// The sender: a number, or a word such as a company's name.
    pub from: String,
    /// The text.
    pub body: String,
    /// The SIM slot that received it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sim: Option<u8>,
    /// RFC 3339.
    pub received_at: String,
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("report_id", &self.report_id)
            .field("sim", &self.sim)
            .field("received_at", &self.received_at)
            .finish_non_exhaustive()
    }
}

/// How the device is; every field may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    /// Battery charge in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<u8>,
    /// Whether it is on a charger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charging: Option<bool>,
    /// Signal strength in dBm, negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The kind of network, such as `lte`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// Whether a device is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Connected and subscribed.
    pub online: bool,
    /// RFC 3339; a last will has none, because its time is not known when it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Why a payload is none of ours. Carries nothing of the payload itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// An object with a `type` that this version does not know: count it, it may be from the future.
    #[error("unknown message type")]
    UnknownType,
    /// Not an object that this protocol could have written.
    #[error("malformed at line {line} column {column}")]
    Malformed {
        /// From 1; 0 where the place is not known.
        line: usize,
        /// From 1; 0 where the place is not known.
        column: usize,
    },
}

impl Down {
    /// Reads what the gateway sent.
    ///
    /// # Errors
    /// [`WireError`]; the payload is then to be counted and acknowledged, because it will never read better.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        parse(payload, &["send", "cancel", "receipt", "config"])
    }
}

impl Up {
    /// Reads what a device sent.
    ///
    /// # Errors
    /// [`WireError`]; the payload is then to be counted and acknowledged, because it will never read better.
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        parse(payload, &["hello", "report", "inbound", "telemetry"])
    }
}

impl Presence {
    /// Reads a presence message. An empty payload, which clears a retained message, is not one.
    ///
    /// # Errors
    /// [`WireError::Malformed`].
    pub fn parse(payload: &[u8]) -> Result<Self, WireError> {
        object(payload)
    }
}

/// The JSON of anything above: an object on one line.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Strings, numbers and maps with string keys: serde_json has no way to fail on these types.
    serde_json::to_vec(message).unwrap_or_default()
}

fn parse<T: DeserializeOwned>(payload: &[u8], known: &[&str]) -> Result<T, WireError> {
    // The second look costs only those payloads that are refused anyway.
    object(payload).map_err(|malformed| match object::<Tagged>(payload) {
        Ok(tagged) if !known.contains(&tagged.kind.as_str()) => WireError::UnknownType,
        _ => malformed,
    })
}

/// serde reads a struct from an array too, so the brace is checked here. Nesting past serde_json's 128
/// levels is an error of its own.
fn object<T: DeserializeOwned>(payload: &[u8]) -> Result<T, WireError> {
    if payload.trim_ascii_start().first() != Some(&b'{') {
        return Err(WireError::Malformed { line: 1, column: 1 });
    }
    serde_json::from_slice(payload).map_err(|e| WireError::Malformed { line: e.line(), column: e.column() })
}

#[derive(Deserialize)]
struct Tagged {
    #[serde(rename = "type")]
    kind: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn malformed<T: fmt::Debug>(result: Result<T, WireError>) -> bool {
        matches!(result, Err(WireError::Malformed { .. }))
    }

    #[test]
    fn the_documented_examples_read_and_write_back() -> Result<(), Box<dyn std::error::Error>> {
        let down = [
            r#"{"type":"send","id":"0199","to":"+5351234567","body":"hola","sim":1,"segments":1,"expires_at":"2026-01-02T03:04:05Z","attempt":1}"#,
            r#"{"type":"cancel","id":"0199"}"#,
            r#"{"type":"receipt","report_ids":["a","b"]}"#,
            r#"{"type":"config","anything":{"x":1}}"#,
        ];
        for text in down {
            assert_eq!(String::from_utf8(encode(&Down::parse(text.as_bytes())?))?, text);
        }
        let up = [
            r#"{"type":"report","report_id":"r","id":"0199","attempt":2,"state":"failed","segment":1,"code":"no_service","at":"2026-01-02T03:04:05Z"}"#,
            r#"{"type":"inbound","report_id":"r","from":"+53","body":"a:b\nc","sim":1,"received_at":"2026-01-02T03:04:05Z"}"#,
            r#"{"type":"hello","agent":"x/1","protocol":1,"sims":[{"slot":1,"number":"+53","carrier":"c"}]}"#,
            r#"{"type":"telemetry","battery":83,"charging":true,"signal":-71,"network":"lte"}"#,
        ];
        for text in up {
            assert_eq!(String::from_utf8(encode(&Up::parse(text.as_bytes())?))?, text);
        }
        Ok(())
    }

    #[test]
    fn absent_fields_have_defaults_and_unknown_ones_are_ignored() -> Result<(), WireError> {
        let Down::Send(sms) = Down::parse(br#"{"new":[1],"body":"b","to":"t","id":"i","type":"send"}"#)?
        else {
            panic!("not a send");
        };
        assert_eq!((sms.segments, sms.attempt, sms.sim, sms.expires_at), (1, 1, None, None));
        Ok(())
    }

    #[test]
    fn an_unknown_type_is_told_from_a_malformed_payload() {
        assert_eq!(Down::parse(br#"{"type":"reboot","when":1}"#), Err(WireError::UnknownType));
        assert_eq!(Up::parse(br#"{"type":"send","id":"i"}"#), Err(WireError::UnknownType));
        let bad: [&[u8]; 9] = [
            b"",
            b"   ",
            b"{",
            b"null",
            br#"{"type":7}"#,
            br#"{"id":"i"}"#,
            br#"{"type":"cancel"}"#,
            br#"["cancel",{"id":"i"}]"#,
            br#"{"type":"cancel","id":"i","id":"j"}"#,
        ];
        for payload in bad {
            assert!(malformed(Down::parse(payload)), "{}", String::from_utf8_lossy(payload));
        }
        assert!(malformed(Down::parse(b"{\"type\":\"cancel\",\"id\":\"\xff\"}")));
        assert!(malformed(Presence::parse(b"[true]")));
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let deep = format!(r#"{{"type":"config","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(malformed(Down::parse(deep.as_bytes())));
    }

    #[test]
    fn debug_shows_neither_number_nor_text() {
        let sms = r#"{"type":"send","id":"i","to":"+34600111222","body":"secret"}"#;
        let inbound =
            r#"{"type":"inbound","report_id":"r","from":"+34600111222","body":"secret","received_at":"t"}"#;
        let hello =
            r#"{"type":"hello","agent":"a","protocol":1,"sims":[{"slot":1,"number":"+34600111222"}]}"#;
        let config = r#"{"type":"config","note":"secret"}"#;
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            Down::parse(sms.as_bytes()),
            Up::parse(inbound.as_bytes()),
            Up::parse(hello.as_bytes()),
            Down::parse(config.as_bytes())
        );
        assert!(!shown.contains("34600") && !shown.contains("secret"), "{shown}");
    }
}
