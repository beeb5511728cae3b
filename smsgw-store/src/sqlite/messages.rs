use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use smsgw_core::error::Result;
use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::message::{Message, MessageEvent};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::state::{State, Transition};
use smsgw_core::store::{
    Advanced, Claim, Cursor, Due, DueQuery, Erased, Inserted, Insertion, MessageQuery, MessageStore, Page,
    Pull,
};
use smsgw_core::time::Timestamp;
use uuid::Uuid;

use super::classify::classify;
use super::damaged::{Name, Rows};
use super::rows::{EventRow, MessageRow, message_json};
use super::sql::{Args, Batch, fetch_first_good};
use super::{SqliteStore, advance, claim, due, erase, insert, remove};
use crate::bad_ends::{bad_ends, is_bad_end};

pub(super) const ONE: &str =
    concat!("SELECT ", message_json!(), " FROM messages WHERE id = ? AND account = ?");

/// Which of some messages are in the hands of which devices.
pub(super) const IN_HAND: Batch = Batch {
    head: "SELECT json_array(hex(id), hex(device)) FROM messages WHERE state IN ('sending', 'dispatched') \
           AND device IS NOT NULL AND id IN (",
    row: "?",
    tail: ")",
};

/// A message's events; null where there is no such message.
pub(super) const HISTORY: &str = "SELECT (SELECT json_group_array(json_array(at, state, attempt, nullif(hex(device), ''), \
     reason, code, applied) ORDER BY seq) FROM message_events WHERE message = m.seq) FROM messages AS m \
     WHERE m.id = ? AND m.account = ?";

/// A page: ?1 account, ?2 not before, ?3 and ?4 the place it ends before, ?5 state, ?6 recipient, ?7 device, ?8 limit.
pub(super) const PAGE: &str = concat!(
    "SELECT ",
    message_json!(),
    " FROM messages WHERE account = ?1 AND created_at >= ?2 AND (created_at, id) < (?3, ?4) \
     AND (?5 IS NULL OR state = ?5) AND (?6 IS NULL OR recipient = ?6) AND (?7 IS NULL OR device = ?7) \
     ORDER BY created_at DESC, id DESC LIMIT ?8"
);

/// The same page, where ?5 is a bad end.
pub(super) const BAD_ENDS: &str = concat!(
    "SELECT ",
    message_json!(),
    " FROM messages WHERE account = ?1 AND created_at >= ?2 AND (created_at, id) < (?3, ?4) \
     AND state = ?5 AND state IN ",
    bad_ends!(),
    " AND (?6 IS NULL OR recipient = ?6) AND (?7 IS NULL OR device = ?7) \
     ORDER BY created_at DESC, id DESC LIMIT ?8"
);

#[async_trait]
impl MessageStore for SqliteStore {
    async fn insert(&self, batch: &[Insertion]) -> Result<Vec<Inserted>> {
        let batch = batch.to_vec();
        self.write("insert", batch.len(), move |transaction| {
            Box::pin(async move { insert::insert(transaction, &batch).await })
        })
        .await
    }

    async fn claim(&self, claims: &[Claim], lease: Duration) -> Result<Vec<Option<Message>>> {
        let claims = claims.to_vec();
        self.write("claim", claims.len(), move |transaction| {
            Box::pin(async move { claim::claim(transaction, &claims, lease).await })
        })
        .await
    }

    async fn claim_waiting(&self, pulls: &[Pull], lease: Duration) -> Result<Vec<Vec<Message>>> {
        let pulls = pulls.to_vec();
        let rows = pulls.iter().map(|pull| pull.max).fold(0, usize::saturating_add);
        self.write("claim_waiting", rows, move |transaction| {
            Box::pin(async move { claim::claim_waiting(transaction, &pulls, lease).await })
        })
        .await
    }

    async fn advance(&self, batch: &[Transition]) -> Result<Vec<Advanced>> {
        let batch = batch.to_vec();
        self.write("advance", batch.len(), move |transaction| {
            Box::pin(async move { advance::advance(transaction, &batch).await })
        })
        .await
    }

    async fn recall(&self, devices: &[DeviceId]) -> Result<u64> {
        let devices: BTreeSet<DeviceId> = devices.iter().copied().collect();
        self.write("recall", devices.len(), move |transaction| {
            Box::pin(advance::recall(transaction, devices.into_iter().collect()))
        })
        .await
    }

    async fn in_hand(&self, held: &[Claim]) -> Result<Vec<bool>> {
        let failed = |error| classify("in_hand", error);
        let mut conn = self.reader("in_hand").await?;
        let found: Vec<(MessageId, DeviceId)> = IN_HAND
            .fetch(&mut conn, held, |args, held| args.add_id(held.id.as_uuid()))
            .await
            .map_err(failed)?;
        let found: HashSet<(MessageId, DeviceId)> = found.into_iter().collect();
        Ok(held.iter().map(|held| found.contains(&(held.id, held.device))).collect())
    }

    async fn due(&self, query: DueQuery) -> Result<Due> {
        self.write("due", query.max, move |transaction| Box::pin(due::due(transaction, query))).await
    }

    async fn forget_keys(&self, max: usize) -> Result<usize> {
        self.write("forget_keys", max, move |transaction| Box::pin(insert::forget_keys(transaction, max)))
            .await
    }

    async fn erase(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize> {
        let pseudonyms = pseudonyms.clone();
        self.write("erase", max, move |transaction| {
            Box::pin(async move { erase::erase(transaction, before, max, &pseudonyms).await })
        })
        .await
    }

    async fn erase_message(
        &self,
        account: AccountId,
        id: MessageId,
        pseudonyms: &Pseudonyms,
    ) -> Result<Option<Erased>> {
        let pseudonyms = pseudonyms.clone();
        self.write("erase_message", 1, move |transaction| {
            Box::pin(async move { erase::erase_message(transaction, account, id, &pseudonyms).await })
        })
        .await
    }

    async fn remove(&self, before: Timestamp, max: usize) -> Result<usize> {
        self.write("remove", max, move |transaction| {
            Box::pin(remove::messages(&mut transaction.conn, before, max))
        })
        .await
    }

    async fn message(&self, account: AccountId, id: MessageId) -> Result<Option<Message>> {
        let rows: Vec<MessageRow> = self.read("message", ONE, owned(account, id)).await?;
        Ok(rows.into_iter().next().map(Message::from))
    }

    async fn events(&self, account: AccountId, id: MessageId) -> Result<Option<Vec<MessageEvent>>> {
        let failed = |error| classify("events", error);
        let args = owned(account, id).map_err(failed)?;
        let mut conn = self.reader("events").await?;
        let rows = fetch_first_good(&mut conn, HISTORY, args).await.map_err(failed)?;
        let Some(Rows::<EventRow> { good, damaged }) = rows else { return Ok(None) };
        if !damaged.is_empty() {
            self.damage.tell("events", &[Name::from(*id.as_uuid())]);
        }
        Ok(Some(good.into_iter().map(MessageEvent::from).collect()))
    }

    async fn messages(&self, query: &MessageQuery) -> Result<Page<Message>> {
        let first_of = |at| Cursor { at, id: Uuid::nil() };
        let end = [query.until.map(first_of), query.after].into_iter().flatten().min();
        let args = |limit| {
            Args::of(|args| {
                args.add_id(query.account.as_uuid())?;
                args.add_time(query.from.unwrap_or(Timestamp::EPOCH))?;
                args.add_place_before(end)?;
                args.add(query.state.map(State::as_str))?;
                args.add(query.to.map(|to| to.expose()).as_deref())?;
                args.add_id_or_null(query.device.as_ref().map(DeviceId::as_uuid))?;
                args.add_limit(limit)
            })
        };
        let sql = if query.state.is_some_and(is_bad_end) { BAD_ENDS } else { PAGE };
        let rows: Vec<MessageRow> = self.read_page("messages", sql, query.limit, args).await?;
        let rows = rows.into_iter().map(Message::from).collect();
        Ok(Page::from_rows(rows, query.limit, |row| Cursor { at: row.created_at, id: *row.id.as_uuid() }))
    }
}

/// The parameters of a question after one message of an account.
pub(super) fn owned(account: AccountId, id: MessageId) -> sqlx::Result<Args> {
    Args::of(|args| {
        args.add_id(id.as_uuid())?;
        args.add_id(account.as_uuid())
    })
}
