//! Points in time, and where `now` comes from.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How many bytes a time takes in writing at the most: `9999-12-31T23:59:59.999999Z`, and some to spare.
const LONGEST: usize = 32;

/// A point in time: microseconds since 1970-01-01T00:00:00Z.
///
/// Written as RFC 3339 in UTC, by `Display` and by serde alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// 9999-12-31T23:59:59.999999Z, the last point that RFC 3339 can write.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// From microseconds since the epoch; what lies outside `EPOCH..=MAX` becomes the nearer end.
    pub const fn from_micros(micros: i64) -> Self {
        if micros < 0 {
            Self::EPOCH
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 with any offset. `None` for anything else and for years before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let read = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let micros = i64::try_from(read.unix_timestamp_nanos() / 1_000).ok()?;
        (0..=Self::MAX.0).contains(&micros).then_some(Self(micros))
    }

    /// Writes it into `text`, and says how it reads.
    fn write(self, text: &mut [u8; LONGEST]) -> Option<&str> {
        let (seconds, micros) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        let whole = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let time = whole.replace_microsecond(u32::try_from(micros).ok()?).ok()?;
        let mut rest = &mut text[..];
        time.format_into(&mut rest, &Rfc3339).ok()?;
        let length = LONGEST - rest.len();
        std::str::from_utf8(text.get(..length)?).ok()
    }

    /// How long it is from `self` until `later`; zero where `later` is not later.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_micros(u64::try_from(later.0 - self.0).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; LONGEST];
        f.write_str(self.write(&mut text).ok_or(fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = &mut [0; LONGEST];
        serializer.serialize_str(self.write(text).ok_or_else(|| serde::ser::Error::custom("no time"))?)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(
                "expected a time after 1970 as RFC 3339 writes it, as 2026-01-02T03:04:05Z",
            )
        })
    }
}

/// Where `now` comes from. Libraries ask nothing else for the time, so a test can own it.
///
/// ```
/// use std::time::Duration;
/// use smsgw_core::time::{Clock, ManualClock, Timestamp};
///
/// let clock = ManualClock::new(Timestamp::EPOCH);
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().to_string(), "1970-01-01T00:01:00Z");
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

impl<T: Clock + ?Sized> Clock for std::sync::Arc<T> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Timestamp::EPOCH + since
    }
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.0))
    }

    /// Moves the clock on by `span`.
    pub fn advance(&self, span: Duration) {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        let read = Timestamp::parse("2026-01-02T05:04:05.25+02:00").expect("valid");
        assert_eq!(read.to_string(), "2026-01-02T03:04:05.25Z");
        for bad in ["", "2026-01-02", "1969-12-31T23:59:59Z", "yesterday", "2026-13-01T00:00:00Z"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
        assert_eq!(Timestamp::parse(&Timestamp::MAX.to_string()), Some(Timestamp::MAX));
    }

    #[test]
    fn arithmetic_stays_inside_what_can_be_written() {
        assert_eq!(Timestamp::MAX + Duration::from_secs(u64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::EPOCH - Duration::from_secs(1), Timestamp::EPOCH);
        let later = Timestamp::EPOCH + Duration::from_secs(2);
        assert_eq!(Timestamp::EPOCH.until(later), Duration::from_secs(2));
        assert_eq!(later.until(Timestamp::EPOCH), Duration::ZERO);
    }
}
