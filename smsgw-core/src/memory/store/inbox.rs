use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;

use super::MemoryStore;
use crate::error::Result;
use crate::id::{AccountId, DeviceId, ReportId};
use crate::pseudonym::Pseudonyms;
use crate::store::{Cursor, InboxQuery, InboxStore, Page, Received, ReceivedSms};
use crate::time::Timestamp;

/// The SMS that devices have received.
#[derive(Default)]
pub(super) struct ReceivedRows {
    seen: HashSet<(DeviceId, ReportId)>,
    /// The list of each account. The device tells apart what two devices gave the same id.
    lists: HashMap<AccountId, BTreeMap<(Cursor, DeviceId), ReceivedSms>>,
}

#[async_trait]
impl InboxStore for MemoryStore {
    async fn receive(&self, batch: &[ReceivedSms]) -> Result<Vec<Received>> {
        let mut rows = self.lock(&self.shared.inbox, "receive")?;
        Ok(batch.iter().map(|sms| rows.add(sms)).collect())
    }

    async fn inbox(&self, query: &InboxQuery) -> Result<Page<ReceivedSms>> {
        let rows = self.lock(&self.shared.inbox, "inbox")?;
        Ok(Page::from_rows(rows.list(query), query.limit, place))
    }

    async fn erase_received(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize> {
        let mut rows = self.lock(&self.shared.inbox, "erase_received")?;
        let now = self.shared.clock.now();
        let end = Cursor { at: before, id: uuid::Uuid::nil() };
        let old = rows.lists.values_mut().flat_map(|list| list.iter_mut());
        let old = old.filter(|((place, _), sms)| *place < end && sms.erased_at.is_none()).take(max);
        Ok(old.map(|(_, sms)| erase(sms, pseudonyms, now)).count())
    }

    async fn remove_received(&self, before: Timestamp, max: usize) -> Result<usize> {
        let mut rows = self.lock(&self.shared.inbox, "remove_received")?;
        let ReceivedRows { seen, lists } = &mut *rows;
        let is_old = |sms: &ReceivedSms| sms.erased_at.is_some_and(|at| at < before);
        let all = lists.values().flatten();
        let mut old: Vec<_> = all.filter(|(_, sms)| is_old(sms)).map(|(_, sms)| sms.clone()).collect();
        old.sort_by_key(|sms| sms.erased_at);
        old.truncate(max);
        for sms in &old {
            seen.remove(&(sms.device, sms.id));
            lists.get_mut(&sms.account).and_then(|list| list.remove(&(place(sms), sms.device)));
        }
        Ok(old.len())
    }
}

impl ReceivedRows {
    fn add(&mut self, sms: &ReceivedSms) -> Received {
        if !self.seen.insert((sms.device, sms.id)) {
            return Received::Duplicate;
        }
        self.lists.entry(sms.account).or_default().insert((place(sms), sms.device), sms.clone());
        Received::New
    }

    /// The rows of one page and one more, newest first.
    fn list(&self, query: &InboxQuery) -> Vec<ReceivedSms> {
        let Some(list) = self.lists.get(&query.account) else { return Vec::new() };
        let nil = DeviceId::from_uuid(uuid::Uuid::nil());
        let rows = match query.after {
            Some(after) => list.range(..(after, nil)),
            None => list.range(..),
        };
        rows.rev()
            .map(|(_, sms)| sms)
            .filter(|sms| query.device.is_none_or(|device| sms.device == device))
            .take(query.limit.saturating_add(1))
            .cloned()
            .collect()
    }
}

fn erase(sms: &mut ReceivedSms, pseudonyms: &Pseudonyms, now: Timestamp) {
    sms.body.clear();
    sms.from = pseudonyms.of_sender(&sms.from);
    sms.erased_at = Some(now);
}

fn place(sms: &ReceivedSms) -> Cursor {
    Cursor { at: sms.received_at, id: *sms.id.as_uuid() }
}
