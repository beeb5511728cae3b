//! The protocol of the Python gateway: `phone:body`, the API key in the topic, no ids, no reports.

use smsgw_core::transport::{Address, Command, DeviceEvent, InboundSms, TopicKey};

use super::{Heard, Publication};

pub(super) const AUTH_FILTER: &str = "devices/auth/+";
pub(super) const INBOUND_FILTER: &str = "devices/messages/+";

/// Where a device presents its key; the payload is its client id.
pub fn auth_topic(key: &str) -> String {
    format!("devices/auth/{key}")
}

/// Where a device says what it has received.
pub fn inbound_topic(key: &str) -> String {
    format!("devices/messages/{key}")
}

/// Where a device hears whether its key is valid.
pub fn answer_topic(key: &str) -> String {
    format!("server/auth/{key}")
}

/// Where a device hears what it is to send.
pub fn sms_topic(key: &str) -> String {
    format!("devices/{key}/sms")
}

/// The key in the topic filter of a device that listens for messages, `devices/{key}/sms`.
pub fn key_of_sms_topic(filter: &str) -> Option<&str> {
    let key = filter.strip_prefix("devices/")?.strip_suffix("/sms")?;
    (!key.is_empty() && !key.contains(['/', '+', '#'])).then_some(key)
}

pub(super) fn write(key: &TopicKey, command: &Command) -> Option<Publication> {
    match command {
        Command::Send { message, remaining } => Some(Publication {
            topic: sms_topic(key.expose()),
            payload: format!("{}:{}", message.to.expose().as_str(), message.body.expose()).into_bytes(),
            expiry: Some(*remaining),
        }),
        Command::Authentication { accepted } => Some(Publication {
            topic: answer_topic(key.expose()),
            payload: if *accepted { b"authenticated".to_vec() } else { b"unauthorized".to_vec() },
            expiry: None,
        }),
        Command::Cancel(_) | Command::Receipt(_) => None,
    }
}

pub(super) fn read_auth(key: &str) -> Heard {
    if key.is_empty() {
        return Heard::Unreadable("a topic without a key");
    }
    // The client id in the payload says nothing that the key does not.
    Heard::Event(DeviceEvent::Authenticate { key: TopicKey::new(key) })
}

pub(super) fn read_inbound(key: &str, payload: &[u8]) -> Heard {
    if key.is_empty() {
        return Heard::Unreadable("a topic without a key");
    }
    let Ok(text) = std::str::from_utf8(payload) else {
        return Heard::Unreadable("a received SMS that is not UTF-8");
    };
    let Some((from, body)) = text.split_once(':') else {
        return Heard::Unreadable("a received SMS without a colon");
    };
    if text.contains('\0') {
        return Heard::Unreadable("a received SMS with U+0000");
    }
    let sms =
        InboundSms { id: None, from: from.to_owned(), body: body.to_owned(), sim: None, received_at: None };
    Heard::Event(DeviceEvent::Inbound { origin: Address::Original(TopicKey::new(key)), sms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_received_sms_is_split_at_the_first_colon() {
        let heard = super::super::read("devices/messages/k", "+53:a:b\n👋".as_bytes(), false);
        let Heard::Event(DeviceEvent::Inbound { sms, .. }) = heard else { panic!("no SMS") };
        assert_eq!((sms.from.as_str(), sms.body.as_str()), ("+53", "a:b\n👋"));
        for bad in [&b"no colon"[..], b"\xff:x", b"a:\0"] {
            assert!(matches!(super::super::read("devices/messages/k", bad, false), Heard::Unreadable(_)));
        }
    }

    #[test]
    fn what_was_retained_does_not_authenticate() {
        assert!(matches!(super::super::read("devices/auth/k", b"c", true), Heard::Nothing));
        let heard = super::super::read("devices/auth/k", b"c", false);
        assert!(matches!(heard, Heard::Event(DeviceEvent::Authenticate { key }) if key.expose() == "k"));
    }

    #[test]
    fn the_key_of_a_subscription() {
        assert_eq!(key_of_sms_topic("devices/k/sms"), Some("k"));
        for other in
            ["devices/+/sms", "devices/#", "devices//sms", "devices/a/b/sms", "server/auth/k", "devices/sms"]
        {
            assert_eq!(key_of_sms_topic(other), None, "{other}");
        }
    }
}
