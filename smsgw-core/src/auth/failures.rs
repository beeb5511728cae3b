use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::key::KeyId;
use crate::time::Timestamp;

/// Failures within [`WINDOW`] that are borne.
const BORNE: u32 = 10;
/// The time over which failures are counted, and the pause after too many.
const WINDOW: Duration = Duration::from_secs(60);
/// How many addresses and ids are remembered.
const REMEMBERED: usize = 16_384;

/// Slows down who presents wrong credentials: after ten failures in a minute from one address for one key id, nothing
/// more is checked for a minute. Another key from the same address is not concerned, so that a stranger behind the same
/// NAT or proxy shuts nobody out; what is no credential at all counts for its address.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<Place, Count>>);

/// An address and the key that was presented from there.
type Place = (Option<IpAddr>, Option<KeyId>);

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    /// When they are forgotten: after the window, or after the pause.
    until: Timestamp,
}

impl Failures {
    /// Nobody has failed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long nothing is checked for `key` from `origin`, where there have been too many failures.
    pub fn pause(&self, origin: Option<IpAddr>, key: Option<KeyId>, now: Timestamp) -> Option<Duration> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&(origin.map(network), key))?;
        (count.failures >= BORNE && now < count.until).then(|| now.until(count.until))
    }

    /// Counts a failure. `true` where it was one too many, and the pause begins.
    pub fn count(&self, origin: Option<IpAddr>, key: Option<KeyId>, now: Timestamp) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= REMEMBERED {
            counts.retain(|_, count| now < count.until);
        }
        let place = (origin.map(network), key);
        if counts.len() >= REMEMBERED && !counts.contains_key(&place) {
            return false;
        }
        let fresh = Count { failures: 0, until: now + WINDOW };
        let count = counts.entry(place).or_insert(fresh);
        if now >= count.until {
            *count = fresh;
        }
        count.failures = count.failures.saturating_add(1);
        if count.failures == BORNE {
            count.until = now + WINDOW;
        }
        count.failures == BORNE
    }
}

/// Whoever has an IPv6 address has a whole network of them.
fn network(origin: IpAddr) -> IpAddr {
    match origin.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Option<IpAddr> = Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)));
    const KEY: Option<KeyId> = Some(KeyId::from_bytes([1; 10]));

    #[test]
    fn the_tenth_failure_in_a_minute_begins_a_pause() {
        let failures = Failures::new();
        let start = Timestamp::EPOCH;
        for second in 0..9 {
            assert!(!failures.count(FROM, KEY, start + Duration::from_secs(second)));
        }
        let last = start + Duration::from_secs(59);
        assert_eq!(failures.pause(FROM, KEY, last), None);
        assert!(failures.count(FROM, KEY, last));
        assert_eq!(failures.pause(FROM, KEY, last), Some(WINDOW));
        let neighbour = Some("2001:db8::ffff:2".parse().expect("an address"));
        assert!(failures.pause(neighbour, KEY, last).is_some(), "the same network");
        assert_eq!(failures.pause(FROM, None, last), None, "another key");
        assert_eq!(failures.pause(Some([192, 0, 2, 1].into()), KEY, last), None, "another address");
        assert_eq!(failures.pause(FROM, KEY, last + WINDOW), None);
        assert!(!failures.count(FROM, KEY, last + WINDOW), "counted anew");
    }

    #[test]
    fn failures_far_apart_are_forgotten_and_memory_is_bounded() {
        let failures = Failures::new();
        let mut now = Timestamp::EPOCH;
        for _ in 0..20 {
            assert!(!failures.count(FROM, KEY, now));
            now = now + Duration::from_secs(10);
        }
        for index in 0..u32::try_from(REMEMBERED).expect("a number") + 10 {
            failures.count(Some(IpAddr::V4(index.into())), None, now);
        }
        assert_eq!(failures.0.lock().map(|counts| counts.len()).ok(), Some(REMEMBERED));
        assert!(!failures.count(FROM, KEY, now + WINDOW));
        assert_eq!(failures.0.lock().map(|counts| counts.len()).ok(), Some(1));
    }
}
