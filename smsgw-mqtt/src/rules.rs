//! Who may publish and subscribe where. Pure; the words of the topics come from the dialects.

#[cfg(test)]
pub(crate) mod table;

use std::fmt;

use smsgw_core::id::DeviceId;
use smsgw_core::transport::TopicKey;

use crate::dialect::{MAX_PAYLOAD, original};
use crate::wire::{down_topic, presence_topic, up_topic};

/// Whom a connection acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// The gateway, which may do everything.
    Gateway,
    /// Devices of the original protocol that share an account: whoever knows a key may use its topics.
    Shared,
    /// A native device.
    Native(DeviceId),
    /// A device of the original protocol that came in with its key, and which it is, where somebody has looked.
    Original { device: Option<DeviceId>, key: TopicKey },
}

impl Account {
    /// The device that it is, as far as it says so.
    pub(crate) fn device(&self) -> Option<DeviceId> {
        match self {
            Self::Native(device) => Some(*device),
            Self::Original { device, .. } => *device,
            Self::Gateway | Self::Shared => None,
        }
    }

    /// Whether it uses the topics of the original protocol.
    pub(crate) fn is_original(&self) -> bool {
        matches!(self, Self::Shared | Self::Original { .. })
    }
}

/// Its name, for logs and for the library, which shows it to subscribers.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("gateway"),
            Self::Shared => f.write_str("shared"),
            Self::Native(device) | Self::Original { device: Some(device), .. } => device.fmt(f),
            Self::Original { device: None, .. } => f.write_str("original"),
        }
    }
}

/// Whether something may be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Publishing {
    Refused,
    /// It may, but the broker must not keep it: a topic may hold a key.
    Passing,
    /// It may, and the broker keeps it where the publisher asks for that.
    Retainable,
}

/// The longest text that may stand in a topic as a key, in bytes: half as much again as a key has.
const MAX_KEY: usize = 128;

/// Whether `account` may publish to `topic`.
pub(crate) fn publishing(account: &Account, topic: &str) -> Publishing {
    let allowed = match account {
        Account::Gateway => return Publishing::Retainable,
        Account::Native(device) => {
            let device = device.to_string();
            if topic == presence_topic(&device) {
                return Publishing::Retainable;
            }
            topic == up_topic(&device)
        }
        Account::Original { key, .. } => {
            let key = key.expose();
            topic == original::auth_topic(key) || topic == original::inbound_topic(key)
        }
        Account::Shared => {
            key_presented(topic).is_some() || last_level(topic, &original::inbound_topic("")).is_some()
        }
    };
    if allowed { Publishing::Passing } else { Publishing::Refused }
}

/// Whether `account` may leave a last will.
pub(crate) fn may_leave_will(account: &Account, topic: &str, retain: bool, payload: &[u8]) -> bool {
    let publishing = publishing(account, topic);
    let retainable = !retain || publishing == Publishing::Retainable;
    publishing != Publishing::Refused && retainable && payload.len() <= MAX_PAYLOAD
}

/// Whether `account` may subscribe to `filter`, which is as the client wrote it, `$share/…` included.
pub(crate) fn may_subscribe(account: &Account, filter: &str) -> bool {
    match account {
        Account::Gateway => true,
        Account::Native(device) => filter == down_topic(&device.to_string()),
        Account::Original { key, .. } => {
            let key = key.expose();
            filter == original::sms_topic(key) || filter == original::answer_topic(key)
        }
        Account::Shared => key_heard(filter).is_some() || key_answered(filter).is_some(),
    }
}

/// The key that is presented by publishing to `topic`.
pub(crate) fn key_presented(topic: &str) -> Option<&str> {
    last_level(topic, &original::auth_topic(""))
}

/// The key whose validity is told to subscribers of `filter`.
pub(crate) fn key_answered(filter: &str) -> Option<&str> {
    last_level(filter, &original::answer_topic(""))
}

/// The key whose messages go to subscribers of `filter`.
pub(crate) fn key_heard(filter: &str) -> Option<&str> {
    original::key_of_sms_topic(filter).filter(|key| key.len() <= MAX_KEY)
}

/// What follows `prefix`, where it is one level without wildcards, and no longer than a key may be.
fn last_level<'a>(topic: &'a str, prefix: &str) -> Option<&'a str> {
    let level = topic.strip_prefix(prefix)?;
    ((1..=MAX_KEY).contains(&level.len()) && !level.contains(['/', '+', '#'])).then_some(level)
}

/// A topic or filter as it may stand in a log: the words of the protocols, wildcards and device ids; a `…` for every
/// other level, since any may be a key.
pub(crate) fn redacted(topic: &str) -> String {
    const WORDS: [&str; 17] = [
        "smsgw", "v1", "up", "down", "presence", "devices", "auth", "messages", "server", "sms", "$SYS",
        "$share", "$CONTROL", "$queue", "+", "#", "",
    ];
    const LEVELS: usize = 8;
    let mut levels: Vec<&str> = topic
        .split('/')
        .take(LEVELS + 1)
        .map(|level| if WORDS.contains(&level) || level.parse::<DeviceId>().is_ok() { level } else { "…" })
        .collect();
    if levels.len() > LEVELS {
        levels[LEVELS] = "…";
    }
    levels.join("/")
}

#[cfg(test)]
mod tests {
    use super::table::{D, OTHER};
    use super::*;

    fn device(id: &str) -> DeviceId {
        id.parse().expect("an id")
    }

    /// The columns of the table.
    fn accounts() -> [Account; 4] {
        let key = TopicKey::new("KEY");
        [
            Account::Gateway,
            Account::Shared,
            Account::Native(device(D)),
            Account::Original { device: Some(device(OTHER)), key },
        ]
    }

    #[test]
    fn who_may_publish_where() {
        for (topic, expected) in table::publishing("KEY") {
            let found: String = accounts()
                .iter()
                .map(|account| match publishing(account, &topic) {
                    Publishing::Refused => '-',
                    Publishing::Passing => 'p',
                    Publishing::Retainable => 'r',
                })
                .collect();
            assert_eq!(found, expected, "{topic}");
        }
    }

    #[test]
    fn who_may_subscribe_to_what() {
        for (filter, expected) in table::subscribing("KEY") {
            let found: String = accounts()
                .iter()
                .map(|account| if may_subscribe(account, &filter) { 'y' } else { '-' })
                .collect();
            assert_eq!(found, expected, "{filter}");
        }
    }

    #[test]
    fn a_will_obeys_the_same_rules() {
        let native = Account::Native(device(D));
        assert!(may_leave_will(&native, &presence_topic(D), true, b"{}"));
        assert!(may_leave_will(&native, &up_topic(D), false, b"{}"));
        assert!(!may_leave_will(&native, &up_topic(D), true, b"{}"));
        assert!(!may_leave_will(&native, &presence_topic(OTHER), true, b"{}"));
        assert!(!may_leave_will(&native, &presence_topic(D), true, &[b' '; MAX_PAYLOAD + 1]));
        assert!(!may_leave_will(&Account::Shared, "devices/auth/KEY", true, b""));
        assert!(may_leave_will(&Account::Shared, "devices/auth/KEY", false, b""));
    }

    #[test]
    fn a_log_shows_no_key() {
        for (topic, shown) in [
            ("devices/auth/sgw_dev_x", "devices/auth/…"),
            ("devices/sgw_dev_x/sms", "devices/…/sms"),
            ("$share/g/#", "$share/…/#"),
            ("a\nb/\u{1b}[31m", "…/…"),
            ("1/2/3/4/5/6/7/8/9/10", "…/…/…/…/…/…/…/…/…"),
            ("+/+", "+/+"),
        ] {
            assert_eq!(redacted(topic), shown);
        }
        let own = format!("smsgw/v1/{D}/down");
        assert_eq!(redacted(&own), own);
    }
}
