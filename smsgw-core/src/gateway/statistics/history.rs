use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Histogram;
use crate::gateway::Shared;
use crate::time::Timestamp;

/// How often a sample is taken.
const EVERY: Duration = Duration::from_secs(1);
/// How many are kept: five minutes.
const KEPT: usize = 300;
/// How long the queue may take to say how much is in it.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a chart of a gateway needs, as it was at one time. The counts are those of [`Statistics`](super::Statistics):
/// since the gateway was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// New messages that were committed.
    pub accepted: u64,
    /// Messages that their devices have handed to the mobile network.
    pub sent: u64,
    /// Messages that ended as delivered.
    pub delivered: u64,
    /// Messages that ended otherwise, unless their sender took them back: undelivered, failed, expired or unknown.
    pub failed: u64,
    /// Ids that wait in the queue. `None` where the queue did not say.
    pub depth: Option<usize>,
    /// Devices that are there.
    pub devices_online: usize,
    /// From the choice of a device until its first report.
    pub report: Histogram,
}

/// The samples of the last five minutes.
#[derive(Default)]
pub(in crate::gateway) struct History(Mutex<VecDeque<Sample>>);

impl History {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, sample: Sample) {
        let mut samples = self.lock();
        if samples.len() == KEPT {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// The oldest first.
    pub(in crate::gateway) fn read(&self) -> Vec<Sample> {
        self.lock().iter().copied().collect()
    }

    /// What the queue said last.
    pub(in crate::gateway) fn depth(&self) -> Option<usize> {
        self.lock().back()?.depth
    }
}

/// Takes samples until the gateway stops.
pub(in crate::gateway) async fn run(shared: Arc<Shared>) {
    shared.stop.run_until_cancelled(sample_for_ever(&shared)).await;
}

async fn sample_for_ever(shared: &Shared) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let depth = timeout(PATIENCE, shared.queue.depth()).await.ok().and_then(Result::ok);
        let depth = depth.and_then(|depth| usize::try_from(depth.ready).ok());
        let sample = shared.counters.sample(shared.clock.now());
        shared.history.add(Sample { depth, devices_online: shared.fleet.totals().0, ..sample });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::statistics::Counters;

    #[test]
    fn five_minutes_are_kept_and_the_oldest_is_first() {
        let (history, counters) = (History::default(), Counters::new(Timestamp::EPOCH));
        assert_eq!((history.read(), history.depth()), (Vec::new(), None));
        for second in 0..400 {
            let at = Timestamp::EPOCH + Duration::from_secs(second);
            history.add(Sample { depth: Some(7), ..counters.sample(at) });
        }
        let kept = history.read();
        assert_eq!((kept.len(), history.depth()), (KEPT, Some(7)));
        assert_eq!(kept[0].at, Timestamp::EPOCH + Duration::from_secs(100));
        assert!(kept.is_sorted_by_key(|sample| sample.at));
    }
}
