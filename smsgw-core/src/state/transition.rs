use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::retry::{MAX_TRIES, is_retryable, retry_after};
use super::{Reason, State};
use crate::id::{AccountId, DeviceId, MessageId, ReportId};
use crate::message::Failure;
use crate::time::Timestamp;

/// How long after the end of a message's life a report of its device is waited for.
pub const REPORT_GRACE: Duration = Duration::from_secs(30);
/// How long an id may be in the queue, or lost by it, before it is pushed again.
pub const QUEUED_RECHECK: Duration = Duration::from_secs(5);

/// How long an answer is waited for at first from a device that was asked to give a message back, before it is asked
/// again. The pause grows with the time that has passed.
pub const CANCEL_RECHECK: Duration = Duration::from_secs(5);
/// The longest such pause.
pub const CANCEL_RECHECK_WITHIN: Duration = Duration::from_secs(5 * 60);
/// The code of a device's report that it has given a message back.
const CANCELED: &str = "canceled";

/// What a writer must show to change a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// It claimed the message, and this is the epoch of its claim.
    Epoch(u32),
    /// It is the device that the message was given to.
    Device(DeviceId),
    /// Nobody has claimed the message: it is queued.
    Unclaimed,
    /// It acts for the account that the message belongs to.
    Account(AccountId),
}

/// What a device says of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Unique for the device; the same again is the same report.
    pub id: ReportId,
    /// What became of the message.
    pub state: ReportState,
    /// Why it failed, as the device says it.
    pub failure: Option<Failure>,
    /// Which attempt it is about, where the device says so.
    pub attempt: Option<u32>,
}

/// The states that a device may report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportState {
    /// It has journalled the message.
    Acknowledged,
    /// It handed the message to the network.
    Sent,
    /// The network says that it arrived.
    Delivered,
    /// The network says that it did not.
    Undelivered,
    /// The radio or the network refused it.
    Failed,
    /// It crashed while sending.
    Unknown,
}

impl From<ReportState> for State {
    fn from(state: ReportState) -> Self {
        match state {
            ReportState::Acknowledged => Self::Acknowledged,
            ReportState::Sent => Self::Sent,
            ReportState::Delivered => Self::Delivered,
            ReportState::Undelivered => Self::Undelivered,
            ReportState::Failed => Self::Failed,
            ReportState::Unknown => Self::Unknown,
        }
    }
}

/// What is to happen to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The broker took it. Look again after `recheck`; `None` where the device will never report, and this is final.
    Dispatched {
        /// When to send again if the device has not acknowledged it.
        recheck: Option<Duration>,
    },
    /// It waits until `until`, then it is queued again.
    Deferred {
        /// Why.
        reason: Reason,
        /// Until when.
        until: Timestamp,
        /// Whether its device surely has not got it, so that another may take it unless the sender asked for this one.
        release_device: bool,
    },
    /// It waits until a device takes it, by [`claim_waiting`](crate::store::MessageStore::claim_waiting).
    SetAside {
        /// Why.
        reason: Reason,
        /// Whether its device surely has not got it, so that another may take it unless the sender asked for this one.
        release_device: bool,
    },
    /// Its device reported.
    Reported(Report),
    /// Its sender takes it back. What surely no device has is canceled at once.
    Cancel {
        /// The device that it had when that was looked at.
        device: Option<DeviceId>,
        /// Whether that device can be asked to give it back.
        by_asking: bool,
    },
}

/// One change of one message, and the right to make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Which message.
    pub id: MessageId,
    /// By what right.
    pub fence: Fence,
    /// What.
    pub change: Change,
}

/// Who may pull a message that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WaitsFor {
    /// One device.
    Device(DeviceId),
    /// Any device of the account.
    Account(AccountId),
}

impl WaitsFor {
    /// The id of either, for a store's index: UUIDs of devices and accounts never meet.
    pub const fn as_uuid(&self) -> &Uuid {
        match self {
            Self::Device(id) => id.as_uuid(),
            Self::Account(id) => id.as_uuid(),
        }
    }
}

/// The columns that decide what may happen to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its state.
    pub state: State,
    /// Why it waits.
    pub reason: Option<Reason>,
    /// The epoch of the last claim; 0 before the first.
    pub epoch: u32,
    /// How often its device has tried in vain.
    pub failures: u32,
    /// Its account.
    pub account: AccountId,
    /// Its device.
    pub device: Option<DeviceId>,
    /// Whether the sender asked for that device.
    pub device_fixed: bool,
    /// When it is, or was, to be sent; of one that was taken back, when that was.
    pub due_at: Timestamp,
    /// The end of its life.
    pub expires_at: Timestamp,
}

/// What a store must write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The new state.
    pub state: State,
    /// The new device.
    pub device: Option<DeviceId>,
    /// The new reason.
    pub reason: Option<Reason>,
    /// The new failure.
    pub failure: Option<Failure>,
    /// The new number of failures.
    pub failures: u32,
    /// The new time to be sent; unchanged where there is none.
    pub due_at: Option<Timestamp>,
    /// When [`due`](crate::store::MessageStore::due) must look at it again; never where there is none.
    pub check_at: Option<Timestamp>,
    /// Who may pull it.
    pub waits_for: Option<WaitsFor>,
}

impl Next {
    /// What a claim for `device` makes of a message that reads `head`, under a lease until `until`; the caller raises
    /// the epoch.
    pub fn claimed(head: &Head, device: DeviceId, until: Timestamp) -> Self {
        Self { device: Some(device), check_at: Some(until), ..head.moved_to(State::Sending) }
    }
}

/// What becomes of a message whose `check_at` has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overdue {
    /// Write this, and an event where the state changes: what is only pushed again is where it was.
    Become(Next),
    /// Nothing yet: look again then, or never.
    Wait(Option<Timestamp>),
}

/// The answer to a [`Transition`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Write this, and an event.
    Apply(Next),
    /// A report that came too late: write an event that says so, change nothing.
    Record,
    /// The message has moved on by itself: write nothing.
    Unchanged,
    /// The writer's claim is over: write nothing.
    Stale,
    /// The device does not have this message: write nothing.
    Foreign,
}

/// Decides what `transition` does to a message that reads `head`, at `now`.
pub fn decide(head: &Head, transition: &Transition, now: Timestamp) -> Decision {
    match transition.fence {
        // A claim ends when the message is queued or scheduled again, before the next claim raises the epoch.
        Fence::Epoch(epoch) if epoch != head.epoch || head.state <= State::Queued => return Decision::Stale,
        // A message that was never claimed was never given to a device, whatever the device says.
        Fence::Device(device) if head.device != Some(device) || head.epoch == 0 => return Decision::Foreign,
        Fence::Unclaimed if head.state != State::Queued => return Decision::Stale,
        Fence::Account(account) if account != head.account => return Decision::Foreign,
        _ => {}
    }
    match &transition.change {
        Change::Reported(report) => {
            let state = State::from(report.state);
            if !head.state.may_become(state) || head.is_late(state, report.attempt) {
                return Decision::Record;
            }
            let next = match state {
                State::Failed => head.failed(transition.id, report, now),
                State::Acknowledged => Next { check_at: Some(head.report_by(now)), ..head.moved_to(state) },
                _ => head.moved_to(state),
            };
            let failure = report.failure.clone().filter(|_| next.state != State::Canceled);
            Decision::Apply(Next { failure, ..next })
        }
        Change::Cancel { device, by_asking } => match head.state {
            State::Scheduled | State::Queued if head.is_in_no_hands() => {
                Decision::Apply(head.moved_to(State::Canceled))
            }
            _ if head.device != *device => Decision::Unchanged,
            // A device that cannot be asked may have had it; nobody gives it to that device again.
            State::Scheduled | State::Queued if !by_asking => Decision::Apply(head.moved_to(State::Canceled)),
            // It may be on its way to its device, or there.
            state if state <= State::Acknowledged && *by_asking && !head.is_canceling() => {
                let asked = Head { reason: Some(Reason::CancelRequested), ..*head };
                let aside = asked.set_aside(Reason::CancelRequested, head.device);
                Decision::Apply(Next { due_at: Some(now), check_at: Some(now), ..aside })
            }
            _ => Decision::Unchanged,
        },
        // A report may overtake the dispatcher's own word; then there is nothing left to say.
        _ if !matches!(head.state, State::Sending | State::Queued) => Decision::Unchanged,
        Change::Dispatched { .. } if head.state != State::Sending => Decision::Unchanged,
        Change::Dispatched { recheck } => {
            let recheck = recheck.map(|after| if head.is_canceling() { head.ask_after(now) } else { after });
            let check_at = recheck.map(|after| (now + after).min(head.expires_at + REPORT_GRACE));
            Decision::Apply(Next { check_at, ..head.moved_to(State::Dispatched) })
        }
        Change::Deferred { .. } | Change::SetAside { .. } if head.is_canceling() => {
            Decision::Apply(head.ask_again(now))
        }
        Change::Deferred { reason, until, release_device } => Decision::Apply(Next {
            device: head.kept_device(*release_device),
            reason: Some(*reason),
            due_at: Some(*until),
            check_at: Some((*until).min(head.expires_at)),
            ..head.moved_to(State::Scheduled)
        }),
        Change::SetAside { reason, release_device } => {
            Decision::Apply(head.set_aside(*reason, head.kept_device(*release_device)))
        }
    }
}

/// What becomes of a message when its device, which has not acknowledged it, begins a new session: it is given to
/// that device again. `None` where it has moved on.
pub fn recalled(head: &Head, device: DeviceId) -> Option<Next> {
    let reason = if head.is_canceling() { Reason::CancelRequested } else { Reason::NotAcknowledged };
    (head.state == State::Dispatched && head.device == Some(device))
        .then(|| head.set_aside(reason, head.device))
}

/// Whether `device` may claim a message at `now` by its id. One that was taken back is claimed to ask its device for it.
pub fn claimable(head: &Head, device: DeviceId, now: Timestamp) -> bool {
    let is_asked_for = head.state == State::Scheduled && head.is_canceling();
    (head.state == State::Queued || is_asked_for)
        && now < head.expires_at
        && head.device.is_none_or(|chosen| chosen == device)
}

/// What a message whose `check_at` has come must become.
pub fn overdue(head: &Head, now: Timestamp) -> Overdue {
    if head.state.is_terminal() || head.state == State::Sent {
        return Overdue::Wait(None);
    }
    // A device may have it: its report is waited for a little longer than its life.
    let in_hand = head.state >= State::Sending || !head.is_in_no_hands();
    let end = if in_hand { head.expires_at + REPORT_GRACE } else { head.expires_at };
    if now >= end {
        return Overdue::Become(head.moved_to(State::Expired));
    }
    let reason = match head.state {
        // Past its life it is not sent again; only its report is waited for.
        _ if now >= head.expires_at => return Overdue::Wait(Some(end)),
        _ if head.is_canceling() => return Overdue::Become(head.ask_again(now)),
        State::Acknowledged => return Overdue::Wait(Some(end)),
        State::Sending => Some(Reason::LeaseExpired),
        State::Dispatched => Some(Reason::NotAcknowledged),
        _ => None,
    };
    Overdue::Become(Next { reason, check_at: Some(now + QUEUED_RECHECK), ..head.moved_to(State::Queued) })
}

impl Head {
    /// Whether its sender has taken it back, and its device is to be asked for it.
    pub fn is_canceling(&self) -> bool {
        self.reason == Some(Reason::CancelRequested)
    }

    /// Whether surely no device has it, nor is given it now.
    fn is_in_no_hands(&self) -> bool {
        self.epoch == 0 || self.device.is_none()
    }

    /// How long to wait for the answer of a device that is asked for it at `now`.
    fn ask_after(&self, now: Timestamp) -> Duration {
        self.due_at.until(now).clamp(CANCEL_RECHECK, CANCEL_RECHECK_WITHIN)
    }

    /// What one that was taken back looks like until its device is asked again, at the latest when that comes.
    fn ask_again(&self, now: Timestamp) -> Next {
        let check_at = Some(self.expires_at.min(now + self.ask_after(now)));
        Next { check_at, ..self.set_aside(Reason::CancelRequested, self.device) }
    }

    /// Whether an acknowledgement is about an attempt that has failed: the device acknowledges the next when it has it.
    fn is_late(&self, state: State, attempt: Option<u32>) -> bool {
        let is_of_before = attempt.map_or(self.state <= State::Queued, |attempt| attempt < self.epoch);
        state == State::Acknowledged && self.failures > 0 && is_of_before
    }

    /// When to look at a message that its device has acknowledged.
    fn report_by(&self, now: Timestamp) -> Timestamp {
        let end = self.expires_at + REPORT_GRACE;
        if self.is_canceling() { end.min(now + self.ask_after(now)) } else { end }
    }

    /// What becomes of a message that its device surely has not sent. It is tried again where that may help, by the same
    /// device: no other one may have what one has acknowledged.
    fn failed(&self, id: MessageId, report: &Report, now: Timestamp) -> Next {
        let code = report.failure.as_ref().map_or("", |failure| failure.code.as_str());
        let failures = self.failures.saturating_add(1);
        if self.is_canceling() && code == CANCELED {
            return self.moved_to(State::Canceled);
        }
        let due_at = now + retry_after(id, failures);
        if self.is_canceling() && is_retryable(code) {
            // It might take a late copy for another attempt: only its word that it will not ends that.
            return Next { failures, ..self.ask_again(now) };
        }
        // A later attempt that is on its way may be the one that goes out.
        let is_last = report.attempt.is_none_or(|attempt| attempt >= self.epoch);
        let is_enough = failures >= MAX_TRIES || due_at >= self.expires_at;
        if !is_retryable(code) || is_enough && is_last {
            return Next { failures, ..self.moved_to(State::Failed) };
        }
        Next {
            reason: Some(Reason::Retry),
            failures,
            due_at: Some(due_at),
            check_at: Some(due_at.min(self.expires_at)),
            ..self.moved_to(State::Scheduled)
        }
    }

    /// The device that the message stays with, where its own may be released.
    fn kept_device(&self, release: bool) -> Option<DeviceId> {
        self.device.filter(|_| self.device_fixed || !release)
    }

    /// The plainest move to `state`: the device stays, nothing is waited for. What was taken back stays so to its end.
    fn moved_to(&self, state: State) -> Next {
        let is_over = state.is_terminal() || state == State::Sent;
        Next {
            state,
            device: self.device,
            reason: self.reason.filter(|_| self.is_canceling() && !is_over),
            failure: None,
            failures: self.failures,
            due_at: None,
            check_at: None,
            waits_for: None,
        }
    }

    /// What a message that waits for `device`, or for any device of its account, looks like.
    fn set_aside(&self, reason: Reason, device: Option<DeviceId>) -> Next {
        Next {
            device,
            reason: Some(reason),
            check_at: Some(self.expires_at),
            waits_for: Some(device.map_or(WaitsFor::Account(self.account), WaitsFor::Device)),
            ..self.moved_to(State::Scheduled)
        }
    }
}
