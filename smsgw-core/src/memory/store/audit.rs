use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::audit::AuditEvent;
use crate::error::Result;
use crate::store::{AuditQuery, AuditStore, Cursor, Page};
use crate::time::Timestamp;

/// The audit log, oldest first.
#[derive(Default)]
pub(super) struct AuditRows(BTreeMap<Cursor, AuditEvent>);

#[async_trait]
impl AuditStore for MemoryStore {
    async fn record(&self, events: &[AuditEvent]) -> Result<()> {
        let mut rows = self.lock(&self.shared.audit, "record")?;
        for event in events {
            rows.0.entry(place(event)).or_insert_with(|| event.clone());
        }
        Ok(())
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Page<AuditEvent>> {
        let rows = self.lock(&self.shared.audit, "audit")?;
        let matching = rows.0.range(..end(query)).rev().map(|(_, event)| event).filter(|event| {
            let act = &event.act;
            query.from.is_none_or(|from| event.at >= from)
                && query.action.is_none_or(|action| act.action == action)
                && query.refused.is_none_or(|refused| act.refused.is_some() == refused)
                && query.account.is_none_or(|account| act.account == Some(account))
                && query.credential.is_none_or(|credential| act.credential == Some(credential))
                && query.device.is_none_or(|device| act.device == Some(device))
        });
        let page = matching.take(query.limit.saturating_add(1)).cloned().collect();
        Ok(Page::from_rows(page, query.limit, place))
    }

    async fn forget_audit(&self, before: Timestamp, max: usize) -> Result<usize> {
        let mut rows = self.lock(&self.shared.audit, "forget_audit")?;
        let end = Cursor { at: before, id: uuid::Uuid::nil() };
        let old: Vec<Cursor> = rows.0.range(..end).take(max).map(|(place, _)| *place).collect();
        for place in &old {
            rows.0.remove(place);
        }
        Ok(old.len())
    }
}

/// The place that the page ends before.
fn end(query: &AuditQuery) -> Cursor {
    let last = Cursor { at: Timestamp::from_micros(i64::MAX), id: uuid::Uuid::max() };
    let until = query.until.map(|at| Cursor { at, id: uuid::Uuid::nil() });
    [until, query.after].into_iter().flatten().fold(last, Cursor::min)
}

fn place(event: &AuditEvent) -> Cursor {
    Cursor { at: event.at, id: *event.id.as_uuid() }
}
