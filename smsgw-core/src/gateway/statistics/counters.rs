use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::histogram::Timer;
use super::{Latencies, Sample, Statistics};
use crate::message::Failure;
use crate::state::{Reason, State};
use crate::store::Moved;
use crate::time::Timestamp;

/// Failure codes that are told apart.
const CODES: usize = 64;

/// What the stages count. Each number is right by itself; two of them may be read a moment apart.
pub(in crate::gateway) struct Counters {
    since: Timestamp,
    pub(in crate::gateway) accepted: Counter,
    pub(in crate::gateway) refused: Counter,
    pub(in crate::gateway) dispatched: Counter,
    pub(in crate::gateway) received: Counter,
    reached: [Counter; State::ALL.len()],
    retries: Counter,
    waits: [Counter; Reason::ALL.len()],
    failures: Mutex<HashMap<String, u64>>,
    pub(in crate::gateway) intake: Timer,
    pub(in crate::gateway) queue_wait: Timer,
    pub(in crate::gateway) claim: Timer,
    pub(in crate::gateway) send: Timer,
    pub(in crate::gateway) report: Timer,
}

#[derive(Default)]
pub(in crate::gateway) struct Counter(AtomicU64);

impl Counter {
    pub(in crate::gateway) fn add(&self, number: usize) {
        if number > 0 {
            self.0.fetch_add(number as u64, Ordering::Relaxed);
        }
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(in crate::gateway) fn new(since: Timestamp) -> Self {
        Self {
            since,
            accepted: Counter::default(),
            refused: Counter::default(),
            dispatched: Counter::default(),
            received: Counter::default(),
            reached: Default::default(),
            retries: Counter::default(),
            waits: Default::default(),
            failures: Mutex::default(),
            intake: Timer::default(),
            queue_wait: Timer::default(),
            claim: Timer::default(),
            send: Timer::default(),
            report: Timer::default(),
        }
    }

    /// A change was committed.
    pub(in crate::gateway) fn moved(&self, moved: &Moved) {
        if moved.to > State::Queued {
            if moved.from != moved.to {
                self.reached[moved.to as usize].add(1);
            }
            return;
        }
        let Some(reason) = moved.reason else { return };
        self.waited(reason, 1);
        let was_tried = moved.from > State::Queued && reason != Reason::CancelRequested;
        self.retries.add(usize::from(was_tried || reason == Reason::Retry));
    }

    /// So many messages have to wait.
    pub(in crate::gateway) fn waited(&self, reason: Reason, messages: usize) {
        self.waits[reason as usize].add(messages);
    }

    /// So many messages are given to their devices again, which have begun new sessions.
    pub(in crate::gateway) fn recalled(&self, messages: usize) {
        self.waited(Reason::NotAcknowledged, messages);
        self.retries.add(messages);
    }

    /// A message has ended by the word of its device, and not well.
    pub(in crate::gateway) fn failed(&self, failure: Option<&Failure>) {
        let code = failure.map_or("none", |failure| &failure.code);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = failures.get_mut(code) {
            *count += 1;
            return;
        }
        // Of these, one place is for what has no place of its own.
        let has_room = failures.len() < CODES - 1;
        *failures.entry(if has_room { code } else { "other" }.to_owned()).or_default() += 1;
    }

    fn reached(&self, state: State) -> u64 {
        self.reached[state as usize].read()
    }

    /// All of a sample but what the devices and the queue are like, which is for the caller to say.
    pub(in crate::gateway) fn sample(&self, at: Timestamp) -> Sample {
        let unhappy = [State::Undelivered, State::Failed, State::Expired, State::Unknown];
        Sample {
            at,
            accepted: self.accepted.read(),
            sent: self.reached(State::Sent),
            delivered: self.reached(State::Delivered),
            failed: unhappy.into_iter().map(|state| self.reached(state)).sum(),
            depth: None,
            devices_online: 0,
            report: self.report.read(),
        }
    }

    /// All but what the devices and the queue are like now, which is for the caller to say.
    pub(in crate::gateway) fn read(&self) -> Statistics {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut failures: Vec<_> = failures.into_iter().collect();
        failures.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Statistics {
            since: self.since,
            accepted: self.accepted.read(),
            refused: self.refused.read(),
            dispatched: self.dispatched.read(),
            acknowledged: self.reached(State::Acknowledged),
            sent: self.reached(State::Sent),
            delivered: self.reached(State::Delivered),
            undelivered: self.reached(State::Undelivered),
            failed: self.reached(State::Failed),
            expired: self.reached(State::Expired),
            canceled: self.reached(State::Canceled),
            unknown: self.reached(State::Unknown),
            retries: self.retries.read(),
            received: self.received.read(),
            waits: Reason::ALL.map(|reason| (reason, self.waits[reason as usize].read())).to_vec(),
            failures,
            devices_online: 0,
            in_hand: 0,
            queue_depth: None,
            latency: Latencies {
                intake: self.intake.read(),
                queue_wait: self.queue_wait.read(),
                claim: self.claim.read(),
                send: self.send.read(),
                report: self.report.read(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_and_reason_has_its_place() {
        assert!(State::ALL.iter().enumerate().all(|(place, state)| *state as usize == place));
        assert!(Reason::ALL.iter().enumerate().all(|(place, reason)| *reason as usize == place));
    }

    #[test]
    fn codes_past_the_64th_are_counted_as_other() {
        let counters = Counters::new(Timestamp::EPOCH);
        for n in 0..100 {
            let failure = Failure::from_device(&format!("code_{n}"));
            (0..=usize::from(n == 7)).for_each(|_| counters.failed(Some(&failure)));
        }
        let failures = counters.read().failures;
        assert_eq!(failures.len(), CODES);
        assert_eq!(failures[..2], [("other".to_owned(), 37), ("code_7".to_owned(), 2)]);
        assert_eq!(failures.iter().map(|(_, count)| count).sum::<u64>(), 101);
    }
}
