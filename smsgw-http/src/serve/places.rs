//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An address, or the /64 of an IPv6 one: whoever has one of those has all of it.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

/// Places for connections.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    max_per_origin: usize,
    taken: Mutex<Taken>,
}

/// Changed by whoever takes or leaves a place. Has no more entries than there are places.
#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_origin: HashMap<IpAddr, Count>,
    /// It was said that all are taken.
    is_said: bool,
}

#[derive(Debug, Default)]
struct Count {
    open: usize,
    /// It was said that these are all that the origin may have.
    is_said: bool,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    origin: IpAddr,
}

impl Places {
    pub(super) fn new(max: usize, max_per_origin: usize) -> Arc<Self> {
        Arc::new(Self { max, max_per_origin, taken: Mutex::default() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One for a connection from `address`, where there is one.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let origin = origin(address);
        let mut taken = self.taken();
        if taken.all >= self.max {
            if !std::mem::replace(&mut taken.is_said, true) {
                tracing::warn!("all {} connections are in use: turning further ones away", self.max);
            }
            return None;
        }
        let count = taken.by_origin.entry(origin).or_default();
        if count.open >= self.max_per_origin {
            if !std::mem::replace(&mut count.is_said, true) {
                tracing::warn!(%origin, "has {} connections: turning further ones away", count.open);
            }
            return None;
        }
        count.open += 1;
        taken.all += 1;
        Some(Place { places: self.clone(), origin })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        // Once some are free again, not at every one: at the limit it would be said time and again.
        taken.is_said &= taken.all * 10 > self.places.max * 9;
        if let Some(count) = taken.by_origin.get_mut(&self.origin) {
            count.open -= 1;
            count.is_said &= count.open * 10 > self.places.max_per_origin * 9;
            if count.open == 0 {
                taken.by_origin.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_its_places_and_all_together_have_theirs() {
        let places = Places::new(3, 2);
        let first = places.take(at("192.0.2.1"));
        let second = places.take(at("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(places.take(at("192.0.2.1")).is_none(), "a third of one address");
        let third = places.take(at("192.0.2.2"));
        assert!(third.is_some());
        assert!(places.take(at("192.0.2.3")).is_none(), "a fourth in all");
        drop((first, second));
        assert!(places.take(at("192.0.2.1")).is_some());
    }

    #[test]
    fn the_addresses_of_a_64_are_one() {
        let places = Places::new(10, 1);
        let one = places.take(at("2001:db8:0:1::1"));
        assert!(one.is_some() && places.take(at("2001:db8:0:1:ffff::2")).is_none());
        assert!(places.take(at("2001:db8:0:2::1")).is_some());
    }

    #[test]
    fn nothing_is_kept_of_who_has_gone() {
        let places = Places::new(10, 10);
        drop((places.take(at("192.0.2.1")), places.take(at("2001:db8::1"))));
        assert!(places.taken().by_origin.is_empty());
        assert_eq!(places.taken().all, 0);
    }
}
