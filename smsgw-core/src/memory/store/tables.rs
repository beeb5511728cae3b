use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::alarms::Alarms;
use super::ended::Ended;
use super::row::Row;
use super::waiting::Waiting;
use crate::id::{AccountId, DeviceId, MessageId};
use crate::message::Message;
use crate::pseudonym::Pseudonyms;
use crate::queue::Job;
use crate::state::{Next, Overdue, State, overdue};
use crate::store::{Claim, Cursor, Due, Moved};
use crate::time::Timestamp;

/// The messages and what finds them.
#[derive(Default)]
pub(super) struct Messages {
    /// Boxed, because a growing table moves its entries.
    pub(super) rows: HashMap<MessageId, Box<Row>>,
    /// The place of each message in the list of its account.
    pub(super) lists: HashMap<AccountId, BTreeSet<Cursor>>,
    /// What each account has asked for under an idempotency key: the request's fingerprint and the message.
    pub(super) keys: HashMap<AccountId, HashMap<String, ([u8; 32], MessageId)>>,
    /// The same keys, oldest first.
    pub(super) keys_by_age: VecDeque<(Timestamp, AccountId, String)>,
    pub(super) indexes: Indexes,
}

/// What follows from the rows as they are: written with each change of a row.
#[derive(Default)]
pub(super) struct Indexes {
    pub(super) alarms: Alarms,
    pub(super) waiting: Waiting,
    pub(super) ended: Ended,
    /// The messages that each device has been given and has not acknowledged.
    dispatched: HashMap<DeviceId, HashSet<MessageId>>,
}

impl Messages {
    /// Adds a message of an unused id.
    pub(super) fn add(&mut self, message: Message, check_at: Timestamp, now: Timestamp) {
        let (id, account) = (message.id, message.account);
        self.lists.entry(account).or_default().insert(place(&message));
        let mut row = Box::new(Row::new(message));
        row.note(now);
        self.indexes.alarms.set(&mut row, Some(check_at));
        self.rows.insert(id, row);
    }

    /// Removes a message that is over.
    pub(super) fn remove(&mut self, id: MessageId) {
        let Some(row) = self.rows.remove(&id) else { return };
        self.indexes.leave(&row.message);
        if let Some(list) = self.lists.get_mut(&row.message.account) {
            list.remove(&place(&row.message));
        }
    }

    /// One message of `account`.
    pub(super) fn owned(&self, account: AccountId, id: MessageId) -> Option<&Row> {
        self.rows.get(&id).map(Box::as_ref).filter(|row| row.message.account == account)
    }
}

impl Indexes {
    /// Writes `next` into `row`, with an event where the state changes.
    pub(super) fn write(&mut self, row: &mut Row, next: Next, now: Timestamp) -> Moved {
        let message = &mut row.message;
        let from = message.state;
        self.leave(message);
        message.state = next.state;
        message.device = next.device;
        message.reason = next.reason;
        message.failure = next.failure;
        message.failures = next.failures;
        message.due_at = next.due_at.unwrap_or(message.due_at);
        match next.state {
            State::Sent => message.sent_at = Some(now),
            State::Delivered => message.delivered_at = Some(now),
            _ => {}
        }
        self.enter(message);
        row.forget_detail();
        let message = &row.message;
        let moved = Moved {
            id: message.id,
            account: message.account,
            device: message.device,
            from,
            to: next.state,
            reason: message.reason,
            at: now,
        };
        self.alarms.set(row, next.check_at);
        // Nobody looks after it any more.
        self.ended.set(row, next.check_at.is_none().then_some(now));
        self.waiting.set(row, next.waits_for);
        if moved.from != moved.to {
            row.note(now);
        }
        moved
    }

    /// Forgets what the message of `row`, which is over, says.
    pub(super) fn erase(&mut self, row: &mut Row, pseudonyms: &Pseudonyms, now: Timestamp) {
        row.erase(pseudonyms, now);
        self.ended.set(row, row.ended_at);
    }

    /// Claims `row` for `device`: the caller has seen that it may.
    pub(super) fn claim(
        &mut self,
        row: &mut Row,
        device: DeviceId,
        lease: Duration,
        now: Timestamp,
    ) -> Message {
        let next = Next::claimed(&row.head(), device, now + lease);
        row.message.attempts += 1;
        self.write(row, next, now);
        row.message.clone()
    }

    /// Does what is due with a `row` whose time has come, and says whether that was anything.
    pub(super) fn look_after(&mut self, row: &mut Row, now: Timestamp, due: &mut Due) -> bool {
        let next = match overdue(&row.head(), now) {
            Overdue::Wait(check_at) => {
                self.alarms.set(row, check_at);
                return false;
            }
            Overdue::Become(next) => next,
        };
        let moved = self.write(row, next, now);
        if moved.to == State::Queued {
            due.jobs.push(Job::of(&row.message));
        } else if row.head().is_canceling()
            && let Some(device) = moved.device
        {
            due.asks.push(Claim { id: moved.id, device });
        }
        // Pushed again, it is where it was.
        if moved.from != moved.to {
            due.moved.push(moved);
        }
        true
    }

    /// The messages that `device` has been given and has not acknowledged.
    pub(super) fn dispatched(&self, device: DeviceId) -> Vec<MessageId> {
        self.dispatched.get(&device).into_iter().flatten().copied().collect()
    }

    fn leave(&mut self, message: &Message) {
        if let Some(device) = message.device.filter(|_| message.state == State::Dispatched)
            && let Some(ids) = self.dispatched.get_mut(&device)
        {
            ids.remove(&message.id);
        }
    }

    fn enter(&mut self, message: &Message) {
        if let Some(device) = message.device.filter(|_| message.state == State::Dispatched) {
            self.dispatched.entry(device).or_default().insert(message.id);
        }
    }
}

/// Where a message stands in the list of its account.
pub(super) fn place(message: &Message) -> Cursor {
    Cursor { at: message.created_at, id: *message.id.as_uuid() }
}
