//! Erasing what messages and received SMS say, once nobody needs it any more.
//!
//! Texts and numbers are read as bytes and nothing else of a row is, so that no damage keeps a row from being erased.

use smsgw_core::id::{AccountId, MessageId};
use smsgw_core::pseudonym::Pseudonyms;
use smsgw_core::store::Erased;
use smsgw_core::time::Timestamp;
use sqlx::sqlite::SqliteConnection;

use super::messages::owned;
use super::rows::HexBytes;
use super::sql::{Args, Batch, Script, fetch, fetch_first, part, parts};
use super::writer::Transaction;
use crate::erased::of_recipient;

/// Messages that were over before ?1, those first that were over first: at most ?2.
pub(super) const ENDED: &str = "SELECT json_array(seq, hex(recipient)) FROM messages \
     WHERE ended_at < ?1 AND erased_at IS NULL ORDER BY ended_at LIMIT ?2";

/// One message, whether it is over, and whether it is erased.
pub(super) const ONE: &str = "SELECT json_array(seq, hex(recipient), ended_at IS NOT NULL, erased_at IS NOT NULL) \
     FROM messages WHERE id = ? AND account = ?";

/// Number, what is left of the recipient, and the time.
pub(super) const ERASE: Batch = Batch {
    head: "UPDATE messages SET body = '', failure_detail = NULL, recipient = v.column2, erased_at = v.column3 FROM (VALUES ",
    row: "(?,?,?)",
    tail: ") AS v WHERE messages.seq = v.column1",
};

/// What was received before ?1, the oldest first: at most ?2.
pub(super) const RECEIVED: &str = "SELECT json_array(hex(device), hex(id), hex(sender)) FROM inbox \
     WHERE received_at < ?1 AND erased_at IS NULL ORDER BY received_at LIMIT ?2";

/// Device, id, what is left of the sender, and the time.
pub(super) const ERASE_RECEIVED: Batch = Batch {
    head: "UPDATE inbox SET body = '', sender = v.column3, erased_at = v.column4 FROM (VALUES ",
    row: "(?,?,?,?)",
    tail: ") AS v WHERE inbox.device = v.column1 AND inbox.id = v.column2",
};

/// Erases at most `max` messages that were over before `before`. Says how many.
pub(super) async fn erase(
    transaction: &mut Transaction,
    before: Timestamp,
    max: usize,
    pseudonyms: &Pseudonyms,
) -> sqlx::Result<usize> {
    let rows: Vec<(i64, HexBytes)> = fetch(&mut transaction.conn, ENDED, Args::oldest(before, max)?).await?;
    let left: Vec<_> = rows.iter().map(|(seq, number)| (*seq, left_of(pseudonyms, number))).collect();
    write(&mut transaction.conn, &left, transaction.now).await?;
    Ok(left.len())
}

/// Erases one message of `account`, if it is over.
pub(super) async fn erase_message(
    transaction: &mut Transaction,
    account: AccountId,
    id: MessageId,
    pseudonyms: &Pseudonyms,
) -> sqlx::Result<Option<Erased>> {
    let row = fetch_first(&mut transaction.conn, ONE, owned(account, id)?).await?;
    let row: Option<(i64, HexBytes, u8, u8)> = row;
    Ok(match row {
        None => None,
        Some((_, _, 0, _)) => Some(Erased::NotOver),
        Some((seq, number, _, 0)) => {
            let left = [(seq, left_of(pseudonyms, &number))];
            write(&mut transaction.conn, &left, transaction.now).await?;
            Some(Erased::Done)
        }
        Some(_) => Some(Erased::Done),
    })
}

/// Erases at most `max` SMS that were received before `before`. Says how many.
pub(super) async fn erase_received(
    transaction: &mut Transaction,
    before: Timestamp,
    max: usize,
    pseudonyms: &Pseudonyms,
) -> sqlx::Result<usize> {
    let rows: Vec<(HexBytes, HexBytes, HexBytes)> =
        fetch(&mut transaction.conn, RECEIVED, Args::oldest(before, max)?).await?;
    let now = transaction.now;
    for number in parts(rows.len()) {
        let mut script = Script::default();
        script.add(&ERASE_RECEIVED, part(&rows, number), |args, (device, id, sender)| {
            args.add(&device.0[..])?;
            args.add(&id.0[..])?;
            args.add(pseudonyms.of_sender(&String::from_utf8_lossy(&sender.0)))?;
            args.add_time(now)
        })?;
        script.execute(&mut transaction.conn).await?;
    }
    Ok(rows.len())
}

/// Writes what is left of recipients.
async fn write(conn: &mut SqliteConnection, left: &[(i64, String)], now: Timestamp) -> sqlx::Result<()> {
    for number in parts(left.len()) {
        let mut script = Script::default();
        script.add(&ERASE, part(left, number), |args, (seq, recipient)| {
            args.add(*seq)?;
            args.add(recipient.as_str())?;
            args.add_time(now)
        })?;
        script.execute(conn).await?;
    }
    Ok(())
}

fn left_of(pseudonyms: &Pseudonyms, HexBytes(recipient): &HexBytes) -> String {
    of_recipient(pseudonyms, &String::from_utf8_lossy(recipient))
}
