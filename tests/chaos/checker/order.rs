//! Whether each message only moved forward.

use std::collections::HashMap;

use super::Verdict;
use crate::logs::Event;

const ORDER: [&str; 6] = ["scheduled", "queued", "sending", "dispatched", "acknowledged", "sent"];

/// How far a state is on the way; all ends are beyond it.
fn rank(state: &str) -> usize {
    ORDER.iter().position(|known| *known == state).unwrap_or(ORDER.len())
}

fn is_end(state: &str) -> bool {
    rank(state) == ORDER.len()
}

/// Why `next` may not follow `last`.
fn objection(last: &Event, next: &Event) -> Option<&'static str> {
    let (from, to) = (last.state.as_str(), next.state.as_str());
    let waits = |state| rank(state) <= 1;
    if is_end(from) {
        return Some("an end was left");
    }
    if next.attempt < last.attempt {
        return Some("an older attempt wrote");
    }
    if to == "sending" {
        let is_new = waits(from) && next.attempt > last.attempt;
        return (!is_new).then_some("claimed while it was in other hands");
    }
    if next.attempt > last.attempt {
        return Some("an attempt began without a claim");
    }
    if from == "sent" && !matches!(to, "delivered" | "undelivered") {
        return Some("what went over the air was taken back");
    }
    // Back to the queue is how an attempt ends, and the claim after it is a new one.
    (rank(to) <= rank(from) && !waits(to)).then_some("went back")
}

pub(super) fn check(histories: &HashMap<&str, Vec<&Event>>, verdict: &mut Verdict) {
    for (id, events) in histories {
        let mut applied = events.iter().filter(|event| event.applied);
        let Some(mut last) = applied.next() else { continue };
        for next in applied {
            if let Some(why) = objection(last, next) {
                verdict.backwards.push(format!(
                    "{id}: {} (attempt {}) after {} (attempt {}): {why}",
                    next.state, next.attempt, last.state, last.attempt
                ));
            }
            last = next;
        }
    }
}
