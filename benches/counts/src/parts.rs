use std::hint::black_box;

use smsgw_core::id::{AccountId, DeviceId, MessageId, ReportId};
use smsgw_core::phone::PhoneNumber;
use smsgw_core::segment::{segment, split};
use smsgw_core::state::{Change, Fence, Head, Report, ReportState, State, Transition, decide};
use smsgw_core::time::Timestamp;
use smsgw_mqtt::measuring::{read, write};

use crate::message::TEXT;
use crate::words::{heard, spoken};

/// Something to count: all that it needs is made beforehand.
pub(crate) struct Part {
    /// Without spaces.
    pub(crate) name: String,
    pub(crate) round: Box<dyn FnMut()>,
}

impl Part {
    fn new(name: impl Into<String>, round: impl FnMut() + 'static) -> Self {
        Self { name: name.into().replace(' ', "_"), round: Box::new(round) }
    }
}

/// Every part, in the order of a message's way.
pub(crate) fn all() -> Vec<Part> {
    let mut parts = vec![
        Part::new("phone_parse", || {
            black_box(black_box("+5351234567").parse::<PhoneNumber>().is_ok());
        }),
        Part::new("segment_gsm7", || {
            black_box(segment(black_box(TEXT)));
        }),
    ];
    let emoji = "😀".repeat(330);
    let long = emoji.clone();
    parts.push(Part::new("segment_ucs2_ten_parts", move || {
        black_box(segment(black_box(&long)));
    }));
    parts.push(Part::new("split_ucs2_ten_parts", move || {
        black_box(split(black_box(&emoji)));
    }));
    for (name, downlink) in spoken() {
        parts.push(Part::new(format!("write_{name}"), move || {
            black_box(write(black_box(&downlink)));
        }));
    }
    for (name, topic, payload) in heard() {
        parts.push(Part::new(format!("read_{name}"), move || {
            black_box(read(black_box(&topic), black_box(payload.as_bytes())));
        }));
    }
    parts.push(table());
    parts
}

/// The transition table, for the life of a message and for what comes too late.
fn table() -> Part {
    let id = "01990000-0000-7000-8000-000000000003";
    let device: DeviceId = id.parse().expect("an id");
    let head = |state| Head {
        state,
        reason: None,
        epoch: 1,
        failures: 0,
        account: id.parse::<AccountId>().expect("an id"),
        device: Some(device),
        device_fixed: false,
        due_at: Timestamp::EPOCH,
        expires_at: Timestamp::from_micros(86_400_000_000),
    };
    let message: MessageId = id.parse().expect("an id");
    let report: ReportId = id.parse().expect("an id");
    let by = |fence, change| Transition { id: message, fence, change };
    let said = |state| {
        let report = Report { id: report, state, failure: None, attempt: Some(1) };
        by(Fence::Device(device), Change::Reported(report))
    };
    let dispatched = by(Fence::Epoch(1), Change::Dispatched { recheck: None });
    let steps = [
        (head(State::Sending), dispatched.clone()),
        (head(State::Dispatched), said(ReportState::Acknowledged)),
        (head(State::Acknowledged), said(ReportState::Sent)),
        (head(State::Sent), said(ReportState::Delivered)),
        (head(State::Sent), said(ReportState::Acknowledged)),
        (head(State::Delivered), dispatched),
    ];
    Part::new("decide_six", move || {
        for (head, transition) in &steps {
            black_box(decide(black_box(head), black_box(transition), Timestamp::EPOCH));
        }
    })
}
