//! The lines of the journal. Each says what has happened; the ledger is what they add up to.

use serde::{Deserialize, Serialize};

use crate::wire::{Inbound, Report, ReportState, Sms};

/// The attempt of a message that was cancelled: no later `send` of it can be meant.
pub(super) const FOREVER: u32 = u32::MAX;

/// The attempt as a report names it: neither that of a message that was cancelled, nor one without a number.
pub(super) fn named(attempt: u32) -> Option<u32> {
    (1..FOREVER).contains(&attempt).then_some(attempt)
}

/// One line, as JSON. Old lines must stay readable: add variants and optional fields, change none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// The device owns this message from here on; the broker may forget it.
    Taken(Sms),
    /// The radio is about to be touched.
    Started(String),
    /// Something final, or on the way there, became of a message.
    Reported(Reported),
    /// An SMS came in.
    Inbound(Inbound),
    /// The gateway has stored these reports.
    Receipt(Vec<String>),
    /// A message that is over and whose reports are stored: all that is left to know, so as to drop it.
    Over(Over),
}

/// A report to be repeated until its receipt comes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Reported {
    pub(super) report: Report,
    /// The attempt that it is about; [`FOREVER`] rules out any later one.
    #[serde(default)]
    pub(super) attempt: u32,
    /// A simulated delivery report is still to come.
    #[serde(default)]
    pub(super) awaits: bool,
}

/// The last that was reported of a message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Over {
    pub(super) id: String,
    pub(super) attempt: u32,
    pub(super) state: ReportState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    pub(super) at: String,
    #[serde(default)]
    pub(super) awaits: bool,
}
