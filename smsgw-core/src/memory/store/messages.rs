use std::ops::Bound;
use std::time::Duration;

use async_trait::async_trait;

use super::MemoryStore;
use super::tables::{Messages, place};
use crate::error::Result;
use crate::id::{AccountId, DeviceId, MessageId};
use crate::message::{Message, MessageEvent};
use crate::pseudonym::Pseudonyms;
use crate::state::{Change, Decision, State, Transition, WaitsFor, claimable, decide, recalled};
use crate::store::{
    Advanced, Claim, Cursor, Due, DueQuery, Erased, Inserted, Insertion, KEYS_KEPT, MessageQuery,
    MessageStore, Page, Pull,
};
use crate::time::Timestamp;

/// How many alarms `due` looks at for each message it may return: most have moved on since their alarm was set, and
/// a call is to stay short however many those are.
const LOOKS: usize = 16;

#[async_trait]
impl MessageStore for MemoryStore {
    async fn insert(&self, batch: &[Insertion]) -> Result<Vec<Inserted>> {
        let mut messages = self.lock(&self.shared.messages, "insert")?;
        let now = self.shared.clock.now();
        Ok(batch.iter().map(|insertion| messages.insert(insertion, now)).collect())
    }

    async fn claim(&self, claims: &[Claim], lease: Duration) -> Result<Vec<Option<Message>>> {
        let mut messages = self.lock(&self.shared.messages, "claim")?;
        let Messages { rows, indexes, .. } = &mut *messages;
        let now = self.shared.clock.now();
        let claim = |claim: &Claim| {
            let row = rows.get_mut(&claim.id).filter(|row| claimable(&row.head(), claim.device, now))?;
            Some(indexes.claim(row, claim.device, lease, now))
        };
        Ok(claims.iter().map(claim).collect())
    }

    async fn claim_waiting(&self, pulls: &[Pull], lease: Duration) -> Result<Vec<Vec<Message>>> {
        let mut messages = self.lock(&self.shared.messages, "claim_waiting")?;
        let now = self.shared.clock.now();
        Ok(pulls.iter().map(|pull| messages.pull(pull, lease, now)).collect())
    }

    async fn advance(&self, batch: &[Transition]) -> Result<Vec<Advanced>> {
        let mut messages = self.lock(&self.shared.messages, "advance")?;
        let now = self.shared.clock.now();
        Ok(batch.iter().map(|transition| messages.advance(transition, now)).collect())
    }

    async fn recall(&self, devices: &[DeviceId]) -> Result<u64> {
        let mut messages = self.lock(&self.shared.messages, "recall")?;
        let Messages { rows, indexes, .. } = &mut *messages;
        let now = self.shared.clock.now();
        let mut count = 0;
        for device in devices {
            for id in indexes.dispatched(*device) {
                if let Some(row) = rows.get_mut(&id)
                    && let Some(next) = recalled(&row.head(), *device)
                {
                    indexes.write(row, next, now);
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    async fn in_hand(&self, held: &[Claim]) -> Result<Vec<bool>> {
        let messages = self.lock(&self.shared.messages, "in_hand")?;
        let holds = |held: &Claim| {
            messages.rows.get(&held.id).is_some_and(|row| {
                row.message.device == Some(held.device)
                    && matches!(row.message.state, State::Sending | State::Dispatched)
            })
        };
        Ok(held.iter().map(holds).collect())
    }

    async fn due(&self, query: DueQuery) -> Result<Due> {
        let mut messages = self.lock(&self.shared.messages, "due")?;
        Ok(messages.due(query, self.shared.clock.now()))
    }

    async fn forget_keys(&self, max: usize) -> Result<usize> {
        let mut messages = self.lock(&self.shared.messages, "forget_keys")?;
        Ok(messages.forget_keys(max, self.shared.clock.now()))
    }

    async fn erase(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize> {
        let mut messages = self.lock(&self.shared.messages, "erase")?;
        let Messages { rows, indexes, .. } = &mut *messages;
        let now = self.shared.clock.now();
        let old = indexes.ended.kept_before(before, max);
        for id in &old {
            if let Some(row) = rows.get_mut(id) {
                indexes.erase(row, pseudonyms, now);
            }
        }
        Ok(old.len())
    }

    async fn erase_message(
        &self,
        account: AccountId,
        id: MessageId,
        pseudonyms: &Pseudonyms,
    ) -> Result<Option<Erased>> {
        let mut messages = self.lock(&self.shared.messages, "erase_message")?;
        let Messages { rows, indexes, .. } = &mut *messages;
        let Some(row) = rows.get_mut(&id).filter(|row| row.message.account == account) else {
            return Ok(None);
        };
        if row.ended_at.is_none() {
            return Ok(Some(Erased::NotOver));
        }
        indexes.erase(row, pseudonyms, self.shared.clock.now());
        Ok(Some(Erased::Done))
    }

    async fn remove(&self, before: Timestamp, max: usize) -> Result<usize> {
        let mut messages = self.lock(&self.shared.messages, "remove")?;
        let old = messages.indexes.ended.take_erased(before, max);
        old.iter().for_each(|id| messages.remove(*id));
        Ok(old.len())
    }

    async fn message(&self, account: AccountId, id: MessageId) -> Result<Option<Message>> {
        let messages = self.lock(&self.shared.messages, "message")?;
        Ok(messages.owned(account, id).map(|row| row.message.clone()))
    }

    async fn events(&self, account: AccountId, id: MessageId) -> Result<Option<Vec<MessageEvent>>> {
        let messages = self.lock(&self.shared.messages, "events")?;
        Ok(messages.owned(account, id).map(|row| row.events.clone()))
    }

    async fn messages(&self, query: &MessageQuery) -> Result<Page<Message>> {
        let messages = self.lock(&self.shared.messages, "messages")?;
        Ok(Page::from_rows(messages.list(query), query.limit, place))
    }
}

impl Messages {
    fn insert(&mut self, insertion: &Insertion, now: Timestamp) -> Inserted {
        let Insertion { message, idempotency, .. } = insertion;
        let asked = idempotency
            .as_ref()
            .and_then(|request| Some((request, self.keys.get(&message.account)?.get(&request.key)?)));
        if let Some((request, (fingerprint, id))) = asked {
            return match self.rows.get(id) {
                Some(row) if request.fingerprint == *fingerprint => {
                    Inserted::Duplicate(Box::new(row.message.clone()))
                }
                _ => Inserted::Mismatch,
            };
        }
        if let Some(row) = self.rows.get(&message.id) {
            return if row.message.same_request(message) {
                Inserted::Duplicate(Box::new(row.message.clone()))
            } else {
                Inserted::Mismatch
            };
        }
        if let Some(request) = idempotency {
            let keys = self.keys.entry(message.account).or_default();
            keys.insert(request.key.clone(), (request.fingerprint, message.id));
            self.keys_by_age.push_back((now, message.account, request.key.clone()));
        }
        self.add(message.clone(), insertion.check_at(now), now);
        Inserted::New
    }

    fn forget_keys(&mut self, max: usize, now: Timestamp) -> usize {
        let old = |(at, ..): &(Timestamp, _, _)| at.until(now) >= KEYS_KEPT;
        let mut count = 0;
        while count < max && self.keys_by_age.front().is_some_and(old) {
            let Some((_, account, key)) = self.keys_by_age.pop_front() else { break };
            if let Some(keys) = self.keys.get_mut(&account) {
                keys.remove(&key);
            }
            count += 1;
        }
        count
    }

    fn pull(&mut self, pull: &Pull, lease: Duration, now: Timestamp) -> Vec<Message> {
        let Self { rows, indexes, .. } = self;
        let of = |puller| {
            let wanted = |id| rows.get(id).is_some_and(|row| now < row.message.expires_at);
            indexes.waiting.line(puller).filter(move |(_, _, id)| wanted(id)).take(pull.max)
        };
        let mut places: Vec<_> =
            of(WaitsFor::Device(pull.device)).chain(of(WaitsFor::Account(pull.account))).copied().collect();
        places.sort_unstable();
        places.truncate(pull.max);
        let claim = |(_, _, id)| Some(indexes.claim(rows.get_mut(&id)?, pull.device, lease, now));
        places.into_iter().filter_map(claim).collect()
    }

    fn advance(&mut self, transition: &Transition, now: Timestamp) -> Advanced {
        let Some(row) = self.rows.get_mut(&transition.id) else { return Advanced::Missing };
        let decision = decide(&row.head(), transition, now);
        let (Decision::Apply(_) | Decision::Record, Change::Reported(report)) =
            (&decision, &transition.change)
        else {
            return match decision {
                Decision::Apply(next) => Advanced::Applied(self.indexes.write(row, next, now)),
                Decision::Record | Decision::Unchanged => Advanced::Unchanged,
                Decision::Stale => Advanced::Stale,
                Decision::Foreign => Advanced::Foreign,
            };
        };
        if !row.reports.insert(report.id) {
            return Advanced::Unchanged;
        }
        if let Decision::Apply(next) = decision {
            let moved = self.indexes.write(row, next, now);
            if moved.from == moved.to {
                row.note(now);
            }
            return Advanced::Applied(moved);
        }
        row.events.push(MessageEvent {
            at: now,
            state: report.state.into(),
            attempt: row.message.attempts,
            device: row.message.device,
            reason: None,
            code: report.failure.as_ref().map(|failure| failure.code.clone()),
            applied: false,
        });
        Advanced::Recorded
    }

    fn due(&mut self, query: DueQuery, now: Timestamp) -> Due {
        let Self { rows, indexes, .. } = self;
        let mut due = Due::default();
        let mut taken = 0;
        while query.requeue
            && taken < query.max
            && let Some(row) = indexes.alarms.first_parked().and_then(|id| rows.get_mut(&id))
        {
            taken += usize::from(indexes.look_after(row, now, &mut due));
        }
        let mut looks = query.max.saturating_mul(LOOKS);
        while taken < query.max
            && looks > 0
            && let Some((at, id)) = indexes.alarms.ring(now)
        {
            looks -= 1;
            let Some(row) = rows.get_mut(&id).filter(|row| row.alarm_at == Some(at)) else { continue };
            row.alarm_at = None;
            match row.check_at {
                None => {}
                Some(later) if later > now => indexes.alarms.ring_at(row, later),
                Some(_) if !query.requeue && row.is_in_queue(now) => indexes.alarms.park(row),
                Some(_) => taken += usize::from(indexes.look_after(row, now, &mut due)),
            }
        }
        let parked = query.requeue && indexes.alarms.first_parked().is_some();
        due.more = parked || indexes.alarms.is_ringing(now);
        due
    }

    /// The rows of one page and one more, newest first.
    fn list(&self, query: &MessageQuery) -> Vec<Message> {
        let first_of = |at| Cursor { at, id: uuid::Uuid::nil() };
        let start = first_of(query.from.unwrap_or(Timestamp::EPOCH));
        let end = [query.until.map(first_of), query.after].into_iter().flatten().min();
        if end.is_some_and(|end| end <= start) {
            return Vec::new();
        }
        let matches = |message: &&Message| {
            query.state.is_none_or(|state| message.state == state)
                && query.to.is_none_or(|to| message.to == to)
                && query.device.is_none_or(|device| message.device == Some(device))
        };
        let Some(list) = self.lists.get(&query.account) else { return Vec::new() };
        list.range((Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded)))
            .rev()
            .filter_map(|place| self.rows.get(&MessageId::from(place.id)))
            .map(|row| &row.message)
            .filter(matches)
            .take(query.limit.saturating_add(1))
            .cloned()
            .collect()
    }
}
