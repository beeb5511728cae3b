use std::collections::HashMap;
use std::time::Duration;

use super::WINDOW;
use super::sums::Sums;
use crate::device::{DeviceKey, Telemetry};
use crate::gateway::pace::Pace;
use crate::id::{AccountId, MessageId};
use crate::rate::RateLimit;
use crate::time::Timestamp;
use crate::transport::Address;

const SEEN_EVERY: Duration = Duration::from_secs(60);

/// Since when a device has a message.
pub(super) struct Held {
    given_at: Timestamp,
    /// When it was last looked whether it has it still.
    pub(super) asked_at: Timestamp,
}

impl Held {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { given_at: now, asked_at: now }
    }

    pub(super) fn time(&self, now: Timestamp) -> Duration {
        self.given_at.until(now)
    }
}

/// One device. Changed only through `Fleet::change`, which keeps the sums right.
pub(super) struct Link {
    pub(super) account: AccountId,
    pub(super) address: Address,
    /// The key that it came in with, where the transport cannot end its session.
    pub(super) key: Option<DeviceKey>,
    /// Raised each time it arrives: what is learned of an older session says nothing of this one.
    pub(super) session: u64,
    pub(super) online: bool,
    /// It is given nothing new.
    pub(super) paused: bool,
    /// What it said last of itself, and when.
    pub(super) telemetry: Option<(Telemetry, Timestamp)>,
    pub(super) pace: Pace,
    /// Given and not acknowledged.
    pub(super) in_hand: HashMap<MessageId, Held>,
    /// Places promised to a pull that is under way.
    pub(super) reserved: usize,
    /// Not 0 while something may be set aside for this device: the mark of the last.
    pub(super) waiting: u64,
    pub(super) in_turn: bool,
    pub(super) is_candidate: bool,
    /// What this device has added to the sums.
    pub(super) counted: Sums,
    seen_at: Option<Timestamp>,
}

impl Link {
    pub(super) fn new(account: AccountId, address: Address, rate: Option<RateLimit>, now: Timestamp) -> Self {
        Self {
            account,
            address,
            key: None,
            session: 0,
            online: false,
            paused: false,
            telemetry: None,
            pace: Pace::new(rate, now),
            in_hand: HashMap::new(),
            reserved: 0,
            waiting: 0,
            in_turn: false,
            is_candidate: false,
            counted: Sums::default(),
            seen_at: None,
        }
    }

    /// Places in the window that nobody has taken.
    pub(super) fn free(&self) -> usize {
        if self.online && !self.paused {
            WINDOW.saturating_sub(self.in_hand.len() + self.reserved)
        } else {
            0
        }
    }

    /// Whether the key that it came in with still opens anything.
    pub(super) fn may_stay(&self, now: Timestamp) -> bool {
        self.key.as_ref().and_then(|key| key.expires_at).is_none_or(|end| now < end)
    }

    pub(super) fn take(&mut self, id: MessageId, now: Timestamp) {
        self.in_hand.insert(id, Held::new(now));
        self.pace.take(now, 1);
    }

    /// Whether it is time to write down that the device was heard of.
    pub(super) fn seen(&mut self, now: Timestamp) -> bool {
        let due = self.seen_at.is_none_or(|last| last.until(now) >= SEEN_EVERY);
        if due {
            self.seen_at = Some(now);
        }
        due
    }
}
