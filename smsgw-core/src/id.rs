//! Identifiers. All are UUIDs; the ones made here are version 7, so they sort by time of creation.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use crate::time::Timestamp;

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID: expected 32 hexadecimal digits with hyphens, as 0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d")]
pub struct IdError;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// From a UUID of any version.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The UUID.
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            /// Reads the hyphenated form only, so that an id has one spelling in URLs and topics.
            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.len() != 36 || text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(IdError);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| IdError)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )*};
}

identifiers! {
    /// Names a message.
    MessageId;
    /// Names a device; also its MQTT user name and client id.
    DeviceId;
    /// Names an account.
    AccountId;
    /// Names one report of a device, or one SMS it received. The device chooses it.
    ReportId;
    /// Names one event of the audit log.
    AuditId;
}

/// Makes version 7 identifiers that sort in the order they were made, also within a millisecond and where the clock is set back.
pub struct IdSource(Mutex<Series>);

/// Bits of the counter that tells apart what is made within a millisecond. It begins anywhere in the lower half.
const COUNTER_BITS: u32 = 42;
/// Its bits that stand behind the variant of the UUID.
const LOW_BITS: u32 = 30;

struct Series {
    /// Of the last identifier.
    millis: u64,
    counter: u64,
    entropy: Entropy,
}

impl IdSource {
    /// A source of its own; two sources share nothing.
    ///
    /// # Panics
    /// Where the system has no randomness to give, as [`next`](Self::next).
    pub fn new() -> Self {
        let mut series = Series { millis: 0, counter: 0, entropy: Entropy::new() };
        series.begin(0);
        Self(Mutex::new(series))
    }

    /// The next identifier, dated `now`.
    ///
    /// # Panics
    /// Where the system has no randomness to give.
    pub fn next<T: From<Uuid>>(&self, now: Timestamp) -> T {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        T::from(series.next(now.as_micros().unsigned_abs() / 1_000))
    }
}

impl Series {
    fn next(&mut self, millis: u64) -> Uuid {
        let next = self.counter + 1;
        if millis > self.millis {
            self.begin(millis);
        } else if next >> COUNTER_BITS != 0 {
            self.begin(self.millis + 1);
        } else {
            self.counter = next;
        }
        let high = (self.counter >> LOW_BITS) as u16;
        let low =
            (self.counter & ((1 << LOW_BITS) - 1)) << 32 | u64::from(u32::from_ne_bytes(self.entropy.take()));
        let mut rest = [0; 10];
        rest[..2].copy_from_slice(&high.to_be_bytes());
        rest[2..].copy_from_slice(&low.to_be_bytes());
        Builder::from_unix_timestamp_millis(self.millis, &rest).into_uuid()
    }

    fn begin(&mut self, millis: u64) {
        self.millis = millis;
        self.counter = u64::from_ne_bytes(self.entropy.take()) >> (u64::BITS - COUNTER_BITS + 1);
    }
}

/// Randomness of the system, fetched for many identifiers at once: a call for each would be a tenth of the engine's time.
struct Entropy {
    bytes: [u8; 1_024],
    used: usize,
}

impl Entropy {
    fn new() -> Self {
        let bytes = [0; 1_024];
        Self { used: bytes.len(), bytes }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        if self.bytes.len() - self.used < N {
            getrandom::fill(&mut self.bytes).expect("randomness of the system");
            self.used = 0;
        }
        let mut taken = [0; N];
        taken.copy_from_slice(&self.bytes[self.used..self.used + N]);
        self.used += N;
        taken
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdSource").finish_non_exhaustive()
    }
}

impl Default for IdSource {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_sort_in_the_order_they_were_made() {
        let source = IdSource::new();
        let ids: Vec<MessageId> = (0..5_000)
            .map(|i| source.next(Timestamp::from_micros(1_700_000_000_000_000 + i / 100)))
            .collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        let later: MessageId = source.next(Timestamp::from_micros(1_600_000_000_000_000));
        assert!(*ids.last().expect("some") < later, "the clock was set back");
    }

    #[test]
    fn they_are_version_7_of_their_millisecond_and_of_two_sources_none_is_the_same() {
        let now = Timestamp::from_micros(1_700_000_000_123_456);
        let (one, other) = (IdSource::new(), IdSource::new());
        let ids: Vec<Uuid> = (0..5_000).flat_map(|_| [one.next(now), other.next(now)]).collect();
        for id in &ids {
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
            assert_eq!(id.as_u128() >> 80, 1_700_000_000_123);
        }
        let tails: HashSet<u32> = ids.iter().map(|id| id.as_u128() as u32).collect();
        assert!(tails.len() > 9_990, "the last 32 bits are random: {}", tails.len());
    }

    #[test]
    fn a_full_millisecond_goes_on_in_the_next() {
        let source = IdSource::new();
        let first: Uuid = source.next(Timestamp::from_micros(5_000));
        source.0.lock().expect("nobody has it").counter = (1 << COUNTER_BITS) - 1;
        let next: Uuid = source.next(Timestamp::from_micros(5_000));
        assert!(first < next);
        assert_eq!(next.as_u128() >> 80, 6);
    }

    #[test]
    fn one_spelling_only() {
        let id: MessageId = Uuid::from_u128(0x0199_a3c4_5e6f_7a8b_9c0d_1e2f_3a4b_5c6d).into();
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "x", &id.as_uuid().simple().to_string(), &id.to_string().to_uppercase()] {
            assert_eq!(bad.parse::<MessageId>(), Err(IdError), "{bad}");
        }
    }
}
