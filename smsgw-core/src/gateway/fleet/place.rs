//! Who gets the next message.

use std::time::Duration;

use super::{Fleet, Inner};
use crate::id::{AccountId, DeviceId, MessageId};
use crate::queue::Job;
use crate::state::Reason;
use crate::time::Timestamp;

/// Where a job goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Placement {
    /// To this device; a place in its window is taken, unless it has the message in hand already.
    Device {
        /// Which.
        device: DeviceId,
        /// Whether the place was taken now.
        is_new: bool,
    },
    /// Nowhere yet.
    Wait(Reason),
}

impl Fleet {
    /// How many jobs the dispatcher should lease, at most `max`. `None`: none now, since places are about to open; wait
    /// for [`Fleet::opened`].
    pub(in crate::gateway) fn room(&self, max: usize) -> Option<usize> {
        let inner = self.lock();
        match inner.sums.open {
            // Nobody is there, or all wait for their rate or for older messages: what is leased is set aside, with
            // the reason.
            0 if inner.sums.full == 0 => Some(max),
            0 => None,
            open => Some(open.min(max)),
        }
    }

    /// Waits until a place may have opened.
    pub(in crate::gateway) async fn opened(&self) {
        self.opened.notified().await;
    }

    /// Chooses a device for each job and takes a place in its window.
    pub(in crate::gateway) fn place(&self, jobs: &[Job], now: Timestamp) -> Vec<Placement> {
        let mut inner = self.lock();
        jobs.iter()
            .map(|job| match job.device {
                Some(device) => self.place_on(&mut inner, device, job.id, now),
                None => self.place_in(&mut inner, job.account, job.id, now),
            })
            .collect()
    }

    fn place_on(&self, inner: &mut Inner, device: DeviceId, id: MessageId, now: Timestamp) -> Placement {
        let Some(link) = inner.links.get(&device).filter(|link| link.online) else {
            return Placement::Wait(Reason::DeviceOffline);
        };
        // Sent again under the same id: it has its place.
        if link.in_hand.contains_key(&id) {
            return Placement::Device { device, is_new: false };
        }
        if link.paused {
            return Placement::Wait(Reason::DevicePaused);
        }
        if link.waiting > 0 {
            return Placement::Wait(Reason::OlderFirst);
        }
        if link.free() == 0 {
            return Placement::Wait(Reason::WindowFull);
        }
        if link.pace.allows(now, 1) == 0 {
            return Placement::Wait(Reason::RateLimited);
        }
        self.change(inner, device, now, |link| link.take(id, now));
        Placement::Device { device, is_new: true }
    }

    fn place_in(&self, inner: &mut Inner, account: AccountId, id: MessageId, now: Timestamp) -> Placement {
        while let Some(device) = inner.rosters.get_mut(&account).and_then(|roster| roster.turn.pop_front()) {
            let Some(link) = inner.links.get_mut(&device) else { continue };
            link.in_turn = false;
            if link.counted.open == 0 {
                continue;
            }
            if link.pace.allows(now, 1) == 0 {
                self.change(inner, device, now, |_| ());
                continue;
            }
            // Taking the place puts the device at the end of the turn again, if it has more.
            self.change(inner, device, now, |link| link.take(id, now));
            return Placement::Device { device, is_new: true };
        }
        Placement::Wait(match inner.rosters.get(&account) {
            Some(roster) if roster.sums.paced > 0 => Reason::RateLimited,
            Some(roster) if roster.sums.online > roster.sums.paused + roster.sums.full => Reason::OlderFirst,
            Some(roster) if roster.sums.online > roster.sums.paused => Reason::WindowFull,
            Some(roster) if roster.sums.paused > 0 => Reason::DevicePaused,
            _ => Reason::NoDeviceOnline,
        })
    }

    /// Whether these messages are in the hands of these devices still: nothing was heard of them.
    pub(in crate::gateway) fn holds(&self, places: impl Iterator<Item = (DeviceId, MessageId)>) -> Vec<bool> {
        let inner = self.lock();
        let holds =
            |(device, id)| inner.links.get(&device).is_some_and(|link| link.in_hand.contains_key(&id));
        places.map(holds).collect()
    }

    /// Places that were taken for nothing: neither they nor their turns count.
    pub(in crate::gateway) fn give_back(&self, places: &[(DeviceId, MessageId)], now: Timestamp) {
        let mut inner = self.lock();
        for (device, id) in places {
            self.change(&mut inner, *device, now, |link| {
                if link.in_hand.remove(id).is_some() {
                    link.pace.refund(1);
                }
            });
        }
    }

    /// Devices have reported of messages: how long each was in the hands of its device, where it was there until now.
    pub(in crate::gateway) fn reported(
        &self,
        places: impl IntoIterator<Item = (DeviceId, MessageId)>,
        now: Timestamp,
    ) -> Vec<Duration> {
        let mut inner = self.lock();
        let take =
            |(device, id)| self.change(&mut inner, device, now, |link| link.in_hand.remove(&id)).flatten();
        places.into_iter().filter_map(take).map(|held| held.time(now)).collect()
    }

    /// Messages left the hands of their devices, or never came there.
    pub(in crate::gateway) fn release(
        &self,
        places: impl IntoIterator<Item = (DeviceId, MessageId)>,
        now: Timestamp,
    ) {
        let mut inner = self.lock();
        for (device, id) in places {
            self.change(&mut inner, device, now, |link| link.in_hand.remove(&id));
        }
    }
}
