use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper ends of the buckets in microseconds, from 0.1 ms to an hour; the last bucket has none.
const BOUNDS: [u64; 20] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    3_600_000_000,
];
const BUCKETS: usize = BOUNDS.len() + 1;

/// How long something took, how often.
///
/// The buckets are the same in all histograms: 0.1, 0.25, 0.5, 1 ms and so on to 10 s, then 30 s, 1 min, 5 min and 1 h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    micros: u64,
}

impl Histogram {
    /// How many times were measured.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together, in seconds.
    pub fn sum(&self) -> f64 {
        self.micros as f64 / 1e6
    }

    /// Each bucket by its upper end, with how many times were that long or shorter. How many there are at all is
    /// [`count`](Self::count).
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let ends = BOUNDS.iter().map(|end| Duration::from_micros(*end));
        ends.zip(self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }))
    }

    /// The time that the share `q` of all times, from 0 to 1, did not exceed: an estimate within its bucket, and one hour
    /// where it was longer than that. `None` where nothing was measured.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * count as f64).max(1.0);
        let (mut start, mut below) = (Duration::ZERO, 0);
        for (end, sum) in self.buckets() {
            if sum as f64 >= rank {
                let share = (rank - below as f64) / (sum - below) as f64;
                return Some(start + (end - start).mul_f64(share.clamp(0.0, 1.0)));
            }
            (start, below) = (end, sum);
        }
        Some(start)
    }

    /// What was measured after `earlier`, an older state of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = std::array::from_fn(|at| self.counts[at].saturating_sub(earlier.counts[at]));
        Self { counts, micros: self.micros.saturating_sub(earlier.micros) }
    }
}

/// Measures times for a [`Histogram`], from any thread.
#[derive(Default)]
pub(in crate::gateway) struct Timer {
    counts: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

impl Timer {
    /// It took that long, `times` times.
    pub(in crate::gateway) fn add(&self, took: Duration, times: usize) {
        if times == 0 {
            return;
        }
        let (micros, times) = (u64::try_from(took.as_micros()).unwrap_or(u64::MAX), times as u64);
        let bucket = BOUNDS.partition_point(|end| *end < micros);
        self.counts[bucket].fetch_add(times, Ordering::Relaxed);
        self.micros.fetch_add(micros.saturating_mul(times), Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Histogram {
        let counts = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        Histogram { counts, micros: self.micros.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(micros: &[u64]) -> Histogram {
        let timer = Timer::default();
        micros.iter().for_each(|time| timer.add(Duration::from_micros(*time), 1));
        timer.read()
    }

    /// The ends of the bucket that `micros` is in.
    fn bucket(micros: u64) -> (u64, u64) {
        let end = BOUNDS.iter().position(|end| micros <= *end);
        let start = |at: usize| at.checked_sub(1).map_or(0, |before| BOUNDS[before]);
        end.map_or((BOUNDS[19], BOUNDS[19]), |at| (start(at), BOUNDS[at]))
    }

    #[test]
    fn a_time_on_the_end_of_a_bucket_is_in_it() {
        let histogram = of(&[0, 100, 101, 3_600_000_000, 3_600_000_001]);
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets[0], (Duration::from_micros(100), 2));
        assert_eq!(buckets[1], (Duration::from_micros(250), 3));
        assert_eq!(buckets[19], (Duration::from_secs(3_600), 4));
        assert_eq!((histogram.count(), histogram.sum()), (5, 7_200.000202));
    }

    #[test]
    fn nothing_has_no_quantile_and_the_longest_have_the_last_end() {
        assert_eq!(of(&[]).quantile(0.5), None);
        assert_eq!(of(&[9_000_000_000]).quantile(0.5), Some(Duration::from_secs(3_600)));
    }

    proptest! {
        #[test]
        fn a_quantile_is_in_the_bucket_of_the_time_that_it_estimates(
            mut times in prop::collection::vec(0..8_000_000_000u64, 1..200),
            q in 0.0..=1.0f64,
        ) {
            let estimate = of(&times).quantile(q).expect("measured").as_micros() as u64;
            times.sort_unstable();
            let rank = ((q * times.len() as f64).ceil() as usize).max(1);
            let (start, end) = bucket(times[rank - 1]);
            prop_assert!((start..=end).contains(&estimate), "{estimate} is not in {start}..={end}");
        }

        #[test]
        fn what_came_later_is_the_difference(
            before in prop::collection::vec(0..8_000_000_000u64, 0..50),
            after in prop::collection::vec(0..8_000_000_000u64, 0..50),
        ) {
            let all = of(&[before.clone(), after.clone()].concat());
            prop_assert_eq!(all.since(&of(&before)), of(&after));
            prop_assert_eq!(of(&before).since(&all), Histogram::default());
        }
    }
}
