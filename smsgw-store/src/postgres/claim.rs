//! Taking messages for sending.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use smsgw_core::id::{DeviceId, MessageId};
use smsgw_core::message::{Message, Priority};
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

/// What waits for each of $1, devices and accounts: the first of each, as many as $2 says.
pub(super) const WAITING: &str = concat!(
    "SELECT (SELECT smsgw_now()), m.waits_for, ",
    message_columns!(),
    " FROM unnest((SELECT $1::uuid[]), (SELECT $2::bigint[])) AS v (id, most) CROSS JOIN LATERAL \
     (SELECT * FROM messages AS w WHERE w.waits_for = v.id AND w.expires_at > (SELECT smsgw_now()) \
     ORDER BY w.priority DESC, w.created_at, w.id LIMIT v.most) AS m"
);

/// How often is looked again where another gateway was faster. What is claimed by then is worth more than all of it
/// later: it is under a lease from the first look on.
const LOOKS: usize = 4;

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
        let (now, rows) = read(conn, ids).await?;
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

/// Claims for each of `pulls` what waits for its device or for any device of its account: all in one look and one write,
/// the first of `pulls` first.
pub(super) async fn claim_waiting(
    conn: &mut PgConnection,
    pulls: &[Pull],
    lease: Duration,
    recent: &Recent,
) -> sqlx::Result<Vec<Vec<Message>>> {
    let mut claimed: Vec<Vec<Message>> = vec![Vec::new(); pulls.len()];
    let mut left: Vec<usize> = (0..pulls.len()).collect();
    for _ in 0..LOOKS {
        let room = |place: usize| pulls[place].max - claimed[place].len();
        let (now, mut lines) =
            read_lines(conn, left.iter().map(|place| (&pulls[*place], room(*place)))).await?;
        if lines.is_empty() {
            break;
        }
        let mut changes = Changes::at(now);
        let mut taken = Vec::new();
        for place in &left {
            let pull = &pulls[*place];
            for row in std::iter::from_fn(|| next_of(&mut lines, pull)).take(room(*place)) {
                taken.push((*place, take(&mut changes, row, pull.device, now + lease)));
            }
        }
        let lost = match changes.write(&mut *conn).await {
            Ok(lost) => lost,
            // What was claimed before is to be sent: nobody else may have it now.
            Err(_) if claimed.iter().any(|messages| !messages.is_empty()) => break,
            Err(error) => return Err(error),
        };
        let mut missed = HashSet::new();
        for (place, (message, held)) in taken {
            if lost.contains(&message.id) {
                missed.insert(place);
            } else {
                recent.remember([held]);
                claimed[place].push(message);
            }
        }
        // Where another was faster, there may be more behind what it took.
        left.retain(|place| missed.contains(place));
        if left.is_empty() {
            break;
        }
    }
    // What others were faster to take is theirs, or is asked for again.
    Ok(claimed)
}

/// What waits for a device or an account, the first last.
type Lines = HashMap<Uuid, Vec<MessageRow>>;

/// The time, and as much as these pulls have room for of what waits for them.
async fn read_lines(
    conn: &mut PgConnection,
    pulls: impl Iterator<Item = (&Pull, usize)>,
) -> sqlx::Result<(Timestamp, Lines)> {
    let mut most: HashMap<Uuid, usize> = HashMap::new();
    for (Pull { device, account, .. }, room) in pulls {
        *most.entry(*device.as_uuid()).or_default() += room;
        *most.entry(*account.as_uuid()).or_default() += room;
    }
    let (ids, limits): (Vec<Uuid>, Vec<i64>) = most.into_iter().map(|(id, most)| (id, limit(most))).unzip();
    let (mut now, mut lines) = (Timestamp::EPOCH, Lines::new());
    for row in &sqlx::query(WAITING).bind(ids).bind(limits).fetch_all(conn).await? {
        let columns = &mut Columns::of(row);
        now = columns.time()?;
        lines.entry(columns.take()?).or_default().push(MessageRow::read(columns)?);
    }
    lines.values_mut().for_each(|line| line.sort_by_key(|row| Reverse(turn(row))));
    Ok((now, lines))
}

/// The urgent first, then by age.
fn turn(row: &MessageRow) -> (Reverse<Priority>, Timestamp, MessageId) {
    (Reverse(row.message.priority), row.message.created_at, row.message.id)
}

/// The first of what waits for the device of `pull` or for its account.
fn next_of(lines: &mut Lines, pull: &Pull) -> Option<MessageRow> {
    let both = [*pull.device.as_uuid(), *pull.account.as_uuid()];
    let turn_of = |id: &Uuid| Some((turn(lines.get(id)?.last()?), *id));
    let (_, first) = both.iter().filter_map(turn_of).min()?;
    lines.get_mut(&first)?.pop()
}

/// The time, and the messages of `ids`.
async fn read(conn: &mut PgConnection, ids: Vec<Uuid>) -> sqlx::Result<(Timestamp, Vec<MessageRow>)> {
    let mut now = Timestamp::EPOCH;
    let rows = sqlx::query(TO_CLAIM).bind(ids).fetch_all(conn).await?;
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
