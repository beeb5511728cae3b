use std::collections::{BTreeSet, VecDeque};

use super::sums::Sums;
use crate::id::DeviceId;

/// The devices of one account.
#[derive(Default)]
pub(super) struct Roster {
    pub(super) members: BTreeSet<DeviceId>,
    pub(super) sums: Sums,
    /// Devices with room, in the order in which they get the next messages. May name some whose room has gone.
    pub(super) turn: VecDeque<DeviceId>,
    /// Not 0 while something may be set aside for any device of the account: the mark of the last.
    pub(super) waiting: u64,
}
