//! Stored rows. Each struct reads the columns of its macro, in order.

use std::time::Duration;

use smsgw_core::id::{AccountId, DeviceId, MessageId};
use smsgw_core::message::{Body, Failure, Message, MessageEvent, Priority};
use smsgw_core::phone::PhoneNumber;
use smsgw_core::queue::Job;
use smsgw_core::segment::Encoding;
use smsgw_core::state::{Head, Reason, State};
use smsgw_core::store::Cursor;
use smsgw_core::time::Timestamp;
use sqlx::decode::Decode;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{Row, Type};
use uuid::Uuid;

/// The columns of a row, one after the other.
pub(super) struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(super) fn of(row: &'r PgRow) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn take<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> sqlx::Result<T> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index)
    }

    pub(super) fn id<T: From<Uuid>>(&mut self) -> sqlx::Result<T> {
        self.take::<Uuid>().map(T::from)
    }

    pub(super) fn id_or_null<T: From<Uuid>>(&mut self) -> sqlx::Result<Option<T>> {
        Ok(self.take::<Option<Uuid>>()?.map(T::from))
    }

    pub(super) fn time(&mut self) -> sqlx::Result<Timestamp> {
        self.take().map(Timestamp::from_micros)
    }

    pub(super) fn time_or_null(&mut self) -> sqlx::Result<Option<Timestamp>> {
        Ok(self.take::<Option<i64>>()?.map(Timestamp::from_micros))
    }

    /// Bytes of a fixed number.
    pub(super) fn bytes<const N: usize>(&mut self) -> sqlx::Result<[u8; N]> {
        self.take::<&[u8]>()?.try_into().map_err(|_| unreadable())
    }

    /// As [`Columns::bytes`], where there are any.
    pub(super) fn bytes_or_null<const N: usize>(&mut self) -> sqlx::Result<Option<[u8; N]>> {
        self.take::<Option<&[u8]>>()?.map(|bytes| bytes.try_into().map_err(|_| unreadable())).transpose()
    }

    /// A number of the range that it was written from.
    pub(super) fn number<T: TryFrom<i32>>(&mut self) -> sqlx::Result<T> {
        T::try_from(self.take()?).map_err(|_| unreadable())
    }

    /// As [`Columns::number`], of a larger column.
    pub(super) fn large<T: TryFrom<i64>>(&mut self) -> sqlx::Result<T> {
        T::try_from(self.take()?).map_err(|_| unreadable())
    }

    /// As [`Columns::number`], of a smaller column.
    pub(super) fn small<T: TryFrom<i16>>(&mut self) -> sqlx::Result<T> {
        T::try_from(self.take()?).map_err(|_| unreadable())
    }

    pub(super) fn small_or_null<T: TryFrom<i16>>(&mut self) -> sqlx::Result<Option<T>> {
        self.take::<Option<i16>>()?.map(|number| T::try_from(number).map_err(|_| unreadable())).transpose()
    }

    /// A text that `read` knows.
    pub(super) fn word<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> sqlx::Result<T> {
        read(self.take()?).ok_or_else(unreadable)
    }

    pub(super) fn word_or_null<T>(
        &mut self,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> sqlx::Result<Option<T>> {
        self.take::<Option<&str>>()?.map(|text| read(text).ok_or_else(unreadable)).transpose()
    }

    pub(super) fn priority(&mut self) -> sqlx::Result<Priority> {
        let code: i16 = self.take()?;
        Ok(if code == 0 { Priority::Normal } else { Priority::High })
    }
}

/// The error for a value that we would not have written. It does not show the value.
fn unreadable() -> sqlx::Error {
    sqlx::Error::Decode("a value of another shape".into())
}

/// A priority as it is stored: the higher number goes first.
pub(super) const fn priority_code(priority: Priority) -> i16 {
    match priority {
        Priority::Normal => 0,
        Priority::High => 1,
    }
}

/// A number of ours, which is never as large as its column could not hold.
pub(super) fn narrow(number: impl TryInto<i16>) -> i16 {
    number.try_into().unwrap_or(i16::MAX)
}

/// An epoch as it is stored.
pub(super) fn epoch_code(epoch: u32) -> i32 {
    epoch.try_into().unwrap_or(i32::MAX)
}

/// `text` as PostgreSQL takes it. What somebody else has sent is not to be lost for a U+0000 in it, nor to keep what came
/// with it out.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// How many rows are wanted at most.
pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// A span as it is bound.
pub(super) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// The place that a page ends before, past all that can be where there is none.
pub(super) fn end_of(place: Option<Cursor>) -> (i64, Uuid) {
    place.map_or((i64::MAX, Uuid::nil()), |place| (place.at.as_micros(), place.id))
}

/// A message, and which version of its row this is.
pub(super) struct MessageRow {
    pub(super) version: i32,
    pub(super) message: Message,
}

macro_rules! message_columns {
    () => {
        "m.version, m.id, m.account, m.state, m.reason, m.recipient, m.body, m.device, m.device_fixed, m.sim, \
         m.encoding, m.segments, m.priority, m.epoch, m.created_at, m.due_at, m.expires_at, m.sent_at, \
         m.delivered_at, m.failure_code, m.failure_detail, m.failures, m.erased_at"
    };
}
pub(super) use message_columns;

impl MessageRow {
    pub(super) fn read(columns: &mut Columns<'_>) -> sqlx::Result<Self> {
        let version = columns.take()?;
        let message = Message {
            id: columns.id()?,
            account: columns.id()?,
            state: columns.word(State::parse)?,
            reason: columns.word_or_null(Reason::parse)?,
            to: columns.word(|text| PhoneNumber::from_stored(text).ok())?,
            body: Body::from_stored(columns.take::<&str>()?),
            device: columns.id_or_null()?,
            device_fixed: columns.take()?,
            sim: columns.small_or_null()?,
            encoding: columns.word(Encoding::parse)?,
            segments: columns.small()?,
            priority: columns.priority()?,
            attempts: columns.number()?,
            created_at: columns.time()?,
            due_at: columns.time()?,
            expires_at: columns.time()?,
            sent_at: columns.time_or_null()?,
            delivered_at: columns.time_or_null()?,
            failure: {
                let (code, detail): (Option<String>, _) = (columns.take()?, columns.take()?);
                code.map(|code| Failure { code, detail })
            },
            failures: columns.number()?,
            erased_at: columns.time_or_null()?,
        };
        Ok(Self { version, message })
    }

    /// What the rules want to know.
    pub(super) fn held(&self) -> Held {
        let message = &self.message;
        Held { id: message.id, version: self.version, priority: message.priority, head: message.head() }
    }
}

/// What decides what may happen to a message, and which version of its row says so.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: MessageId,
    pub(super) version: i32,
    pub(super) priority: Priority,
    pub(super) head: Head,
}

/// The time, and the columns of a [`Held`].
macro_rules! head_columns {
    () => {
        "(SELECT smsgw_now()), m.id, m.version, m.priority, m.state, m.epoch, m.account, m.device, m.device_fixed, \
         m.expires_at, m.reason, m.failures, m.due_at"
    };
}
pub(super) use head_columns;

impl Held {
    /// Reads the rows of one statement, with what `rest` reads of each, and the time at which it ran; the epoch where
    /// there are no rows.
    pub(super) fn read_all<T>(
        rows: &[PgRow],
        rest: impl Fn(&mut Columns<'_>) -> sqlx::Result<T>,
    ) -> sqlx::Result<(Timestamp, Vec<(Self, T)>)> {
        let mut now = Timestamp::EPOCH;
        let read = rows
            .iter()
            .map(|row| {
                let columns = &mut Columns::of(row);
                now = columns.time()?;
                Ok((Self::read(columns)?, rest(columns)?))
            })
            .collect::<sqlx::Result<_>>()?;
        Ok((now, read))
    }

    fn read(columns: &mut Columns<'_>) -> sqlx::Result<Self> {
        Ok(Self {
            id: columns.id()?,
            version: columns.take()?,
            priority: columns.priority()?,
            head: Head {
                state: columns.word(State::parse)?,
                epoch: columns.number()?,
                account: columns.id()?,
                device: columns.id_or_null()?,
                device_fixed: columns.take()?,
                expires_at: columns.time()?,
                reason: columns.word_or_null(Reason::parse)?,
                failures: columns.number()?,
                due_at: columns.time()?,
            },
        })
    }

    /// What a new message reads.
    pub(super) fn inserted(message: &Message) -> Self {
        Self { id: message.id, version: 0, priority: message.priority, head: message.head() }
    }

    /// The same, once a change of it is written.
    pub(super) fn next_version(self) -> Self {
        Self { version: self.version + 1, ..self }
    }

    pub(super) fn job(&self) -> Job {
        Job { id: self.id, account: self.head.account, priority: self.priority, device: self.head.device }
    }
}

/// One line of a history.
pub(super) fn event(row: &PgRow) -> sqlx::Result<MessageEvent> {
    let mut columns = Columns::of(row);
    Ok(MessageEvent {
        at: columns.time()?,
        state: columns.word(State::parse)?,
        attempt: columns.number()?,
        device: columns.id_or_null()?,
        reason: columns.word_or_null(Reason::parse)?,
        code: columns.take()?,
        applied: columns.take()?,
    })
}

/// Ids as they are bound.
pub(super) fn uuids<'a>(ids: impl IntoIterator<Item = &'a MessageId>) -> Vec<Uuid> {
    ids.into_iter().map(|id| *id.as_uuid()).collect()
}

/// A device's id as it is bound.
pub(super) fn device_uuid(device: Option<DeviceId>) -> Option<Uuid> {
    device.map(|device| *device.as_uuid())
}

/// The parameters of a question after one thing of an account.
pub(super) fn owned(account: AccountId, id: &Uuid) -> (Uuid, Uuid) {
    (*id, *account.as_uuid())
}
