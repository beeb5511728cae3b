//! Erasing what messages and received SMS say, once nobody needs it any more.
//!
//! Numbers are read as texts, and nothing else of a row is, so that no damage keeps a row from being erased. Of several
//! that erase at once each waits for the others' rows in the order of their ids, and goes on with what they have left.

use std::time::{Duration, Instant};

use smsgw_core::id::{AccountId, MessageId};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::store::Erased;
use smsgw_core::time::Timestamp;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::rows::{limit, owned};
use super::{ROUNDS, contended};
use crate::erased::of_recipient;

/// How long one call goes on: what is left is for the next.
const ERASING: Duration = Duration::from_millis(800);

/// Messages that may have been over before $1, with when they were: at most $2.
pub(super) const KEPT: &str = "SELECT id, version, recipient, ended_at FROM messages \
     WHERE coalesce(kept_since, created_at) < $1 AND erased_at IS NULL ORDER BY coalesce(kept_since, created_at) LIMIT $2";

/// Messages that are not over, or not since before $2: has them looked at when they may have been over long enough. It is no
/// change that others must know of.
pub(super) const KEEP: &str = "UPDATE messages AS m \
     SET kept_since = coalesce(m.ended_at, greatest($2, (SELECT smsgw_now()))) \
     FROM (SELECT m.id FROM messages AS m WHERE m.id = ANY ((SELECT $1::uuid[])::uuid[]) \
     ORDER BY m.id FOR UPDATE OF m SKIP LOCKED) AS v WHERE m.id = v.id";

/// One message, whether it is over, and whether it is erased.
pub(super) const ONE: &str = "SELECT id, version, recipient, ended_at IS NOT NULL, erased_at IS NOT NULL \
     FROM messages WHERE id = $1 AND account = $2";

/// Ids, versions and what is left of recipients, where nobody has changed the messages meanwhile.
pub(super) const ERASE: &str = "UPDATE messages AS m SET body = '', failure_detail = NULL, recipient = v.recipient, \
     erased_at = (SELECT smsgw_now()), version = m.version + 1 \
     FROM (SELECT m.id, v.recipient FROM unnest((SELECT $1::uuid[]), (SELECT $2::int[]), (SELECT $3::text[])) \
     AS v (id, version, recipient) JOIN messages AS m ON m.id = v.id AND m.version = v.version \
     ORDER BY v.id FOR UPDATE OF m) AS v WHERE m.id = v.id";

/// What was received before $1, the oldest first: at most $2.
pub(super) const RECEIVED: &str = "SELECT device, id, sender FROM inbox \
     WHERE received_at < $1 AND erased_at IS NULL ORDER BY received_at LIMIT $2";

/// Devices, ids and what is left of senders, where nobody has erased them meanwhile.
pub(super) const ERASE_RECEIVED: &str = "UPDATE inbox AS i SET body = '', sender = v.sender, \
     erased_at = (SELECT smsgw_now()) \
     FROM (SELECT i.device, i.id, v.sender FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::text[])) \
     AS v (device, id, sender) JOIN inbox AS i ON i.device = v.device AND i.id = v.id \
     WHERE i.erased_at IS NULL ORDER BY v.device, v.id FOR UPDATE OF i) AS v \
     WHERE i.device = v.device AND i.id = v.id";

/// Erases at most `max` messages that were over before `before`. Says how many.
pub(super) async fn erase(
    conn: &mut PgConnection,
    before: Timestamp,
    max: usize,
    pseudonyms: &Pseudonyms,
) -> sqlx::Result<usize> {
    let (mut erased, begun) = (0, Instant::now());
    // Where others were faster, there may be more behind what they took; so there may be behind what is not over.
    while erased < max && begun.elapsed() < ERASING {
        let oldest = sqlx::query_as(KEPT).bind(before.as_micros()).bind(limit(max));
        let rows: Vec<(Uuid, i32, String, Option<i64>)> = oldest.fetch_all(&mut *conn).await?;
        let is_last = rows.len() < max;
        let (mut over, open): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|(.., ended_at)| ended_at.is_some_and(|ended_at| ended_at < before.as_micros()));
        keep(&mut *conn, open.into_iter().map(|(id, ..)| id).collect(), before).await?;
        over.truncate(max - erased);
        let over: Vec<_> =
            over.into_iter().map(|(id, version, recipient, _)| (id, version, recipient)).collect();
        let count = over.len();
        let done = write(&mut *conn, over, pseudonyms).await?;
        erased += done;
        if is_last && done == count {
            break;
        }
    }
    Ok(erased)
}

async fn keep(conn: &mut PgConnection, ids: Vec<Uuid>, before: Timestamp) -> sqlx::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(KEEP).bind(ids).bind(before.as_micros()).execute(conn).await.map(drop)
}

/// Erases one message of `account`, if it is over.
pub(super) async fn erase_message(
    conn: &mut PgConnection,
    account: AccountId,
    id: MessageId,
    pseudonyms: &Pseudonyms,
) -> sqlx::Result<Option<Erased>> {
    let (id, account) = owned(account, id.as_uuid());
    for _ in 0..ROUNDS {
        let one = sqlx::query_as(ONE).bind(id).bind(account);
        let row: Option<(Uuid, i32, String, bool, bool)> = one.fetch_optional(&mut *conn).await?;
        let (id, version, recipient) = match row {
            None => return Ok(None),
            Some((_, _, _, false, _)) => return Ok(Some(Erased::NotOver)),
            Some((_, _, _, true, true)) => return Ok(Some(Erased::Done)),
            Some((id, version, recipient, true, false)) => (id, version, recipient),
        };
        if write(&mut *conn, vec![(id, version, recipient)], pseudonyms).await? > 0 {
            return Ok(Some(Erased::Done));
        }
    }
    Err(contended())
}

/// Erases at most `max` SMS that were received before `before`. Says how many.
pub(super) async fn erase_received(
    conn: &mut PgConnection,
    before: Timestamp,
    max: usize,
    pseudonyms: &Pseudonyms,
) -> sqlx::Result<usize> {
    let mut erased = 0;
    for _ in 0..ROUNDS {
        let oldest = sqlx::query_as(RECEIVED).bind(before.as_micros()).bind(limit(max - erased));
        let rows: Vec<(Uuid, Uuid, String)> = oldest.fetch_all(&mut *conn).await?;
        let count = rows.len();
        let done = write_received(&mut *conn, rows, pseudonyms).await?;
        erased += done;
        if done == count {
            break;
        }
    }
    Ok(erased)
}

/// Writes what is left of recipients, and says of how many.
async fn write(
    conn: &mut PgConnection,
    rows: Vec<(Uuid, i32, String)>,
    pseudonyms: &Pseudonyms,
) -> sqlx::Result<usize> {
    if rows.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query(ERASE)
        .bind(rows.iter().map(|(id, ..)| *id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, version, _)| *version).collect::<Vec<_>>())
        .bind(rows.iter().map(|(.., number)| of_recipient(pseudonyms, number)).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// As [`write`], of senders.
async fn write_received(
    conn: &mut PgConnection,
    rows: Vec<(Uuid, Uuid, String)>,
    pseudonyms: &Pseudonyms,
) -> sqlx::Result<usize> {
    if rows.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query(ERASE_RECEIVED)
        .bind(rows.iter().map(|(device, ..)| *device).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, id, _)| *id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(.., sender)| pseudonyms.of_sender(sender)).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}
