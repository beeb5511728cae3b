//! Changes of state.

use std::collections::{HashMap, HashSet};

use smsgw_core::id::{DeviceId, MessageId, ReportId};
use smsgw_core::state::{Change, Decision, Report, Transition, decide, recalled};
use smsgw_core::store::Advanced;
use smsgw_core::time::Timestamp;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::changes::Changes;
use super::classify::is_repeated;
use super::recent::Recent;
use super::rows::{Held, head_columns, uuids};
use super::{ROUNDS, contended};

pub(super) const HEADS: &str =
    concat!("SELECT ", head_columns!(), " FROM messages AS m WHERE m.id = ANY ((SELECT $1::uuid[])::uuid[])");

/// The reports that messages have seen, by message and report.
pub(super) const SEEN: &str = "SELECT e.message, e.report \
     FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[])) AS v (message, report) \
     JOIN message_events AS e ON e.message = v.message AND e.report = v.report";

/// What devices were given and are to report: what is looked at by itself, and what came in a batch that is still leased.
pub(super) const DISPATCHED: &str = concat!(
    "SELECT ",
    head_columns!(),
    " FROM messages AS m WHERE m.state = 'dispatched' AND m.look_at IS NOT NULL \
     AND m.device = ANY ((SELECT $1::uuid[])::uuid[]) UNION ALL SELECT ",
    head_columns!(),
    " FROM messages AS m WHERE m.state = 'dispatched' AND m.look_at IS NULL AND m.check_at IS NOT NULL \
     AND m.device = ANY ((SELECT $1::uuid[])::uuid[]) AND m.created_at >= (SELECT min(since) FROM message_leases)"
);

type Heads = HashMap<MessageId, Held>;
type Seen = HashSet<(MessageId, ReportId)>;

/// Makes the transitions of `batch`, in order. What somebody else has changed between reading and writing is decided
/// again. Reports are rarely repeated, so which were seen is looked up only where one was.
pub(super) async fn advance(
    conn: &mut PgConnection,
    batch: &[Transition],
    recent: &Recent,
) -> sqlx::Result<Vec<Advanced>> {
    let mut outcomes = vec![Advanced::Missing; batch.len()];
    let mut left: Vec<usize> = (0..batch.len()).collect();
    let mut seen = Seen::new();
    // Of the first round alone: after that somebody else has changed what is left.
    let mut known = recent.take(batch.iter().map(|transition| &transition.id));
    for _ in 0..ROUNDS {
        if left.is_empty() {
            return Ok(outcomes);
        }
        let ids = left.iter().map(|place| &batch[*place].id);
        let unknown: HashSet<&MessageId> = ids.filter(|id| !known.contains_key(id)).collect();
        let (now, mut heads) = load_heads(conn, unknown).await?;
        // Held against the version, as all is that is written; what is not written must be read.
        let unread: HashSet<MessageId> = known.keys().copied().collect();
        heads.extend(known.drain());
        let mut changes = Changes::at(now);
        let mut counted = seen.clone();
        for place in &left {
            outcomes[*place] = decide_one(&batch[*place], &mut heads, &mut counted, &mut changes, now);
        }
        let written: HashMap<MessageId, bool> = changes.written().collect();
        match changes.write(&mut *conn).await {
            Ok(lost) => {
                recent.remember(heads.into_values().filter_map(|held| {
                    let is_changed = written.get(&held.id) == Some(&true) && !lost.contains(&held.id);
                    is_changed.then(|| held.next_version())
                }));
                left.retain(|place| {
                    let id = &batch[*place].id;
                    lost.contains(id) || unread.contains(id) && !written.contains_key(id)
                });
            }
            Err(error) if is_repeated(&error) => seen = load_seen(conn, batch).await?,
            Err(error) => return Err(error),
        }
    }
    Err(contended())
}

/// The time, and messages as they are.
async fn load_heads(conn: &mut PgConnection, ids: HashSet<&MessageId>) -> sqlx::Result<(Timestamp, Heads)> {
    if !ids.is_empty() {
        let rows = sqlx::query(HEADS).bind(uuids(ids)).fetch_all(&mut *conn).await?;
        let (now, heads) = Held::read_all(&rows, |_| Ok(()))?;
        if !heads.is_empty() {
            return Ok((now, heads.into_iter().map(|(held, ())| (held.id, held)).collect()));
        }
    }
    let now: i64 = sqlx::query_scalar("SELECT smsgw_now()").fetch_one(conn).await?;
    Ok((Timestamp::from_micros(now), Heads::new()))
}

/// What the rules say to one transition, given what the messages read and the reports that were `seen`.
fn decide_one(
    transition: &Transition,
    heads: &mut Heads,
    seen: &mut Seen,
    changes: &mut Changes,
    now: Timestamp,
) -> Advanced {
    let Some(held) = heads.get_mut(&transition.id) else { return Advanced::Missing };
    let report = report_of(transition);
    let decision = decide(&held.head, transition, now);
    let counts = matches!(decision, Decision::Apply(_) | Decision::Record);
    if counts && report.is_some_and(|report| !seen.insert((transition.id, report.id))) {
        return Advanced::Unchanged;
    }
    match (decision, report) {
        (Decision::Apply(next), _) => {
            Advanced::Applied(changes.apply(held, next, report.map(|report| report.id)))
        }
        (Decision::Record, Some(report)) => {
            changes.record(held, report.state.into(), report.id, report.failure.as_ref());
            Advanced::Recorded
        }
        (Decision::Record | Decision::Unchanged, _) => Advanced::Unchanged,
        (Decision::Stale, _) => Advanced::Stale,
        (Decision::Foreign, _) => Advanced::Foreign,
    }
}

/// Which reports of `batch` its messages have seen before.
async fn load_seen(conn: &mut PgConnection, batch: &[Transition]) -> sqlx::Result<Seen> {
    let asked: HashSet<(Uuid, Uuid)> = batch
        .iter()
        .filter_map(|transition| Some((*transition.id.as_uuid(), *report_of(transition)?.id.as_uuid())))
        .collect();
    let (messages, reports): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(SEEN).bind(messages).bind(reports).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(message, report)| (message.into(), report.into())).collect())
}

fn report_of(transition: &Transition) -> Option<&Report> {
    match &transition.change {
        Change::Reported(report) => Some(report),
        _ => None,
    }
}

/// Sets aside again what `devices` were given and have not acknowledged. Says how many.
pub(super) async fn recall(conn: &mut PgConnection, devices: &[DeviceId]) -> sqlx::Result<u64> {
    let devices: Vec<Uuid> = devices.iter().map(|device| *device.as_uuid()).collect();
    let rows = sqlx::query(DISPATCHED).bind(devices).fetch_all(&mut *conn).await?;
    let (now, heads) = Held::read_all(&rows, |_| Ok(()))?;
    let mut changes = Changes::at(now);
    let mut count = 0;
    for (mut held, ()) in heads {
        if let Some(next) = held.head.device.and_then(|device| recalled(&held.head, device)) {
            changes.apply(&mut held, next, None);
            count += 1;
        }
    }
    // Those that somebody else has changed meanwhile were acknowledged, or are looked after.
    let lost = changes.write(conn).await?;
    Ok(count - lost.len() as u64)
}
