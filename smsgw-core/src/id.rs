//! Identifiers. All are UUIDs; the ones made here are version 7, so they sort by time of creation.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Uuid};

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

/// Makes version 7 identifiers that sort in the order they were made, also within a millisecond.
#[derive(Debug)]
pub struct IdSource(Mutex<ContextV7>);

impl IdSource {
    /// A source of its own; two sources share nothing.
    pub fn new() -> Self {
        Self(Mutex::new(ContextV7::new()))
    }

    /// The next identifier, dated `now`.
    pub fn next<T: From<Uuid>>(&self, now: Timestamp) -> T {
        let micros = now.as_micros().unsigned_abs();
        let nanos = u32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
        let context = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        T::from(Uuid::new_v7(uuid::Timestamp::from_unix(&*context, micros / 1_000_000, nanos)))
    }
}

impl Default for IdSource {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_in_the_order_they_were_made() {
        let source = IdSource::new();
        let ids: Vec<MessageId> = (0..5_000)
            .map(|i| source.next(Timestamp::from_micros(1_700_000_000_000_000 + i / 100)))
            .collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
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
