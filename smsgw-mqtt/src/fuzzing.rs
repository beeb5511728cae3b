//! What must hold of whatever a broker or a device sends. The fuzz targets and a test call these.

use smsgw_core::fuzzing::{Target, assert_discreet, assert_line};
use smsgw_core::transport::{Address, DeviceEvent};

#[cfg(feature = "broker")]
pub use crate::broker::fuzzing::topic;
use crate::dialect::{self, Heard, MAX_PAYLOAD, original};
use crate::wire::{self, Down, Presence, Sim, Sms, Up, WireError};

/// The checks of this crate.
pub const TARGETS: &[Target] = &[
    ("native_down", native_down),
    ("native_presence", native_presence),
    ("native_up", native_up),
    ("original", original),
    ("sims", sims),
    #[cfg(feature = "broker")]
    ("topic", topic),
];

const DEVICE: &str = "01990000-0000-7000-8000-000000000001";
const KEY: &str = "a-key";

/// What a gateway wrote reads back from what the device would write of it.
pub fn native_down(payload: &[u8]) {
    match Down::parse(payload) {
        Ok(down) => {
            assert_eq!(Down::parse(&wire::encode(&down)), Ok(down.clone()));
            let shown = format!("{down:?}");
            match down {
                Down::Send(sms) => {
                    let bare = Down::Send(Sms { to: String::new(), body: String::new(), ..sms });
                    assert_eq!(format!("{bare:?}"), shown, "a number or a text is shown");
                }
                Down::Config(_) => assert_discreet(&shown),
                _ => {}
            }
        }
        Err(error) => assert_unreadable(payload, error),
    }
}

/// What a device says reads back, and the gateway hears of it what it says and no more.
pub fn native_up(payload: &[u8]) {
    let read = Up::parse(payload);
    let heard = dialect::read(&wire::up_topic(DEVICE), payload, false);
    if payload.len() > MAX_PAYLOAD {
        assert!(matches!(heard, Heard::Unreadable(_)));
        return;
    }
    let up = match read {
        Ok(up) => up,
        Err(error) => {
            assert!(matches!(heard, Heard::Unreadable(_)));
            return assert_unreadable(payload, error);
        }
    };
    assert_eq!(Up::parse(&wire::encode(&up)), Ok(up.clone()));
    match (up, heard) {
        (Up::Report(said), Heard::Event(DeviceEvent::Report { device, message, report })) => {
            assert_eq!(device.to_string(), DEVICE);
            assert_eq!((message.to_string(), report.id.to_string()), (said.id, said.report_id));
            assert_eq!((report.state, report.attempt), (said.state, said.attempt));
            if let Some(failure) = report.failure {
                assert!(failure.code.len() <= 64);
                failure.detail.iter().for_each(|detail| assert_line(detail));
            }
        }
        (Up::Inbound(said), Heard::Event(DeviceEvent::Inbound { origin, sms })) => {
            assert_eq!(origin, Address::Native(DEVICE.parse().expect("an id")));
            assert_eq!(sms.id.map(|id| id.to_string()), Some(said.report_id));
            assert!(!sms.from.contains('\0') && !sms.body.contains('\0'));
            assert_eq!((sms.from, sms.body, sms.sim), (said.from, said.body, said.sim));
        }
        (Up::Hello(said), Heard::Event(DeviceEvent::Hello { device, sims })) => {
            assert_eq!(device.to_string(), DEVICE);
            assert!(sims.len() <= 8 && said.sims.starts_with(&sims));
        }
        (Up::Telemetry(_), Heard::Event(DeviceEvent::Telemetry { device, telemetry })) => {
            assert_eq!(device.to_string(), DEVICE);
            assert!(telemetry.battery.is_none_or(|percent| percent <= 100));
            let clean = |name: String| name.chars().count() <= 32 && !name.contains(char::is_control);
            assert!(telemetry.network.is_none_or(clean));
        }
        (Up::Report(_) | Up::Inbound(_), Heard::Unreadable(_)) => {}
        _ => panic!("heard something else than was said"),
    }
}

/// A list of SIM cards, as a device tells it and as stores keep it: bounded, and the same when it is read back.
pub fn sims(list: &[u8]) {
    let hello = [br#"{"type":"hello","agent":"a","protocol":1,"sims":"#, list, b"}"].concat();
    let Heard::Event(event) = dialect::read(&wire::up_topic(DEVICE), &hello, false) else { return };
    let shown = format!("{event:?}");
    let DeviceEvent::Hello { device, sims } = event else { panic!("no hello") };
    assert!(sims.len() <= 8);
    let kept = serde_json::to_string(&sims).expect("JSON");
    assert!(!kept.contains('\0'), "PostgreSQL refuses U+0000");
    assert_eq!(serde_json::from_str::<Vec<Sim>>(&kept).expect("the same"), sims);
    let sims = sims.into_iter().map(|sim| Sim { number: None, ..sim }).collect();
    let bare = DeviceEvent::Hello { device, sims };
    assert_eq!(format!("{bare:?}"), shown, "a number is shown");
}

/// Whether a device is there reads back, and is heard as it was said.
pub fn native_presence(payload: &[u8]) {
    let heard = dialect::read(&wire::presence_topic(DEVICE), payload, true);
    match Presence::parse(payload) {
        Ok(presence) if payload.len() <= MAX_PAYLOAD => {
            assert_eq!(Presence::parse(&wire::encode(&presence)), Ok(presence.clone()));
            let Heard::Event(DeviceEvent::Presence { device, online }) = heard else { panic!("no presence") };
            assert_eq!((device.to_string().as_str(), online), (DEVICE, presence.online));
        }
        Ok(_) => assert!(matches!(heard, Heard::Unreadable(_))),
        Err(error) => {
            assert!(matches!(heard, Heard::Unreadable(_)) || payload.is_empty());
            assert_unreadable(payload, error);
        }
    }
}

/// A received SMS of the original protocol is the sender, a colon and the text, and nothing is added or lost.
pub fn original(payload: &[u8]) {
    match dialect::read(&original::inbound_topic(KEY), payload, false) {
        Heard::Event(DeviceEvent::Inbound { origin: Address::Original(key), sms }) => {
            assert_eq!(key.expose(), KEY);
            assert_eq!(format!("{}:{}", sms.from, sms.body).as_bytes(), payload);
            assert!(!sms.from.contains(':') && !payload.contains(&0));
            assert_eq!((sms.id, sms.sim, sms.received_at), (None, None, None));
        }
        Heard::Unreadable(reason) => {
            assert_discreet(reason);
            let is_text = std::str::from_utf8(payload).is_ok_and(|text| text.contains(':'));
            assert!(!is_text || payload.contains(&0) || payload.len() > MAX_PAYLOAD);
        }
        _ => panic!("heard something else than an SMS"),
    }
    if payload.len() <= MAX_PAYLOAD {
        let heard = dialect::read(&original::auth_topic(KEY), payload, false);
        assert!(matches!(heard, Heard::Event(DeviceEvent::Authenticate { key }) if key.expose() == KEY));
    }
}

/// An error says where, and nothing of what is there.
fn assert_unreadable(payload: &[u8], error: WireError) {
    assert_discreet(&error.to_string());
    if let WireError::Malformed { line, column } = error {
        assert!(line <= payload.len() + 1 && column <= payload.len() + 1);
    }
}
