//! The devices as this gateway sees them: who is there, what each has in hand, who gets the next message.
//!
//! All of it is memory, under one lock that is never held across an await. What is lost with it, the store knows:
//! a new gateway learns who is there from the devices themselves.

mod link;
mod place;
mod pulls;
mod roster;
mod sums;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use self::link::Link;
pub(super) use self::place::Placement;
pub(super) use self::pulls::PullTicket;
use self::roster::Roster;
use self::sums::Sums;
use super::events::{DeviceChange, Event, EventLog};
use crate::device::{Device, DeviceKey, Telemetry};
use crate::id::{AccountId, DeviceId};
use crate::key::KeyId;
use crate::rate::RateLimit;
use crate::store::Claim;
use crate::time::{Clock, Timestamp};
use crate::transport::{Address, TopicKey};

/// How fast a device of the original protocol is given messages where nothing else is said. It acknowledges nothing, so
/// no window holds what a device that has ceased to read would lose; no radio is faster.
const ORIGINAL_RATE: &str = "20/s";

/// How many messages a device may have in hand that it has not acknowledged. No broker queue overflows below that.
pub const WINDOW: usize = 16;

/// What a gateway sees of a device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Presence {
    /// Whether it is there.
    pub online: bool,
    /// How many messages it has been given and has not acknowledged.
    pub in_hand: usize,
    /// What it said last of itself, since this gateway was started.
    pub telemetry: Option<Telemetry>,
    /// When it said so.
    pub telemetry_at: Option<Timestamp>,
}

/// How to reach a device, in its session of the moment.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) address: Address,
    pub(super) session: u64,
}

#[derive(Default)]
struct Inner {
    links: HashMap<DeviceId, Link>,
    rosters: HashMap<AccountId, Roster>,
    // Keys of the original protocol that somebody is subscribed to, and the device that came in with each.
    listening: HashSet<TopicKey>,
    by_key: HashMap<TopicKey, DeviceId>,
    sums: Sums,
    // Devices that may have something to pull, and those whose rate limit holds them until then.
    candidates: VecDeque<DeviceId>,
    paced: BTreeSet<(Timestamp, DeviceId)>,
    // Devices whose turn it is to be asked again for what others may have set aside for them.
    round: VecDeque<DeviceId>,
    // Counts set-aside messages, so that a pull that found nothing does not hide one that came meanwhile.
    mark: u64,
    // Counts what was said here of pauses.
    pauses: u64,
}

pub(super) struct Fleet {
    inner: Mutex<Inner>,
    default_rate: Option<RateLimit>,
    // Whether the transport says when an original device subscribes; otherwise its authentication must do.
    tells_listening: bool,
    opened: Notify,
    pullable: Notify,
    // Who comes and goes is told there, by the time of this clock.
    events: Arc<EventLog>,
    clock: Arc<dyn Clock>,
}

impl Fleet {
    pub(super) fn new(
        default_rate: Option<RateLimit>,
        tells_listening: bool,
        events: Arc<EventLog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            inner: Mutex::default(),
            default_rate,
            tells_listening,
            opened: Notify::new(),
            pullable: Notify::new(),
            events,
            clock,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes one device and brings everything that follows from it up to date.
    fn change<T>(
        &self,
        inner: &mut Inner,
        id: DeviceId,
        now: Timestamp,
        f: impl FnOnce(&mut Link) -> T,
    ) -> Option<T> {
        let link = inner.links.get_mut(&id)?;
        let before = (link.online, link.paused);
        let result = f(link);
        if (link.online, link.paused) != before {
            let (account, online, paused) = (link.account, link.online, link.paused);
            self.events.push([Event::Device(DeviceChange {
                id,
                account,
                online,
                paused,
                at: self.clock.now(),
            })]);
        }
        let roster = inner.rosters.entry(link.account).or_default();
        let drains = link.waiting > 0 || roster.waiting > 0;
        let free = link.free();
        let allowed = link.pace.allows(now, free);
        let counts = Sums {
            online: usize::from(link.online),
            paused: usize::from(link.online && link.paused),
            open: if drains { 0 } else { allowed },
            full: usize::from(link.online && !link.paused && free == 0),
            paced: usize::from(free > 0 && allowed == 0),
            in_hand: link.in_hand.len(),
        };
        let counted = std::mem::replace(&mut link.counted, counts);
        inner.sums.recount(counted, counts);
        roster.sums.recount(counted, counts);
        if counts.open > 0 {
            if !std::mem::replace(&mut link.in_turn, true) {
                roster.turn.push_back(id);
            }
            self.opened.notify_one();
        }
        if counts.paced > 0 {
            let due = (link.pace.next(now), id);
            // Who waits for the next one waits for this one now.
            if inner.paced.insert(due) && inner.paced.first() == Some(&due) {
                self.pullable.notify_one();
            }
        }
        if drains && allowed > 0 && !std::mem::replace(&mut link.is_candidate, true) {
            inner.candidates.push_back(id);
            self.pullable.notify_one();
        }
        Some(result)
    }

    /// A native device began a session, or an original one has authenticated with `key`. Nothing is in its hands.
    pub(super) fn arrive(&self, device: &Device, address: Address, key: Option<DeviceKey>, now: Timestamp) {
        let mut inner = self.lock();
        let rate = self.rate(device.rate_limit, &address);
        let online = match &address {
            Address::Native(_) => true,
            Address::Original(topic) => !self.tells_listening || inner.listening.contains(topic),
        };
        if let Address::Original(topic) = &address {
            inner.by_key.insert(topic.clone(), device.id);
        }
        inner.rosters.entry(device.account).or_default().members.insert(device.id);
        inner.mark += 1;
        let mark = inner.mark;
        let link = inner
            .links
            .entry(device.id)
            .or_insert_with(|| Link::new(device.account, address.clone(), rate, now));
        if let Address::Original(old) = std::mem::replace(&mut link.address, address.clone())
            && Address::Original(old.clone()) != address
        {
            inner.by_key.remove(&old);
        }
        self.change(&mut inner, device.id, now, |link| {
            link.key = key;
            link.paused = device.paused;
            link.session += 1;
            link.online = online;
            link.in_hand.clear();
            link.reserved = 0;
            // What was set aside while it was away is asked for.
            link.waiting = mark;
        });
    }

    fn rate(&self, own: Option<RateLimit>, address: &Address) -> Option<RateLimit> {
        let of_protocol =
            || matches!(address, Address::Original(_)).then(|| ORIGINAL_RATE.parse().ok()).flatten();
        own.or(self.default_rate).or_else(of_protocol)
    }

    /// Whether the transport says when an original device subscribes.
    pub(super) fn tells_listening(&self) -> bool {
        self.tells_listening
    }

    /// A device turned out not to be there, in the session that `route` led to.
    pub(super) fn miss(&self, device: DeviceId, session: u64, now: Timestamp) {
        let mut inner = self.lock();
        self.change(&mut inner, device, now, |link| link.online &= link.session != session);
    }

    /// Devices whose key has expired are there no more; returns them.
    pub(super) fn expire(&self, now: Timestamp) -> Vec<DeviceId> {
        let mut inner = self.lock();
        let over = inner.links.iter().filter(|(_, link)| link.online && !link.may_stay(now));
        let over: Vec<DeviceId> = over.map(|(id, _)| *id).collect();
        for device in &over {
            self.change(&mut inner, *device, now, |link| link.online = false);
        }
        over
    }

    /// A device went away.
    pub(super) fn leave(&self, device: DeviceId, now: Timestamp) {
        let mut inner = self.lock();
        self.change(&mut inner, device, now, |link| link.online = false);
    }

    /// Somebody began or ceased to listen to an original key.
    pub(super) fn listen(&self, key: TopicKey, listening: bool, now: Timestamp) {
        let mut inner = self.lock();
        let device = inner.by_key.get(&key).copied();
        if listening {
            inner.listening.insert(key);
        } else {
            inner.listening.remove(&key);
        }
        inner.mark += 1;
        let mark = inner.mark;
        if let Some(device) = device {
            self.change(&mut inner, device, now, |link| {
                link.online = listening && link.may_stay(now);
                link.waiting = mark;
            });
        }
    }

    /// The keys that devices came in with and use now.
    pub(super) fn keys_in_use(&self) -> Vec<(DeviceId, KeyId)> {
        let inner = self.lock();
        let in_use = inner.links.iter().filter(|(_, link)| link.online);
        in_use.filter_map(|(device, link)| Some((*device, link.key.as_ref()?.id))).collect()
    }

    /// A key is no longer good: the device that came in with it is there no more.
    /// Whether there was one.
    pub(super) fn forget_key(&self, device: DeviceId, key: KeyId) -> bool {
        let mut inner = self.lock();
        let uses = |link: &Link| link.key.as_ref().is_some_and(|used| used.id == key);
        let uses_it = inner.links.get(&device).is_some_and(uses);
        if uses_it {
            self.take_out(&mut inner, device);
        }
        uses_it
    }

    /// The device is no more, or may not come in any more.
    pub(super) fn remove(&self, device: DeviceId) {
        self.take_out(&mut self.lock(), device);
    }

    fn take_out(&self, inner: &mut Inner, device: DeviceId) {
        self.change(inner, device, Timestamp::EPOCH, |link| {
            link.online = false;
            link.in_hand.clear();
        });
        // A device of that id that comes later must find no trace of this one.
        inner.candidates.retain(|id| *id != device);
        if let Some(link) = inner.links.remove(&device) {
            if let Address::Original(topic) = link.address {
                inner.by_key.remove(&topic);
            }
            if let Some(roster) = inner.rosters.get_mut(&link.account) {
                roster.members.remove(&device);
                roster.turn.retain(|id| *id != device);
            }
        }
    }

    pub(super) fn set_rate_limit(&self, device: DeviceId, rate: Option<RateLimit>, now: Timestamp) {
        let mut inner = self.lock();
        let rate = inner.links.get(&device).and_then(|link| self.rate(rate, &link.address));
        self.change(&mut inner, device, now, |link| link.pace = super::pace::Pace::new(rate, now));
    }

    /// Whether the device is given anything new from now on. `false` where it is not known here.
    pub(super) fn set_paused(&self, device: DeviceId, paused: bool, now: Timestamp) -> bool {
        let mut inner = self.lock();
        inner.pauses += 1;
        self.pause(&mut inner, device, paused, now)
    }

    fn pause(&self, inner: &mut Inner, device: DeviceId, paused: bool, now: Timestamp) -> bool {
        inner.mark += 1;
        let mark = inner.mark;
        let changed = self.change(inner, device, now, |link| {
            // What was set aside meanwhile is asked for.
            if link.paused && !paused {
                link.waiting = mark;
            }
            link.paused = paused;
        });
        changed.is_some()
    }

    /// Counts how often it was said here that a device is paused or not: what was read of devices before that is old.
    pub(super) fn pauses(&self) -> u64 {
        self.lock().pauses
    }

    /// What was read of devices while `pauses` was the count: another gateway may have paused some.
    pub(super) fn learn(&self, devices: &[Device], pauses: u64, now: Timestamp) {
        let mut inner = self.lock();
        if inner.pauses != pauses {
            return;
        }
        for device in devices {
            let differs = |link: &Link| link.paused != device.paused;
            if inner.links.get(&device.id).is_some_and(differs) {
                self.pause(&mut inner, device.id, device.paused, now);
            }
        }
    }

    /// What a device says of itself; whether it is known here.
    pub(super) fn note(&self, device: DeviceId, telemetry: Telemetry, now: Timestamp) -> bool {
        let mut inner = self.lock();
        let link = inner.links.get_mut(&device);
        link.map(|link| link.telemetry = Some((telemetry, now))).is_some()
    }

    pub(super) fn presence(&self, device: DeviceId) -> Presence {
        let inner = self.lock();
        let Some(link) = inner.links.get(&device) else { return Presence::default() };
        let (telemetry, telemetry_at) = link.telemetry.clone().unzip();
        Presence { online: link.online, in_hand: link.in_hand.len(), telemetry, telemetry_at }
    }

    /// How many devices are there, and how many messages all have in hand.
    pub(super) fn totals(&self) -> (usize, usize) {
        let sums = self.lock().sums;
        (sums.online, sums.in_hand)
    }

    /// Places that were taken before `before`, at most `max`; each is named again when as much time has passed again.
    pub(super) fn long_held(&self, before: Timestamp, now: Timestamp, max: usize) -> Vec<Claim> {
        let mut inner = self.lock();
        let held = inner.links.iter_mut().flat_map(|(device, link)| {
            link.in_hand.iter_mut().map(|(id, held)| (Claim { id: *id, device: *device }, held))
        });
        held.filter(|(_, held)| held.asked_at < before)
            .take(max)
            .map(|(claim, held)| {
                held.asked_at = now;
                claim
            })
            .collect()
    }

    /// The account of a device that is known here.
    pub(super) fn account(&self, device: DeviceId) -> Option<AccountId> {
        self.lock().links.get(&device).map(|link| link.account)
    }

    /// Where messages for these devices go; `None` where a device has gone.
    pub(super) fn routes(&self, devices: impl Iterator<Item = DeviceId>) -> Vec<Option<Route>> {
        let inner = self.lock();
        let route = |link: &Link| Route { address: link.address.clone(), session: link.session };
        devices.map(|id| inner.links.get(&id).map(route)).collect()
    }

    /// The devices of these whose `last_seen` is to be written again: not more than once a minute each.
    pub(super) fn seen(&self, devices: impl Iterator<Item = DeviceId>, now: Timestamp) -> Vec<DeviceId> {
        let mut inner = self.lock();
        let due = |id: &DeviceId| inner.links.get_mut(id).is_some_and(|link| link.seen(now));
        devices.collect::<HashSet<_>>().into_iter().filter(due).collect()
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        f.debug_struct("Fleet")
            .field("devices", &inner.links.len())
            .field("online", &inner.sums.online)
            .finish_non_exhaustive()
    }
}
