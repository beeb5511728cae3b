//! The judge: pure code over the logs of a run. It knows nothing of the engine; what must hold is said here once more,
//! from the promises, so that a mistake there is not repeated here.

mod fate;
mod order;
pub(crate) mod planted;
mod times;

use std::collections::HashMap;
use std::fmt;

pub(crate) use times::Times;

use crate::logs::{Event, Logs};

/// What is promised of that, in seconds.
pub(crate) const RECLAIM_WITHIN: f64 = 35.0;

/// What a run may show beside the promises that always hold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// Phones were killed too, and one that dies while it sends does not know whether it sent.
    pub(crate) phones_die: bool,
    /// By when what a dead gateway held must be in other hands, in seconds, where the database was there all the time.
    pub(crate) reclaim_within: Option<f64>,
}

/// What was found; every list but the figures must be empty.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) accepted: usize,
    /// Requests that were answered otherwise, that found nobody, and that were not answered.
    pub(crate) refused: usize,
    pub(crate) unreached: usize,
    pub(crate) broken: usize,
    /// Ended so because their phone died, where phones may.
    pub(crate) unknown: usize,
    /// Accepted, and not sent.
    pub(crate) lost: Vec<String>,
    /// Over the air more than once.
    pub(crate) duplicates: Vec<String>,
    /// Not at its end, or not answered.
    pub(crate) stuck: Vec<String>,
    /// A step that no message may take.
    pub(crate) backwards: Vec<String>,
    /// In the hands of somebody whose it is not.
    pub(crate) foreign: Vec<String>,
    /// One request, two messages.
    pub(crate) doubled: Vec<String>,
    /// Later than promised.
    pub(crate) late: Vec<String>,
    /// From the death of a gateway until what it was sending moved on.
    pub(crate) reclaim: Times,
    /// From the death of a gateway until what was queued moved on.
    pub(crate) requeue: Times,
    /// From the end of each outage to its sign, by what was broken.
    pub(crate) recovery: Vec<(String, Times)>,
    /// The slowest answer that was no 202.
    pub(crate) slowest_refusal: f64,
}

impl Verdict {
    /// All that is wrong, by kind.
    pub(crate) fn problems(&self) -> Vec<(&'static str, &[String])> {
        let all: [(&'static str, &[String]); 7] = [
            ("lost", &self.lost),
            ("sent twice", &self.duplicates),
            ("stuck", &self.stuck),
            ("moved backwards", &self.backwards),
            ("foreign", &self.foreign),
            ("doubled", &self.doubled),
            ("late", &self.late),
        ];
        all.into_iter().filter(|(_, found)| !found.is_empty()).collect()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} accepted, {} lost, {} radio duplicates, {} stuck, {} backwards, {} foreign, {} doubled, reclaim p100 \
             {}, queued p100 {}",
            self.accepted,
            self.lost.len(),
            self.duplicates.len(),
            self.stuck.len(),
            self.backwards.len(),
            self.foreign.len(),
            self.doubled.len(),
            self.reclaim,
            self.requeue,
        )?;
        if self.unknown > 0 {
            write!(f, ", {} unknown", self.unknown)?;
        }
        for (what, times) in &self.recovery {
            write!(f, ", {what} {times}")?;
        }
        write!(
            f,
            "; requests: {} refused (slowest {:.1} s), {} found nobody, {} unanswered",
            self.refused, self.slowest_refusal, self.unreached, self.broken
        )
    }
}

pub(crate) fn check(logs: &Logs, rules: Rules) -> Verdict {
    let mut verdict = Verdict::default();
    let mut histories: HashMap<&str, Vec<&Event>> = HashMap::new();
    for event in &logs.events {
        histories.entry(&event.message).or_default().push(event);
    }
    fate::check(logs, rules, &histories, &mut verdict);
    order::check(&histories, &mut verdict);
    times::check(logs, rules, &histories, &mut verdict);
    verdict
}
