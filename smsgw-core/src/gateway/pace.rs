//! How fast a device may be given messages: the generic cell rate algorithm, counted in messages.

use std::time::Duration;

use crate::rate::RateLimit;
use crate::time::Timestamp;

/// A burst covers this much time, so that a fast limit does not depend on how often the gateway looks.
const BURST: Duration = Duration::from_millis(100);

/// When the next messages may go. Without a limit: now.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    limit: Option<Limit>,
}

#[derive(Debug, Clone, Copy)]
struct Limit {
    interval: u64,
    burst: u64,
    // When the messages given so far have all been paid for; microseconds, as Timestamp.
    paid_at: i64,
}

impl Pace {
    pub(super) fn new(rate: Option<RateLimit>, now: Timestamp) -> Self {
        let limit = rate.map(|rate| {
            let interval = u64::try_from(rate.interval().as_micros()).unwrap_or(u64::MAX).max(1);
            let burst = (BURST.as_micros() as u64).div_ceil(interval).max(1);
            Limit { interval, burst, paid_at: now.as_micros() }
        });
        Self { limit }
    }

    /// How many messages may go at `now`, at most `wanted`.
    pub(super) fn allows(&self, now: Timestamp, wanted: usize) -> usize {
        let Some(limit) = &self.limit else { return wanted };
        let owed = u64::try_from(limit.paid_at - now.as_micros()).unwrap_or(0);
        let free = (limit.burst * limit.interval).saturating_sub(owed) / limit.interval;
        wanted.min(usize::try_from(free).unwrap_or(usize::MAX))
    }

    /// Counts `messages` that go at `now`.
    pub(super) fn take(&mut self, now: Timestamp, messages: usize) {
        if let Some(limit) = &mut self.limit {
            let cost = i64::try_from(limit.interval * messages as u64).unwrap_or(i64::MAX);
            limit.paid_at = limit.paid_at.max(now.as_micros()).saturating_add(cost);
        }
    }

    /// Gives back what was counted for `messages` that did not go.
    pub(super) fn refund(&mut self, messages: usize) {
        if let Some(limit) = &mut self.limit {
            limit.paid_at -= i64::try_from(limit.interval * messages as u64).unwrap_or(0);
        }
    }

    /// When the next message may go.
    pub(super) fn next(&self, now: Timestamp) -> Timestamp {
        match &self.limit {
            Some(limit) if self.allows(now, 1) == 0 => {
                let span = i64::try_from((limit.burst - 1) * limit.interval).unwrap_or(0);
                Timestamp::from_micros(limit.paid_at - span).max(now)
            }
            _ => now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rate: &str, seconds: u64) -> usize {
        let mut now = Timestamp::from_micros(1_000_000);
        let end = now + Duration::from_secs(seconds);
        let mut pace = Pace::new(rate.parse().ok(), now);
        let mut sent = 0;
        while now < end {
            let n = pace.allows(now, 1_000);
            pace.take(now, n);
            sent += n;
            now = now + Duration::from_millis(10);
        }
        sent
    }

    #[test]
    fn keeps_the_rate_and_never_bursts_beyond_a_tenth_of_a_second() {
        assert_eq!(count("10/m", 60), 10);
        assert_eq!(count("3600/h", 60), 60);
        assert!((1_000..=1_011).contains(&count("100/s", 10)));
        assert_eq!(Pace::new(None, Timestamp::EPOCH).allows(Timestamp::EPOCH, 7), 7);
    }

    #[test]
    fn says_when_the_next_may_go() {
        let now = Timestamp::from_micros(5_000_000);
        let mut pace = Pace::new("10/m".parse().ok(), now);
        assert_eq!(pace.next(now), now);
        pace.take(now, 1);
        assert_eq!(pace.next(now), now + Duration::from_secs(6));
        assert_eq!(pace.allows(now + Duration::from_secs(6), 5), 1);
        pace.refund(1);
        assert_eq!(pace.next(now), now);
    }
}
