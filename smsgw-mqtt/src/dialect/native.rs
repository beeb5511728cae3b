//! The native protocol: JSON with ids and reports. The words themselves are in [`crate::wire`].

use smsgw_core::device::Telemetry;
use smsgw_core::id::{DeviceId, ReportId};
use smsgw_core::message::{Failure, Message};
use smsgw_core::state::{Report, ReportState};
use smsgw_core::time::Timestamp;
use smsgw_core::transport::{Address, Command, DeviceEvent, InboundSms};

use super::{Heard, Publication};
use crate::wire::{self, Down, Sms, Up, WireError, down_topic};

pub(super) const UP_FILTER: &str = "smsgw/v1/+/up";
pub(super) const PRESENCE_FILTER: &str = "smsgw/v1/+/presence";

pub(super) fn write(device: DeviceId, command: &Command) -> Option<Publication> {
    let topic = down_topic(&device.to_string());
    let (down, expiry) = match command {
        Command::Send { message, remaining } => (Down::Send(sms(message)), Some(*remaining)),
        Command::Cancel(message) => (Down::Cancel(wire::Cancel { id: message.to_string() }), None),
        Command::Receipt(reports) => {
            let report_ids = reports.iter().map(ReportId::to_string).collect();
            (Down::Receipt(wire::Receipt { report_ids }), None)
        }
        // A native device authenticates to the broker; who is here has done so.
        Command::Authentication { .. } => return None,
    };
    Some(Publication { topic, payload: wire::encode(&down), expiry })
}

fn sms(message: &Message) -> Sms {
    Sms {
        id: message.id.to_string(),
        to: message.to.expose().as_str().to_owned(),
        body: message.body.expose().to_owned(),
        sim: message.sim,
        segments: u32::from(message.segments),
        expires_at: Some(message.expires_at.to_string()),
        attempt: message.attempts,
    }
}

pub(super) fn read_presence(device: &str, payload: &[u8]) -> Heard {
    let Ok(device) = device.parse() else { return Heard::Unreadable("the topic names no device") };
    // An empty payload clears a retained message.
    if payload.is_empty() {
        return Heard::Nothing;
    }
    match wire::Presence::parse(payload) {
        Ok(presence) => Heard::Event(DeviceEvent::Presence { device, online: presence.online }),
        Err(_) => Heard::Unreadable("a presence that is none"),
    }
}

pub(super) fn read(device: &str, payload: &[u8]) -> Heard {
    let Ok(device) = device.parse() else { return Heard::Unreadable("the topic names no device") };
    let up = match Up::parse(payload) {
        Ok(up) => up,
        Err(WireError::UnknownType) => return Heard::Unreadable("an unknown type"),
        Err(_) => return Heard::Unreadable("not JSON of this protocol"),
    };
    match up {
        Up::Report(report) => read_report(device, &report),
        Up::Inbound(inbound) => read_inbound(device, inbound),
        Up::Hello(hello) => {
            let sims = hello.sims.into_iter().take(MAX_SIMS).collect();
            Heard::Event(DeviceEvent::Hello { device, sims })
        }
        Up::Telemetry(said) => {
            let wire::Telemetry { battery, charging, signal, network } = said;
            let telemetry = Telemetry::bounded(battery, charging, signal, network.as_deref());
            Heard::Event(DeviceEvent::Telemetry { device, telemetry })
        }
    }
}

/// No phone has more slots; what says otherwise is not stored whole.
const MAX_SIMS: usize = 8;

fn read_report(device: DeviceId, report: &wire::Report) -> Heard {
    let (Ok(id), Ok(message)) = (report.report_id.parse(), report.id.parse()) else {
        return Heard::Unreadable("a report whose ids are no UUIDs");
    };
    let state = report.state;
    let failed = matches!(state, ReportState::Undelivered | ReportState::Failed | ReportState::Unknown);
    let failure = report.code.as_deref().filter(|_| failed).map(Failure::from_device);
    let report = Report { id, state, failure, attempt: report.attempt };
    Heard::Event(DeviceEvent::Report { device, message, report })
}

fn read_inbound(device: DeviceId, inbound: wire::Inbound) -> Heard {
    let Ok(id) = inbound.report_id.parse() else {
        return Heard::Unreadable("a received SMS whose id is no UUID");
    };
    if inbound.from.contains('\0') || inbound.body.contains('\0') {
        return Heard::Unreadable("a received SMS with U+0000");
    }
    let sms = InboundSms {
        id: Some(id),
        from: inbound.from,
        body: inbound.body,
        sim: inbound.sim,
        received_at: Timestamp::parse(&inbound.received_at),
    };
    Heard::Event(DeviceEvent::Inbound { origin: Address::Native(device), sms })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: &str = "01990000-0000-7000-8000-000000000001";
    const MESSAGE: &str = "01990000-0000-7000-8000-000000000002";

    fn up(payload: &str) -> Heard {
        super::super::read(&format!("smsgw/v1/{DEVICE}/up"), payload.as_bytes(), false)
    }

    #[test]
    fn reads_a_report() {
        let text = format!(
            r#"{{"type":"report","report_id":"{MESSAGE}","id":"{MESSAGE}","state":"failed","code":"no_service","at":"x"}}"#
        );
        let Heard::Event(DeviceEvent::Report { device, message, report }) = up(&text) else {
            panic!("no report")
        };
        assert_eq!((device.to_string().as_str(), message.to_string().as_str()), (DEVICE, MESSAGE));
        assert_eq!(report.state, ReportState::Failed);
        assert_eq!(report.failure.map(|failure| failure.code).as_deref(), Some("no_service"));
        assert_eq!(report.attempt, None);
        let text = text.replace(r#""at""#, r#""attempt":2,"at""#);
        let Heard::Event(DeviceEvent::Report { report, .. }) = up(&text) else { panic!("no report") };
        assert_eq!(report.attempt, Some(2));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_nothing_else() {
        let deep = "[".repeat(200);
        for payload in ["", "x", "[]", "null", &deep, r#"{"type":"report"}"#, r#"{"type":"dance"}"#] {
            assert!(matches!(up(payload), Heard::Unreadable(_)), "{payload}");
        }
        for topic in ["smsgw/v1/x/up", "smsgw/v1/x/presence", "smsgw/v1/up", "else"] {
            assert!(matches!(super::super::read(topic, b"{}", false), Heard::Unreadable(_)), "{topic}");
        }
        let long = format!(r#"{{"type":"telemetry","network":"{}"}}"#, "a".repeat(4_096));
        assert!(matches!(up(&long), Heard::Unreadable(_)));
    }

    #[test]
    fn reads_telemetry_within_its_bounds() {
        let said = r#"{"type":"telemetry","battery":101,"charging":true,"signal":-97,"network":"lte\u0007"}"#;
        let Heard::Event(DeviceEvent::Telemetry { device, telemetry }) = up(said) else { panic!("none") };
        assert_eq!(device.to_string(), DEVICE);
        let network = Some("lte\\u{7}".to_owned());
        assert_eq!(telemetry, Telemetry { battery: None, charging: Some(true), signal: Some(-97), network });
    }

    #[test]
    fn presence_is_read_also_when_it_is_retained() {
        let topic = format!("smsgw/v1/{DEVICE}/presence");
        let heard = super::super::read(&topic, br#"{"online":true,"at":"2026-01-02T03:04:05Z"}"#, true);
        assert!(matches!(heard, Heard::Event(DeviceEvent::Presence { online: true, .. })));
        assert!(matches!(super::super::read(&topic, b"", true), Heard::Nothing));
    }
}
