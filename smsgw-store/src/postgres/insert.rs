//! New messages.

use std::time::Duration;

use smsgw_core::message::Message;
use smsgw_core::state::{QUEUED_RECHECK, Reason, State};
use smsgw_core::store::{Inserted, Insertion, KEYS_KEPT};
use sqlx::postgres::PgConnection;

use super::classify::is_repeated;
use super::recent::Recent;
use super::remove::oldest;
use super::rows::{
    Columns, Held, MessageRow, device_uuid, epoch_code, message_columns, micros, narrow, priority_code, uuids,
};
use crate::known::Known;

/// Adds messages, their first events and their keys, or nothing where one of them is there. A message that is checked
/// at no time has a lease, or is queued: then it may be pushed again after $18 microseconds, and is looked at at the end of
/// its life. Neither is noted in its row, but once for all that come with it, as a lease: the queue's is of $24 microseconds.
/// A queued message that does not live that long is looked at by itself.
pub(super) const INSERT: &str = "WITH now AS MATERIALIZED (SELECT smsgw_now() AS at), \
     v AS MATERIALIZED (SELECT v.*, CASE WHEN lease IS NOT NULL THEN now.at + lease \
     WHEN check_at IS NULL AND expires_at > now.at + $24 THEN now.at + $24 END AS leased_until \
     FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], \
     $6::text[], $7::uuid[], $8::boolean[], $9::smallint[], $10::text[], $11::smallint[], $12::smallint[], \
     $13::int[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $23::bigint[]) AS v (id, account, state, \
     reason, recipient, body, device, device_fixed, sim, encoding, segments, priority, epoch, created_at, due_at, \
     expires_at, check_at, lease), now), \
     added AS (INSERT INTO messages (id, account, state, reason, recipient, body, device, device_fixed, sim, \
     encoding, segments, priority, epoch, created_at, due_at, expires_at, check_at, look_at, leased_until, \
     requeue_at) \
     SELECT v.id, account, state, reason, recipient, body, device, device_fixed, sim, encoding, segments, \
     priority, epoch, created_at, due_at, expires_at, coalesce(now.at + lease, check_at, expires_at), \
     CASE WHEN leased_until IS NULL THEN coalesce(check_at, expires_at) END, leased_until, \
     CASE WHEN check_at IS NULL AND leased_until IS NULL THEN now.at + $18 END FROM v, now), \
     leased AS (INSERT INTO message_leases (look_at, requeue_at, since, ids) SELECT now.at + lease, \
     CASE WHEN lease IS NULL THEN now.at + $18 END, min(created_at), array_agg(id) \
     FROM v, now WHERE leased_until IS NOT NULL GROUP BY now.at, lease), \
     keyed AS (INSERT INTO idempotency (account, key, message, fingerprint) \
     SELECT * FROM unnest($19::uuid[], $20::text[], $21::uuid[], $22::bytea[])) \
     INSERT INTO message_events (message, at, state, attempt, device, reason, applied) \
     SELECT id, now.at, state, epoch, device, reason, true FROM v, now";

pub(super) const BY_ID: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM messages AS m WHERE m.id = ANY ((SELECT $1::uuid[])::uuid[])"
);

/// The oldest keys: $1 how long they are good, in microseconds, $2 the limit.
pub(super) const FORGET: &str = "DELETE FROM idempotency WHERE ctid = ANY (ARRAY(SELECT ctid FROM idempotency \
     WHERE created_at <= (SELECT smsgw_now()) - $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// Accounts, keys, fingerprints and messages, by account and key.
pub(super) const BY_KEY: &str = concat!(
    "SELECT i.account, i.key, i.fingerprint, ",
    message_columns!(),
    " FROM unnest((SELECT $1::uuid[]), (SELECT $2::text[])) AS v (account, key) \
     JOIN idempotency AS i ON i.account = v.account AND i.key = v.key JOIN messages AS m ON m.id = i.message"
);

/// How long a new message is the queue's before it is looked at by itself. Not longer than a gateway's lease: what is claimed
/// meanwhile is looked at with what came with it.
pub(super) const QUEUE_LEASE: Duration = Duration::from_secs(30);

/// How often what others insert meanwhile may be found to be there.
const ROUNDS: usize = 8;

/// Forgets at most `max` keys that are too old. Says how many.
pub(super) async fn forget_keys(conn: &mut PgConnection, max: usize) -> sqlx::Result<usize> {
    oldest(conn, FORGET, micros(KEYS_KEPT), max).await
}

/// Inserts `batch`. Almost always all of it is new, so nothing is looked up first; where something is not, all of it is.
pub(super) async fn insert(
    conn: &mut PgConnection,
    batch: &[Insertion],
    recent: &Recent,
) -> sqlx::Result<Vec<Inserted>> {
    match write(conn, batch.iter().collect()).await {
        Err(error) if is_repeated(&error) => {}
        outcome => {
            outcome?;
            let claimed = batch.iter().filter(|row| row.lease.is_some());
            recent.remember(claimed.map(|row| Held::inserted(&row.message)));
            return Ok(vec![Inserted::New; batch.len()]);
        }
    }
    let mut round = 1;
    loop {
        let mut known = load_known(conn, batch).await?;
        let mut new = Vec::new();
        let outcomes = batch
            .iter()
            .map(|insertion| {
                let outcome = known.find(insertion);
                if outcome == Inserted::New {
                    known.add(&insertion.message, insertion.idempotency.as_ref());
                    new.push(insertion);
                }
                outcome
            })
            .collect();
        match write(conn, new).await {
            Err(error) if is_repeated(&error) && round < ROUNDS => round += 1,
            outcome => return outcome.map(|()| outcomes),
        }
    }
}

/// Sorted, so that two that insert the same wait for each other and never both.
async fn write(conn: &mut PgConnection, mut batch: Vec<&Insertion>) -> sqlx::Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    batch.sort_unstable_by_key(|row| row.message.id);
    let messages = || batch.iter().map(|row| &row.message);
    let mut keys: Vec<_> = batch
        .iter()
        .filter_map(|row| Some((row.message.account, row.idempotency.as_ref()?, row.message.id)))
        .collect();
    keys.sort_unstable_by_key(|(account, request, _)| (*account, &request.key));
    sqlx::query(INSERT)
        .bind(uuids(messages().map(|m| &m.id)))
        .bind(messages().map(|m| *m.account.as_uuid()).collect::<Vec<_>>())
        .bind(messages().map(|m| m.state.as_str()).collect::<Vec<_>>())
        .bind(messages().map(|m| m.reason.map(Reason::as_str)).collect::<Vec<_>>())
        .bind(messages().map(|m| m.to.expose().as_str().to_owned()).collect::<Vec<_>>())
        .bind(messages().map(|m| m.body.expose()).collect::<Vec<_>>())
        .bind(messages().map(|m| device_uuid(m.device)).collect::<Vec<_>>())
        .bind(messages().map(|m| m.device_fixed).collect::<Vec<_>>())
        .bind(messages().map(|m| m.sim.map(i16::from)).collect::<Vec<_>>())
        .bind(messages().map(|m| m.encoding.as_str()).collect::<Vec<_>>())
        .bind(messages().map(|m| narrow(m.segments)).collect::<Vec<_>>())
        .bind(messages().map(|m| priority_code(m.priority)).collect::<Vec<_>>())
        .bind(messages().map(|m| epoch_code(m.attempts)).collect::<Vec<_>>())
        .bind(messages().map(|m| m.created_at.as_micros()).collect::<Vec<_>>())
        .bind(messages().map(|m| m.due_at.as_micros()).collect::<Vec<_>>())
        .bind(messages().map(|m| m.expires_at.as_micros()).collect::<Vec<_>>())
        .bind(messages().map(due_at).collect::<Vec<_>>())
        .bind(micros(QUEUED_RECHECK))
        .bind(keys.iter().map(|(account, ..)| *account.as_uuid()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, request, _)| request.key.as_str()).collect::<Vec<_>>())
        .bind(uuids(keys.iter().map(|(.., id)| id)))
        .bind(keys.iter().map(|(_, request, _)| &request.fingerprint[..]).collect::<Vec<_>>())
        .bind(batch.iter().map(|row| row.lease.map(micros)).collect::<Vec<_>>())
        .bind(micros(QUEUE_LEASE))
        .execute(conn)
        .await
        .map(drop)
}

/// When a message that is due later must be looked at.
fn due_at(message: &Message) -> Option<i64> {
    (message.state == State::Scheduled).then(|| message.due_at.min(message.expires_at).as_micros())
}

async fn load_known(conn: &mut PgConnection, batch: &[Insertion]) -> sqlx::Result<Known> {
    let mut known = Known::default();
    let ids = uuids(batch.iter().map(|row| &row.message.id));
    for row in sqlx::query(BY_ID).bind(ids).fetch_all(&mut *conn).await? {
        let MessageRow { message, .. } = MessageRow::read(&mut Columns::of(&row))?;
        known.messages.insert(message.id, message);
    }
    let asked: Vec<_> = batch
        .iter()
        .filter_map(|row| Some((*row.message.account.as_uuid(), row.idempotency.as_ref()?.key.as_str())))
        .collect();
    if asked.is_empty() {
        return Ok(known);
    }
    let (accounts, keys): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    for row in sqlx::query(BY_KEY).bind(accounts).bind(keys).fetch_all(conn).await? {
        let columns = &mut Columns::of(&row);
        let (account, key, fingerprint) = (columns.id()?, columns.take()?, columns.bytes()?);
        let MessageRow { message, .. } = MessageRow::read(columns)?;
        known.keys.insert((account, key), (fingerprint, message.id));
        known.messages.insert(message.id, message);
    }
    Ok(known)
}
