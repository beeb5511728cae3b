use std::collections::BTreeSet;

use super::row::Row;
use crate::id::MessageId;
use crate::time::Timestamp;

/// Messages that are over.
#[derive(Default)]
pub(super) struct Ended {
    /// Those that are not erased, by when they were over.
    kept: ByAge,
    /// The others, by when they were erased.
    erased: ByAge,
}

#[derive(Default)]
struct ByAge(BTreeSet<(Timestamp, MessageId)>);

impl Ended {
    /// Notes when `row` was over, or that it is not.
    pub(super) fn set(&mut self, row: &mut Row, ended_at: Option<Timestamp>) {
        if let Some(at) = row.ended_at {
            self.kept.0.remove(&(at, row.message.id));
        }
        row.ended_at = ended_at;
        if let Some(at) = ended_at.filter(|_| row.message.erased_at.is_none()) {
            self.kept.0.insert((at, row.message.id));
        }
        if let Some(at) = row.message.erased_at {
            self.erased.0.insert((at, row.message.id));
        }
    }

    /// At most `max` of those that were over before `before` and are not erased.
    pub(super) fn kept_before(&self, before: Timestamp, max: usize) -> Vec<MessageId> {
        self.kept.before(before, max).map(|(_, id)| id).collect()
    }

    /// Takes out at most `max` of those that were erased before `before`.
    pub(super) fn take_erased(&mut self, before: Timestamp, max: usize) -> Vec<MessageId> {
        let old: Vec<_> = self.erased.before(before, max).collect();
        for entry in &old {
            self.erased.0.remove(entry);
        }
        old.into_iter().map(|(_, id)| id).collect()
    }
}

impl ByAge {
    fn before(&self, before: Timestamp, max: usize) -> impl Iterator<Item = (Timestamp, MessageId)> {
        let end = (before, MessageId::from_uuid(uuid::Uuid::nil()));
        self.0.range(..end).take(max).copied()
    }
}
