//! New messages.

use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::message::Message;
use smsgw_core::state::Reason;
use smsgw_core::store::{Inserted, Insertion, KEYS_KEPT};
use smsgw_core::time::Timestamp;
use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteConnection;

use super::changes::{Event, add_events};
use super::classify::is_repeated;
use super::rows::{Hex, MESSAGES_BY_ID, MessageRow, message_json, priority_code};
use super::sql::{Args, Batch, Script, part, parts, remove_oldest};
use super::writer::Transaction;
use crate::known::Known;
use crate::looks::looks;

const INSERT: Batch = Batch {
    head: "INSERT INTO messages (seq, id, account, state, reason, recipient, body, device, device_fixed, sim, \
           encoding, segments, priority, epoch, created_at, due_at, expires_at, check_at, requeue_at) \
           SELECT * FROM (VALUES ",
    row: "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    tail: ") WHERE column1 IS NOT NULL",
};

const INSERT_KEYS: Batch = Batch {
    head: "INSERT INTO idempotency (account, key, message, fingerprint, created_at) SELECT * FROM (VALUES ",
    row: "(?,?,?,?,?)",
    tail: ") WHERE column1 IS NOT NULL",
};

/// The oldest keys: ?1 the time that they are not younger than, ?2 the limit.
pub(super) const FORGET: &str = "DELETE FROM idempotency WHERE (account, key) IN \
     (SELECT account, key FROM idempotency WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)";

/// Accounts, keys, fingerprints and messages, by account and key.
pub(super) const BY_KEY: Batch = Batch {
    head: concat!(
        "SELECT json_array(hex(i.account), i.key, hex(i.fingerprint), (SELECT ",
        message_json!(),
        " FROM messages WHERE seq = i.message AND account = i.account)) FROM idempotency AS i WHERE (i.account, i.key) IN (VALUES "
    ),
    row: "(?,?)",
    tail: ")",
};

/// Inserts `batch`. Almost always all of it is new, so nothing is looked up first; where something is not, all of it is.
pub(super) async fn insert(
    transaction: &mut Transaction,
    batch: &[Insertion],
) -> sqlx::Result<Vec<Inserted>> {
    let all: Vec<&Insertion> = batch.iter().collect();
    match write(transaction, &all).await {
        Err(error) if is_repeated(&error) => transaction.undo().await?,
        outcome => return outcome.map(|()| vec![Inserted::New; batch.len()]),
    }
    let mut known = load_known(&mut transaction.conn, batch).await?;
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
    write(transaction, &new).await?;
    Ok(outcomes)
}

async fn write(transaction: &mut Transaction, batch: &[&Insertion]) -> sqlx::Result<()> {
    let now = transaction.now;
    let rows: Vec<(i64, &Insertion)> = (transaction.last_seq + 1..).zip(batch.iter().copied()).collect();
    transaction.last_seq = rows.last().map_or(transaction.last_seq, |(seq, _)| *seq);
    for number in parts(rows.len()) {
        let rows = part(&rows, number);
        let keyed =
            |(seq, row): &(i64, &Insertion)| Some((*seq, row.message.account, row.idempotency.clone()?));
        let keys: Vec<_> = rows.iter().filter_map(keyed).collect();
        let events: Vec<Event> = rows.iter().map(|(seq, row)| first_event(*seq, &row.message, now)).collect();
        let mut script = Script::default();
        script.add(&INSERT, rows, |args, (seq, row)| bind(args, *seq, row, now))?;
        script.add(&INSERT_KEYS, &keys, |args, (seq, account, idempotency)| {
            args.add_id(account.as_uuid())?;
            args.add(idempotency.key.as_str())?;
            args.add(*seq)?;
            args.add(&idempotency.fingerprint[..])?;
            args.add_time(now)
        })?;
        add_events(&mut script, &events)?;
        script.execute(&mut transaction.conn).await?;
    }
    Ok(())
}

fn bind(args: &mut Args, seq: i64, row: &Insertion, now: Timestamp) -> Result<(), BoxDynError> {
    let message = &row.message;
    let (check_at, requeue_at) = looks(message.state, Some(row.check_at(now)), message.expires_at);
    args.add(seq)?;
    args.add_id(message.id.as_uuid())?;
    args.add_id(message.account.as_uuid())?;
    args.add(message.state.as_str())?;
    args.add(message.reason.map(Reason::as_str))?;
    args.add(message.to.expose().as_str())?;
    args.add(message.body.expose())?;
    args.add_id_or_null(message.device.as_ref().map(DeviceId::as_uuid))?;
    args.add(message.device_fixed)?;
    args.add(message.sim)?;
    args.add(message.encoding.as_str())?;
    args.add(message.segments)?;
    args.add(priority_code(message.priority))?;
    args.add(message.attempts)?;
    args.add_time(message.created_at)?;
    args.add_time(message.due_at)?;
    args.add_time(message.expires_at)?;
    args.add_time_or_null(check_at)?;
    args.add_time_or_null(requeue_at)
}

fn first_event(seq: i64, message: &Message, now: Timestamp) -> Event {
    Event {
        message: seq,
        at: now,
        state: message.state,
        attempt: message.attempts,
        device: message.device,
        reason: message.reason,
        code: None,
        applied: true,
        report: None,
    }
}

/// Forgets at most `max` keys that are too old. Says how many.
pub(super) async fn forget_keys(transaction: &mut Transaction, max: usize) -> sqlx::Result<usize> {
    remove_oldest(&mut transaction.conn, FORGET, transaction.now - KEYS_KEPT, max).await
}

async fn load_known(conn: &mut SqliteConnection, batch: &[Insertion]) -> sqlx::Result<Known> {
    let mut known = Known::default();
    let rows = MESSAGES_BY_ID.fetch(conn, batch, |args, row| args.add_id(row.message.id.as_uuid())).await?;
    known.messages.extend(rows.into_iter().flat_map(|rows: Vec<MessageRow>| rows).map(by_id));
    let asked: Vec<_> =
        batch.iter().filter_map(|row| Some((row.message.account, &row.idempotency.as_ref()?.key))).collect();
    let rows: Vec<(AccountId, String, Hex<32>, MessageRow)> = BY_KEY
        .fetch(conn, &asked, |args, (account, key)| {
            args.add_id(account.as_uuid())?;
            args.add(key.as_str())
        })
        .await?;
    for (account, key, Hex(fingerprint), row) in rows {
        let (id, message) = by_id(row);
        known.keys.insert((account, key), (fingerprint, id));
        known.messages.insert(id, message);
    }
    Ok(known)
}

fn by_id(row: MessageRow) -> (MessageId, Message) {
    let message = Message::from(row);
    (message.id, message)
}
