use std::collections::HashSet;

use async_trait::async_trait;
use serde::Deserialize;
use smsgw_core::error::Result;
use smsgw_core::id::{AccountId, DeviceId, ReportId};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::store::{Cursor, InboxQuery, InboxStore, Page, Received, ReceivedSms};
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::classify::is_repeated;
use super::rows::Micros;
use super::sql::{Args, Batch, Script, part, parts, remove_oldest};
use super::writer::Transaction;
use super::{SqliteStore, erase, remove};

const INSERT: Batch = Batch {
    head: "INSERT INTO inbox (device, id, account, sender, body, sim, received_at) \
           SELECT * FROM (VALUES ",
    row: "(?,?,?,?,?,?,?)",
    tail: ") WHERE column1 IS NOT NULL",
};

pub(super) const EXISTING: Batch = Batch {
    head: "SELECT json_array(hex(device), hex(id)) FROM inbox WHERE (device, id) IN (VALUES ",
    row: "(?,?)",
    tail: ")",
};

/// A page: ?1 account, ?2 and ?3 the place it ends before, ?4 device, ?5 limit.
pub(super) const PAGE: &str = "SELECT json_array(hex(id), hex(account), hex(device), sender, body, sim, received_at, erased_at) FROM inbox \
     WHERE account = ?1 AND (received_at, id) < (?2, ?3) AND (?4 IS NULL OR device = ?4) \
     ORDER BY received_at DESC, id DESC LIMIT ?5";

#[async_trait]
impl InboxStore for SqliteStore {
    async fn receive(&self, batch: &[ReceivedSms]) -> Result<Vec<Received>> {
        let batch = batch.to_vec();
        self.write("receive", batch.len(), move |transaction| {
            Box::pin(async move { receive(transaction, &batch).await })
        })
        .await
    }

    async fn inbox(&self, query: &InboxQuery) -> Result<Page<ReceivedSms>> {
        let args = |limit| {
            Args::of(|args| {
                args.add_id(query.account.as_uuid())?;
                args.add_place_before(query.after)?;
                args.add_id_or_null(query.device.as_ref().map(DeviceId::as_uuid))?;
                args.add_limit(limit)
            })
        };
        let rows: Vec<ReceivedRow> = self.read_page("inbox", PAGE, query.limit, args).await?;
        let rows = rows.into_iter().map(ReceivedSms::from).collect();
        Ok(Page::from_rows(rows, query.limit, |row| Cursor { at: row.received_at, id: *row.id.as_uuid() }))
    }

    async fn erase_received(&self, before: Timestamp, max: usize, pseudonyms: &Pseudonyms) -> Result<usize> {
        let pseudonyms = pseudonyms.clone();
        self.write("erase_received", max, move |transaction| {
            Box::pin(async move { erase::erase_received(transaction, before, max, &pseudonyms).await })
        })
        .await
    }

    async fn remove_received(&self, before: Timestamp, max: usize) -> Result<usize> {
        self.write("remove_received", max, move |transaction| {
            Box::pin(remove_oldest(&mut transaction.conn, remove::RECEIVED, before, max))
        })
        .await
    }
}

/// Inserts `batch`; looks up what is there already only where something is.
async fn receive(transaction: &mut Transaction, batch: &[ReceivedSms]) -> sqlx::Result<Vec<Received>> {
    let all: Vec<&ReceivedSms> = batch.iter().collect();
    match write(&mut transaction.conn, &all).await {
        Err(error) if is_repeated(&error) => transaction.undo().await?,
        outcome => return outcome.map(|()| vec![Received::New; batch.len()]),
    }
    let existing = EXISTING
        .fetch(&mut transaction.conn, batch, |args, sms| {
            args.add_id(sms.device.as_uuid())?;
            args.add_id(sms.id.as_uuid())
        })
        .await?;
    let mut seen: HashSet<(DeviceId, ReportId)> = existing.into_iter().collect();
    let mut new = Vec::new();
    let outcomes = batch
        .iter()
        .map(|sms| {
            if !seen.insert((sms.device, sms.id)) {
                return Received::Duplicate;
            }
            new.push(sms);
            Received::New
        })
        .collect();
    write(&mut transaction.conn, &new).await?;
    Ok(outcomes)
}

async fn write(conn: &mut SqliteConnection, batch: &[&ReceivedSms]) -> sqlx::Result<()> {
    for number in parts(batch.len()) {
        let mut script = Script::default();
        script.add(&INSERT, part(batch, number), |args, sms| {
            args.add_id(sms.device.as_uuid())?;
            args.add_id(sms.id.as_uuid())?;
            args.add_id(sms.account.as_uuid())?;
            args.add(sms.from.as_str())?;
            args.add(sms.body.as_str())?;
            args.add(sms.sim)?;
            args.add_time(sms.received_at)
        })?;
        script.execute(conn).await?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct ReceivedRow {
    id: ReportId,
    account: AccountId,
    device: DeviceId,
    from: String,
    body: String,
    sim: Option<u8>,
    received_at: Micros,
    erased_at: Option<Micros>,
}

impl From<ReceivedRow> for ReceivedSms {
    fn from(row: ReceivedRow) -> Self {
        Self {
            id: row.id,
            account: row.account,
            device: row.device,
            from: row.from,
            body: row.body,
            sim: row.sim,
            received_at: row.received_at.0,
            erased_at: row.erased_at.map(|at| at.0),
        }
    }
}
