//! A message: one SMS to one recipient.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::id::{AccountId, DeviceId, MessageId};
use crate::phone::PhoneNumber;
use crate::segment::{self, Encoding};
use crate::state::{Head, Reason, State};
use crate::text::printable;
use crate::time::Timestamp;

/// The longest body that is accepted, in segments.
pub const MAX_SEGMENTS: u16 = 10;
/// How long a message may wait where nothing else is said.
pub const DEFAULT_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest time to live, and the farthest `send_at`.
pub const MAX_AHEAD: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The text of a message: not empty, at most [`MAX_SEGMENTS`] segments, no control character but tab, newline and
/// return. Cheap to clone. `Debug` shows its length only, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Arc<str>);

/// Why a text is not a message body. Says nothing of the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing to send.
    #[error("the body is empty")]
    Empty,
    /// A character that no phone shows and some databases refuse.
    #[error("the body holds the control character U+{0:04X}; only newline, return and tab are allowed")]
    Control(u32),
    /// More than [`MAX_SEGMENTS`].
    #[error("the body needs {0} segments; {MAX_SEGMENTS} are allowed")]
    TooLong(u16),
}

impl Body {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`BodyError`] says which rule it breaks.
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, BodyError> {
        let text = text.into();
        if text.is_empty() {
            return Err(BodyError::Empty);
        }
        if let Some(c) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(BodyError::Control(u32::from(c)));
        }
        match segment::segment(&text).segments {
            0..=MAX_SEGMENTS => Ok(Self(text)),
            more => Err(BodyError::TooLong(more)),
        }
    }

    /// A body that a store reads back. It was checked when it was accepted, under the rules of that day.
    pub fn from_stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// What goes first when there is more than the devices can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// In the order of arrival.
    #[default]
    Normal,
    /// Before all that is normal, as one-time passwords.
    High,
}

impl Priority {
    /// As it is written in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// Reads what [`Priority::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Normal, Self::High].into_iter().find(|p| p.as_str() == text)
    }
}

/// Why a message ended without being delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// A stable code: lower-case letters, digits and `_`.
    pub code: String,
    /// More words, where there are any: one line, at most 256 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Failure {
    /// From what a device said. A text that is no code becomes the detail of `other`, made printable and cut.
    pub fn from_device(text: &str) -> Self {
        let is_code = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if is_code {
            Self { code: text.to_owned(), detail: None }
        } else {
            Self { code: "other".into(), detail: Some(printable(text)) }
        }
    }
}

/// A message as the gateway keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Whose it is.
    pub account: AccountId,
    /// Where it is on its way.
    pub state: State,
    /// Why it waits, where it does.
    pub reason: Option<Reason>,
    /// The recipient.
    pub to: PhoneNumber,
    /// The text.
    pub body: Body,
    /// The device that was asked for or chosen. From the claim on it stays, unless that device surely has not got the message.
    pub device: Option<DeviceId>,
    /// Whether the sender asked for that device, so that no other may take the message.
    pub device_fixed: bool,
    /// The slot of the SIM card to use, counted from 1.
    pub sim: Option<u8>,
    /// How the body is encoded on the air.
    pub encoding: Encoding,
    /// How many SMS parts it takes.
    pub segments: u16,
    /// What goes first.
    pub priority: Priority,
    /// How often it was claimed for sending. Raised by each claim, and the fence for what the claimer writes.
    pub attempts: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it is to be sent.
    pub due_at: Timestamp,
    /// When it is no longer wanted.
    pub expires_at: Timestamp,
    /// When the device handed it to the network.
    pub sent_at: Option<Timestamp>,
    /// When the network said that it arrived.
    pub delivered_at: Option<Timestamp>,
    /// Why it failed: for good, or the last time until it is tried again.
    pub failure: Option<Failure>,
    /// How often its device has tried in vain.
    pub failures: u32,
    /// When its text and recipient were erased: the body is empty since then, and the recipient a pseudonym.
    pub erased_at: Option<Timestamp>,
}

/// One line of a message's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageEvent {
    /// When the store wrote it.
    pub at: Timestamp,
    /// The state that was reached or reported.
    pub state: State,
    /// The attempt it belongs to; 0 before the first.
    pub attempt: u32,
    /// The device it belongs to.
    pub device: Option<DeviceId>,
    /// Why the message waits.
    pub reason: Option<Reason>,
    /// A failure's code.
    pub code: Option<String>,
    /// `false` where it came too late and changed nothing.
    pub applied: bool,
}

/// What a caller asks to have sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Whose it is.
    pub account: AccountId,
    /// The recipient.
    pub to: PhoneNumber,
    /// The text.
    pub body: Body,
    /// An id of the caller's choice: submitting it again sends nothing more.
    pub id: Option<MessageId>,
    /// The device that must send it; any device of the account where there is none.
    pub device: Option<DeviceId>,
    /// The slot of the SIM card to use, counted from 1.
    pub sim: Option<u8>,
    /// What goes first.
    pub priority: Priority,
    /// Not before this; at once where there is none.
    pub send_at: Option<Timestamp>,
    /// How long it is wanted, from when it is due.
    pub ttl: Duration,
    /// A key of the caller's choice, unique in the account: submitting it again sends nothing more.
    pub idempotency_key: Option<String>,
}

impl NewMessage {
    /// A message with nothing but what it needs; set the other fields as wanted.
    pub fn new(account: AccountId, to: PhoneNumber, body: Body) -> Self {
        Self {
            account,
            to,
            body,
            id: None,
            device: None,
            sim: None,
            priority: Priority::Normal,
            send_at: None,
            ttl: DEFAULT_TTL,
            idempotency_key: None,
        }
    }

    /// The message as the gateway accepts it at `now` under `id`: `queued`, or `scheduled` for later. For whoever fills a
    /// store without a gateway.
    pub fn accept(self, id: MessageId, now: Timestamp) -> Message {
        let due_at = self.send_at.map_or(now, |at| at.max(now));
        let later = due_at > now;
        let size = segment::segment(self.body.expose());
        Message {
            id,
            account: self.account,
            state: if later { State::Scheduled } else { State::Queued },
            reason: later.then_some(Reason::SendAt),
            to: self.to,
            body: self.body,
            device: self.device,
            device_fixed: self.device.is_some(),
            sim: self.sim,
            encoding: size.encoding,
            segments: size.segments,
            priority: self.priority,
            attempts: 0,
            created_at: now,
            due_at,
            expires_at: due_at + self.ttl,
            sent_at: None,
            delivered_at: None,
            failure: None,
            failures: 0,
            erased_at: None,
        }
    }
}

impl Message {
    /// What the rules of [`crate::state`] want to know of it.
    pub fn head(&self) -> Head {
        Head {
            state: self.state,
            reason: self.reason,
            epoch: self.attempts,
            failures: self.failures,
            account: self.account,
            device: self.device,
            device_fixed: self.device_fixed,
            due_at: self.due_at,
            expires_at: self.expires_at,
        }
    }

    /// Whether its sender has taken it back, and its device is to be asked for it.
    pub fn is_canceling(&self) -> bool {
        self.head().is_canceling()
    }

    /// Whether `other` asks for the same SMS, so that submitting it again is a repetition and not a mistake.
    pub fn same_request(&self, other: &Self) -> bool {
        self.account == other.account
            && self.to == other.to
            && self.body == other.body
            && self.sim == other.sim
            && self.device_fixed == other.device_fixed
            && (!self.device_fixed || self.device == other.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_checked() {
        assert_eq!(Body::new("").err(), Some(BodyError::Empty));
        assert_eq!(Body::new("a\0b").err(), Some(BodyError::Control(0)));
        assert_eq!(Body::new("a\u{9f}b").err(), Some(BodyError::Control(0x9f)));
        assert_eq!(Body::new("a".repeat(1_531)).err(), Some(BodyError::TooLong(11)));
        for good in ["a:b\r\n\tc", "\"; drop table--", "👩‍👩‍👧", "שלום", &"a".repeat(1_530)] {
            assert_eq!(Body::new(good).as_ref().map(Body::expose), Ok(good));
        }
        assert_eq!(format!("{:?}", Body::new("secret").expect("valid")), "Body(6 bytes)");
    }

    #[test]
    fn what_a_device_says_of_a_failure_is_one_short_line() {
        assert_eq!(Failure::from_device("no_service"), Failure { code: "no_service".into(), detail: None });
        let noisy = Failure::from_device(&"\x1b[31mred\n".repeat(100_000));
        assert_eq!(noisy.code, "other");
        let detail = noisy.detail.expect("the text");
        assert!(detail.chars().count() <= 256 && !detail.chars().any(char::is_control));
    }
}
