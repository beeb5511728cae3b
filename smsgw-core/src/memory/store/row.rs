use std::collections::BTreeSet;

use crate::id::ReportId;
use crate::message::{Body, Message, MessageEvent};
use crate::pseudonym::Pseudonyms;
use crate::state::{Head, State, WaitsFor};
use crate::time::Timestamp;

/// A message and what the store keeps beside it. The fields that an index mirrors are written by that index only.
pub(super) struct Row {
    pub(super) message: Message,
    /// Its history, oldest first.
    pub(super) events: Vec<MessageEvent>,
    /// The reports that were applied or recorded.
    pub(super) reports: BTreeSet<ReportId>,
    /// When `due` must look at it; written by [`Alarms`](super::alarms::Alarms).
    pub(super) check_at: Option<Timestamp>,
    /// Its alarm that counts; written by [`Alarms`](super::alarms::Alarms).
    pub(super) alarm_at: Option<Timestamp>,
    /// Whether it is parked; written by [`Alarms`](super::alarms::Alarms).
    pub(super) parked: bool,
    /// When it was over, where it is; written by [`Ended`](super::ended::Ended).
    pub(super) ended_at: Option<Timestamp>,
    /// Who may pull it; written by [`Waiting`](super::waiting::Waiting).
    pub(super) waits_for: Option<WaitsFor>,
}

impl Row {
    pub(super) fn new(message: Message) -> Self {
        Self {
            message,
            // Queued, sending, dispatched, and what its device says.
            events: Vec::with_capacity(4),
            reports: BTreeSet::new(),
            check_at: None,
            alarm_at: None,
            parked: false,
            ended_at: None,
            waits_for: None,
        }
    }

    /// What the rules of [`crate::state`] want to know.
    pub(super) fn head(&self) -> Head {
        self.message.head()
    }

    /// Whether it waits in the queue for its turn, and its life has not ended.
    pub(super) fn is_in_queue(&self, now: Timestamp) -> bool {
        self.message.state == State::Queued && now < self.message.expires_at
    }

    /// Forgets what the message says.
    pub(super) fn erase(&mut self, pseudonyms: &Pseudonyms, now: Timestamp) {
        let message = &mut self.message;
        message.body = Body::from_stored("");
        message.to = pseudonyms.of_number(message.to);
        message.erased_at = message.erased_at.or(Some(now));
        self.forget_detail();
    }

    /// Forgets what a device said in its own words, where the message is erased: a number may be among them.
    pub(super) fn forget_detail(&mut self) {
        let is_erased = self.message.erased_at.is_some();
        if let Some(failure) = self.message.failure.as_mut().filter(|_| is_erased) {
            failure.detail = None;
        }
    }

    /// Writes the state that the message has into its history.
    pub(super) fn note(&mut self, at: Timestamp) {
        let message = &self.message;
        self.events.push(MessageEvent {
            at,
            state: message.state,
            attempt: message.attempts,
            device: message.device,
            reason: message.reason,
            code: message.failure.as_ref().map(|failure| failure.code.clone()),
            applied: true,
        });
    }
}
