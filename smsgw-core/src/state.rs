//! The states of a message, and the one table that says which may follow which.
//!
//! Everything here is pure: stores ask [`decide`], [`claimable`] and [`overdue`] and write down the answer, so that
//! every store moves messages by the same rules.

mod retry;
#[cfg(test)]
mod tests;
mod transition;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use retry::{MAX_TRIES, RETRY_FIRST, RETRY_LONGEST, is_retryable, retry_after};
pub use transition::{
    CANCEL_RECHECK, CANCEL_RECHECK_WITHIN, Change, Decision, Fence, Head, Next, Overdue, QUEUED_RECHECK,
    REPORT_GRACE, Report, ReportState, Transition, WaitsFor, claimable, decide, overdue, recalled,
};

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
    /// acknowledged, what its device has tried in vain, and what its device is asked to give back; the claim that
    /// follows opens a new attempt. `sent` is left only by the network's word: an SMS that went out neither fails,
    /// expires nor becomes unknown.
    pub const fn may_become(self, next: Self) -> bool {
        use State::{
            Acknowledged, Canceled, Delivered, Dispatched, Expired, Failed, Queued, Scheduled, Sending, Sent,
            Undelivered, Unknown,
        };
        match (self, next) {
            (Scheduled | Queued | Sending | Dispatched | Acknowledged, Scheduled | Queued) => true,
            (Scheduled | Queued, Sending) | (Sending, Dispatched) => true,
            (Scheduled | Queued | Sending | Dispatched, Acknowledged) => true,
            (Scheduled | Queued | Sending | Dispatched | Acknowledged, Sent | Failed | Expired | Unknown) => {
                true
            }
            (Scheduled | Queued | Sending | Dispatched | Acknowledged, Canceled) => true,
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
    /// The device it must go to is paused, or all of the account that are online are.
    DevicePaused,
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
    /// Its device has tried in vain, and tries again.
    Retry,
    /// Its sender took it back, and the device that may have it is asked not to send it.
    CancelRequested,
}

impl Reason {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 12] = [
        Self::SendAt,
        Self::NoDeviceOnline,
        Self::DeviceOffline,
        Self::DevicePaused,
        Self::OlderFirst,
        Self::WindowFull,
        Self::RateLimited,
        Self::TransportDown,
        Self::LeaseExpired,
        Self::NotAcknowledged,
        Self::Retry,
        Self::CancelRequested,
    ];

    /// As it is written in JSON and in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendAt => "send_at",
            Self::NoDeviceOnline => "no_device_online",
            Self::DeviceOffline => "device_offline",
            Self::DevicePaused => "device_paused",
            Self::OlderFirst => "older_first",
            Self::WindowFull => "window_full",
            Self::RateLimited => "rate_limited",
            Self::TransportDown => "transport_down",
            Self::LeaseExpired => "lease_expired",
            Self::NotAcknowledged => "not_acknowledged",
            Self::Retry => "retry",
            Self::CancelRequested => "cancel_requested",
        }
    }

    /// Reads what [`Reason::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}
