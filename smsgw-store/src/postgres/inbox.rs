use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use smsgw_core::error::Result;
use smsgw_core::id::{DeviceId, ReportId};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::store::{Cursor, InboxQuery, InboxStore, Page, Received, ReceivedSms};
use smsgw_core::time::Timestamp;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::rows::{Columns, device_uuid, end_of, limit, storable};
use super::{PostgresStore, erase, remove};

/// Adds what is not there, and answers what it has added.
pub(super) const INSERT: &str = "INSERT INTO inbox (device, id, account, received_at, sim, sender, body) \
     SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::smallint[], $6::text[], $7::text[]) \
     ON CONFLICT (device, id) DO NOTHING RETURNING device, id";

/// A page: $1 account, $2 and $3 the place it ends before, $4 device, $5 limit.
pub(super) const PAGE: &str = "SELECT id, account, device, sender, body, sim, received_at, erased_at FROM inbox \
     WHERE account = $1 AND (received_at, id) < ($2, $3) AND ($4::uuid IS NULL OR device = $4) \
     ORDER BY received_at DESC, id DESC LIMIT $5";

#[async_trait]
impl InboxStore for PostgresStore {
    async fn receive(&self, batch: &[ReceivedSms]) -> Result<Vec<Received>> {
        let batch: Arc<[ReceivedSms]> = batch.into();
        self.run("receive", move |conn| {
            let batch = Arc::clone(&batch);
            Box::pin(async move { receive(conn, &batch).await })
        })
        .await
    }

    async fn inbox(&self, query: &InboxQuery) -> Result<Page<ReceivedSms>> {
        let InboxQuery { account, device, after, limit: most } = query.clone();
        let (before, before_id) = end_of(after);
        let rows = self
            .run("inbox", move |conn| {
                Box::pin(async move {
                    let rows = sqlx::query(PAGE)
                        .bind(*account.as_uuid())
                        .bind(before)
                        .bind(before_id)
                        .bind(device_uuid(device))
                        .bind(limit(most.saturating_add(1)))
                        .fetch_all(conn)
                        .await?;
                    rows.iter().map(sms).collect::<sqlx::Result<Vec<_>>>()
                })
            })
            .await?;
        Ok(Page::from_rows(rows, most, |row| Cursor { at: row.received_at, id: *row.id.as_uuid() }))
    }

    async fn erase_received(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize> {
        let pseudonyms = pseudonyms.clone();
        self.run("erase_received", move |conn| {
            let pseudonyms = pseudonyms.clone();
            Box::pin(async move { erase::erase_received(conn, before, max, &pseudonyms).await })
        })
        .await
    }

    async fn remove_received(&self, before: Timestamp, max: usize) -> Result<usize> {
        self.run("remove_received", move |conn| {
            Box::pin(remove::oldest(conn, remove::RECEIVED, before.as_micros(), max))
        })
        .await
    }
}

/// Sorted, so that two that receive the same wait for each other and never both.
async fn receive(conn: &mut PgConnection, batch: &[ReceivedSms]) -> sqlx::Result<Vec<Received>> {
    let mut sorted: Vec<&ReceivedSms> = batch.iter().collect();
    // Stable: of two alike the first is kept.
    sorted.sort_by_key(|sms| (sms.device, sms.id));
    sorted.dedup_by_key(|sms| (sms.device, sms.id));
    let added: Vec<(Uuid, Uuid)> = match sorted.as_slice() {
        [] => Vec::new(),
        rows => {
            sqlx::query_as(INSERT)
                .bind(rows.iter().map(|sms| *sms.device.as_uuid()).collect::<Vec<_>>())
                .bind(rows.iter().map(|sms| *sms.id.as_uuid()).collect::<Vec<_>>())
                .bind(rows.iter().map(|sms| *sms.account.as_uuid()).collect::<Vec<_>>())
                .bind(rows.iter().map(|sms| sms.received_at.as_micros()).collect::<Vec<_>>())
                .bind(rows.iter().map(|sms| sms.sim.map(i16::from)).collect::<Vec<_>>())
                .bind(rows.iter().map(|sms| storable(&sms.from)).collect::<Vec<_>>())
                .bind(rows.iter().map(|sms| storable(&sms.body)).collect::<Vec<_>>())
                .fetch_all(conn)
                .await?
        }
    };
    let mut added: HashSet<(DeviceId, ReportId)> =
        added.into_iter().map(|(device, id)| (device.into(), id.into())).collect();
    let outcome = |sms: &ReceivedSms| match added.remove(&(sms.device, sms.id)) {
        true => Received::New,
        false => Received::Duplicate,
    };
    Ok(batch.iter().map(outcome).collect())
}

fn sms(row: &PgRow) -> sqlx::Result<ReceivedSms> {
    let mut columns = Columns::of(row);
    Ok(ReceivedSms {
        id: columns.id()?,
        account: columns.id()?,
        device: columns.id()?,
        from: columns.take()?,
        body: columns.take()?,
        sim: columns.small_or_null()?,
        received_at: columns.time()?,
        erased_at: columns.time_or_null()?,
    })
}
