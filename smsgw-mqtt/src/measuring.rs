//! The dialects, for whoever measures them: what is written to a device, and what is read from one.

use smsgw_core::transport::{DeviceEvent, Downlink};

use crate::dialect::{self, Heard};

/// The topic and the payload; `None` where the device's protocol has no words for it.
pub fn write(downlink: &Downlink) -> Option<(String, Vec<u8>)> {
    dialect::write(downlink).map(|publication| (publication.topic, publication.payload))
}

/// What a device said; `None` where it is nothing that the gateway acts on.
pub fn read(topic: &str, payload: &[u8]) -> Option<DeviceEvent> {
    match dialect::read(topic, payload, false) {
        Heard::Event(event) => Some(event),
        Heard::Nothing | Heard::Unreadable(_) => None,
    }
}
