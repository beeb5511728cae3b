//! Which failures are tried again, and when.

use std::time::Duration;

use crate::id::MessageId;

/// How often a device may try a message before it has failed for good.
pub const MAX_TRIES: u32 = 8;
/// The pause after the first failure; doubled with each.
pub const RETRY_FIRST: Duration = Duration::from_secs(10);
/// The longest pause.
pub const RETRY_LONGEST: Duration = Duration::from_secs(15 * 60);

/// The codes of failures that pass by themselves: the network surely did not take the message, and may take it later.
/// Any other code, as of a number that does not exist, is final. The words are those of `docs/PROTOCOL.md`.
const PASSING: [&str; 8] =
    ["busy", "congestion", "network_error", "no_service", "radio_error", "radio_off", "stopped", "temporary"];

/// Whether a device that failed with this code is to try again.
pub fn is_retryable(code: &str) -> bool {
    PASSING.contains(&code)
}

/// The pause after a message's `failures`-th failure, the first being 1. A quarter of it depends on the message, so that
/// what failed together does not come again together.
pub fn retry_after(id: MessageId, failures: u32) -> Duration {
    let doubled = RETRY_FIRST.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1).min(16)));
    let longest = doubled.min(RETRY_LONGEST);
    // The last byte of a UUIDv7 is random.
    let share = u32::from(id.as_uuid().as_bytes()[15]);
    longest - longest * share / 1024
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let first = MessageId::from(Uuid::nil());
        let seconds: Vec<u64> = (1..=9).map(|failures| retry_after(first, failures).as_secs()).collect();
        assert_eq!(seconds, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
        let last = MessageId::from(Uuid::max());
        for failures in [1, 5, u32::MAX] {
            let (longest, shortest) = (retry_after(first, failures), retry_after(last, failures));
            assert!(shortest < longest && shortest >= longest * 3 / 4, "{shortest:?} of {longest:?}");
        }
    }

    #[test]
    fn what_no_waiting_mends_is_final() {
        assert!(is_retryable("no_service"));
        for code in ["invalid_number", "canceled", "expired", "other", ""] {
            assert!(!is_retryable(code), "{code}");
        }
    }
}
