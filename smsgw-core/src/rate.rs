//! Rate limits as people write them: `10/s`, `10/m`, `100/h`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// So many messages a second, minute or hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateLimit {
    count: NonZeroU32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Second,
    Minute,
    Hour,
}

/// A text that is not a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number from 1 to 1000000, a slash and s, m or h, as 10/s, 10/m or 100/h")]
pub struct RateLimitError;

impl RateLimit {
    /// How many within its [window](Self::window).
    pub fn count(self) -> u32 {
        self.count.get()
    }

    /// A second, a minute or an hour.
    pub fn window(self) -> Duration {
        Duration::from_secs(match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3_600,
        })
    }

    /// The time between two messages.
    pub fn interval(self) -> Duration {
        self.window() / self.count()
    }
}

impl FromStr for RateLimit {
    type Err = RateLimitError;

    fn from_str(text: &str) -> Result<Self, RateLimitError> {
        let (count, unit) = text.split_once('/').ok_or(RateLimitError)?;
        let unit = match unit {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            _ => return Err(RateLimitError),
        };
        if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(RateLimitError);
        }
        let count: NonZeroU32 = count.parse().map_err(|_| RateLimitError)?;
        if count.get() > 1_000_000 {
            return Err(RateLimitError);
        }
        Ok(Self { count, unit })
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => 's',
            Unit::Minute => 'm',
            Unit::Hour => 'h',
        };
        write!(f, "{}/{unit}", self.count)
    }
}

impl Serialize for RateLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RateLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_the_rest() {
        for good in ["1/s", "10/m", "100/h", "1000000/s"] {
            assert_eq!(good.parse::<RateLimit>().map(|r| r.to_string()).as_deref(), Ok(good));
        }
        for bad in
            ["", "10", "0/s", "-1/s", "+1/s", "10/d", "10 /s", "1000001/s", "99999999999/s", "/s", "1/"]
        {
            assert_eq!(bad.parse::<RateLimit>(), Err(RateLimitError), "{bad}");
        }
        assert_eq!("10/m".parse::<RateLimit>().map(RateLimit::interval), Ok(Duration::from_secs(6)));
    }
}
