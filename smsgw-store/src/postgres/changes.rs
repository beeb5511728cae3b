//! Writes what the rules have decided: the new heads of messages, and their events.

use std::collections::{HashMap, HashSet};

use smsgw_core::id::{DeviceId, MessageId, ReportId};
use smsgw_core::message::Failure;
use smsgw_core::state::{Next, Reason, State};
use smsgw_core::store::Moved;
use smsgw_core::time::Timestamp;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use super::rows::{Held, device_uuid, epoch_code};
use crate::looks::looks;

/// Writes heads and events of the messages whose rows are still the versions that were decided about, and answers the
/// ids of the others.
///
/// Rows come and are locked in the order of their ids, so that two writers of the same ones wait for each other and
/// never both. Lists are hidden from the planner behind `(SELECT …)`: however long they are, it looks up each id in the
/// index. The `IS TRUE` keeps it from joining two lists, which it thinks are short, by going through one for each entry
/// of the other. An early time to look at a message is left as it is, in its row or in that of its batch: it is not worth a
/// change of the index. One that nobody looks after any more is over since the first time that this was so. What is only
/// recorded keeps its message from being removed meanwhile.
pub(super) const WRITE: &str = "WITH v AS MATERIALIZED (SELECT * FROM unnest((SELECT $1::uuid[]), \
     (SELECT $2::int[]), (SELECT $3::text[]), (SELECT $4::text[]), (SELECT $5::uuid[]), (SELECT $6::int[]), \
     (SELECT $7::bigint[]), (SELECT $8::bigint[]), (SELECT $9::bigint[]), (SELECT $10::uuid[]), \
     (SELECT $11::bigint[]), (SELECT $12::bigint[]), (SELECT $13::text[]), (SELECT $14::text[]), (SELECT $24::int[])) \
     AS v (id, version, state, reason, device, epoch, due_at, check_at, requeue_at, waits_for, sent_at, \
     delivered_at, failure_code, failure_detail, failures)), \
     changed AS (UPDATE messages AS m SET version = m.version + 1, state = v.state, reason = v.reason, \
     device = v.device, epoch = v.epoch, due_at = coalesce(v.due_at, m.due_at), check_at = v.check_at, \
     look_at = CASE WHEN m.look_at > $15 AND m.look_at <= v.check_at THEN m.look_at \
     WHEN m.look_at IS NULL AND m.check_at IS NOT NULL AND m.leased_until > $15 AND m.leased_until <= v.check_at \
     THEN NULL ELSE v.check_at END, \
     requeue_at = v.requeue_at, waits_for = v.waits_for, sent_at = coalesce(v.sent_at, m.sent_at), \
     delivered_at = coalesce(v.delivered_at, m.delivered_at), failure_code = v.failure_code, \
     failure_detail = CASE WHEN m.erased_at IS NULL THEN v.failure_detail END, failures = v.failures, \
     ended_at = CASE WHEN v.check_at IS NULL THEN coalesce(m.ended_at, $15) END FROM v \
     WHERE m.id = v.id AND m.version = v.version AND v.state IS NOT NULL RETURNING m.id), \
     held AS MATERIALIZED (SELECT id FROM changed UNION ALL SELECT id FROM (SELECT m.id FROM v JOIN messages AS m \
     ON m.id = v.id AND m.version = v.version WHERE v.state IS NULL FOR KEY SHARE OF m) AS kept), \
     noted AS (INSERT INTO message_events (message, at, state, attempt, device, reason, code, applied, report) \
     SELECT e.message, $15, e.state, e.attempt, e.device, e.reason, e.code, e.applied, e.report \
     FROM unnest((SELECT $16::uuid[]), (SELECT $17::text[]), (SELECT $18::int[]), (SELECT $19::uuid[]), \
     (SELECT $20::text[]), (SELECT $21::text[]), (SELECT $22::boolean[]), (SELECT $23::uuid[])) \
     AS e (message, state, attempt, device, reason, code, applied, report) \
     WHERE (e.message IN (SELECT id FROM held)) IS TRUE) \
     SELECT id FROM v WHERE (id IN (SELECT id FROM held)) IS NOT TRUE";

/// Changes of one operation: messages as they become, and the events on their way there.
pub(super) struct Changes {
    now: Timestamp,
    messages: Vec<Changed>,
    /// Where each message is in `messages`.
    places: HashMap<MessageId, usize>,
    events: Vec<Event>,
}

/// A message as it is to be written, where its row is still that version.
struct Changed {
    id: MessageId,
    version: i32,
    epoch: u32,
    expires_at: Timestamp,
    /// None where only events are written.
    next: Option<Next>,
    due_at: Option<Timestamp>,
    sent_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
}

struct Event {
    message: MessageId,
    state: State,
    attempt: u32,
    device: Option<DeviceId>,
    reason: Option<Reason>,
    code: Option<String>,
    applied: bool,
    report: Option<ReportId>,
}

impl Changes {
    pub(super) fn at(now: Timestamp) -> Self {
        Self { now, messages: Vec::new(), places: HashMap::new(), events: Vec::new() }
    }

    /// The place of a message, which is to be written under the version that was read.
    fn changed(&mut self, held: &Held) -> &mut Changed {
        let place = *self.places.entry(held.id).or_insert(self.messages.len());
        if place == self.messages.len() {
            self.messages.push(Changed {
                id: held.id,
                version: held.version,
                epoch: held.head.epoch,
                expires_at: held.head.expires_at,
                next: None,
                due_at: None,
                sent_at: None,
                delivered_at: None,
            });
        }
        &mut self.messages[place]
    }

    /// The messages of which something is to be written, and whether their rows change by it.
    pub(super) fn written(&self) -> impl Iterator<Item = (MessageId, bool)> {
        self.messages.iter().map(|changed| (changed.id, changed.next.is_some()))
    }

    /// Makes `next` of the message that reads `held`, with an event where its state changes.
    pub(super) fn apply(&mut self, held: &mut Held, next: Next, report: Option<ReportId>) -> Moved {
        let now = self.now;
        let head = &mut held.head;
        let moved = Moved {
            id: held.id,
            account: head.account,
            device: next.device,
            from: head.state,
            to: next.state,
            reason: next.reason,
            at: now,
        };
        head.state = next.state;
        head.reason = next.reason;
        head.failures = next.failures;
        head.due_at = next.due_at.unwrap_or(head.due_at);
        head.device = next.device;
        if moved.from != moved.to || report.is_some() {
            self.events.push(Event {
                message: held.id,
                state: next.state,
                attempt: head.epoch,
                device: next.device,
                reason: next.reason,
                code: next.failure.as_ref().map(|failure| failure.code.clone()),
                applied: true,
                report,
            });
        }
        let reached = |state| (next.state == state).then_some(now);
        let epoch = head.epoch;
        let changed = self.changed(held);
        changed.epoch = epoch;
        changed.due_at = next.due_at.or(changed.due_at);
        changed.sent_at = reached(State::Sent).or(changed.sent_at);
        changed.delivered_at = reached(State::Delivered).or(changed.delivered_at);
        changed.next = Some(next);
        moved
    }

    /// Claims the message that reads `held` for `device`, until `until`.
    pub(super) fn claim(&mut self, held: &mut Held, device: DeviceId, until: Timestamp) {
        held.head.epoch += 1;
        let next = Next::claimed(&held.head, device, until);
        self.apply(held, next, None);
    }

    /// Keeps a report that came too late for the message that reads `held`.
    pub(super) fn record(&mut self, held: &Held, state: State, report: ReportId, failure: Option<&Failure>) {
        self.changed(held);
        self.events.push(Event {
            message: held.id,
            state,
            attempt: held.head.epoch,
            device: held.head.device,
            reason: None,
            code: failure.map(|failure| failure.code.clone()),
            applied: false,
            report: Some(report),
        });
    }

    /// Writes all of it in one statement, but for messages that somebody else has changed since they were read; says
    /// which.
    pub(super) async fn write(mut self, conn: &mut PgConnection) -> sqlx::Result<HashSet<MessageId>> {
        self.messages.sort_unstable_by_key(|changed| changed.id);
        // Those of one message stay in order.
        self.events.sort_by_key(|event| event.message);
        let Self { now, messages, events, .. } = &self;
        if messages.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = messages.len();
        let mut ids = Vec::with_capacity(rows);
        let mut versions = Vec::with_capacity(rows);
        let mut states = Vec::with_capacity(rows);
        let mut reasons = Vec::with_capacity(rows);
        let mut devices = Vec::with_capacity(rows);
        let mut epochs = Vec::with_capacity(rows);
        let mut due = Vec::with_capacity(rows);
        let mut check = Vec::with_capacity(rows);
        let mut requeue = Vec::with_capacity(rows);
        let mut waits = Vec::with_capacity(rows);
        let mut sent = Vec::with_capacity(rows);
        let mut delivered = Vec::with_capacity(rows);
        let mut codes = Vec::with_capacity(rows);
        let mut details = Vec::with_capacity(rows);
        let mut failures = Vec::with_capacity(rows);
        for changed in messages {
            let next = changed.next.as_ref();
            let (check_at, requeue_at) = match next {
                Some(next) => looks(next.state, next.check_at, changed.expires_at),
                None => (None, None),
            };
            let failure = next.and_then(|next| next.failure.as_ref());
            ids.push(*changed.id.as_uuid());
            versions.push(changed.version);
            states.push(next.map(|next| next.state.as_str()));
            reasons.push(next.and_then(|next| next.reason).map(Reason::as_str));
            devices.push(device_uuid(next.and_then(|next| next.device)));
            epochs.push(epoch_code(changed.epoch));
            due.push(changed.due_at.map(Timestamp::as_micros));
            check.push(check_at.map(Timestamp::as_micros));
            requeue.push(requeue_at.map(Timestamp::as_micros));
            waits.push(next.and_then(|next| next.waits_for).map(|waits_for| *waits_for.as_uuid()));
            sent.push(changed.sent_at.map(Timestamp::as_micros));
            delivered.push(changed.delivered_at.map(Timestamp::as_micros));
            codes.push(failure.map(|failure| failure.code.as_str()));
            details.push(failure.and_then(|failure| failure.detail.as_deref()));
            failures.push(next.map(|next| epoch_code(next.failures)));
        }
        let noted = Noted::of(events);
        let lost: Vec<Uuid> = sqlx::query_scalar(WRITE)
            .bind(ids)
            .bind(versions)
            .bind(states)
            .bind(reasons)
            .bind(devices)
            .bind(epochs)
            .bind(due)
            .bind(check)
            .bind(requeue)
            .bind(waits)
            .bind(sent)
            .bind(delivered)
            .bind(codes)
            .bind(details)
            .bind(now.as_micros())
            .bind(noted.messages)
            .bind(noted.states)
            .bind(noted.attempts)
            .bind(noted.devices)
            .bind(noted.reasons)
            .bind(noted.codes)
            .bind(noted.applied)
            .bind(noted.reports)
            .bind(failures)
            .fetch_all(conn)
            .await?;
        Ok(lost.into_iter().map(MessageId::from).collect())
    }
}

/// Events, a list for each column.
#[derive(Default)]
struct Noted<'e> {
    messages: Vec<Uuid>,
    states: Vec<&'static str>,
    attempts: Vec<i32>,
    devices: Vec<Option<Uuid>>,
    reasons: Vec<Option<&'static str>>,
    codes: Vec<Option<&'e str>>,
    applied: Vec<bool>,
    reports: Vec<Option<Uuid>>,
}

impl<'e> Noted<'e> {
    fn of(events: &'e [Event]) -> Self {
        let mut noted = Self::default();
        for event in events {
            noted.messages.push(*event.message.as_uuid());
            noted.states.push(event.state.as_str());
            noted.attempts.push(epoch_code(event.attempt));
            noted.devices.push(device_uuid(event.device));
            noted.reasons.push(event.reason.map(Reason::as_str));
            noted.codes.push(event.code.as_deref());
            noted.applied.push(event.applied);
            noted.reports.push(event.report.map(|report| *report.as_uuid()));
        }
        noted
    }
}
