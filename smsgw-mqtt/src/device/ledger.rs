//! What the journal's lines add up to: which messages the device owns and what it still has to report.
//!
//! Pure: the same fold serves a replay and the running device, so the two cannot disagree.

use std::collections::{BTreeMap, HashMap, VecDeque};

use smsgw_core::state::is_retryable;

use crate::wire::{ReportState, Sms, Up};

use super::record::{FOREVER, Over, Record, Reported, named};

/// Where one message stands.
#[derive(Debug)]
enum Phase {
    /// Owned, the radio not touched.
    Waiting(Sms),
    /// In the radio, or was when the process died.
    Started,
    /// Over, and this was the last word on it.
    Over { state: ReportState, code: Option<Box<str>>, at: Box<str>, awaits: bool },
}

#[derive(Debug)]
struct Entry {
    attempt: u32,
    /// Reports on it without a receipt; while there are any it is not forgotten.
    open: u32,
    phase: Phase,
}

impl Entry {
    /// Whether it failed for a reason that passes, and was not given back.
    fn may_be_tried_again(&self) -> bool {
        let Phase::Over { state: ReportState::Failed, code, .. } = &self.phase else { return false };
        self.attempt < FOREVER && code.as_deref().is_some_and(is_retryable)
    }
}

/// What a `send` means to a device that may have seen its id before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not seen, or the radio surely failed the earlier attempt, and the gateway knows and ordered a new one.
    Take,
    /// Seen: drop it and repeat what is known.
    Repeat,
}

/// What there is to say about an id that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// Owned and not over.
    Acknowledged,
    /// Over; its report has no receipt yet and is being repeated.
    Reporting,
    /// Over and stored by the gateway, which must have asked before it knew.
    Over { state: ReportState, code: Option<String>, at: String },
}

/// A report or inbound message without a receipt.
#[derive(Debug)]
struct Unheard {
    up: Up,
    /// The attempt that a report is about; the message may be in a later one.
    attempt: u32,
}

/// The state of one device's work.
#[derive(Debug)]
pub(super) struct Ledger {
    entries: HashMap<Box<str>, Entry>,
    /// Ids to send, oldest first. May name ids that were cancelled: the entry decides.
    waiting: VecDeque<Box<str>>,
    /// Ids that are over, oldest first, for forgetting.
    over: VecDeque<Box<str>>,
    /// Reports and inbound messages without a receipt. The keys are UUIDv7, so this is their order too.
    open: BTreeMap<String, Unheard>,
    /// How many ids that are over to remember.
    remember: usize,
    backlog: usize,
}

impl Ledger {
    pub(super) fn new(remember: usize) -> Self {
        Self {
            entries: HashMap::new(),
            waiting: VecDeque::new(),
            over: VecDeque::new(),
            open: BTreeMap::new(),
            remember,
            backlog: 0,
        }
    }

    /// Takes one line into account. A line that does not fit what came before changes nothing.
    pub(super) fn apply(&mut self, record: Record) {
        match record {
            Record::Taken(sms) => self.take(sms),
            Record::Started(id) => {
                if let Some(entry) = self.entries.get_mut(id.as_str())
                    && matches!(entry.phase, Phase::Waiting(_))
                {
                    entry.phase = Phase::Started;
                    self.backlog -= 1;
                }
            }
            Record::Reported(reported) => self.report(reported),
            Record::Inbound(inbound) => {
                let report_id = inbound.report_id.clone();
                self.open.insert(report_id, Unheard { up: Up::Inbound(inbound), attempt: 0 });
            }
            Record::Receipt(ids) => ids.iter().for_each(|id| self.receipt(id)),
            Record::Over(over) => {
                let Over { id, attempt, state, code, at, awaits } = over;
                self.finish(
                    &id,
                    attempt,
                    0,
                    Phase::Over { state, code: code.map(Into::into), at: at.into(), awaits },
                );
            }
        }
    }

    /// What to do with a `send`.
    pub(super) fn judge(&self, sms: &Sms) -> Verdict {
        match self.entries.get(sms.id.as_str()) {
            None => Verdict::Take,
            // Without the receipt this may be an order from before the gateway knew: it would go by the failure, and
            // the message would be sent all the same.
            Some(entry @ Entry { open: 0, .. })
                if entry.may_be_tried_again() && sms.attempt > entry.attempt =>
            {
                Verdict::Take
            }
            Some(_) => Verdict::Repeat,
        }
    }

    /// Whether a message is in the radio or past it, so that it is too late to give it back.
    pub(super) fn is_past_recall(&self, id: &str) -> bool {
        self.entries.get(id).is_some_and(|entry| match entry.phase {
            Phase::Waiting(_) => false,
            Phase::Started => true,
            Phase::Over { .. } => !entry.may_be_tried_again(),
        })
    }

    /// What is known of an id.
    pub(super) fn known(&self, id: &str) -> Option<Known> {
        let entry = self.entries.get(id)?;
        Some(match &entry.phase {
            Phase::Waiting(_) | Phase::Started => Known::Acknowledged,
            Phase::Over { .. } if entry.open > 0 => Known::Reporting,
            Phase::Over { state, code, at, .. } => {
                Known::Over { state: *state, code: code.as_deref().map(str::to_owned), at: at.to_string() }
            }
        })
    }

    /// The attempt that the device last took of an id; 0 when it knows none.
    pub(super) fn attempt(&self, id: &str) -> u32 {
        self.last_attempt(id).unwrap_or(0)
    }

    /// The attempt that the device last took of an id, where it knows the id.
    pub(super) fn last_attempt(&self, id: &str) -> Option<u32> {
        self.entries.get(id).map(|entry| entry.attempt)
    }

    /// Whether a message was handed to the network and nothing later is known.
    pub(super) fn is_sent(&self, id: &str) -> bool {
        matches!(
            self.entries.get(id),
            Some(Entry { phase: Phase::Over { state: ReportState::Sent, .. }, .. })
        )
    }

    /// The oldest message that waits for the radio.
    pub(super) fn next(&mut self) -> Option<Sms> {
        while let Some(id) = self.waiting.front() {
            if let Some(Entry { phase: Phase::Waiting(sms), .. }) = self.entries.get(id) {
                return Some(sms.clone());
            }
            self.waiting.pop_front();
        }
        None
    }

    /// How many messages wait for the radio.
    pub(super) fn backlog(&self) -> usize {
        self.backlog
    }

    /// Ids that were in the radio; after a replay, those that the crash caught there.
    pub(super) fn started(&self) -> Vec<String> {
        self.ids(|phase| matches!(phase, Phase::Started))
    }

    /// Ids that wait for the radio.
    pub(super) fn waiting(&self) -> Vec<String> {
        self.ids(|phase| matches!(phase, Phase::Waiting(_)))
    }

    /// Ids whose simulated delivery report is still to come.
    pub(super) fn awaiting(&self) -> Vec<String> {
        self.ids(|phase| matches!(phase, Phase::Over { awaits: true, .. }))
    }

    /// Reports and inbound messages without a receipt, oldest first.
    pub(super) fn open(&self) -> impl Iterator<Item = (&String, &Up)> {
        self.open.iter().map(|(report_id, Unheard { up, .. })| (report_id, up))
    }

    /// The reports on a message without a receipt, oldest first.
    pub(super) fn open_of(&self, id: &str) -> Vec<String> {
        // The common answer must not cost a walk through all open reports.
        if self.entries.get(id).is_none_or(|entry| entry.open == 0) {
            return Vec::new();
        }
        let of = |up: &Up| matches!(up, Up::Report(report) if report.id == id);
        self.open().filter(|(_, up)| of(up)).map(|(report_id, _)| report_id.clone()).collect()
    }

    /// Whether a report or inbound message has no receipt yet.
    pub(super) fn is_open(&self, report_id: &str) -> bool {
        self.open.contains_key(report_id)
    }

    /// Whether a message's simulated delivery report is still to come.
    pub(super) fn awaits(&self, id: &str) -> bool {
        matches!(self.entries.get(id), Some(Entry { phase: Phase::Over { awaits: true, .. }, .. }))
    }

    /// How many lines a snapshot would have, at most.
    pub(super) fn size(&self) -> usize {
        self.entries.len() + self.open.len()
    }

    /// The fewest lines that add up to the same.
    pub(super) fn snapshot(&self) -> Vec<Record> {
        let mut lines = Vec::with_capacity(self.size());
        for id in &self.over {
            if let Some(Entry { attempt, phase: Phase::Over { state, code, at, awaits }, .. }) =
                self.entries.get(id)
            {
                lines.push(Record::Over(Over {
                    id: id.to_string(),
                    attempt: *attempt,
                    state: *state,
                    code: code.as_deref().map(str::to_owned),
                    at: at.to_string(),
                    awaits: *awaits,
                }));
            }
        }
        for (id, entry) in &self.entries {
            if matches!(entry.phase, Phase::Started) {
                // Its text is spent; only the id still matters.
                lines.push(Record::Taken(spent(id, entry.attempt)));
                lines.push(Record::Started(id.to_string()));
            }
        }
        for id in &self.waiting {
            if let Some(Entry { phase: Phase::Waiting(sms), .. }) = self.entries.get(id) {
                lines.push(Record::Taken(sms.clone()));
            }
        }
        // After the entries, so that each finds the one it counts for.
        for Unheard { up, attempt } in self.open.values() {
            match up {
                Up::Report(report) => lines.push(Record::Reported(Reported {
                    report: report.clone(),
                    attempt: *attempt,
                    awaits: self.awaits(&report.id),
                })),
                Up::Inbound(inbound) => lines.push(Record::Inbound(inbound.clone())),
                Up::Hello(_) | Up::Telemetry(_) => {}
            }
        }
        lines
    }

    /// A fact: whether it was right to take it was for the writer of the line to judge.
    fn take(&mut self, sms: Sms) {
        let id: Box<str> = sms.id.as_str().into();
        let before = self.entries.get(&id);
        let open = before.map_or(0, |entry| entry.open);
        if !matches!(before, Some(Entry { phase: Phase::Waiting(_), .. })) {
            self.waiting.push_back(id.clone());
            self.backlog += 1;
        }
        self.entries.insert(id, Entry { attempt: sms.attempt, open, phase: Phase::Waiting(sms) });
    }

    fn report(&mut self, Reported { mut report, attempt, awaits }: Reported) {
        // An older version did not write it there.
        report.attempt = named(attempt);
        let open = match self.entries.get_mut(report.id.as_str()) {
            // It says nothing of the attempt that has begun since, but it has to be heard.
            Some(entry) if entry.attempt > attempt => {
                entry.open += 1;
                None
            }
            // A snapshot says first how a message ended, then which reports are open: never backwards.
            Some(Entry { attempt: last, open, phase: Phase::Over { state, .. } })
                if *last == attempt && rank(*state) >= rank(report.state) =>
            {
                *open += 1;
                None
            }
            entry => Some(entry.map_or(0, |entry| entry.open) + 1),
        };
        if let Some(open) = open {
            let phase = Phase::Over {
                state: report.state,
                code: report.code.as_deref().map(Into::into),
                at: report.at.as_str().into(),
                awaits,
            };
            self.finish(&report.id, attempt, open, phase);
        }
        self.open.insert(report.report_id.clone(), Unheard { up: Up::Report(report), attempt });
    }

    fn finish(&mut self, id: &str, attempt: u32, open: u32, phase: Phase) {
        match self.entries.get(id).map(|entry| &entry.phase) {
            Some(Phase::Over { .. }) => {}
            before => {
                if matches!(before, Some(Phase::Waiting(_))) {
                    self.backlog -= 1;
                }
                self.over.push_back(id.into());
            }
        }
        self.entries.insert(id.into(), Entry { attempt, open, phase });
        self.forget();
    }

    fn receipt(&mut self, report_id: &str) {
        if let Some(Unheard { up: Up::Report(report), .. }) = self.open.remove(report_id)
            && let Some(entry) = self.entries.get_mut(report.id.as_str())
        {
            entry.open = entry.open.saturating_sub(1);
        }
    }

    /// Drops the oldest ids past the limit. One that still has something to report goes to the back; looking
    /// at two for each that was added catches up on those.
    fn forget(&mut self) {
        for _ in 0..2 {
            if self.over.len() <= self.remember {
                return;
            }
            let Some(id) = self.over.pop_front() else { return };
            match self.entries.get(&id) {
                Some(Entry { open: 0, phase: Phase::Over { awaits: false, .. }, .. }) => {
                    self.entries.remove(&id);
                }
                Some(Entry { phase: Phase::Over { .. }, .. }) => self.over.push_back(id),
                // Taken again for a new attempt: it comes back here when that is over.
                _ => {}
            }
        }
    }

    fn ids(&self, of: impl Fn(&Phase) -> bool) -> Vec<String> {
        let mut ids: Vec<String> =
            self.entries.iter().filter(|(_, e)| of(&e.phase)).map(|(id, _)| id.to_string()).collect();
        ids.sort_unstable();
        ids
    }
}

/// Within an attempt a report of a higher rank replaces the last word.
fn rank(state: ReportState) -> u8 {
    match state {
        ReportState::Acknowledged => 0,
        ReportState::Sent => 1,
        _ => 2,
    }
}

fn spent(id: &str, attempt: u32) -> Sms {
    Sms {
        id: id.to_owned(),
        to: String::new(),
        body: String::new(),
        sim: None,
        segments: 0,
        expires_at: None,
        attempt,
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
