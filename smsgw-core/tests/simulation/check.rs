//! The promises of one message, when its world has ended.

use smsgw_core::id::DeviceId;
use smsgw_core::message::{Message, MessageEvent};
use smsgw_core::state::State;
use smsgw_core::time::Timestamp;

use crate::air::Sending;
use crate::caller::Accepted;

/// Says which promise was broken, by what the store, the air and the caller know of a message.
pub(crate) fn broken(
    known: &Accepted,
    message: Option<&Message>,
    events: &[MessageEvent],
    air: &[Sending],
) -> Option<&'static str> {
    let Some(message) = message else { return Some("accepted and lost") };
    let (state, times) = (message.state, air.len());
    if times > 1 {
        return Some("sent more than once");
    }
    if !state.is_terminal() && state != State::Sent {
        return Some("stuck");
    }
    if matches!(state, State::Sent | State::Delivered) && times == 0 {
        return Some("sent by nobody");
    }
    if matches!(state, State::Failed | State::Canceled) && times > 0 {
        return Some("sent, though it failed or was canceled");
    }
    if known.is_canceled && (times > 0 || state != State::Canceled) {
        return Some("not canceled, though its sender was told so");
    }
    if let Some((sent, at)) = air.first() {
        if known.device.is_some_and(|asked| asked != *sent) {
            return Some("sent by another device than was asked for");
        }
        if message.device != Some(*sent) {
            return Some("sent by a device that it was not given to");
        }
        if *at >= known.expires_at {
            return Some("sent when its life was over");
        }
    }
    moved_wrongly(events)
}

fn moved_wrongly(events: &[MessageEvent]) -> Option<&'static str> {
    let applied: Vec<&MessageEvent> = events.iter().filter(|event| event.applied).collect();
    for pair in applied.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        if after.attempt < before.attempt {
            return Some("went back to an earlier attempt");
        }
        if before.state != after.state && !before.state.may_become(after.state) {
            return Some("moved as the table forbids");
        }
        if after.state == State::Sending && after.attempt == before.attempt {
            return Some("claimed twice in one attempt");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use smsgw_core::message::{Body, Message};
    use smsgw_core::segment::Encoding;
    use uuid::Uuid;

    use super::*;

    fn device(number: u128) -> DeviceId {
        Uuid::from_u128(number).into()
    }

    fn message(state: State) -> Message {
        Message {
            id: Uuid::from_u128(1).into(),
            account: Uuid::from_u128(2).into(),
            state,
            reason: None,
            to: "+5351234567".parse().expect("a number"),
            body: Body::new("x").expect("a body"),
            device: Some(device(3)),
            device_fixed: false,
            sim: None,
            encoding: Encoding::Gsm7,
            segments: 1,
            priority: Default::default(),
            attempts: 1,
            created_at: Timestamp::EPOCH,
            due_at: Timestamp::EPOCH,
            expires_at: Timestamp::EPOCH + Duration::from_secs(1),
            sent_at: None,
            delivered_at: None,
            failure: None,
            failures: 0,
            erased_at: None,
        }
    }

    fn known(is_canceled: bool, device: Option<DeviceId>) -> Accepted {
        let expires_at = Timestamp::EPOCH + Duration::from_secs(1);
        Accepted { id: Uuid::from_u128(1).into(), device, expires_at, is_canceled }
    }

    fn event(state: State, attempt: u32) -> MessageEvent {
        let (at, device, reason, code) = (Timestamp::EPOCH, None, None, None);
        MessageEvent { at, state, attempt, device, reason, code, applied: true }
    }

    #[test]
    fn planted_bugs_are_found() {
        use State::{Canceled, Dispatched, Failed, Queued, Scheduled, Sending, Sent};
        let plain = known(false, None);
        let sent = |number| (device(number), Timestamp::EPOCH);
        let good = [event(Queued, 0), event(Sending, 1), event(Dispatched, 1), event(Sent, 1)];
        assert_eq!(broken(&plain, Some(&message(Sent)), &good, &[sent(3)]), None);
        let found = |known: &Accepted, state, air: &[crate::air::Sending]| {
            broken(known, Some(&message(state)), &good, air).expect("a bug was planted")
        };
        assert_eq!(broken(&plain, None, &[], &[]), Some("accepted and lost"));
        assert_eq!(found(&plain, Sent, &[sent(3); 2]), "sent more than once");
        assert_eq!(found(&plain, Dispatched, &[]), "stuck");
        assert_eq!(found(&plain, Sent, &[]), "sent by nobody");
        assert_eq!(found(&plain, Failed, &[sent(3)]), "sent, though it failed or was canceled");
        assert_eq!(
            found(&known(true, None), Sent, &[sent(3)]),
            "not canceled, though its sender was told so"
        );
        assert_eq!(
            found(&known(false, Some(device(4))), Sent, &[sent(3)]),
            "sent by another device than was asked for"
        );
        assert_eq!(found(&plain, Sent, &[sent(5)]), "sent by a device that it was not given to");
        let late = [(device(3), Timestamp::EPOCH + Duration::from_secs(1))];
        assert_eq!(found(&plain, Sent, &late), "sent when its life was over");
        for (events, bug) in [
            (vec![event(Sending, 2), event(Dispatched, 1)], "went back to an earlier attempt"),
            (vec![event(Sent, 1), event(Scheduled, 1)], "moved as the table forbids"),
            (vec![event(Canceled, 1), event(Sent, 1)], "moved as the table forbids"),
            (vec![event(Queued, 1), event(Sending, 1)], "claimed twice in one attempt"),
        ] {
            assert_eq!(broken(&plain, Some(&message(Sent)), &events, &[sent(3)]), Some(bug));
        }
    }
}
