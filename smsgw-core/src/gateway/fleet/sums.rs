/// What devices add up to: of one device what it was last counted as, of an account and of the fleet the sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) online: usize,
    /// Those of them that are given nothing new.
    pub(super) paused: usize,
    /// Places that the dispatcher may fill: those of devices for which nothing older waits.
    pub(super) open: usize,
    /// Devices that are there, not paused, and have no place free: what they have in hand may leave it any moment.
    pub(super) full: usize,
    /// Devices that have places and must wait for their rate limit.
    pub(super) paced: usize,
    /// Messages in their hands.
    pub(super) in_hand: usize,
}

impl Sums {
    /// A device that was counted as `old` counts as `new`.
    pub(super) fn recount(&mut self, old: Self, new: Self) {
        self.online = self.online - old.online + new.online;
        self.paused = self.paused - old.paused + new.paused;
        self.open = self.open - old.open + new.open;
        self.full = self.full - old.full + new.full;
        self.paced = self.paced - old.paced + new.paced;
        self.in_hand = self.in_hand - old.in_hand + new.in_hand;
    }
}
