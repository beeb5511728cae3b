//! Who takes what was set aside, and how much of it.

use std::collections::HashSet;

use super::link::Held;
use super::{Fleet, Route};
use crate::id::{DeviceId, MessageId};
use crate::state::WaitsFor;
use crate::store::Pull;
use crate::time::Timestamp;

/// Room that a device has for messages that were set aside; hand it back by [`Fleet::pulled`].
#[derive(Debug)]
pub(in crate::gateway) struct PullTicket {
    pub(in crate::gateway) pull: Pull,
    pub(in crate::gateway) route: Route,
    marks: (u64, u64),
}

impl Fleet {
    /// Messages were set aside: they are pulled when their devices have room.
    pub(in crate::gateway) fn set_aside(&self, waits: impl IntoIterator<Item = WaitsFor>, now: Timestamp) {
        let mut inner = self.lock();
        let waits: HashSet<WaitsFor> = waits.into_iter().collect();
        for wait in waits {
            inner.mark += 1;
            let mark = inner.mark;
            match wait {
                WaitsFor::Device(device) => {
                    self.change(&mut inner, device, now, |link| link.waiting = mark);
                }
                WaitsFor::Account(account) => {
                    let Some(roster) = inner.rosters.get_mut(&account) else { continue };
                    // Where something waited before, every device with room is a candidate or is pulling.
                    if std::mem::replace(&mut roster.waiting, mark) > 0 {
                        continue;
                    }
                    let members: Vec<_> = roster.members.iter().copied().collect();
                    for device in members {
                        self.change(&mut inner, device, now, |_| ());
                    }
                }
            }
        }
    }

    /// Has up to `max` devices, in turn, asked for what was set aside for them: by another gateway on the same store,
    /// which may be gone. Returns them.
    pub(in crate::gateway) fn look_again(&self, max: usize, now: Timestamp) -> Vec<DeviceId> {
        let mut inner = self.lock();
        let mut asked = Vec::new();
        if inner.round.is_empty() {
            let online = inner.links.iter().filter(|(_, link)| link.online).map(|(id, _)| *id);
            inner.round = online.collect();
        }
        for _ in 0..max {
            let Some(device) = inner.round.pop_front() else { break };
            inner.mark += 1;
            let mark = inner.mark;
            self.change(&mut inner, device, now, |link| {
                if link.waiting == 0 {
                    link.waiting = mark;
                }
            });
            asked.push(device);
        }
        asked
    }

    /// Waits until something may be pulled. `now` must be read again afterwards.
    pub(in crate::gateway) async fn pullable(&self, now: Timestamp) {
        let paced = self.lock().paced.first().map(|(at, _)| now.until(*at));
        match paced {
            Some(wait) => {
                let _ = tokio::time::timeout(wait, self.pullable.notified()).await;
            }
            None => self.pullable.notified().await,
        }
    }

    /// Takes room for what was set aside: at most `max` devices.
    pub(in crate::gateway) fn pulls(&self, max: usize, now: Timestamp) -> Vec<PullTicket> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        while let Some(&(at, device)) = inner.paced.first() {
            if at > now {
                break;
            }
            inner.paced.pop_first();
            self.change(inner, device, now, |_| ());
        }
        let mut tickets = Vec::new();
        while tickets.len() < max
            && let Some(device) = inner.candidates.pop_front()
        {
            let Some(link) = inner.links.get_mut(&device) else { continue };
            link.is_candidate = false;
            let room = link.pace.allows(now, link.free());
            let account = link.account;
            let marks = (link.waiting, inner.rosters.get(&account).map_or(0, |roster| roster.waiting));
            if room == 0 || marks == (0, 0) {
                continue;
            }
            link.reserved += room;
            link.pace.take(now, room);
            let pull = Pull { device, account, max: room };
            let route = Route { address: link.address.clone(), session: link.session };
            tickets.push(PullTicket { pull, route, marks });
            self.change(inner, device, now, |_| ());
        }
        tickets
    }

    /// What a pull brought: `ids` take places. `exhausted` where it brought nothing at all.
    pub(in crate::gateway) fn pulled(
        &self,
        ticket: &PullTicket,
        ids: &[MessageId],
        exhausted: bool,
        now: Timestamp,
    ) {
        let mut inner = self.lock();
        let Pull { device, account, max } = ticket.pull;
        // Asked once more unless there was nothing: a store that shares its rows with others may have lost a race.
        let mut members = Vec::new();
        if exhausted
            && let Some(roster) = inner.rosters.get_mut(&account)
            && roster.waiting == ticket.marks.1
            && std::mem::take(&mut roster.waiting) > 0
        {
            members.extend(roster.members.iter().copied());
        }
        self.change(&mut inner, device, now, |link| {
            if link.session == ticket.route.session {
                link.reserved -= max;
            }
            link.pace.refund(max - ids.len());
            link.in_hand.extend(ids.iter().map(|id| (*id, Held::new(now))));
            if exhausted && link.waiting == ticket.marks.0 {
                link.waiting = 0;
            }
        });
        // The account has nothing that waits: its devices are open to the dispatcher again.
        for member in members {
            self.change(&mut inner, member, now, |_| ());
        }
    }
}
