//! Messages whose time has come.

use smsgw_core::queue::Job;
use smsgw_core::state::{Overdue, State, overdue};
use smsgw_core::store::{Claim, Due, DueQuery};
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::changes::Changes;
use super::damaged::{LEAVE_ALONE, Rows, set_aside};
use super::rows::{HeadRow, head_json};
use super::sql::{Args, Batch, Script, fetch_good, part, parts};
use super::writer::Transaction;

/// ?1 now, ?2 the limit.
pub(super) const TO_CHECK: &str =
    concat!("SELECT ", head_json!(), " FROM messages WHERE check_at <= ?1 ORDER BY check_at LIMIT ?2");

/// Without what [`TO_CHECK`] finds.
pub(super) const TO_REQUEUE: &str = concat!(
    "SELECT ",
    head_json!(),
    " FROM messages WHERE requeue_at <= ?1 AND check_at > ?1 ORDER BY requeue_at LIMIT ?2"
);

pub(super) const CHECK_AGAIN: Batch = Batch {
    head: "UPDATE messages SET check_at = v.column2 FROM (VALUES ",
    row: "(?,?)",
    tail: ") AS v WHERE messages.seq = v.column1",
};

/// Looks after at most `query.max` messages.
pub(super) async fn due(transaction: &mut Transaction, query: DueQuery) -> sqlx::Result<Due> {
    let now = transaction.now;
    let Rows { good: mut rows, mut damaged } = look(&mut transaction.conn, TO_CHECK, now, query.max).await?;
    if query.requeue {
        let room = query.max - rows.len() - damaged.len();
        let lost = look(&mut transaction.conn, TO_REQUEUE, now, room).await?;
        rows.extend(lost.good);
        damaged.extend(lost.damaged);
    }
    set_aside(transaction, "due", &LEAVE_ALONE, &damaged).await?;
    let conn = &mut transaction.conn;
    let mut due = Due { more: rows.len() + damaged.len() >= query.max, ..Due::default() };
    let mut changes = Changes::at(now);
    let mut again = Vec::new();
    for row in rows {
        let mut head = row.head();
        match overdue(&head, now) {
            Overdue::Wait(until) => again.push((row.seq, until)),
            Overdue::Become(next) => {
                let moved = changes.apply(row.seq, row.id, &mut head, next, None);
                if moved.to == State::Queued {
                    due.jobs.push(Job {
                        id: row.id,
                        account: head.account,
                        priority: row.priority(),
                        device: head.device,
                    });
                } else if head.is_canceling()
                    && let Some(device) = head.device
                {
                    due.asks.push(Claim { id: row.id, device });
                }
                // Pushed again, it is where it was.
                if moved.from != moved.to {
                    due.moved.push(moved);
                }
            }
        }
    }
    changes.write(conn).await?;
    for number in parts(again.len()) {
        let mut script = Script::default();
        script.add(&CHECK_AGAIN, part(&again, number), |args, (seq, until)| {
            args.add(*seq)?;
            args.add_time_or_null(*until)
        })?;
        script.execute(conn).await?;
    }
    Ok(due)
}

async fn look(
    conn: &mut SqliteConnection,
    sql: &'static str,
    now: Timestamp,
    limit: usize,
) -> sqlx::Result<Rows<HeadRow>> {
    let args = Args::of(|args| {
        args.add_time(now)?;
        args.add_limit(limit)
    })?;
    fetch_good(conn, sql, args).await
}
