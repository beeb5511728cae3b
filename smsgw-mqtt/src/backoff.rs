//! How long to wait before the next connect.

use std::time::Duration;

/// A connection that lasted this long is not part of the trouble before it.
const STABLE: Duration = Duration::from_secs(10);

/// Doubles from `first` to `last`; each wait is cut by a random share of up to a half, so that a thousand
/// devices do not return to a restarted broker in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, last: Duration) -> Self {
        Self { first, last, next: first }
    }

    /// The wait before the next try, given how long the last connection held.
    pub(crate) fn wait(&mut self, held: Duration) -> Duration {
        if held >= STABLE {
            self.next = self.first;
        }
        let wait = self.next;
        self.next = (wait * 2).min(self.last);
        wait.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_its_cap_and_starts_over_after_a_stable_connection() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        for most in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let wait = backoff.wait(Duration::ZERO).as_millis();
            assert!((most / 2..=most).contains(&wait), "{wait} of {most}");
        }
        assert!(backoff.wait(STABLE) <= Duration::from_millis(100));
    }
}
