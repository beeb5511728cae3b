//! What a gateway has done, and how long it took: counted in atomics of its own, since it was built.

mod counters;
mod histogram;
mod history;

pub(super) use counters::Counters;
pub use histogram::Histogram;
pub use history::Sample;
pub(super) use history::{History, run};

use crate::state::{Reason, State};
use crate::time::Timestamp;

/// What one gateway has done since it was built. What other gateways on the same store have done is in theirs.
///
/// A message that jumps ahead, as to `delivered` without a word of `sent`, is counted in the state that it reached alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Since when this is counted.
    pub since: Timestamp,
    /// New messages that were committed.
    pub accepted: u64,
    /// Messages that were submitted and not accepted: too many were waiting, a mismatch, an unknown device, a gateway
    /// that was closing, a store that failed. A repetition of an accepted one is neither.
    pub refused: u64,
    /// Messages that the broker took for a device; one that was sent again counts again.
    pub dispatched: u64,
    /// Messages that their devices have acknowledged.
    pub acknowledged: u64,
    /// Messages that their devices have handed to the mobile network.
    pub sent: u64,
    /// Messages that ended as delivered.
    pub delivered: u64,
    /// Messages that ended as undelivered.
    pub undelivered: u64,
    /// Messages that ended as failed.
    pub failed: u64,
    /// Messages that ended because their time was over.
    pub expired: u64,
    /// Messages that ended because their sender took them back.
    pub canceled: u64,
    /// Messages of which nobody knows whether they were sent.
    pub unknown: u64,
    /// Messages that went back to wait after an attempt, to be sent again.
    pub retries: u64,
    /// SMS that devices have received; repetitions do not count.
    pub received: u64,
    /// How often a message had to wait, by reason: all reasons, in the order of [`Reason`].
    pub waits: Vec<(Reason, u64)>,
    /// The codes with which devices said that messages failed for good, were not delivered or are unknown, the most
    /// frequent first. At most 64 codes are told apart; what comes after them is counted as `other`, and a failure
    /// without a code as `none`.
    pub failures: Vec<(String, u64)>,
    /// Devices that are there now.
    pub devices_online: usize,
    /// Messages that devices have been given and have not acknowledged, now.
    pub in_hand: usize,
    /// Ids that wait in the queue, as of the last second. `None` where the queue did not say.
    pub queue_depth: Option<usize>,
    /// How long things took.
    pub latency: Latencies,
}

/// How long things took, by the gateway's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latencies {
    /// Of each new message: from its submission until it was committed.
    pub intake: Histogram,
    /// Of each message: from when it was due, or accepted if that was later, until its first claim.
    pub queue_wait: Histogram,
    /// Of each batch: one claim by the store.
    pub claim: Histogram,
    /// Of each batch: from handing it to the transport until its answers.
    pub send: Histogram,
    /// Of each message on a device that reports: from the choice of the device until its first report.
    pub report: Histogram,
}

impl Statistics {
    /// The messages that reached each state that is counted, in the order of [`State`].
    pub fn reached(&self) -> [(State, u64); 8] {
        [
            (State::Acknowledged, self.acknowledged),
            (State::Sent, self.sent),
            (State::Delivered, self.delivered),
            (State::Undelivered, self.undelivered),
            (State::Failed, self.failed),
            (State::Expired, self.expired),
            (State::Canceled, self.canceled),
            (State::Unknown, self.unknown),
        ]
    }
}
