use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What a client may send at once after a pause, as a time at its rate.
const BURST: Duration = Duration::from_secs(2);

/// Slows down who sends too fast (GCRA): it is read later, and its own socket pushes back.
pub(super) struct Throttle {
    interval: Duration,
    /// When the next packet would be due at an even pace.
    due: Mutex<Instant>,
}

impl Throttle {
    /// Lets `rate` a second pass; 0 lets everything pass.
    pub(super) fn new(rate: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(rate).unwrap_or(Duration::ZERO);
        Self { interval, due: Mutex::new(Instant::now()) }
    }

    /// Waits until one more may pass.
    pub(super) async fn pass(&self) {
        let wait = self.wait(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn wait(&self, now: Instant) -> Duration {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        *due = (*due).max(now) + self.interval;
        due.duration_since(now).saturating_sub(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_pace_holds() {
        let throttle = Throttle::new(10);
        let now = Instant::now();
        assert!((0..20).all(|_| throttle.wait(now).is_zero()));
        let wait = throttle.wait(now);
        assert!(wait > Duration::from_millis(50) && wait <= Duration::from_millis(100), "{wait:?}");
        assert!(throttle.wait(now + Duration::from_secs(60)).is_zero());
    }

    #[test]
    fn without_a_rate_everything_passes() {
        let throttle = Throttle::new(0);
        let now = Instant::now();
        assert!((0..10_000).all(|_| throttle.wait(now).is_zero()));
    }
}
