//! How long things took.

use std::collections::HashMap;
use std::fmt;

use super::{Rules, Verdict};
use crate::logs::{Answer, Event, Logs, Micros, Sign, seconds};

/// Durations in seconds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn longest(&self) -> Option<f64> {
        self.0.iter().copied().reduce(f64::max)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.longest() {
            Some(longest) => write!(f, "{longest:.1} s (of {})", self.0.len()),
            None => write!(f, "none"),
        }
    }
}

pub(super) fn check(
    logs: &Logs,
    rules: Rules,
    histories: &HashMap<&str, Vec<&Event>>,
    verdict: &mut Verdict,
) {
    let mut deaths = logs.deaths.clone();
    deaths.sort_unstable();
    for (id, events) in histories {
        let applied: Vec<&&Event> = events.iter().filter(|event| event.applied).collect();
        for pair in applied.windows(2) {
            let Some(death) = first_within(&deaths, pair[0].at, pair[1].at) else { continue };
            let took = seconds(death, pair[1].at);
            match pair[0].state.as_str() {
                "sending" => {
                    verdict.reclaim.0.push(took);
                    if rules.reclaim_within.is_some_and(|limit| took > limit) {
                        verdict.late.push(format!("{id} was reclaimed after {took:.1} s"));
                    }
                }
                "queued" => verdict.requeue.0.push(took),
                _ => {}
            }
        }
    }
    recoveries(logs, verdict);
    let refusals = logs.asked.iter().filter(|asked| matches!(asked.answer, Answer::Refused(_)));
    verdict.slowest_refusal = refusals.map(|asked| asked.took.as_secs_f64()).fold(0.0, f64::max);
}

/// The first of the sorted `moments` between two others.
fn first_within(moments: &[Micros], from: Micros, until: Micros) -> Option<Micros> {
    let next = moments.partition_point(|moment| *moment <= from);
    moments.get(next).copied().filter(|moment| *moment < until)
}

fn recoveries(logs: &Logs, verdict: &mut Verdict) {
    let mut accepted: Vec<Micros> = logs
        .asked
        .iter()
        .filter(|asked| matches!(asked.answer, Answer::Accepted(_)))
        .map(|asked| asked.at + Micros::try_from(asked.took.as_micros()).unwrap_or(0))
        .collect();
    let mut aired: Vec<Micros> = logs.aired.iter().map(|aired| aired.at).collect();
    accepted.sort_unstable();
    aired.sort_unstable();
    for outage in &logs.outages {
        let signs = match outage.sign {
            Sign::Accepted => &accepted,
            Sign::Aired => &aired,
        };
        // Where nothing follows, it was the end of the run.
        let Some(sign) = first_within(signs, outage.until, Micros::MAX) else { continue };
        let took = seconds(outage.until, sign);
        match verdict.recovery.iter_mut().find(|(what, _)| *what == outage.what) {
            Some((_, times)) => times.0.push(took),
            None => verdict.recovery.push((outage.what.clone(), Times(vec![took]))),
        }
    }
}
