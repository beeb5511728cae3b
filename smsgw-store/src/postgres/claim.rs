//! Taking messages for sending.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use smsgw_core::id::{DeviceId, MessageId};
use smsgw_core::message::Message;
use smsgw_core::state::claimable;
use smsgw_core::store::{Claim, Pull};
use smsgw_core::time::Timestamp;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::changes::Changes;
use super::recent::Recent;
use super::rows::{Columns, Held, MessageRow, limit, message_columns, uuids};
use super::{ROUNDS, contended};

pub(super) const TO_CLAIM: &str = concat!(
    "SELECT (SELECT smsgw_now()), ",
    message_columns!(),
    " FROM messages AS m WHERE m.id = ANY ((SELECT $1::uuid[])::uuid[])"
);

/// What waits for a device or an account, in order: $1 one of them, $2 the limit.
pub(super) const WAITING: &str = concat!(
    "SELECT (SELECT smsgw_now()), ",
    message_columns!(),
    " FROM messages AS m WHERE m.waits_for = $1 AND m.expires_at > (SELECT smsgw_now()) \
     ORDER BY m.priority DESC, m.created_at, m.id LIMIT $2"
);

/// For which of $1, devices and accounts, anything waits.
pub(super) const LINES: &str = "SELECT v.id FROM unnest((SELECT $1::uuid[])) AS v (id) \
     WHERE EXISTS (SELECT FROM messages AS m WHERE m.waits_for = v.id)";

/// Claims each of `claims` that is there, free for its device and not expired.
pub(super) async fn claim(
    conn: &mut PgConnection,
    claims: &[Claim],
    lease: Duration,
    recent: &Recent,
) -> sqlx::Result<Vec<Option<Message>>> {
    let mut outcomes: Vec<Option<Message>> = vec![None; claims.len()];
    let mut left: Vec<usize> = (0..claims.len()).collect();
    for _ in 0..ROUNDS {
        if left.is_empty() {
            return Ok(outcomes);
        }
        let ids = uuids(left.iter().map(|place| &claims[*place].id));
        let (now, rows) = read(sqlx::query(TO_CLAIM).bind(ids), conn).await?;
        let mut found: HashMap<MessageId, MessageRow> =
            rows.into_iter().map(|row| (row.message.id, row)).collect();
        let mut changes = Changes::at(now);
        let mut taken = Vec::with_capacity(found.len());
        left.retain(|place| {
            let Claim { id, device } = claims[*place];
            let is_free = found.get(&id).is_some_and(|row| claimable(&row.held().head, device, now));
            // Taken out, so that a second claim of it in this batch finds nothing.
            let Some(row) = is_free.then(|| found.remove(&id)).flatten() else { return false };
            let (message, held) = take(&mut changes, row, device, now + lease);
            outcomes[*place] = Some(message);
            taken.push(held);
            true
        });
        let lost = changes.write(&mut *conn).await?;
        recent.remember(taken.into_iter().filter(|held| !lost.contains(&held.id)));
        // Somebody else was at them: perhaps they are free all the same.
        left.retain(|place| lost.contains(&claims[*place].id));
        left.iter().for_each(|place| outcomes[*place] = None);
    }
    Err(contended())
}

/// Claims for each of `pulls` what waits for its device or for any device of its account.
pub(super) async fn claim_waiting(
    conn: &mut PgConnection,
    pulls: &[Pull],
    lease: Duration,
) -> sqlx::Result<Vec<Vec<Message>>> {
    // Most devices that ask in the course of things have nothing that waits for them: one question finds out for all.
    let pullers = pulls.iter().flat_map(|pull| [*pull.device.as_uuid(), *pull.account.as_uuid()]);
    let pullers: HashSet<Uuid> = pullers.collect();
    let lines = sqlx::query_scalar(LINES).bind(pullers.into_iter().collect::<Vec<_>>());
    let lines: HashSet<Uuid> = lines.fetch_all(&mut *conn).await?.into_iter().collect();
    let mut pulled = Vec::with_capacity(pulls.len());
    for pull in pulls {
        let waits = lines.contains(pull.device.as_uuid()) || lines.contains(pull.account.as_uuid());
        pulled.push(if waits { claim_line(conn, pull, lease).await? } else { Vec::new() });
    }
    Ok(pulled)
}

/// One pull after the other, so that none sees what an earlier one has taken.
async fn claim_line(
    conn: &mut PgConnection,
    Pull { device, account, max }: &Pull,
    lease: Duration,
) -> sqlx::Result<Vec<Message>> {
    let mut claimed: Vec<Message> = Vec::new();
    for _ in 0..ROUNDS {
        let room = max - claimed.len();
        let (mut now, mut waiting) = (Timestamp::EPOCH, Vec::new());
        for puller in [device.as_uuid(), account.as_uuid()] {
            let line = read(sqlx::query(WAITING).bind(*puller).bind(limit(room)), conn).await?;
            now = now.max(line.0);
            waiting.extend(line.1);
        }
        waiting.sort_by_key(|row: &MessageRow| {
            (Reverse(row.message.priority), row.message.created_at, row.message.id)
        });
        waiting.truncate(room);
        let mut changes = Changes::at(now);
        let mut taken: Vec<_> =
            waiting.into_iter().map(|row| take(&mut changes, row, *device, now + lease).0).collect();
        let lost: HashSet<MessageId> = changes.write(&mut *conn).await?;
        taken.retain(|message| !lost.contains(&message.id));
        claimed.extend(taken);
        // Where another was faster, there may be more behind what it took.
        if lost.is_empty() || claimed.len() == *max {
            break;
        }
    }
    // Others were faster every time: what is left is theirs to take, or is asked for again.
    Ok(claimed)
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

/// The time, and whole messages.
async fn read(query: Query<'_>, conn: &mut PgConnection) -> sqlx::Result<(Timestamp, Vec<MessageRow>)> {
    let mut now = Timestamp::EPOCH;
    let rows = query.fetch_all(conn).await?;
    let rows = rows
        .iter()
        .map(|row| {
            let columns = &mut Columns::of(row);
            now = columns.time()?;
            MessageRow::read(columns)
        })
        .collect::<sqlx::Result<_>>()?;
    Ok((now, rows))
}

/// Claims the message of `row` and returns it as it is once that is written, and what it reads then.
fn take(changes: &mut Changes, row: MessageRow, device: DeviceId, until: Timestamp) -> (Message, Held) {
    let mut held = row.held();
    changes.claim(&mut held, device, until);
    let head = held.head;
    let message = Message {
        state: head.state,
        attempts: head.epoch,
        device: head.device,
        reason: head.reason,
        failure: None,
        ..row.message
    };
    (message, held.next_version())
}
