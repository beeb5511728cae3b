//! Removing rows, those first that are oldest: what is left of messages and received SMS long after they were erased, and
//! what is kept for a time only.
//!
//! Of several that remove at once each passes over what another has in hand.

use sqlx::postgres::PgConnection;

use super::rows::limit;

/// What was erased before $1, those first that were erased first: at most $2.
pub(super) const MESSAGES: &str = "WITH gone AS MATERIALIZED (SELECT ctid, id FROM messages \
     WHERE erased_at < $1 ORDER BY erased_at LIMIT $2 FOR UPDATE SKIP LOCKED), \
     said AS (DELETE FROM message_events WHERE message = ANY (ARRAY(SELECT id FROM gone))) \
     DELETE FROM messages WHERE ctid = ANY (ARRAY(SELECT ctid FROM gone))";

/// The same of received SMS.
pub(super) const RECEIVED: &str = "DELETE FROM inbox WHERE ctid = ANY (ARRAY(SELECT ctid FROM inbox \
     WHERE erased_at < $1 ORDER BY erased_at LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// Removes by `sql` at most `max` rows: `age` is its $1, a time or a span, and `max` its $2. Says how many.
pub(super) async fn oldest(
    conn: &mut PgConnection,
    sql: &'static str,
    age: i64,
    max: usize,
) -> sqlx::Result<usize> {
    let done = sqlx::query(sql).bind(age).bind(limit(max)).execute(conn).await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}
