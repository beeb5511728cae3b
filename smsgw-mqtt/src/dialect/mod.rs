//! What devices speak: a protocol a file. Each maps a [`Downlink`] to a topic and a payload, and a topic and a payload
//! to a [`DeviceEvent`]. Nothing else knows topics, but the broker's rules, which ask here.

pub mod native;
pub mod original;

use std::time::Duration;

use smsgw_core::transport::{Address, DeviceEvent, Downlink};

/// The largest payload of a device, in bytes.
pub const MAX_PAYLOAD: usize = 4 * 1024;

/// Something to publish, at QoS 1 and not retained.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// How long the broker may keep it.
    pub(crate) expiry: Option<Duration>,
}

/// What was published by a device.
pub(crate) enum Heard {
    Event(DeviceEvent),
    /// Nothing that the gateway acts on.
    Nothing,
    /// Not to be understood, with the reason: counted, acknowledged and never seen again.
    Unreadable(&'static str),
}

/// What devices say, each to be acted on once: one gateway of several is enough to hear it.
pub(crate) const WORDS: [&str; 2] = [native::UP_FILTER, original::INBOUND_FILTER];

/// Where devices are, which every gateway must know: presence, and keys that are presented.
pub(crate) const NEWS: [&str; 2] = [native::PRESENCE_FILTER, original::AUTH_FILTER];

/// Writes a downlink; `None` where the device's protocol has no words for it.
pub(crate) fn write(downlink: &Downlink) -> Option<Publication> {
    match &downlink.address {
        Address::Native(device) => native::write(*device, &downlink.command),
        Address::Original(key) => original::write(key, &downlink.command),
    }
}

/// Reads what came in under `topic`. `retained` is set for what was published before the gateway subscribed.
pub(crate) fn read(topic: &str, payload: &[u8], retained: bool) -> Heard {
    if payload.len() > MAX_PAYLOAD {
        return Heard::Unreadable("the payload is over 4 KiB");
    }
    match topic.split('/').collect::<Vec<_>>()[..] {
        ["smsgw", "v1", device, "presence"] => native::read_presence(device, payload),
        ["smsgw", "v1", device, "up"] => native::read(device, payload),
        // A retained word of another protocol is from a time that nobody knows.
        _ if retained => Heard::Nothing,
        ["devices", "auth", key] => original::read_auth(key),
        ["devices", "messages", key] => original::read_inbound(key, payload),
        _ => Heard::Unreadable("the topic is none of ours"),
    }
}
