//! The sums of the fleet, and that nobody with room and something to pull is forgotten, after any order of events.

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::device::Protocol;
use crate::id::MessageId;
use crate::message::Priority;
use crate::queue::Job;
use crate::state::WaitsFor;
use crate::time::SystemClock;

const DEVICES: u128 = 4;

fn device(n: u128, rate: bool) -> Device {
    Device {
        id: Uuid::from_u128(n % DEVICES).into(),
        account: account(n),
        name: String::new(),
        description: None,
        protocol: Protocol::Native,
        rate_limit: rate.then(|| "100/s".parse().expect("a rate")),
        paused: false,
        sims: Vec::new(),
        created_at: Timestamp::EPOCH,
        last_seen_at: None,
    }
}

/// Devices 0 and 2 belong to one account, 1 and 3 to the other.
fn account(n: u128) -> AccountId {
    Uuid::from_u128(100 + n % 2).into()
}

#[derive(Debug, Clone)]
enum Op {
    Arrive(u128, bool),
    Leave(u128),
    Pause(u128, bool),
    Remove(u128),
    Place(u128, bool),
    Release(usize),
    SetAside(u128, bool),
    Pull(bool, usize),
    LookAgain,
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => (0..DEVICES, any::<bool>()).prop_map(|(n, rate)| Op::Arrive(n, rate)),
        1 => (0..DEVICES).prop_map(Op::Leave),
        1 => (0..DEVICES, any::<bool>()).prop_map(|(n, paused)| Op::Pause(n, paused)),
        1 => (0..DEVICES).prop_map(Op::Remove),
        4 => (0..DEVICES, any::<bool>()).prop_map(|(n, fixed)| Op::Place(n, fixed)),
        3 => (0..1_000usize).prop_map(Op::Release),
        1 => (0..DEVICES, any::<bool>()).prop_map(|(n, fixed)| Op::SetAside(n, fixed)),
        2 => (any::<bool>(), 0..20usize).prop_map(|(answered, found)| Op::Pull(answered, found)),
        1 => Just(Op::LookAgain),
        1 => (1..200u64).prop_map(Op::Wait),
    ]
}

fn check(fleet: &Fleet, now: Timestamp) -> Result<(), TestCaseError> {
    let inner = fleet.lock();
    let sums = |links: &mut dyn Iterator<Item = &Link>| {
        links.fold(Sums::default(), |mut sums, link| {
            sums.recount(Sums::default(), link.counted);
            sums
        })
    };
    prop_assert_eq!(inner.sums, sums(&mut inner.links.values()));
    for (id, link) in &inner.links {
        let roster = &inner.rosters[&link.account];
        let drains = link.waiting > 0 || roster.waiting > 0;
        let room = link.pace.allows(now, link.free());
        prop_assert_eq!(link.counted.online, usize::from(link.online));
        prop_assert_eq!(link.counted.in_hand, link.in_hand.len());
        prop_assert_eq!(link.counted.paused, usize::from(link.online && link.paused));
        prop_assert!(!link.paused || link.counted.open == 0, "a paused device is open");
        prop_assert_eq!(link.counted.full, usize::from(link.online && !link.paused && link.free() == 0));
        prop_assert!(link.in_hand.len() + link.reserved <= WINDOW);
        prop_assert!(link.counted.open == 0 || roster.turn.contains(id), "an open device has no turn");
        let due = inner.paced.iter().any(|(at, paced)| paced == id && *at <= now);
        prop_assert!(
            !drains || room == 0 || link.is_candidate || due,
            "a device that could pull is forgotten"
        );
        prop_assert_eq!(link.is_candidate, inner.candidates.contains(id));
    }
    for (account, roster) in &inner.rosters {
        let mut members = inner.links.values().filter(|link| link.account == *account);
        prop_assert_eq!(roster.sums, sums(&mut members));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn sums_are_right_and_nobody_is_forgotten(ops in prop::collection::vec(op(), 1..80)) {
        let fleet = Fleet::new(None, false, Arc::new(EventLog::new(Uuid::nil())), Arc::new(SystemClock));
        let mut now = Timestamp::from_micros(1_000_000);
        let mut held: Vec<(DeviceId, MessageId)> = Vec::new();
        let mut next = 0u128;
        for op in ops {
            match op {
                Op::Arrive(n, rate) => {
                    let device = device(n, rate);
                    let address = Address::Native(device.id);
                    fleet.arrive(&device, address, None, now);
                }
                Op::Pause(n, paused) => {
                    fleet.set_paused(device(n, false).id, paused, now);
                }
                Op::Leave(n) => fleet.leave(Uuid::from_u128(n).into(), now),
                Op::Remove(n) => fleet.remove(Uuid::from_u128(n).into()),
                Op::Place(n, fixed) => {
                    next += 1;
                    let id = Uuid::from_u128(1_000 + next).into();
                    let device = fixed.then(|| Uuid::from_u128(n).into());
                    let job = Job { id, account: account(n), priority: Priority::Normal, device };
                    if let Placement::Device { device, is_new: true } = fleet.place(&[job], now)[0] {
                        held.push((device, id));
                    }
                }
                Op::Release(n) if !held.is_empty() => {
                    let place = held.swap_remove(n % held.len());
                    fleet.release([place], now);
                }
                Op::Release(_) => {}
                Op::SetAside(n, true) => fleet.set_aside([WaitsFor::Device(Uuid::from_u128(n).into())], now),
                Op::SetAside(n, false) => fleet.set_aside([WaitsFor::Account(account(n))], now),
                Op::Pull(answered, found) => {
                    for ticket in fleet.pulls(2, now) {
                        let found = if answered { found.min(ticket.pull.max) } else { 0 };
                        let ids: Vec<MessageId> = (0..found).map(|_| {
                            next += 1;
                            Uuid::from_u128(1_000 + next).into()
                        }).collect();
                        fleet.pulled(&ticket, &ids, answered, now);
                        held.extend(ids.into_iter().map(|id| (ticket.pull.device, id)));
                    }
                }
                Op::LookAgain => drop(fleet.look_again(2, now)),
                Op::Wait(ms) => now = now + Duration::from_millis(ms),
            }
            check(&fleet, now)?;
        }
    }
}
