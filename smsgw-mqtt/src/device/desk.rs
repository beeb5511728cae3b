//! What the device does about each thing that happens. No I/O and no waiting: it records and posts, and the
//! [agent](super::agent) commits, hands to the radio and publishes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use crate::wire::{self, Inbound, Report, ReportState, Sms, Up};

use super::clock;
use super::handle::Delivery;
use super::inbox::Pending;
use super::journal::Journal;
use super::ledger::{Known, Verdict};
use super::outbox::Outbox;
use super::radio::{Done, Outcome};
use super::record::{FOREVER, Record, Reported, named};

/// How long `acknowledged` waits for the radio to make it needless.
const GRACE: Duration = Duration::from_millis(10);
/// Reports without a receipt before the device takes no more work from a gateway that stores none.
const OPEN: usize = 10_000;
/// The longest code that a radio may report, in bytes.
const CODE: usize = 64;

/// The device's state and its rules.
pub(super) struct Desk {
    pub(super) journal: Journal,
    pub(super) outbox: Outbox,
    backlog: usize,
    /// Simulated delivery reports to come.
    deliveries: BinaryHeap<Reverse<(Instant, String)>>,
}

impl Desk {
    /// Takes up what the journal knows: a message that the last process left in the radio is `unknown`.
    pub(super) fn new(journal: Journal, backlog: usize, now: Instant) -> Self {
        let mut desk = Self { journal, outbox: Outbox::default(), backlog, deliveries: BinaryHeap::new() };
        let open: Vec<(String, Bytes)> =
            desk.journal.ledger().open().map(|(id, up)| (id.clone(), wire::encode(up).into())).collect();
        for (report_id, payload) in open {
            desk.outbox.post(report_id, payload, now);
        }
        for id in desk.journal.ledger().started() {
            tracing::warn!(id, "the process stopped while this was in the radio");
            desk.report(&id, ReportState::Unknown, Some("interrupted"), now);
        }
        for id in desk.journal.ledger().waiting() {
            desk.acknowledge(&id, now);
        }
        for id in desk.journal.ledger().awaiting() {
            desk.deliveries.push(Reverse((now, id)));
        }
        desk
    }

    /// Whether there is room for one more message.
    pub(super) fn has_room(&self) -> bool {
        self.journal.ledger().backlog() < self.backlog && self.is_heard()
    }

    /// Whether the gateway keeps up with storing reports.
    pub(super) fn is_heard(&self) -> bool {
        self.outbox.len() < OPEN
    }

    /// The gateway orders a message. One that was seen is answered here, where the receipts behind it are still to
    /// come; any other is handed back, to be taken when there is room.
    pub(super) fn arrived(&mut self, sms: Sms, now: Instant) -> Option<Pending> {
        if self.journal.ledger().judge(&sms) == Verdict::Repeat {
            tracing::debug!(id = sms.id, "seen before");
            self.repeat(&sms.id, now);
            return None;
        }
        Some(Pending { after: self.journal.ledger().last_attempt(&sms.id), sms })
    }

    /// There is room for a message that was to be taken.
    pub(super) fn take(&mut self, Pending { sms, after }: Pending, now: Instant) {
        // Another order for it may have come first, and waited before this one.
        if self.journal.ledger().last_attempt(&sms.id).is_some_and(|last| Some(last) != after) {
            return self.repeat(&sms.id, now);
        }
        let id = sms.id.clone();
        let readable = sms.expires_at.as_deref().is_none_or(|moment| clock::is_past(moment).is_some());
        self.journal.record(Record::Taken(sms));
        if readable {
            self.acknowledge(&id, now + GRACE);
        } else {
            // To guess here might send a message days too late.
            self.report(&id, ReportState::Failed, Some("bad_expires_at"), now);
        }
    }

    /// The gateway withdraws a message.
    pub(super) fn cancel(&mut self, id: &str, now: Instant) {
        if !self.journal.ledger().is_past_recall(id) {
            // Also for an id not seen yet: its `send` may be on its way.
            self.record(report(id, ReportState::Failed, Some("canceled")), FOREVER, false, now);
        } else {
            self.repeat(id, now);
        }
    }

    /// The gateway has stored these reports.
    pub(super) fn receipt(&mut self, mut report_ids: Vec<String>) {
        report_ids.iter().for_each(|id| self.outbox.receipt(id));
        // An `acknowledged` is not in the journal, so its receipt need not be.
        report_ids.retain(|id| self.journal.ledger().is_open(id));
        if !report_ids.is_empty() {
            self.journal.record(Record::Receipt(report_ids));
        }
    }

    /// The next message for the radio, marked as started. Those that came too late are reported instead.
    pub(super) fn start(&mut self, now: Instant) -> Option<Sms> {
        while let Some(sms) = self.journal.next() {
            if sms.expires_at.as_deref().and_then(clock::is_past).unwrap_or(false) {
                self.report(&sms.id, ReportState::Failed, Some("expired"), now);
                continue;
            }
            self.journal.record(Record::Started(sms.id.clone()));
            return Some(sms);
        }
        None
    }

    /// The radio is through with a message.
    pub(super) fn done(&mut self, Done { id, result }: Done, now: Instant) {
        match result {
            Ok(Outcome::Sent) => self.report(&id, ReportState::Sent, None, now),
            Ok(Outcome::DeliveredAfter(wait)) => {
                let attempt = self.journal.ledger().attempt(&id);
                self.record(report(&id, ReportState::Sent, None), attempt, true, now);
                self.deliveries.push(Reverse((now + wait, id)));
            }
            Err(error) => {
                let code = clean(&error.code);
                tracing::warn!(id, code, detail = ?error.detail, "the radio refused a message");
                self.report(&id, ReportState::Failed, Some(&code), now);
            }
        }
    }

    /// Reports the simulated deliveries that are due.
    pub(super) fn deliver(&mut self, now: Instant) {
        while self.deliveries.peek().is_some_and(|Reverse((due, _))| *due <= now) {
            if let Some(Reverse((_, id))) = self.deliveries.pop() {
                self.delivery(&id, &Delivery::Delivered, now);
            }
        }
    }

    /// When the next simulated delivery is due.
    pub(super) fn next_delivery(&self) -> Option<Instant> {
        self.deliveries.peek().map(|Reverse((due, _))| *due)
    }

    /// The network reported on a message.
    pub(super) fn delivery(&mut self, id: &str, delivery: &Delivery, now: Instant) {
        if !self.journal.ledger().is_sent(id) {
            tracing::debug!("a delivery report for a message that is not out");
            return;
        }
        match delivery {
            Delivery::Delivered => self.report(id, ReportState::Delivered, None, now),
            Delivery::Undelivered(code) => {
                self.report(id, ReportState::Undelivered, Some(&clean(code)), now);
            }
        }
    }

    /// An SMS came in.
    pub(super) fn inbound(&mut self, inbound: Inbound, now: Instant) {
        let report_id = inbound.report_id.clone();
        let payload = wire::encode(&Up::Inbound(inbound.clone()));
        self.journal.record(Record::Inbound(inbound));
        self.outbox.post(report_id, payload.into(), now);
    }

    /// The device stops in good order. What only its memory holds will not be sent, so it says so.
    pub(super) fn close(&mut self, now: Instant) {
        if !self.journal.is_durable() {
            for id in self.journal.ledger().waiting() {
                self.report(&id, ReportState::Failed, Some("stopped"), now);
            }
        }
    }

    /// Says again what is known of a message that was ordered twice.
    fn repeat(&mut self, id: &str, now: Instant) {
        match self.journal.ledger().known(id) {
            Some(Known::Acknowledged) => {
                self.outbox.supersede(id);
                self.acknowledge(id, now);
            }
            Some(Known::Reporting) => {
                for report_id in self.journal.ledger().open_of(id) {
                    self.outbox.hurry(&report_id, now);
                }
            }
            // Under a new report id: the gateway has stored the old one and would drop it.
            Some(Known::Over { state, code, at }) => {
                let attempt = self.journal.ledger().attempt(id);
                let awaits = self.journal.ledger().awaits(id);
                self.record(Report { at, ..report(id, state, code.as_deref()) }, attempt, awaits, now);
            }
            None => {}
        }
    }

    /// Not journalled: that the message is in the journal says it.
    fn acknowledge(&mut self, id: &str, due: Instant) {
        let attempt = named(self.journal.ledger().attempt(id));
        let report = Report { attempt, ..report(id, ReportState::Acknowledged, None) };
        let report_id = report.report_id.clone();
        let payload = wire::encode(&Up::Report(report));
        self.outbox.post_acknowledged(id, report_id, payload.into(), due);
    }

    fn report(&mut self, id: &str, state: ReportState, code: Option<&str>, now: Instant) {
        let attempt = self.journal.ledger().attempt(id);
        self.record(report(id, state, code), attempt, false, now);
    }

    fn record(&mut self, report: Report, attempt: u32, awaits: bool, now: Instant) {
        self.outbox.supersede(&report.id);
        let report = Report { attempt: named(attempt), ..report };
        let payload = wire::encode(&Up::Report(report.clone()));
        self.outbox.post(report.report_id.clone(), payload.into(), now);
        self.journal.record(Record::Reported(Reported { report, attempt, awaits }));
    }
}

fn report(id: &str, state: ReportState, code: Option<&str>) -> Report {
    Report {
        report_id: Uuid::now_v7().to_string(),
        id: id.to_owned(),
        attempt: None,
        state,
        segment: None,
        code: code.map(str::to_owned),
        at: clock::now(),
    }
}

/// A code as it may stand in a log line and a database column, whatever a modem answered.
fn clean(code: &str) -> String {
    let code: String = code.chars().filter(char::is_ascii_graphic).take(CODE).collect();
    if code.is_empty() { "radio_error".to_owned() } else { code }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
