//! Stored rows, as the JSON arrays that the statements answer.
//!
//! Each struct reads an array of its fields in order, and stands beside the SQL that makes that array.

use serde::{Deserialize, Deserializer, de};
use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::message::{Body, Failure, Message, MessageEvent, Priority};
use smsgw_core::phone::PhoneNumber;
use smsgw_core::segment::Encoding;
use smsgw_core::state::{Head, Reason, State};
use smsgw_core::time::Timestamp;

use super::sql::Batch;

/// A whole message.
#[derive(Deserialize)]
pub(super) struct MessageRow {
    pub(super) seq: i64,
    id: MessageId,
    account: AccountId,
    state: State,
    reason: Option<Reason>,
    recipient: PhoneNumber,
    body: String,
    device: Option<DeviceId>,
    device_fixed: u8,
    sim: Option<u8>,
    encoding: Encoding,
    segments: u16,
    priority: u8,
    epoch: u32,
    created_at: Micros,
    due_at: Micros,
    expires_at: Micros,
    sent_at: Option<Micros>,
    delivered_at: Option<Micros>,
    failure_code: Option<String>,
    failure_detail: Option<String>,
    failures: u32,
    erased_at: Option<Micros>,
}

/// A [`MessageRow`].
macro_rules! message_json {
    () => {
        "json_array(seq, hex(id), hex(account), state, reason, recipient, body, nullif(hex(device), ''), \
         device_fixed, sim, encoding, segments, priority, epoch, created_at, due_at, expires_at, sent_at, \
         delivered_at, failure_code, failure_detail, failures, erased_at)"
    };
}
pub(super) use message_json;

/// The [`MessageRow`]s of some ids.
pub(super) const MESSAGES_BY_ID: Batch = Batch {
    head: concat!("SELECT json_group_array(", message_json!(), ") FROM messages WHERE id IN ("),
    row: "?",
    tail: ")",
};

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        Self {
            id: row.id,
            account: row.account,
            state: row.state,
            reason: row.reason,
            to: row.recipient,
            body: Body::from_stored(row.body),
            device: row.device,
            device_fixed: row.device_fixed != 0,
            sim: row.sim,
            encoding: row.encoding,
            segments: row.segments,
            priority: priority(row.priority),
            attempts: row.epoch,
            created_at: row.created_at.0,
            due_at: row.due_at.0,
            expires_at: row.expires_at.0,
            sent_at: row.sent_at.map(|at| at.0),
            delivered_at: row.delivered_at.map(|at| at.0),
            failure: row.failure_code.map(|code| Failure { code, detail: row.failure_detail }),
            failures: row.failures,
            erased_at: row.erased_at.map(|at| at.0),
        }
    }
}

/// What decides what may happen to a message, and what a [`Job`](smsgw_core::queue::Job) says of it.
#[derive(Deserialize)]
pub(super) struct HeadRow {
    pub(super) seq: i64,
    pub(super) id: MessageId,
    account: AccountId,
    state: State,
    device: Option<DeviceId>,
    device_fixed: u8,
    priority: u8,
    epoch: u32,
    expires_at: Micros,
    reason: Option<Reason>,
    failures: u32,
    due_at: Micros,
}

/// A [`HeadRow`].
macro_rules! head_json {
    () => {
        "json_array(seq, hex(id), hex(account), state, nullif(hex(device), ''), device_fixed, priority, epoch, \
         expires_at, reason, failures, due_at)"
    };
}
pub(super) use head_json;

impl HeadRow {
    pub(super) fn head(&self) -> Head {
        Head {
            state: self.state,
            reason: self.reason,
            epoch: self.epoch,
            failures: self.failures,
            account: self.account,
            device: self.device,
            device_fixed: self.device_fixed != 0,
            due_at: self.due_at.0,
            expires_at: self.expires_at.0,
        }
    }

    pub(super) fn priority(&self) -> Priority {
        priority(self.priority)
    }
}

/// One line of a history.
#[derive(Deserialize)]
pub(super) struct EventRow {
    at: Micros,
    state: State,
    attempt: u32,
    device: Option<DeviceId>,
    reason: Option<Reason>,
    code: Option<String>,
    applied: u8,
}

impl From<EventRow> for MessageEvent {
    fn from(row: EventRow) -> Self {
        Self {
            at: row.at.0,
            state: row.state,
            attempt: row.attempt,
            device: row.device,
            reason: row.reason,
            code: row.code,
            applied: row.applied != 0,
        }
    }
}

/// A priority as it is stored: the higher number goes first.
pub(super) const fn priority_code(priority: Priority) -> i64 {
    match priority {
        Priority::Normal => 0,
        Priority::High => 1,
    }
}

const fn priority(code: u8) -> Priority {
    if code == 0 { Priority::Normal } else { Priority::High }
}

/// A time, stored as microseconds.
#[derive(Clone, Copy)]
pub(super) struct Micros(pub(super) Timestamp);

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(|micros| Self(Timestamp::from_micros(micros)))
    }
}

/// Bytes that are not a UUID, answered as hexadecimal digits.
pub(super) struct Hex<const N: usize>(pub(super) [u8; N]);

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let HexBytes(bytes) = HexBytes::deserialize(deserializer)?;
        bytes.try_into().map(Self).map_err(|_| de::Error::custom("bytes of another length"))
    }
}

/// Any number of bytes.
pub(super) struct HexBytes(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        bytes.map(Self).ok_or_else(|| de::Error::custom("no hexadecimal digits"))
    }
}
