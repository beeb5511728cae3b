//! What happened to each message, and when.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

/// A moment of each message; nothing where it did not come.
#[derive(Debug)]
pub(crate) struct Moments(Vec<AtomicU64>);

impl Moments {
    fn new(messages: usize) -> Self {
        Self((0..messages).map(|_| AtomicU64::new(0)).collect())
    }

    /// Notes a moment, in nanoseconds. Whether it was the first.
    pub(crate) fn note(&self, message: usize, at: u64) -> bool {
        self.0.get(message).is_some_and(|slot| slot.compare_exchange(0, at, Relaxed, Relaxed).is_ok())
    }

    fn get(&self, message: usize) -> Option<u64> {
        Some(self.0[message].load(Relaxed)).filter(|at| *at > 0)
    }
}

/// Of all messages, by their number.
#[derive(Debug)]
pub(crate) struct Tally {
    began: Instant,
    /// The request was due.
    pub(crate) sent: Moments,
    /// The gateway had accepted it.
    pub(crate) accepted: Moments,
    /// A device had it.
    pub(crate) arrived: Moments,
    /// The device had the receipt for its report: that is stored.
    pub(crate) reported: Moments,
    /// Since the last look, for those who wait.
    pub(crate) arrivals: AtomicUsize,
    pub(crate) receipts: AtomicUsize,
    pub(crate) answers: AtomicUsize,
    /// Arrivals of what had arrived.
    pub(crate) duplicated: AtomicUsize,
    /// Requests that the gateway refused for now; each is repeated.
    pub(crate) refused: AtomicUsize,
}

impl Tally {
    pub(crate) fn new(messages: usize) -> Self {
        let moments = || Moments::new(messages);
        Self {
            began: Instant::now(),
            sent: moments(),
            accepted: moments(),
            arrived: moments(),
            reported: moments(),
            arrivals: AtomicUsize::new(0),
            receipts: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
            duplicated: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }
    }

    /// Nanoseconds since the beginning, from 1.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// A device has message `number`.
    pub(crate) fn arrive(&self, number: usize, at: u64) {
        let counter = if self.arrived.note(number, at) { &self.arrivals } else { &self.duplicated };
        counter.fetch_add(1, Relaxed);
    }

    /// Its report is stored.
    pub(crate) fn report(&self, number: usize, at: u64) {
        if self.reported.note(number, at) {
            self.receipts.fetch_add(1, Relaxed);
        }
    }
}

/// A moment of messages in a row, seen from their first request.
pub(crate) struct Span {
    pub(crate) count: usize,
    /// Of them a second, from the first request to the last of these moments.
    pub(crate) per_s: f64,
    /// From each request to its moment, in milliseconds.
    pub(crate) latency: Latency,
}

pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Span {
    pub(crate) fn of(tally: &Tally, moments: &Moments, messages: std::ops::Range<usize>) -> Self {
        let first = messages.clone().filter_map(|number| tally.sent.get(number)).min().unwrap_or(0);
        let last = messages.clone().filter_map(|number| moments.get(number)).max().unwrap_or(first);
        let span = |number| Some(moments.get(number)?.saturating_sub(tally.sent.get(number)?));
        let mut spans: Vec<u64> = messages.filter_map(span).collect();
        spans.sort_unstable();
        let seconds = (last - first) as f64 / 1e9;
        let per_s = if seconds > 0.0 { spans.len() as f64 / seconds } else { 0.0 };
        Self { count: spans.len(), per_s, latency: Latency::of(&spans) }
    }
}

impl Latency {
    fn of(sorted: &[u64]) -> Self {
        let at = |share: f64| {
            let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
            sorted.get(place).map_or(0.0, |nanos| *nanos as f64 / 1e6)
        };
        Self { p50: at(0.50), p95: at(0.95), p99: at(0.99), max: at(1.0) }
    }
}
