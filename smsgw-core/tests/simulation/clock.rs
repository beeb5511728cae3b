use smsgw_core::time::{Clock, Timestamp};
use tokio::time::Instant;

/// The runtime's paused time, as a clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RuntimeClock(Instant);

impl RuntimeClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000_000) + self.0.elapsed()
    }
}
