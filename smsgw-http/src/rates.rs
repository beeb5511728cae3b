//! How many requests an account has sent, and the headers that say so (draft-ietf-httpapi-ratelimit-headers-10).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use smsgw_core::id::AccountId;
use smsgw_core::rate::RateLimit;
use smsgw_core::time::Timestamp;

use crate::problem::{Code, Problem, whole_seconds};

/// How many accounts are counted at once. One more is not held to its rate until others have not called for a while.
const COUNTED: usize = 65_536;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// Counts the requests of each account, in windows that begin with its first request.
pub(crate) struct Rates {
    limit: RateLimit,
    windows: Mutex<HashMap<AccountId, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    used: u32,
    until: Timestamp,
}

/// How an account stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    limit: RateLimit,
    left: u32,
    reset: Duration,
    over: bool,
}

/// Where the one who knows the account leaves its standing for the answer.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<OnceLock<Standing>>);

impl Rates {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, windows: Mutex::default() }
    }

    /// Counts a request.
    pub(crate) fn take(&self, account: AccountId, now: Timestamp) -> Standing {
        let span = self.limit.window();
        let fresh = Window { used: 0, until: now + span };
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= COUNTED && !windows.contains_key(&account) {
            windows.retain(|_, window| now < window.until);
        }
        let mut uncounted = fresh;
        let window = match windows.len() < COUNTED || windows.contains_key(&account) {
            true => windows.entry(account).or_insert(fresh),
            false => &mut uncounted,
        };
        // Also where the clock was set back.
        if now >= window.until || window.until > fresh.until {
            *window = fresh;
        }
        let over = window.used >= self.limit.count();
        window.used += u32::from(!over);
        Standing {
            limit: self.limit,
            left: self.limit.count() - window.used,
            reset: now.until(window.until),
            over,
        }
    }
}

impl Slot {
    /// Leaves it for the answer, which is a refusal where the account is over its rate.
    pub(crate) fn fill(&self, standing: Standing) -> Result<(), Problem> {
        let _ = self.0.set(standing);
        match standing.over {
            true => Err(Problem::new(Code::RateLimited, "send requests more slowly").after(standing.reset)),
            false => Ok(()),
        }
    }

    /// Tells the standing that was left, if one was.
    pub(crate) fn show(&self, headers: &mut HeaderMap) {
        if let Some(standing) = self.0.get() {
            standing.write(headers);
        }
    }
}

impl Standing {
    fn write(self, headers: &mut HeaderMap) {
        let Self { limit, left, reset, .. } = self;
        let policy = format!("\"account\";q={};w={}", limit.count(), limit.window().as_secs());
        let standing = format!("\"account\";r={left};t={}", whole_seconds(reset));
        for (name, value) in [(POLICY, policy), (STANDING, standing)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn account(number: usize) -> AccountId {
        Uuid::from_u128(number as u128).into()
    }

    #[test]
    fn so_many_in_a_window_and_then_as_many_in_the_next() {
        let rates = Rates::new("2/m".parse().expect("a rate"));
        let start = Timestamp::from_micros(7_000_000);
        let take = |seconds| {
            let standing = rates.take(account(1), start + Duration::from_secs(seconds));
            (standing.left, standing.reset.as_secs(), standing.over)
        };
        assert_eq!([take(0), take(20), take(59)], [(1, 60, false), (0, 40, false), (0, 1, true)]);
        assert_eq!(rates.take(account(2), start).left, 1, "each account has its own");
        assert_eq!(take(60), (1, 60, false));
        let back = rates.take(account(1), start - Duration::from_secs(600));
        assert_eq!((back.left, back.reset), (1, Duration::from_secs(60)), "a clock that was set back");
    }

    #[test]
    fn memory_is_bounded() {
        let rates = Rates::new("1/s".parse().expect("a rate"));
        let start = Timestamp::EPOCH;
        for number in 0..COUNTED + 2 {
            assert!(!rates.take(account(number), start).over);
        }
        let counted = || rates.windows.lock().map(|windows| windows.len()).ok();
        assert_eq!(counted(), Some(COUNTED));
        assert!(rates.take(account(0), start).over, "who is counted stays counted");
        rates.take(account(COUNTED + 3), start + Duration::from_secs(1));
        assert_eq!(counted(), Some(1));
    }
}
