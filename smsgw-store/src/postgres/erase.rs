//! Erasing what messages and received SMS say, once nobody needs it any more.

use smsgw_core::id::{AccountId, MessageId};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::store::Erased;
use smsgw_core::time::Timestamp;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::rows::{limit, owned};
use crate::erased::of_recipient;

/// Messages that were over before $1, those first that were over first: at most $2.
pub(super) const ENDED: &str = "SELECT id, recipient FROM messages WHERE ended_at < $1 AND ended_at IS NOT NULL \
     AND erased_at IS NULL ORDER BY ended_at LIMIT $2";

/// One message, whether it is over, and whether it is erased.
pub(super) const ONE: &str = "SELECT recipient, ended_at IS NOT NULL, erased_at IS NOT NULL FROM messages \
     WHERE id = $1 AND account = $2";

/// Ids, and what is left of the recipients. Rows are locked in the order of their ids, so that two that erase the same
/// wait for each other and never both.
pub(super) const ERASE: &str = "UPDATE messages AS m SET body = '', failure_detail = NULL, recipient = v.recipient, \
     erased_at = (SELECT smsgw_now()) FROM (SELECT v.* FROM unnest((SELECT $1::uuid[]), (SELECT $2::text[])) \
     AS v (id, recipient) JOIN messages AS m ON m.id = v.id WHERE m.erased_at IS NULL ORDER BY v.id FOR UPDATE OF m) \
     AS v WHERE m.id = v.id";

/// What was received before $1, the oldest first: at most $2.
pub(super) const RECEIVED: &str = "SELECT device, id, sender FROM inbox WHERE received_at < $1 \
     AND erased_at IS NULL ORDER BY received_at LIMIT $2";

/// Devices, ids, and what is left of the senders.
pub(super) const ERASE_RECEIVED: &str = "UPDATE inbox AS i SET body = '', sender = v.sender, \
     erased_at = (SELECT smsgw_now()) FROM (SELECT v.* FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), \
     (SELECT $3::text[])) AS v (device, id, sender) JOIN inbox AS i ON i.device = v.device AND i.id = v.id \
     WHERE i.erased_at IS NULL ORDER BY v.device, v.id FOR UPDATE OF i) AS v WHERE i.device = v.device AND i.id = v.id";

/// Erases at most `max` messages that were over before `before`. Says how many.
pub(super) async fn erase(
    conn: &mut PgConnection,
    before: Timestamp,
    max: usize,
    pseudonyms: &Pseudonyms,
) -> sqlx::Result<usize> {
    let rows: Vec<(Uuid, String)> =
        sqlx::query_as(ENDED).bind(before.as_micros()).bind(limit(max)).fetch_all(&mut *conn).await?;
    let (ids, left): (Vec<Uuid>, Vec<String>) =
        rows.into_iter().map(|(id, recipient)| (id, of_recipient(pseudonyms, &recipient))).unzip();
    let count = ids.len();
    if count > 0 {
        sqlx::query(ERASE).bind(ids).bind(left).execute(conn).await?;
    }
    Ok(count)
}

/// Erases one message of `account`, if it is over.
pub(super) async fn erase_message(
    conn: &mut PgConnection,
    account: AccountId,
    id: MessageId,
    pseudonyms: &Pseudonyms,
) -> sqlx::Result<Option<Erased>> {
    let (id, account) = owned(account, id.as_uuid());
    let row: Option<(String, bool, bool)> =
        sqlx::query_as(ONE).bind(id).bind(account).fetch_optional(&mut *conn).await?;
    Ok(match row {
        None => None,
        Some((_, false, _)) => Some(Erased::NotOver),
        Some((_, true, true)) => Some(Erased::Done),
        Some((recipient, true, false)) => {
            let left = of_recipient(pseudonyms, &recipient);
            sqlx::query(ERASE).bind(vec![id]).bind(vec![left]).execute(conn).await?;
            Some(Erased::Done)
        }
    })
}

/// Erases at most `max` SMS that were received before `before`. Says how many.
pub(super) async fn erase_received(
    conn: &mut PgConnection,
    before: Timestamp,
    max: usize,
    pseudonyms: &Pseudonyms,
) -> sqlx::Result<usize> {
    let rows: Vec<(Uuid, Uuid, String)> =
        sqlx::query_as(RECEIVED).bind(before.as_micros()).bind(limit(max)).fetch_all(&mut *conn).await?;
    if !rows.is_empty() {
        sqlx::query(ERASE_RECEIVED)
            .bind(rows.iter().map(|(device, ..)| *device).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, id, _)| *id).collect::<Vec<_>>())
            .bind(rows.iter().map(|(.., sender)| pseudonyms.of_sender(sender)).collect::<Vec<_>>())
            .execute(conn)
            .await?;
    }
    Ok(rows.len())
}
