//! Rows that cannot be read. Each is left out by itself, so that it holds up nobody else, and told of once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Deserializer;
use uuid::Uuid;

use super::sql::{Batch, Script, part, parts};
use super::writer::Transaction;

/// The most rows that are told of while the store is open.
const TOLD: usize = 10_000;

/// Nobody is given these messages any more. Their ends are looked after as before.
pub(super) const WITHHOLD: Batch = Batch {
    head: "UPDATE messages SET requeue_at = NULL, waits_for = NULL WHERE seq IN (",
    row: "?",
    tail: ")",
};

/// These messages are looked at by nobody until somebody repairs them.
pub(super) const LEAVE_ALONE: Batch = Batch {
    head: "UPDATE messages SET check_at = NULL, requeue_at = NULL, waits_for = NULL WHERE seq IN (",
    row: "?",
    tail: ")",
};

/// What is known of a row that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name {
    /// A message's number.
    pub(super) seq: Option<i64>,
    pub(super) id: Option<Uuid>,
}

impl Name {
    /// Of a row that begins with its id, or with its number and its id. Neither holds a comma.
    fn of(json: &[u8]) -> Self {
        let text = String::from_utf8_lossy(json);
        let fields: Vec<&str> =
            text.split(',').take(2).map(|field| field.trim_matches(['[', ']', '"'])).collect();
        Self {
            seq: fields.first().and_then(|field| field.parse().ok()),
            id: fields.iter().find_map(|field| Uuid::try_parse(field).ok()),
        }
    }
}

impl From<Uuid> for Name {
    fn from(id: Uuid) -> Self {
        Self { seq: None, id: Some(id) }
    }
}

/// What could be read of an answer, in order, and what could not.
pub(super) struct Rows<R> {
    pub(super) good: Vec<R>,
    pub(super) damaged: Vec<Name>,
}

impl<R: DeserializeOwned> Rows<R> {
    pub(super) const fn new() -> Self {
        Self { good: Vec::new(), damaged: Vec::new() }
    }

    /// Adds one row.
    pub(super) fn add(&mut self, json: &[u8]) {
        match read(json) {
            Some(row) => self.good.push(row),
            None => self.damaged.push(Name::of(json)),
        }
    }

    /// Adds an array of rows; one by one only where they cannot be read together.
    pub(super) fn add_all(&mut self, json: &[u8]) {
        match read::<Vec<R>>(json) {
            Some(rows) => self.good.extend(rows),
            None => elements(json).into_iter().for_each(|row| self.add(row)),
        }
    }
}

fn read<R: DeserializeOwned>(json: &[u8]) -> Option<R> {
    serde_json::from_str(std::str::from_utf8(json).ok()?).ok()
}

/// The arrays in an array, of which any may hold what is not UTF-8.
fn elements(json: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    let mut rest = json;
    // Past the bracket at first, then past commas.
    while let Some((_, values)) = rest.split_first() {
        let mut ahead = Deserializer::from_slice(values).into_iter::<IgnoredAny>();
        let Some(Ok(_)) = ahead.next() else { break };
        let (element, after) = values.split_at(ahead.byte_offset());
        elements.push(element);
        rest = after;
    }
    elements
}

/// Tells the operator of damaged rows: which, never what is in them.
#[derive(Default)]
pub(super) struct DamageLog(Mutex<HashSet<Name>>);

impl DamageLog {
    /// Tells of those that it has not told of before.
    pub(super) fn tell(&self, operation: &'static str, damaged: &[Name]) {
        if damaged.is_empty() {
            return;
        }
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in damaged {
            if told.len() < TOLD && told.insert(*name) {
                let id = name.id.map(tracing::field::display);
                let damaged = told.len();
                tracing::error!(operation, id, damaged, "set aside a stored row that cannot be read");
            }
        }
    }
}

/// Tells of messages that cannot be read and has `batch` set them aside.
pub(super) async fn set_aside(
    transaction: &mut Transaction,
    operation: &'static str,
    batch: &Batch,
    damaged: &[Name],
) -> sqlx::Result<()> {
    transaction.damage.tell(operation, damaged);
    for number in parts(damaged.len()) {
        let mut script = Script::default();
        script.add(batch, part(damaged, number), |args, name| args.add(name.seq))?;
        script.execute(&mut transaction.conn).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(json: &[u8]) -> (Vec<(i64, String, u8)>, Vec<Name>) {
        let mut rows = Rows::new();
        rows.add_all(json);
        (rows.good, rows.damaged)
    }

    #[test]
    fn one_damaged_row_hides_no_other() {
        let good = |n| (n, "[]\",".to_owned(), 1);
        let id = Uuid::from_u128(0x0199_a3c4_5e6f_7a8b_9c0d_1e2f_3a4b_5c6d);
        let named = |seq| Name { seq: Some(seq), id: Some(id) };
        assert_eq!(rows(br#"[]"#), (vec![], vec![]));
        assert_eq!(rows(br#"[[1,"[]\",",1],[2,"[]\",",1]]"#), (vec![good(1), good(2)], vec![]));
        for damage in [&b"300"[..], b"-1", b"null", b"\"\xff\"", b"\"\xc3\"", b"9e999", b"[[]]"] {
            let bad = [br#"[7,"0199A3C45E6F7A8B9C0D1E2F3A4B5C6D","#, damage, b"]"].concat();
            for (list, expected) in [
                ([&b"["[..], &bad, br#",[1,"[]\",",1]]"#].concat(), vec![good(1)]),
                ([&br#"[[1,"[]\",",1],"#[..], &bad, br#",[2,"[]\",",1]]"#].concat(), vec![good(1), good(2)]),
                ([&br#"[[1,"[]\",",1],"#[..], &bad, b"]"].concat(), vec![good(1)]),
            ] {
                assert_eq!(rows(&list), (expected, vec![named(7)]));
            }
        }
    }

    #[test]
    fn names_are_what_can_be_known() {
        let id = Uuid::from_u128(0x0199_a3c4_5e6f_7a8b_9c0d_1e2f_3a4b_5c6d);
        assert_eq!(Name::of(br#"["0199A3C45E6F7A8B9C0D1E2F3A4B5C6D","x"]"#), Name::from(id));
        assert_eq!(Name::of(br#"[7,"01","x"]"#), Name { seq: Some(7), id: None });
        // All digits, but an id.
        let digits = Name::of(br#"["01990000000070008000000000000001"]"#);
        assert!(digits.seq.is_none() && digits.id.is_some());
        assert_eq!(Name::of(b""), Name { seq: None, id: None });
    }
}
