//! Writes what the rules have decided: the new heads of messages, and their events.

use std::collections::HashMap;

use smsgw_core::id::{DeviceId, MessageId, ReportId};
use smsgw_core::message::Failure;
use smsgw_core::state::{Head, Next, Reason, State, WaitsFor};
use smsgw_core::store::Moved;
use smsgw_core::time::Timestamp;
use sqlx::error::BoxDynError;
use sqlx::sqlite::SqliteConnection;

use super::sql::{Args, Batch, Script, part, parts};
use crate::looks::looks;

/// What is written of a message when its state changes. A null time keeps the one that is there. One that nobody looks
/// after any more is over since the first time that this was so.
pub(super) const UPDATE: Batch = Batch {
    head: "UPDATE messages SET state = v.column2, reason = v.column3, device = v.column4, epoch = v.column5, \
           due_at = ifnull(v.column6, due_at), check_at = v.column7, requeue_at = v.column8, \
           waits_for = v.column9, sent_at = ifnull(v.column10, sent_at), \
           delivered_at = ifnull(v.column11, delivered_at), failure_code = v.column12, \
           failure_detail = iif(erased_at IS NULL, v.column13, NULL), failures = v.column14, \
           ended_at = iif(v.column7 IS NULL, ifnull(ended_at, v.column15), NULL) FROM (VALUES ",
    row: "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    tail: ") AS v WHERE messages.seq = v.column1",
};

const INSERT_EVENTS: Batch = Batch {
    head: "INSERT INTO message_events (message, at, state, attempt, device, reason, code, applied, report) \
           SELECT * FROM (VALUES ",
    row: "(?,?,?,?,?,?,?,?,?)",
    tail: ") WHERE column1 IS NOT NULL",
};

/// Changes of one operation: messages as they become, and the events on their way there.
pub(super) struct Changes {
    now: Timestamp,
    messages: Vec<Changed>,
    /// Where each message is in `messages`, by its number.
    places: HashMap<i64, usize>,
    events: Vec<Event>,
}

/// A message as it is to be written.
struct Changed {
    seq: i64,
    epoch: u32,
    expires_at: Timestamp,
    next: Next,
    due_at: Option<Timestamp>,
    sent_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
}

/// An event to write.
pub(super) struct Event {
    pub(super) message: i64,
    pub(super) at: Timestamp,
    pub(super) state: State,
    pub(super) attempt: u32,
    pub(super) device: Option<DeviceId>,
    pub(super) reason: Option<Reason>,
    pub(super) code: Option<String>,
    pub(super) applied: bool,
    pub(super) report: Option<ReportId>,
}

impl Changes {
    pub(super) fn at(now: Timestamp) -> Self {
        Self { now, messages: Vec::new(), places: HashMap::new(), events: Vec::new() }
    }

    /// Makes `next` of the message that reads `head`, with an event where its state changes.
    pub(super) fn apply(
        &mut self,
        seq: i64,
        id: MessageId,
        head: &mut Head,
        next: Next,
        report: Option<ReportId>,
    ) -> Moved {
        let moved = Moved {
            id,
            account: head.account,
            device: next.device,
            from: head.state,
            to: next.state,
            reason: next.reason,
            at: self.now,
        };
        head.state = next.state;
        head.reason = next.reason;
        head.failures = next.failures;
        head.due_at = next.due_at.unwrap_or(head.due_at);
        head.device = next.device;
        if moved.from != moved.to || report.is_some() {
            self.events.push(Event {
                message: seq,
                at: self.now,
                state: next.state,
                attempt: head.epoch,
                device: next.device,
                reason: next.reason,
                code: next.failure.as_ref().map(|failure| failure.code.clone()),
                applied: true,
                report,
            });
        }
        let reached = |state| (next.state == state).then_some(self.now);
        let mut changed = Changed {
            seq,
            epoch: head.epoch,
            expires_at: head.expires_at,
            due_at: next.due_at,
            sent_at: reached(State::Sent),
            delivered_at: reached(State::Delivered),
            next,
        };
        let place = *self.places.entry(seq).or_insert(self.messages.len());
        match self.messages.get_mut(place) {
            Some(earlier) => {
                changed.due_at = changed.due_at.or(earlier.due_at);
                changed.sent_at = changed.sent_at.or(earlier.sent_at);
                changed.delivered_at = changed.delivered_at.or(earlier.delivered_at);
                *earlier = changed;
            }
            None => self.messages.push(changed),
        }
        moved
    }

    /// Claims the message that reads `head` for `device`, until `until`.
    pub(super) fn claim(
        &mut self,
        seq: i64,
        id: MessageId,
        head: &mut Head,
        device: DeviceId,
        until: Timestamp,
    ) {
        head.epoch += 1;
        let next = Next::claimed(head, device, until);
        self.apply(seq, id, head, next, None);
    }

    /// Keeps a report that came too late for the message that reads `head`.
    pub(super) fn record(
        &mut self,
        seq: i64,
        head: &Head,
        state: State,
        report: ReportId,
        failure: Option<&Failure>,
    ) {
        self.events.push(Event {
            message: seq,
            at: self.now,
            state,
            attempt: head.epoch,
            device: head.device,
            reason: None,
            code: failure.map(|failure| failure.code.clone()),
            applied: false,
            report: Some(report),
        });
    }

    /// Writes all of it.
    pub(super) async fn write(self, conn: &mut SqliteConnection) -> sqlx::Result<()> {
        for number in parts(self.messages.len().max(self.events.len())) {
            let mut script = Script::default();
            script.add(&UPDATE, part(&self.messages, number), |args, changed| {
                bind_changed(args, changed, self.now)
            })?;
            add_events(&mut script, part(&self.events, number))?;
            script.execute(conn).await?;
        }
        Ok(())
    }
}

fn bind_changed(args: &mut Args, changed: &Changed, now: Timestamp) -> Result<(), BoxDynError> {
    let next = &changed.next;
    let (check_at, requeue_at) = looks(next.state, next.check_at, changed.expires_at);
    args.add(changed.seq)?;
    args.add(next.state.as_str())?;
    args.add(next.reason.map(Reason::as_str))?;
    args.add_id_or_null(next.device.as_ref().map(DeviceId::as_uuid))?;
    args.add(changed.epoch)?;
    args.add_time_or_null(changed.due_at)?;
    args.add_time_or_null(check_at)?;
    args.add_time_or_null(requeue_at)?;
    args.add_id_or_null(next.waits_for.as_ref().map(WaitsFor::as_uuid))?;
    args.add_time_or_null(changed.sent_at)?;
    args.add_time_or_null(changed.delivered_at)?;
    args.add(next.failure.as_ref().map(|failure| failure.code.as_str()))?;
    args.add(next.failure.as_ref().and_then(|failure| failure.detail.as_deref()))?;
    args.add(next.failures)?;
    args.add_time(now)
}

/// Has `script` write `events`, in order.
pub(super) fn add_events(script: &mut Script, events: &[Event]) -> sqlx::Result<()> {
    script.add(&INSERT_EVENTS, events, |args, event| {
        args.add(event.message)?;
        args.add_time(event.at)?;
        args.add(event.state.as_str())?;
        args.add(event.attempt)?;
        args.add_id_or_null(event.device.as_ref().map(DeviceId::as_uuid))?;
        args.add(event.reason.map(Reason::as_str))?;
        args.add(event.code.as_deref())?;
        args.add(event.applied)?;
        args.add_id_or_null(event.report.as_ref().map(ReportId::as_uuid))
    })
}
