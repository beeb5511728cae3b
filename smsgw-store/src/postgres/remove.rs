//! Removing what is left of messages and received SMS, long after they were erased.
//!
//! Of several that remove at once each passes over what another has in hand.

use smsgw_core::time::Timestamp;
use sqlx::postgres::PgConnection;

use super::rows::limit;

/// What was erased before $1, those first that were erased first: at most $2.
pub(super) const MESSAGES: &str = "WITH gone AS (DELETE FROM messages WHERE ctid = ANY (ARRAY(SELECT ctid FROM messages \
     WHERE erased_at < $1 ORDER BY erased_at LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING id), \
     said AS (DELETE FROM message_events WHERE message = ANY (ARRAY(SELECT id FROM gone))) \
     SELECT count(*) FROM gone";

/// The same of received SMS.
pub(super) const RECEIVED: &str = "WITH gone AS (DELETE FROM inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox \
     WHERE erased_at < $1 ORDER BY erased_at LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING id) SELECT count(*) FROM gone";

/// Removes by `sql` at most `max` rows that were erased before `before`. Says how many.
pub(super) async fn remove(
    conn: &mut PgConnection,
    sql: &'static str,
    before: Timestamp,
    max: usize,
) -> sqlx::Result<usize> {
    let count = sqlx::query_scalar(sql).bind(before.as_micros()).bind(limit(max));
    let count: i64 = count.fetch_one(conn).await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}
