//! Changes of state.

use std::collections::{HashMap, HashSet};

use smsgw_core::id::{DeviceId, MessageId, ReportId};
use smsgw_core::state::{Change, Decision, Head, Report, Transition, decide, recalled};
use smsgw_core::store::Advanced;
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::changes::Changes;
use super::classify::is_repeated;
use super::damaged::{LEAVE_ALONE, Rows, set_aside};
use super::rows::{HeadRow, head_json};
use super::sql::Batch;
use super::writer::Transaction;

pub(super) const HEADS: Batch = Batch {
    head: concat!("SELECT json_group_array(", head_json!(), ") FROM messages WHERE id IN ("),
    row: "?",
    tail: ")",
};

/// The reports that messages have seen, by message and report.
pub(super) const SEEN: Batch = Batch {
    head: "SELECT json_array(message, hex(report)) FROM message_events WHERE (message, report) IN (VALUES ",
    row: "(?,?)",
    tail: ")",
};

pub(super) const DISPATCHED: Batch = Batch {
    head: concat!(
        "SELECT json_group_array(",
        head_json!(),
        ") FROM messages WHERE state = 'dispatched' AND check_at IS NOT NULL AND device IN ("
    ),
    row: "?",
    tail: ")",
};

/// What messages read; none where that cannot be read.
type Heads = HashMap<MessageId, Option<(i64, Head)>>;
type Seen = HashSet<(i64, ReportId)>;

/// Makes the transitions of `batch`, in order. Reports are rarely repeated, so which were seen is looked up only
/// where one was.
pub(super) async fn advance(
    transaction: &mut Transaction,
    batch: &[Transition],
) -> sqlx::Result<Vec<Advanced>> {
    let Rows::<HeadRow> { good, damaged } = HEADS
        .fetch_good(&mut transaction.conn, batch, |args, transition| args.add_id(transition.id.as_uuid()))
        .await?;
    transaction.damage.tell("advance", &damaged);
    let damaged = damaged.into_iter().filter_map(|name| Some((name.id?.into(), None)));
    let heads: Heads =
        good.into_iter().map(|row| (row.id, Some((row.seq, row.head())))).chain(damaged).collect();
    let (changes, outcomes) = decide_all(batch, heads.clone(), Seen::new(), transaction.now);
    match changes.write(&mut transaction.conn).await {
        Err(error) if is_repeated(&error) => transaction.undo().await?,
        outcome => return outcome.map(|()| outcomes),
    }
    let seen = seen(&mut transaction.conn, batch, &heads).await?;
    let (changes, outcomes) = decide_all(batch, heads, seen, transaction.now);
    changes.write(&mut transaction.conn).await?;
    Ok(outcomes)
}

/// Sets aside again what `devices`, each named once, were given and have not acknowledged. Says how many.
pub(super) async fn recall(transaction: &mut Transaction, devices: Vec<DeviceId>) -> sqlx::Result<u64> {
    let Rows::<HeadRow> { good, damaged } = DISPATCHED
        .fetch_good(&mut transaction.conn, &devices, |args, device| args.add_id(device.as_uuid()))
        .await?;
    set_aside(transaction, "recall", &LEAVE_ALONE, &damaged).await?;
    let mut changes = Changes::at(transaction.now);
    let mut count = 0;
    for row in good {
        let mut head = row.head();
        if let Some(next) = head.device.and_then(|device| recalled(&head, device)) {
            changes.apply(row.seq, row.id, &mut head, next, None);
            count += 1;
        }
    }
    changes.write(&mut transaction.conn).await?;
    Ok(count)
}

/// What the rules say to each of `batch`, given what the messages read and the reports that were `seen`.
fn decide_all(
    batch: &[Transition],
    mut heads: Heads,
    mut seen: Seen,
    now: Timestamp,
) -> (Changes, Vec<Advanced>) {
    let mut changes = Changes::at(now);
    let outcomes = batch
        .iter()
        .map(|transition| {
            let (seq, head) = match heads.get_mut(&transition.id) {
                Some(Some(found)) => (found.0, &mut found.1),
                // It is there, so whoever speaks of it has not made it up.
                Some(None) => return Advanced::Unchanged,
                None => return Advanced::Missing,
            };
            let report = report_of(transition);
            let decision = decide(head, transition, now);
            let counts = matches!(decision, Decision::Apply(_) | Decision::Record);
            if counts && report.is_some_and(|report| !seen.insert((seq, report.id))) {
                return Advanced::Unchanged;
            }
            match (decision, report) {
                (Decision::Apply(next), _) => {
                    let id = report.map(|report| report.id);
                    Advanced::Applied(changes.apply(seq, transition.id, head, next, id))
                }
                (Decision::Record, Some(report)) => {
                    changes.record(seq, head, report.state.into(), report.id, report.failure.as_ref());
                    Advanced::Recorded
                }
                (Decision::Record | Decision::Unchanged, _) => Advanced::Unchanged,
                (Decision::Stale, _) => Advanced::Stale,
                (Decision::Foreign, _) => Advanced::Foreign,
            }
        })
        .collect();
    (changes, outcomes)
}

/// Which reports of `batch` its messages have seen before.
async fn seen(conn: &mut SqliteConnection, batch: &[Transition], heads: &Heads) -> sqlx::Result<Seen> {
    let asked: Vec<(i64, ReportId)> = batch
        .iter()
        .filter_map(|transition| Some((heads.get(&transition.id)?.as_ref()?.0, report_of(transition)?.id)))
        .collect();
    let rows = SEEN
        .fetch(conn, &asked, |args, (seq, report)| {
            args.add(*seq)?;
            args.add_id(report.as_uuid())
        })
        .await?;
    Ok(rows.into_iter().collect())
}

fn report_of(transition: &Transition) -> Option<&Report> {
    match &transition.change {
        Change::Reported(report) => Some(report),
        _ => None,
    }
}
