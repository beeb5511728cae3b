use std::collections::BTreeSet;

use super::row::Row;
use crate::id::MessageId;
use crate::time::Timestamp;

/// The messages that are over and not erased, by when they were over.
#[derive(Default)]
pub(super) struct Ended(BTreeSet<(Timestamp, MessageId)>);

impl Ended {
    /// Notes when `row` was over, or that it is not.
    pub(super) fn set(&mut self, row: &mut Row, ended_at: Option<Timestamp>) {
        if let Some(at) = row.ended_at {
            self.0.remove(&(at, row.message.id));
        }
        row.ended_at = ended_at;
        if let Some(at) = ended_at.filter(|_| row.message.erased_at.is_none()) {
            self.0.insert((at, row.message.id));
        }
    }

    /// Takes out those that were over before `before`, at most `max`.
    pub(super) fn take(&mut self, before: Timestamp, max: usize) -> Vec<MessageId> {
        let end = (before, MessageId::from_uuid(uuid::Uuid::nil()));
        let old: Vec<_> = self.0.range(..end).take(max).copied().collect();
        for entry in &old {
            self.0.remove(entry);
        }
        old.into_iter().map(|(_, id)| id).collect()
    }
}
