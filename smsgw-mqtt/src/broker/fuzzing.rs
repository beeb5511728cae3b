//! What must hold of topics and topic filters, whatever a client writes.

use smsgw_core::fuzzing::assert_discreet;
use smsgw_core::transport::{Address, DeviceEvent, TopicKey};

use crate::dialect::{self, Heard, original};
use crate::rules::{Account, Publishing, may_subscribe, publishing, redacted};

const DEVICE: &str = "01990000-0000-7000-8000-000000000001";
const KEY: &str = "a-key";

/// Whoever may publish is heard as nobody but himself, nobody but the gateway listens to more than one topic, and a log
/// shows no level that could be a key.
pub fn topic(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let device = DEVICE.parse().expect("an id");
    let key = TopicKey::new(KEY);
    let accounts = [
        Account::Shared,
        Account::Native(device),
        Account::Original { device: Some(device), key: key.clone() },
    ];
    for account in &accounts {
        if publishing(account, text) != Publishing::Refused {
            let known: &[&[u8]] = &[b"+53:a", br#"{"online":true}"#, br#"{"type":"telemetry"}"#];
            known.iter().for_each(|payload| check_heard(account, text, payload));
        }
        if may_subscribe(account, text) {
            assert!(!text.contains(['+', '#']) && !text.starts_with('$'), "more than one topic");
            let levels: Vec<&str> = text.split('/').collect();
            assert!(matches!(
                levels[..],
                ["smsgw", "v1", _, "down"] | ["devices", _, "sms"] | ["server", "auth", _]
            ));
        }
        if *account != Account::Shared {
            let own = text.contains(DEVICE) || text.contains(KEY);
            assert!(
                own || (publishing(account, text) == Publishing::Refused && !may_subscribe(account, text))
            );
        }
    }
    if let Some(level) = original::key_of_sms_topic(text) {
        assert_eq!(original::sms_topic(level), text);
    }
    check_redacted(text);
}

fn check_heard(account: &Account, topic: &str, payload: &[u8]) {
    let speaks_for = match dialect::read(topic, payload, false) {
        Heard::Event(DeviceEvent::Authenticate { key }) => Address::Original(key),
        Heard::Event(DeviceEvent::Inbound { origin, .. }) => origin,
        Heard::Event(DeviceEvent::Presence { device, .. } | DeviceEvent::Telemetry { device, .. }) => {
            Address::Native(device)
        }
        Heard::Event(_) => panic!("none of these payloads says that"),
        Heard::Nothing => return,
        Heard::Unreadable(reason) => return assert_discreet(reason),
    };
    match (account, speaks_for) {
        (Account::Native(own), Address::Native(device)) => assert_eq!(*own, device),
        (Account::Original { key, .. }, Address::Original(said)) => assert_eq!(*key, said),
        (Account::Shared, Address::Original(said)) => assert!(topic.ends_with(said.expose())),
        _ => panic!("speaks for another"),
    }
}

fn check_redacted(topic: &str) {
    let shown = redacted(topic);
    assert!(shown.split('/').count() <= 9);
    for level in shown.split('/') {
        let is_id = level.len() == 36 && topic.contains(level);
        assert!(is_id || level == "…" || level.len() <= 9, "a level that may be a key");
        assert!(!level.contains(char::is_control));
    }
}
