//! Taking messages for sending.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use smsgw_core::id::{DeviceId, MessageId};
use smsgw_core::message::Message;
use smsgw_core::state::{Head, claimable};
use smsgw_core::store::{Claim, Pull};
use smsgw_core::time::Timestamp;
use uuid::Uuid;

use super::changes::Changes;
use super::damaged::{Rows, WITHHOLD, set_aside};
use super::rows::{MESSAGES_BY_ID, MessageRow, message_json};
use super::sql::{Args, fetch_good};
use super::writer::Transaction;

/// What waits for a device, then what waits for its account, each in order: ?1 one of them, ?2 now, ?3 the limit.
pub(super) const WAITING: &str = concat!(
    "SELECT ",
    message_json!(),
    " FROM messages WHERE waits_for = ?1 AND expires_at > ?2 ORDER BY priority DESC, created_at, id LIMIT ?3"
);

/// Claims each of `claims` that is there, free for its device and not expired.
pub(super) async fn claim(
    transaction: &mut Transaction,
    claims: &[Claim],
    lease: Duration,
) -> sqlx::Result<Vec<Option<Message>>> {
    let now = transaction.now;
    let Rows { good, damaged } = MESSAGES_BY_ID
        .fetch_good(&mut transaction.conn, claims, |args, claim| args.add_id(claim.id.as_uuid()))
        .await?;
    set_aside(transaction, "claim", &WITHHOLD, &damaged).await?;
    let mut found: HashMap<MessageId, (i64, Message)> =
        good.into_iter().map(numbered).map(|row| (row.1.id, row)).collect();
    let mut changes = Changes::at(now);
    let claimed = claims
        .iter()
        .map(|claim| {
            let (_, message) = found.get(&claim.id)?;
            if !claimable(&message.head(), claim.device, now) {
                return None;
            }
            // Taken out, so that a second claim of it in this batch finds nothing.
            let (seq, message) = found.remove(&claim.id)?;
            Some(take(&mut changes, seq, message, claim.device, now + lease))
        })
        .collect();
    changes.write(&mut transaction.conn).await?;
    Ok(claimed)
}

/// Claims for each of `pulls` what waits for its device or for any device of its account. One after the other, so that
/// none sees what an earlier one has taken.
pub(super) async fn claim_waiting(
    transaction: &mut Transaction,
    pulls: &[Pull],
    lease: Duration,
) -> sqlx::Result<Vec<Vec<Message>>> {
    let now = transaction.now;
    let mut pulled = Vec::with_capacity(pulls.len());
    for Pull { device, account, max } in pulls {
        let mut waiting = Vec::new();
        for puller in [device.as_uuid(), account.as_uuid()] {
            waiting.extend(waiting_for(transaction, puller, *max).await?.into_iter().map(numbered));
        }
        waiting.sort_by_key(|(_, message)| (Reverse(message.priority), message.created_at, message.id));
        waiting.truncate(*max);
        let mut changes = Changes::at(now);
        let claim = |(seq, message)| take(&mut changes, seq, message, *device, now + lease);
        pulled.push(waiting.into_iter().map(claim).collect());
        changes.write(&mut transaction.conn).await?;
    }
    Ok(pulled)
}

/// The first `max` messages that wait for `puller`. Looks again where some cannot be read: fewer than `max` would mean
/// that there are no others.
async fn waiting_for(
    transaction: &mut Transaction,
    puller: &Uuid,
    max: usize,
) -> sqlx::Result<Vec<MessageRow>> {
    let mut before = Vec::new();
    loop {
        let args = Args::of(|args| {
            args.add_id(puller)?;
            args.add_time(transaction.now)?;
            args.add_limit(max)
        })?;
        let Rows { good, damaged } = fetch_good(&mut transaction.conn, WAITING, args).await?;
        // The same again: its index is damaged too.
        if damaged.is_empty() || damaged == before {
            return Ok(good);
        }
        set_aside(transaction, "claim_waiting", &WITHHOLD, &damaged).await?;
        before = damaged;
    }
}

fn numbered(row: MessageRow) -> (i64, Message) {
    (row.seq, row.into())
}

/// Claims `message` and returns it as it is then.
fn take(changes: &mut Changes, seq: i64, message: Message, device: DeviceId, until: Timestamp) -> Message {
    let mut head = message.head();
    changes.claim(seq, message.id, &mut head, device, until);
    let Head { state, reason, epoch, device, .. } = head;
    Message { state, attempts: epoch, device, reason, failure: None, ..message }
}
