use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
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
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::rows::{Columns, MessageRow, device_uuid, end_of, event, limit, message_columns, owned};
use super::{PostgresStore, advance, claim, due, erase, insert, remove};
use crate::bad_ends::is_bad_end;

pub(super) const ONE: &str =
    concat!("SELECT ", message_columns!(), " FROM messages AS m WHERE m.id = $1 AND m.account = $2");

/// Which of some messages are in the hands of the devices that $2 names for them.
pub(super) const IN_HAND: &str = "SELECT m.id, m.device FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[])) AS v (id, device) \
     JOIN messages AS m ON m.id = v.id AND m.device = v.device WHERE m.state IN ('sending', 'dispatched')";

/// A message's events, oldest first; none where there is no such message.
pub(super) const HISTORY: &str = "SELECT e.at, e.state, e.attempt, e.device, e.reason, e.code, e.applied \
     FROM messages AS m JOIN message_events AS e ON e.message = m.id WHERE m.id = $1 AND m.account = $2 \
     ORDER BY e.seq";

/// A page: $1 account, $2 not before, $3 and $4 the place it ends before, $5 state, $6 recipient, $7 device, $8 limit.
macro_rules! page {
    ($of:literal) => {
        concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages AS m WHERE m.account = $1 AND m.created_at >= $2 AND (m.created_at, m.id) < ($3, $4) AND ",
            $of,
            " AND ($6::text IS NULL OR m.recipient = $6) ORDER BY m.created_at DESC, m.id DESC LIMIT $8"
        )
    };
}

pub(super) const PAGE: &str =
    page!("($5::text IS NULL OR m.state = $5) AND ($7::uuid IS NULL OR m.device = $7)");

/// The same page, where $5 is a bad end.
pub(super) const BAD_ENDS: &str = page!("m.bad_end = $5 AND ($7::uuid IS NULL OR m.device = $7)");

/// The same page, where there is a device.
pub(super) const OF_DEVICE: &str = page!("($5::text IS NULL OR m.state = $5) AND m.device = $7");

#[async_trait]
impl MessageStore for PostgresStore {
    async fn insert(&self, batch: &[Insertion]) -> Result<Vec<Inserted>> {
        let batch: Arc<[Insertion]> = batch.into();
        let recent = Arc::clone(&self.recent);
        self.run("insert", move |conn| {
            let (batch, recent) = (Arc::clone(&batch), Arc::clone(&recent));
            Box::pin(async move { insert::insert(conn, &batch, &recent).await })
        })
        .await
    }

    async fn claim(&self, claims: &[Claim], lease: Duration) -> Result<Vec<Option<Message>>> {
        let claims: Arc<[Claim]> = claims.into();
        let recent = Arc::clone(&self.recent);
        self.run("claim", move |conn| {
            let (claims, recent) = (Arc::clone(&claims), Arc::clone(&recent));
            Box::pin(async move { claim::claim(conn, &claims, lease, &recent).await })
        })
        .await
    }

    async fn claim_waiting(&self, pulls: &[Pull], lease: Duration) -> Result<Vec<Vec<Message>>> {
        let pulls: Arc<[Pull]> = pulls.into();
        let recent = Arc::clone(&self.recent);
        self.run("claim_waiting", move |conn| {
            let (pulls, recent) = (Arc::clone(&pulls), Arc::clone(&recent));
            Box::pin(async move { claim::claim_waiting(conn, &pulls, lease, &recent).await })
        })
        .await
    }

    async fn advance(&self, batch: &[Transition]) -> Result<Vec<Advanced>> {
        let batch: Arc<[Transition]> = batch.into();
        let recent = Arc::clone(&self.recent);
        self.run("advance", move |conn| {
            let (batch, recent) = (Arc::clone(&batch), Arc::clone(&recent));
            Box::pin(async move { advance::advance(conn, &batch, &recent).await })
        })
        .await
    }

    async fn recall(&self, devices: &[DeviceId]) -> Result<u64> {
        let devices: BTreeSet<DeviceId> = devices.iter().copied().collect();
        let devices: Arc<[DeviceId]> = devices.into_iter().collect();
        self.run("recall", move |conn| {
            let devices = Arc::clone(&devices);
            Box::pin(async move { advance::recall(conn, &devices).await })
        })
        .await
    }

    async fn in_hand(&self, held: &[Claim]) -> Result<Vec<bool>> {
        let ids: Vec<Uuid> = held.iter().map(|held| *held.id.as_uuid()).collect();
        let devices: Vec<Uuid> = held.iter().map(|held| *held.device.as_uuid()).collect();
        let found: HashSet<(Uuid, Uuid)> = self
            .run("in_hand", move |conn| {
                let (ids, devices) = (ids.clone(), devices.clone());
                Box::pin(async move {
                    let rows = sqlx::query(IN_HAND).bind(ids).bind(devices).fetch_all(conn).await?;
                    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
                })
            })
            .await?;
        Ok(held.iter().map(|held| found.contains(&(*held.id.as_uuid(), *held.device.as_uuid()))).collect())
    }

    async fn due(&self, query: DueQuery) -> Result<Due> {
        self.run("due", move |conn| Box::pin(due::due(conn, query))).await
    }

    async fn forget_keys(&self, max: usize) -> Result<usize> {
        self.run("forget_keys", move |conn| Box::pin(insert::forget_keys(conn, max))).await
    }

    async fn erase(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize> {
        let pseudonyms = pseudonyms.clone();
        self.run("erase", move |conn| {
            let pseudonyms = pseudonyms.clone();
            Box::pin(async move { erase::erase(conn, before, max, &pseudonyms).await })
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
        self.run("erase_message", move |conn| {
            let pseudonyms = pseudonyms.clone();
            Box::pin(async move { erase::erase_message(conn, account, id, &pseudonyms).await })
        })
        .await
    }

    async fn remove(&self, before: Timestamp, max: usize) -> Result<usize> {
        self.run("remove", move |conn| {
            Box::pin(remove::oldest(conn, remove::MESSAGES, before.as_micros(), max))
        })
        .await
    }

    async fn message(&self, account: AccountId, id: MessageId) -> Result<Option<Message>> {
        let (id, account) = owned(account, id.as_uuid());
        self.run("message", move |conn| {
            Box::pin(async move {
                let row = sqlx::query(ONE).bind(id).bind(account).fetch_optional(conn).await?;
                row.as_ref().map(message).transpose()
            })
        })
        .await
    }

    async fn events(&self, account: AccountId, id: MessageId) -> Result<Option<Vec<MessageEvent>>> {
        let (id, account) = owned(account, id.as_uuid());
        self.run("events", move |conn| {
            Box::pin(async move {
                let rows = sqlx::query(HISTORY).bind(id).bind(account).fetch_all(conn).await?;
                // The insertion is an event: where there is a message, there are some.
                let events: Vec<_> = rows.iter().map(event).collect::<sqlx::Result<_>>()?;
                Ok((!events.is_empty()).then_some(events))
            })
        })
        .await
    }

    async fn messages(&self, query: &MessageQuery) -> Result<Page<Message>> {
        let first_of = |at| Cursor { at, id: Uuid::nil() };
        let end = [query.until.map(first_of), query.after].into_iter().flatten().min();
        let MessageQuery { account, state, to, device, from, limit: most, .. } = query.clone();
        // What fewer have: ends are bad more rarely than devices are busy.
        let sql = match (state, device) {
            (Some(state), _) if is_bad_end(state) => BAD_ENDS,
            (_, Some(_)) => OF_DEVICE,
            _ => PAGE,
        };
        let rows = self
            .run("messages", move |conn| {
                Box::pin(async move {
                    let (before, before_id) = end_of(end);
                    let rows = sqlx::query(sql)
                        .bind(*account.as_uuid())
                        .bind(from.unwrap_or(Timestamp::EPOCH).as_micros())
                        .bind(before)
                        .bind(before_id)
                        .bind(state.map(State::as_str))
                        .bind(to.map(|to| to.expose().as_str().to_owned()))
                        .bind(device_uuid(device))
                        .bind(limit(most.saturating_add(1)))
                        .fetch_all(conn)
                        .await?;
                    rows.iter().map(message).collect::<sqlx::Result<Vec<_>>>()
                })
            })
            .await?;
        Ok(Page::from_rows(rows, most, |row| Cursor { at: row.created_at, id: *row.id.as_uuid() }))
    }
}

fn message(row: &PgRow) -> sqlx::Result<Message> {
    Ok(MessageRow::read(&mut Columns::of(row))?.message)
}
