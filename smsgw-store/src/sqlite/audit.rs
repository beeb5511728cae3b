use std::net::IpAddr;

use async_trait::async_trait;
use serde::Deserialize;
use smsgw_core::audit::{Act, AuditAction, AuditEvent};
use smsgw_core::error::Result;
use smsgw_core::id::{AccountId, AuditId, DeviceId};
use smsgw_core::key::KeyId;
use smsgw_core::store::{AuditQuery, AuditStore, Cursor, Page};
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::SqliteStore;
use super::rows::{Hex, Micros};
use super::sql::{Args, Batch, Script, part, parts, remove_oldest};

const INSERT: Batch = Batch {
    head: "INSERT INTO audit (at, id, action, refused, account, credential, device, target, origin, count) \
           SELECT * FROM (VALUES ",
    row: "(?,?,?,?,?,?,?,?,?,?)",
    tail: ") WHERE column1 IS NOT NULL ON CONFLICT (at, id) DO NOTHING",
};

/// A page of [`EventRow`]s, by what `$of` demands: ?1 and ?2 the place it ends before, ?3 not before, ?4 account,
/// ?5 credential, ?6 device, ?7 action, ?8 whether refused, ?9 limit.
macro_rules! page {
    ($($of:literal)?) => {
        concat!(
            "SELECT json_array(hex(id), at, action, refused, nullif(hex(account), ''), nullif(hex(credential), ''), \
             nullif(hex(device), ''), target, origin, count) FROM audit WHERE ",
            $($of, " AND ",)?
            "(at, id) < (?1, ?2) AND at >= ?3 AND (?4 IS NULL OR account = ?4) \
             AND (?5 IS NULL OR credential = ?5) AND (?6 IS NULL OR device = ?6) AND (?7 IS NULL OR action = ?7) \
             AND (?8 IS NULL OR (refused IS NOT NULL) = ?8) ORDER BY at DESC, id DESC LIMIT ?9"
        )
    };
}

pub(super) const PAGE: &str = page!();
pub(super) const OF_ACCOUNT: &str = page!("account = ?4");
pub(super) const OF_CREDENTIAL: &str = page!("credential = ?5");
pub(super) const OF_DEVICE: &str = page!("device = ?6");

/// The oldest events: ?1 the time that they are older than, ?2 the limit.
pub(super) const FORGET: &str = "DELETE FROM audit WHERE (at, id) IN \
     (SELECT at, id FROM audit WHERE at < ?1 ORDER BY at, id LIMIT ?2)";

#[async_trait]
impl AuditStore for SqliteStore {
    async fn record(&self, events: &[AuditEvent]) -> Result<()> {
        let events = events.to_vec();
        self.write("record", events.len(), move |transaction| {
            Box::pin(async move { record(&mut transaction.conn, &events).await })
        })
        .await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Page<AuditEvent>> {
        // Of a credential there are fewest.
        let sql = match query {
            AuditQuery { credential: Some(_), .. } => OF_CREDENTIAL,
            AuditQuery { device: Some(_), .. } => OF_DEVICE,
            AuditQuery { account: Some(_), .. } => OF_ACCOUNT,
            _ => PAGE,
        };
        let rows: Vec<EventRow> =
            self.read_page("audit", sql, query.limit, |limit| selected(query, limit)).await?;
        let rows = rows.into_iter().map(AuditEvent::from).collect();
        Ok(Page::from_rows(rows, query.limit, |row| Cursor { at: row.at, id: *row.id.as_uuid() }))
    }

    async fn forget_audit(&self, before: Timestamp, max: usize) -> Result<usize> {
        self.write("forget_audit", max, move |transaction| {
            Box::pin(remove_oldest(&mut transaction.conn, FORGET, before, max))
        })
        .await
    }
}

async fn record(conn: &mut SqliteConnection, events: &[AuditEvent]) -> sqlx::Result<()> {
    for number in parts(events.len()) {
        let mut script = Script::default();
        script.add(&INSERT, part(events, number), |args, AuditEvent { id, at, act }| {
            args.add_time(*at)?;
            args.add_id(id.as_uuid())?;
            args.add(act.action.as_str())?;
            args.add(act.refused.as_deref())?;
            args.add_id_or_null(act.account.as_ref().map(AccountId::as_uuid))?;
            args.add(act.credential.as_ref().map(|key| &key.as_bytes()[..]))?;
            args.add_id_or_null(act.device.as_ref().map(DeviceId::as_uuid))?;
            args.add(act.target.as_deref())?;
            args.add(act.origin.map(|origin| origin.to_string()))?;
            args.add(act.count)
        })?;
        script.execute(conn).await?;
    }
    Ok(())
}

/// The parameters of a page of `query`.
fn selected(query: &AuditQuery, limit: usize) -> sqlx::Result<Args> {
    let until = query.until.map(|at| Cursor { at, id: Uuid::nil() });
    let end = [until, query.after].into_iter().flatten().min();
    Args::of(|args| {
        args.add_place_before(end)?;
        args.add_time(query.from.unwrap_or(Timestamp::EPOCH))?;
        args.add_id_or_null(query.account.as_ref().map(AccountId::as_uuid))?;
        args.add(query.credential.as_ref().map(|key| &key.as_bytes()[..]))?;
        args.add_id_or_null(query.device.as_ref().map(DeviceId::as_uuid))?;
        args.add(query.action.map(AuditAction::as_str))?;
        args.add(query.refused)?;
        args.add_limit(limit)
    })
}

#[derive(Deserialize)]
struct EventRow {
    id: AuditId,
    at: Micros,
    action: AuditAction,
    refused: Option<String>,
    account: Option<AccountId>,
    credential: Option<Hex<10>>,
    device: Option<DeviceId>,
    target: Option<String>,
    origin: Option<IpAddr>,
    count: u32,
}

impl From<EventRow> for AuditEvent {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            at: row.at.0,
            act: Act {
                action: row.action,
                refused: row.refused,
                account: row.account,
                credential: row.credential.map(|Hex(bytes)| KeyId::from_bytes(bytes)),
                device: row.device,
                target: row.target,
                origin: row.origin,
                count: row.count,
            },
        }
    }
}
