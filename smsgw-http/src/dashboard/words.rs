//! What states, reasons and outcomes mean, in words for whoever waits for a message.

use smsgw_core::state::{Reason, State};

/// What a message in this state has behind it.
pub(super) fn of_state(state: State) -> &'static str {
    match state {
        State::Scheduled => "It is stored and waits.",
        State::Queued => "It is stored and its turn comes next.",
        State::Sending => "A device was chosen, and the broker is being given it.",
        State::Dispatched => "The broker has taken it for a device that is connected.",
        State::Acknowledged => "The device has it, and has not said yet that it was sent.",
        State::Sent => "The device has handed it to the mobile network.",
        State::Delivered => "The network says that it has arrived.",
        State::Undelivered => "The network says that it did not arrive.",
        State::Failed => "It could not be sent.",
        State::Expired => "Its time was over before a device could send it.",
        State::Canceled => "It was taken back before it was sent.",
        State::Unknown => "Its device stopped while it was sending it: it may or may not have gone out.",
    }
}

/// Why a message waits, and what ends that.
pub(super) fn of_reason(reason: Reason) -> &'static str {
    match reason {
        Reason::SendAt => "Its sender asked for a later time.",
        Reason::NoDeviceOnline => "None of your devices is online. It goes out when one connects.",
        Reason::DeviceOffline => {
            "The device that it must go to is offline. It goes out when that one connects."
        }
        Reason::DevicePaused => {
            "The device that it must go to is paused. It goes out when that one is resumed."
        }
        Reason::OlderFirst => "Older messages wait for the same devices and go first.",
        Reason::WindowFull => {
            "The devices have as many messages in hand as they may. It goes out when one of them reports."
        }
        Reason::RateLimited => "The device has reached its rate limit. It goes out in its turn.",
        Reason::TransportDown => "The broker did not take it. It is tried again in a moment.",
        Reason::LeaseExpired => "The gateway that was sending it went away. Another one takes it over.",
        Reason::NotAcknowledged => "The device has not acknowledged it. It is sent again.",
        Reason::Retry => "Its device has tried in vain, and tries again later.",
        Reason::CancelRequested => {
            "It was taken back, and the device that may have it is asked not to send it."
        }
        _ => "It waits.",
    }
}
