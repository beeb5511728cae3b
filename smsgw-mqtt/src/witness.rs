//! Where refused accesses are noted, and how often.

use std::collections::HashMap;

use smsgw_core::audit::{Act, AuditAction, AuditLog};

/// Refusals that are all noted; then only those whose number is a power of two.
const NOTED: u64 = 16;

/// The audit log, or without one the log of the process alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witness(Option<AuditLog>);

impl Witness {
    pub(crate) fn new(audit: AuditLog) -> Self {
        Self(Some(audit))
    }

    pub(crate) fn note(&self, act: Act) {
        match &self.0 {
            Some(audit) => audit.note(act),
            None => drop(act.told()),
        }
    }
}

/// What one client was refused. Whoever is refused the same again and again is noted ever more rarely, with how often it was.
#[derive(Debug, Default)]
pub(crate) struct Refusals(HashMap<AuditAction, Tally>);

#[derive(Debug, Default)]
struct Tally {
    number: u64,
    unsaid: u32,
    last: Option<Act>,
}

impl Refusals {
    /// Counts a refusal, and returns what is to be noted.
    pub(crate) fn add(&mut self, act: Act) -> Option<Act> {
        let tally = self.0.entry(act.action).or_default();
        tally.number += 1;
        tally.unsaid = tally.unsaid.saturating_add(1);
        tally.last = Some(act);
        if tally.number <= NOTED || tally.number.is_power_of_two() { tally.rest() } else { None }
    }

    /// What has not been noted yet, as one act of each kind.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = Act> {
        self.0.values_mut().filter_map(Tally::rest)
    }
}

impl Tally {
    fn rest(&mut self) -> Option<Act> {
        let count = std::mem::take(&mut self.unsaid);
        self.last.take().map(|act| Act { count, ..act })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_refusals_are_noted_in_few_lines() {
        let mut refusals = Refusals::default();
        let mut add = |times: u32| -> Vec<u32> {
            let acts = (0..times).filter_map(|_| refusals.add(Act::refused(AuditAction::Publish, "no")));
            acts.map(|act| act.count).collect()
        };
        assert_eq!(add(16), [1; 16]);
        assert!(add(15).is_empty());
        assert_eq!(add(33), [16, 32]);
        assert!(add(9).is_empty());
        let other = refusals.add(Act::refused(AuditAction::Subscribe, "no"));
        assert_eq!(other.map(|act| act.count), Some(1));
        assert_eq!(refusals.rest().map(|act| act.count).collect::<Vec<_>>(), [9]);
        assert_eq!(refusals.rest().count(), 0);
    }
}
