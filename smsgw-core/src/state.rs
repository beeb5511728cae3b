//! The states of a message, and the one table that says which may follow which.
//!
//! Everything here is pure: stores ask [`decide`], [`claimable`] and [`overdue`] and write down the answer, so that
//! every store moves messages by the same rules.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::{AccountId, DeviceId, MessageId, ReportId};
use crate::message::Failure;
use crate::time::Timestamp;

/// How long after the end of a message's life a report of its device is waited for.
pub const REPORT_GRACE: Duration = Duration::from_secs(30);
/// How long an id may be in the queue, or lost by it, before it is pushed again.
pub const QUEUED_RECHECK: Duration = Duration::from_secs(5);

/// Where a message is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Committed and due later: asked for, or deferred with a reason.
    Scheduled,
    /// Due now; its id is in the queue.
    Queued,
    /// Claimed by one dispatcher under a lease, device chosen.
    Sending,
    /// The broker took it for a subscribed device.
    Dispatched,
    /// The device has journalled it.
    Acknowledged,
    /// The device handed it to the mobile network.
    Sent,
    /// The network says that it arrived.
    Delivered,
    /// The network says that it did not arrive.
    Undelivered,
    /// Given up, with an error code.
    Failed,
    /// Its time to live ran out.
    Expired,
    /// Taken back by its sender.
    Canceled,
    /// The device crashed while it was sending: nobody knows.
    Unknown,
}

impl State {
    /// All of them, in order.
    pub const ALL: [Self; 12] = [
        Self::Scheduled,
        Self::Queued,
        Self::Sending,
        Self::Dispatched,
        Self::Acknowledged,
        Self::Sent,
        Self::Delivered,
        Self::Undelivered,
        Self::Failed,
        Self::Expired,
        Self::Canceled,
        Self::Unknown,
    ];

    /// As it is written in JSON and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Dispatched => "dispatched",
            Self::Acknowledged => "acknowledged",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Canceled => "canceled",
            Self::Unknown => "unknown",
        }
    }

    /// Reads what [`State::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether nothing can follow.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Delivered
                | Self::Undelivered
                | Self::Failed
                | Self::Expired
                | Self::Canceled
                | Self::Unknown
        )
    }

    /// The transition table: whether `next` may follow.
    ///
    /// Within an attempt a message only moves forward. Back to `scheduled` or `queued` goes only what no device has
    /// acknowledged, and the claim that follows opens a new attempt. `sent` is left only by the network's word: an
    /// SMS that went out neither fails, expires nor becomes unknown.
    pub const fn may_become(self, next: Self) -> bool {
        use State::{
            Acknowledged, Canceled, Delivered, Dispatched, Expired, Failed, Queued, Scheduled, Sending, Sent,
            Undelivered, Unknown,
        };
        match (self, next) {
            (Scheduled | Queued | Sending | Dispatched, Scheduled | Queued) => true,
            (Scheduled | Queued, Sending) | (Sending, Dispatched) => true,
            (Scheduled | Queued | Sending | Dispatched, Acknowledged) => true,
            (Scheduled | Queued | Sending | Dispatched | Acknowledged, Sent | Failed | Expired | Unknown) => {
                true
            }
            (Scheduled | Queued, Canceled) => true,
            (from, Delivered | Undelivered) => !from.is_terminal(),
            _ => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Its sender asked for a later time.
    SendAt,
    /// No device of the account is online.
    NoDeviceOnline,
    /// The device it must go to is offline.
    DeviceOffline,
    /// Older messages wait for the same devices, and go first.
    OlderFirst,
    /// The devices have as many messages in hand as they may.
    WindowFull,
    /// The device's rate limit.
    RateLimited,
    /// The broker did not take it.
    TransportDown,
    /// The gateway that was sending it went away.
    LeaseExpired,
    /// The device has not acknowledged it.
    NotAcknowledged,
}

impl Reason {
    const ALL: [Self; 9] = [
        Self::SendAt,
        Self::NoDeviceOnline,
        Self::DeviceOffline,
        Self::OlderFirst,
        Self::WindowFull,
        Self::RateLimited,
        Self::TransportDown,
        Self::LeaseExpired,
        Self::NotAcknowledged,
    ];

    /// As it is written in JSON and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendAt => "send_at",
            Self::NoDeviceOnline => "no_device_online",
            Self::DeviceOffline => "device_offline",
            Self::OlderFirst => "older_first",
            Self::WindowFull => "window_full",
            Self::RateLimited => "rate_limited",
            Self::TransportDown => "transport_down",
            Self::LeaseExpired => "lease_expired",
            Self::NotAcknowledged => "not_acknowledged",
        }
    }

    /// Reads what [`Reason::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// What a writer must show to change a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// It claimed the message, and this is the epoch of its claim.
    Epoch(u32),
    /// It is the device that the message was given to.
    Device(DeviceId),
    /// Nobody has claimed the message: it is queued.
    Unclaimed,
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
    /// The epoch of the last claim; 0 before the first.
    pub epoch: u32,
    /// Its account.
    pub account: AccountId,
    /// Its device.
    pub device: Option<DeviceId>,
    /// Whether the sender asked for that device.
    pub device_fixed: bool,
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
    /// The new time to be sent; unchanged where there is none.
    pub due_at: Option<Timestamp>,
    /// When [`due`](crate::store::MessageStore::due) must look at it again; never where there is none.
    pub check_at: Option<Timestamp>,
    /// Who may pull it.
    pub waits_for: Option<WaitsFor>,
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
        _ => {}
    }
    match &transition.change {
        Change::Reported(report) => {
            let state = State::from(report.state);
            if !head.state.may_become(state) {
                return Decision::Record;
            }
            let settled = state.is_terminal() || state == State::Sent;
            let check_at = (!settled).then_some(head.expires_at + REPORT_GRACE);
            Decision::Apply(Next { failure: report.failure.clone(), check_at, ..head.moved_to(state) })
        }
        // A report may overtake the dispatcher's own word; then there is nothing left to say.
        _ if !matches!(head.state, State::Sending | State::Queued) => Decision::Unchanged,
        Change::Dispatched { .. } if head.state != State::Sending => Decision::Unchanged,
        Change::Dispatched { recheck } => {
            let check_at = recheck.map(|after| (now + after).min(head.expires_at + REPORT_GRACE));
            Decision::Apply(Next { check_at, ..head.moved_to(State::Dispatched) })
        }
        Change::Deferred { reason, until } => Decision::Apply(Next {
            reason: Some(*reason),
            due_at: Some(*until),
            check_at: Some((*until).min(head.expires_at)),
            ..head.moved_to(State::Scheduled)
        }),
        Change::SetAside { reason, release_device } => {
            let device = head.device.filter(|_| head.device_fixed || !release_device);
            Decision::Apply(head.set_aside(*reason, device))
        }
    }
}

/// What becomes of a message when its device, which has not acknowledged it, begins a new session: it is given to
/// that device again. `None` where it has moved on.
pub fn recalled(head: &Head, device: DeviceId) -> Option<Next> {
    (head.state == State::Dispatched && head.device == Some(device))
        .then(|| head.set_aside(Reason::NotAcknowledged, head.device))
}

/// Whether `device` may claim a message at `now` by its id.
pub fn claimable(head: &Head, device: DeviceId, now: Timestamp) -> bool {
    head.state == State::Queued && now < head.expires_at && head.device.is_none_or(|chosen| chosen == device)
}

/// What a message whose `check_at` has come must become.
pub fn overdue(head: &Head, now: Timestamp) -> Overdue {
    if head.state.is_terminal() || head.state == State::Sent {
        return Overdue::Wait(None);
    }
    // A device may have it: its report is waited for a little longer than its life.
    let in_hand = head.state >= State::Sending;
    let end = if in_hand { head.expires_at + REPORT_GRACE } else { head.expires_at };
    if now >= end {
        return Overdue::Become(head.moved_to(State::Expired));
    }
    let reason = match head.state {
        // Past its life it is not sent again; only its report is waited for.
        State::Acknowledged => return Overdue::Wait(Some(end)),
        _ if now >= head.expires_at => return Overdue::Wait(Some(end)),
        State::Sending => Some(Reason::LeaseExpired),
        State::Dispatched => Some(Reason::NotAcknowledged),
        _ => None,
    };
    Overdue::Become(Next { reason, check_at: Some(now + QUEUED_RECHECK), ..head.moved_to(State::Queued) })
}

impl Head {
    /// The plainest move to `state`: the device stays, nothing is waited for.
    fn moved_to(&self, state: State) -> Next {
        Next {
            state,
            device: self.device,
            reason: None,
            failure: None,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(state: State) -> Head {
        let id = Uuid::from_u128(7);
        Head {
            state,
            epoch: 2,
            account: id.into(),
            device: Some(id.into()),
            device_fixed: false,
            expires_at: Timestamp::from_micros(1_000_000_000),
        }
    }

    fn report(state: ReportState) -> Change {
        Change::Reported(Report { id: Uuid::from_u128(1).into(), state, failure: None })
    }

    fn by(fence: Fence, change: Change) -> Transition {
        Transition { id: Uuid::from_u128(9).into(), fence, change }
    }

    #[test]
    fn terminal_is_final_and_nothing_but_an_unacknowledged_message_moves_back() {
        for from in State::ALL {
            for to in State::ALL {
                if from.is_terminal() {
                    assert!(!from.may_become(to), "{from} -> {to}");
                } else if to < from && from.may_become(to) {
                    assert!(from <= State::Dispatched && to <= State::Queued, "{from} -> {to}");
                }
            }
        }
    }

    #[test]
    fn an_old_claim_changes_nothing() {
        let late = Change::Dispatched { recheck: None };
        for (state, epoch) in [(State::Sending, 1), (State::Queued, 2), (State::Scheduled, 2)] {
            let decision = decide(&head(state), &by(Fence::Epoch(epoch), late.clone()), Timestamp::EPOCH);
            assert_eq!(decision, Decision::Stale, "{state} at epoch {epoch}");
        }
    }

    #[test]
    fn a_report_may_overtake_the_dispatcher() {
        let dispatched = by(Fence::Epoch(2), Change::Dispatched { recheck: None });
        assert_eq!(decide(&head(State::Sent), &dispatched, Timestamp::EPOCH), Decision::Unchanged);
    }

    #[test]
    fn only_the_device_that_has_a_message_reports_of_it() {
        let stranger = Fence::Device(Uuid::from_u128(8).into());
        let own = Fence::Device(Uuid::from_u128(7).into());
        let never_claimed = Head { epoch: 0, ..head(State::Queued) };
        let sent = report(ReportState::Sent);
        assert_eq!(
            decide(&head(State::Dispatched), &by(stranger, sent.clone()), Timestamp::EPOCH),
            Decision::Foreign
        );
        assert_eq!(decide(&never_claimed, &by(own, sent), Timestamp::EPOCH), Decision::Foreign);
    }

    #[test]
    fn a_message_given_up_on_leaves_its_device_only_where_that_is_sure() {
        let set_aside = |release_device| {
            let change = Change::SetAside { reason: Reason::DeviceOffline, release_device };
            match decide(&head(State::Sending), &by(Fence::Epoch(2), change), Timestamp::EPOCH) {
                Decision::Apply(next) => next.device,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(set_aside(true), None);
        assert_eq!(set_aside(false), head(State::Sending).device);
    }

    #[test]
    fn every_waiting_state_ends() {
        for state in State::ALL.into_iter().filter(|s| !s.is_terminal() && *s != State::Sent) {
            let end = head(state).expires_at + REPORT_GRACE;
            match overdue(&head(state), end) {
                Overdue::Become(next) => assert_eq!(next.state, State::Expired, "{state}"),
                wait => panic!("{state}: {wait:?}"),
            }
        }
        assert_eq!(overdue(&head(State::Sent), Timestamp::MAX), Overdue::Wait(None));
    }

    const REPORTS: [ReportState; 6] = [
        ReportState::Acknowledged,
        ReportState::Sent,
        ReportState::Delivered,
        ReportState::Undelivered,
        ReportState::Failed,
        ReportState::Unknown,
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        /// Repeated, late and reordered reports only ever move a message forward, and a terminal state stays.
        #[test]
        fn reports_in_any_order_move_forward(order in prop::collection::vec(0usize..6, 1..40)) {
            let mut now = head(State::Dispatched);
            let device = now.device.expect("has one");
            for index in order {
                let transition = by(Fence::Device(device), report(REPORTS[index]));
                match decide(&now, &transition, Timestamp::EPOCH) {
                    Decision::Apply(next) => {
                        prop_assert!(!now.state.is_terminal() && next.state > now.state);
                        now.state = next.state;
                    }
                    other => prop_assert_eq!(other, Decision::Record),
                }
            }
        }
    }
}
