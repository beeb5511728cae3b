use std::sync::Arc;

use async_trait::async_trait;
use smsgw_core::audit::{Act, AuditAction, AuditEvent};
use smsgw_core::error::Result;
use smsgw_core::key::KeyId;
use smsgw_core::store::{AuditQuery, AuditStore, Cursor, Page};
use smsgw_core::time::Timestamp;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use super::PostgresStore;
use super::remove::oldest;
use super::rows::{Columns, device_uuid, end_of, limit, storable};

pub(super) const INSERT: &str = "INSERT INTO audit (at, id, action, refused, account, credential, device, target, origin, count) \
     SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::bytea[], $7::uuid[], \
     $8::text[], $9::text[], $10::bigint[]) ON CONFLICT (at, id) DO NOTHING";

/// A page of what [`event`] reads, out of the `$range` of an index: $1 and $2 the place it ends before, $3 not before,
/// $4 account, $5 credential, $6 device, $7 action, $8 whether refused, $9 limit. With an `OR` for each `CASE` the planner
/// thinks that there is next to nothing to be found, and would rather read and sort all of it.
macro_rules! page {
    ($($range:literal),*) => {
        concat!(
            "SELECT id, at, action, refused, account, credential, device, target, origin, count FROM audit WHERE ",
            $($range,)*
            " AND CASE WHEN $4::uuid IS NULL THEN true ELSE account = $4 END \
             AND CASE WHEN $5::bytea IS NULL THEN true ELSE credential = $5 END \
             AND CASE WHEN $6::uuid IS NULL THEN true ELSE device = $6 END \
             AND CASE WHEN $7::text IS NULL THEN true ELSE action = $7 END \
             AND CASE WHEN $8::boolean IS NULL THEN true ELSE (refused IS NOT NULL) = $8 END \
             ORDER BY at DESC, id DESC LIMIT $9"
        )
    };
}

/// The range of one `$value` of `$column`, said so that no other index has it: the planner would bet that a page is full
/// before the whole log is read, which for who is seldom seen it is not.
macro_rules! page_of {
    ($column:literal, $value:literal) => {
        page!(
            $column,
            " = ",
            $value,
            " AND (",
            $column,
            ", at, id) < (",
            $value,
            ", $1, $2) AND (",
            $column,
            ", at) >= (",
            $value,
            ", $3)"
        )
    };
}

pub(super) const PAGE: &str = page!("(at, id) < ($1, $2) AND at >= $3");
pub(super) const OF_ACCOUNT: &str = page_of!("account", "$4");
pub(super) const OF_CREDENTIAL: &str = page_of!("credential", "$5");
pub(super) const OF_DEVICE: &str = page_of!("device", "$6");

/// The oldest events: $1 the time that they are older than, $2 the limit.
pub(super) const FORGET: &str = "DELETE FROM audit WHERE ctid = ANY (ARRAY(SELECT ctid FROM audit WHERE at < $1 \
     ORDER BY at, id LIMIT $2 FOR UPDATE SKIP LOCKED))";

#[async_trait]
impl AuditStore for PostgresStore {
    async fn record(&self, events: &[AuditEvent]) -> Result<()> {
        let events: Arc<[AuditEvent]> = events.into();
        self.run("record", move |conn| {
            let events = Arc::clone(&events);
            Box::pin(async move { record(conn, &events).await })
        })
        .await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Page<AuditEvent>> {
        let most = query.limit;
        let query = query.clone();
        let rows = self
            .run("audit", move |conn| {
                let query = query.clone();
                Box::pin(async move { page(conn, query).await })
            })
            .await?;
        Ok(Page::from_rows(rows, most, |row| Cursor { at: row.at, id: *row.id.as_uuid() }))
    }

    async fn forget_audit(&self, before: Timestamp, max: usize) -> Result<usize> {
        self.run("forget_audit", move |conn| Box::pin(oldest(conn, FORGET, before.as_micros(), max))).await
    }
}

/// Sorted, so that two that write the same wait for each other and never both.
async fn record(conn: &mut PgConnection, events: &[AuditEvent]) -> sqlx::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut sorted: Vec<&AuditEvent> = events.iter().collect();
    sorted.sort_by_key(|event| (event.at, event.id));
    let acts = || sorted.iter().map(|event| &event.act);
    let key = |act: &Act| act.credential.map(|key| key.as_bytes().to_vec());
    sqlx::query(INSERT)
        .bind(sorted.iter().map(|event| event.at.as_micros()).collect::<Vec<_>>())
        .bind(sorted.iter().map(|event| *event.id.as_uuid()).collect::<Vec<_>>())
        .bind(acts().map(|act| act.action.as_str()).collect::<Vec<_>>())
        .bind(acts().map(|act| act.refused.as_deref().map(storable)).collect::<Vec<_>>())
        .bind(acts().map(|act| act.account.map(|account| *account.as_uuid())).collect::<Vec<_>>())
        .bind(acts().map(key).collect::<Vec<_>>())
        .bind(acts().map(|act| device_uuid(act.device)).collect::<Vec<_>>())
        .bind(acts().map(|act| act.target.as_deref().map(storable)).collect::<Vec<_>>())
        .bind(acts().map(|act| act.origin.map(|origin| origin.to_string())).collect::<Vec<_>>())
        .bind(acts().map(|act| i64::from(act.count)).collect::<Vec<_>>())
        .execute(conn)
        .await
        .map(drop)
}

/// The rows of one page and one more, newest first.
async fn page(conn: &mut PgConnection, query: AuditQuery) -> sqlx::Result<Vec<AuditEvent>> {
    // Of a credential there are fewest.
    let sql = match query {
        AuditQuery { credential: Some(_), .. } => OF_CREDENTIAL,
        AuditQuery { device: Some(_), .. } => OF_DEVICE,
        AuditQuery { account: Some(_), .. } => OF_ACCOUNT,
        _ => PAGE,
    };
    let until = query.until.map(|at| Cursor { at, id: Uuid::nil() });
    let (before, before_id) = end_of([until, query.after].into_iter().flatten().min());
    let rows = sqlx::query(sql)
        .bind(before)
        .bind(before_id)
        .bind(query.from.unwrap_or(Timestamp::EPOCH).as_micros())
        .bind(query.account.map(|account| *account.as_uuid()))
        .bind(query.credential.as_ref().map(|key| &key.as_bytes()[..]))
        .bind(device_uuid(query.device))
        .bind(query.action.map(AuditAction::as_str))
        .bind(query.refused)
        .bind(limit(query.limit.saturating_add(1)))
        .fetch_all(conn)
        .await?;
    rows.iter().map(event).collect()
}

fn event(row: &PgRow) -> sqlx::Result<AuditEvent> {
    let mut columns = Columns::of(row);
    Ok(AuditEvent {
        id: columns.id()?,
        at: columns.time()?,
        act: Act {
            action: columns.word(AuditAction::parse)?,
            refused: columns.take()?,
            account: columns.id_or_null()?,
            credential: columns.bytes_or_null()?.map(KeyId::from_bytes),
            device: columns.id_or_null()?,
            target: columns.take()?,
            origin: columns.word_or_null(|text| text.parse().ok())?,
            count: columns.large()?,
        },
    })
}
