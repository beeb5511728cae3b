//! Removing what is left of messages and received SMS, long after they were erased.

use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::sql::remove_oldest;

/// The histories of what was erased before ?1, those first that were erased first: of at most ?2.
pub(super) const EVENTS: &str = "DELETE FROM message_events WHERE message IN \
     (SELECT seq FROM messages WHERE erased_at < ?1 ORDER BY erased_at, seq LIMIT ?2)";

/// The same messages.
pub(super) const MESSAGES: &str = "DELETE FROM messages WHERE seq IN \
     (SELECT seq FROM messages WHERE erased_at < ?1 ORDER BY erased_at, seq LIMIT ?2)";

/// Received SMS, chosen alike.
pub(super) const RECEIVED: &str = "DELETE FROM inbox WHERE (device, id) IN \
     (SELECT device, id FROM inbox WHERE erased_at < ?1 ORDER BY erased_at LIMIT ?2)";

/// Removes at most `max` messages that were erased before `before`. Says how many.
pub(super) async fn messages(
    conn: &mut SqliteConnection,
    before: Timestamp,
    max: usize,
) -> sqlx::Result<usize> {
    remove_oldest(conn, EVENTS, before, max).await?;
    remove_oldest(conn, MESSAGES, before, max).await
}
