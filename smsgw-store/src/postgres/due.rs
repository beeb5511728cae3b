//! Messages whose time has come.

use smsgw_core::state::{Overdue, QUEUED_RECHECK, State, overdue};
use smsgw_core::store::{Claim, Due, DueQuery};
use smsgw_core::time::Timestamp;
use sqlx::postgres::PgConnection;

use super::changes::Changes;
use super::insert::QUEUE_LEASE;
use super::rows::{Held, head_columns, limit, micros, uuids};

/// The places of those batches that `$found` finds, by `at`, that come first: no more once they have $2 messages. Each of these
/// may have to be changed, and a call must end in its time however many there are.
macro_rules! first_of {
    ($found:literal) => {
        concat!(
            "SELECT l.ctid FROM (SELECT l.ctid, sum(cardinality(l.ids)) OVER (ORDER BY l.at ROWS UNBOUNDED PRECEDING) \
             - cardinality(l.ids) AS before FROM (",
            $found,
            ") AS l) AS l WHERE l.before < $2"
        )
    };
}

/// Batches whose lease is over, a gateway's or, since $3 microseconds after they could be pushed again, the queue's: at most
/// $1 of each kind. Says how many, and of how many messages. Those of their messages that still want to be looked at are so by
/// themselves from now on. It is no change that others must know of.
pub(super) const LEASES_OVER: &str = concat!(
    "WITH over AS (DELETE FROM message_leases WHERE ctid = ANY (ARRAY(",
    first_of!(
        "SELECT ctid, coalesce(look_at, requeue_at) AS at, ids FROM message_leases WHERE ctid = ANY (ARRAY( \
         SELECT ctid FROM message_leases WHERE look_at <= (SELECT smsgw_now()) \
         ORDER BY look_at LIMIT $1 FOR UPDATE SKIP LOCKED) || ARRAY( \
         SELECT ctid FROM message_leases WHERE requeue_at <= (SELECT smsgw_now()) - $3::bigint \
         ORDER BY requeue_at LIMIT $1 FOR UPDATE SKIP LOCKED))"
    ),
    ")) RETURNING ids), \
     noted AS (UPDATE messages AS m SET look_at = least(m.look_at, m.check_at), leased_until = NULL, \
     requeue_at = CASE WHEN m.state = 'queued' THEN coalesce(m.requeue_at, smsgw_now()) ELSE m.requeue_at END \
     FROM (SELECT m.id FROM messages AS m WHERE m.id = ANY ((SELECT array_agg(v.id) FROM over, unnest(ids) AS v (id))::uuid[]) \
     AND m.check_at IS NOT NULL ORDER BY m.id FOR UPDATE OF m) AS v WHERE m.id = v.id) \
     SELECT count(*), coalesce(sum(cardinality(ids)), 0)::bigint FROM over"
);

/// Batches that the queue may have lost, at most $1: those of their messages that are still queued may be pushed again from now
/// on. Their lease runs on, $3 microseconds longer, as one of a gateway's. Says how many, and of how many messages.
pub(super) const QUEUE_LEASES: &str = concat!(
    "WITH old AS (UPDATE message_leases SET look_at = requeue_at + $3, requeue_at = NULL WHERE ctid = ANY (ARRAY(",
    first_of!(
        "SELECT ctid, requeue_at AS at, ids FROM message_leases WHERE requeue_at <= (SELECT smsgw_now()) \
         ORDER BY requeue_at LIMIT $1 FOR UPDATE SKIP LOCKED"
    ),
    ")) RETURNING ids), \
     noted AS (UPDATE messages AS m SET requeue_at = smsgw_now() \
     FROM (SELECT m.id FROM messages AS m WHERE m.id = ANY ((SELECT array_agg(v.id) FROM old, unnest(ids) AS v (id))::uuid[]) \
     AND m.state = 'queued' AND m.requeue_at IS NULL ORDER BY m.id FOR UPDATE OF m) AS v WHERE m.id = v.id) \
     SELECT count(*), coalesce(sum(cardinality(ids)), 0)::bigint FROM old"
);

/// $1 the limit.
pub(super) const TO_CHECK: &str = concat!(
    "SELECT ",
    head_columns!(),
    ", m.check_at FROM messages AS m WHERE m.look_at <= (SELECT smsgw_now()) ORDER BY m.look_at LIMIT $1"
);

/// Without what [`TO_CHECK`] finds.
pub(super) const TO_REQUEUE: &str = concat!(
    "SELECT ",
    head_columns!(),
    ", NULL::bigint FROM messages AS m WHERE m.requeue_at <= (SELECT smsgw_now()) AND m.check_at > (SELECT smsgw_now()) \
     ORDER BY m.requeue_at LIMIT $1"
);

/// Has messages looked at again later, where nobody has changed them meanwhile.
pub(super) const CHECK_AGAIN: &str = "UPDATE messages AS m SET check_at = v.check_at, look_at = v.check_at, version = m.version + 1 \
     FROM (SELECT m.id, v.check_at FROM unnest((SELECT $1::uuid[]), (SELECT $2::int[]), (SELECT $3::bigint[])) \
     AS v (id, version, check_at) JOIN messages AS m ON m.id = v.id AND m.version = v.version \
     ORDER BY v.id FOR UPDATE OF m SKIP LOCKED) AS v WHERE m.id = v.id";

/// Batches of one call.
const LEASES: i64 = 64;
/// And their messages.
const LEASED: i64 = 2_000;

/// Looks after at most `query.max` messages.
pub(super) async fn due(conn: &mut PgConnection, query: DueQuery) -> sqlx::Result<Due> {
    let mut more = sweep(conn, LEASES_OVER).await?;
    if query.requeue {
        more |= sweep(conn, QUEUE_LEASES).await?;
    }
    let (mut now, mut rows) = look(conn, TO_CHECK, query.max).await?;
    if query.requeue && rows.len() < query.max {
        let (later, more) = look(conn, TO_REQUEUE, query.max - rows.len()).await?;
        now = now.max(later);
        rows.extend(more);
    }
    let mut due = Due { more: more || rows.len() >= query.max, ..Due::default() };
    let mut changes = Changes::at(now);
    let mut again = Vec::new();
    for (mut held, check_at) in rows {
        let verdict = match check_at {
            Some(later) if later > now => Overdue::Wait(check_at),
            _ => overdue(&held.head, now),
        };
        match verdict {
            Overdue::Wait(until) => again.push((held.id, held.version, until)),
            Overdue::Become(next) => {
                let moved = changes.apply(&mut held, next, None);
                if moved.to == State::Queued {
                    due.jobs.push(held.job());
                } else if held.head.is_canceling()
                    && let Some(device) = held.head.device
                {
                    due.asks.push(Claim { id: held.id, device });
                }
                // Pushed again, it is where it was.
                if moved.from != moved.to {
                    due.moved.push(moved);
                }
            }
        }
    }
    let lost = changes.write(&mut *conn).await?;
    // Somebody else looks after them, or has changed them just now.
    due.jobs.retain(|job| !lost.contains(&job.id));
    due.asks.retain(|ask| !lost.contains(&ask.id));
    due.moved.retain(|moved| !lost.contains(&moved.id));
    due.more |= !lost.is_empty();
    check_again(conn, again).await?;
    Ok(due)
}

/// Looks after batches by `sql`; whether there may be more.
async fn sweep(conn: &mut PgConnection, sql: &'static str) -> sqlx::Result<bool> {
    let longer = micros(QUEUE_LEASE.saturating_sub(QUEUED_RECHECK));
    let swept = sqlx::query_as(sql).bind(LEASES).bind(LEASED).bind(longer);
    let (leases, leased): (i64, i64) = swept.fetch_one(conn).await?;
    Ok(leases >= LEASES || leased >= LEASED)
}

/// The time, and messages with when they must be looked at, where that is not certain to be now.
async fn look(
    conn: &mut PgConnection,
    sql: &'static str,
    max: usize,
) -> sqlx::Result<(Timestamp, Vec<(Held, Option<Timestamp>)>)> {
    let rows = sqlx::query(sql).bind(limit(max)).fetch_all(conn).await?;
    Held::read_all(&rows, |columns| columns.time_or_null())
}

async fn check_again(
    conn: &mut PgConnection,
    again: Vec<(smsgw_core::id::MessageId, i32, Option<Timestamp>)>,
) -> sqlx::Result<()> {
    if again.is_empty() {
        return Ok(());
    }
    sqlx::query(CHECK_AGAIN)
        .bind(uuids(again.iter().map(|(id, ..)| id)))
        .bind(again.iter().map(|(_, version, _)| *version).collect::<Vec<_>>())
        .bind(again.iter().map(|(.., until)| until.map(Timestamp::as_micros)).collect::<Vec<_>>())
        .execute(conn)
        .await
        .map(drop)
}
