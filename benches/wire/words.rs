//! What is said on the wire: a word of each kind, as the gateway hands it over or as a device says it.

use std::time::Duration;

use smsgw_core::id::{DeviceId, IdSource};
use smsgw_core::time::{Clock, SystemClock};
use smsgw_core::transport::{Address, Command, Downlink, TopicKey};
use smsgw_mqtt::dialect::original;
use smsgw_mqtt::wire;

use crate::message::{TEXT, message};

const DEVICE: &str = "01990000-0000-7000-8000-000000000001";
const MESSAGE: &str = "01990000-0000-7000-8000-000000000002";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// To a device, by name; the first is a message in the native protocol.
pub(crate) fn spoken() -> Vec<(&'static str, Downlink)> {
    let (ids, now) = (IdSource::new(), SystemClock.now());
    let device: DeviceId = DEVICE.parse().expect("an id");
    let (native, original) = (Address::Native(device), Address::Original(TopicKey::new(KEY)));
    let send = || Command::Send {
        message: Box::new(message(ids.next(now), ids.next(now))),
        remaining: Duration::from_secs(86_400),
    };
    let receipt = Command::Receipt((0..16).map(|_| ids.next(now)).collect());
    vec![
        ("native message", Downlink { address: native.clone(), command: send() }),
        ("native receipt of 16", Downlink { address: native, command: receipt }),
        ("original message", Downlink { address: original, command: send() }),
    ]
}

/// From a device: its name, the topic and the payload.
pub(crate) fn heard() -> Vec<(&'static str, String, String)> {
    let report = format!(
        r#"{{"type":"report","report_id":"{MESSAGE}","id":"{MESSAGE}","attempt":1,"state":"sent","at":"2026-01-02T03:04:05Z"}}"#
    );
    let inbound = format!(
        r#"{{"type":"inbound","report_id":"{MESSAGE}","from":"+5351234567","body":"{TEXT}","sim":1,"received_at":"2026-01-02T03:04:05Z"}}"#
    );
    let up = wire::up_topic(DEVICE);
    vec![
        ("native report", up.clone(), report),
        ("native inbound", up, inbound),
        ("original inbound", original::inbound_topic(KEY), format!("+5351234567:{TEXT}")),
    ]
}
