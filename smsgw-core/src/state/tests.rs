use proptest::prelude::*;

use uuid::Uuid;

use super::*;
use crate::message::Failure;
use crate::time::Timestamp;

fn head(state: State) -> Head {
    let id = Uuid::from_u128(7);
    Head {
        state,
        reason: None,
        epoch: 2,
        failures: 0,
        due_at: Timestamp::EPOCH,
        account: id.into(),
        device: Some(id.into()),
        device_fixed: false,
        expires_at: Timestamp::from_micros(1_000_000_000),
    }
}

fn report(state: ReportState) -> Change {
    Change::Reported(Report { id: Uuid::from_u128(1).into(), state, failure: None, attempt: None })
}

fn by(fence: Fence, change: Change) -> Transition {
    Transition { id: Uuid::from_u128(9).into(), fence, change }
}

#[test]
fn terminal_is_final_and_nothing_that_is_out_moves_back() {
    for from in State::ALL {
        for to in State::ALL {
            if from.is_terminal() {
                assert!(!from.may_become(to), "{from} -> {to}");
            } else if to < from && from.may_become(to) {
                assert!(from <= State::Acknowledged && to <= State::Queued, "{from} -> {to}");
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

const REPORTS: [(ReportState, Option<&str>); 8] = [
    (ReportState::Acknowledged, None),
    (ReportState::Sent, None),
    (ReportState::Delivered, None),
    (ReportState::Undelivered, Some("absent")),
    (ReportState::Failed, Some("invalid_number")),
    (ReportState::Failed, Some("no_service")),
    (ReportState::Failed, Some("canceled")),
    (ReportState::Unknown, Some("interrupted")),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100_000))]
    /// Late and reordered reports only ever move a message forward, but for a failure that passes, which begins anew; and
    /// a terminal state stays. What a sender took back is never sent again.
    #[test]
    fn reports_in_any_order_move_forward(
        order in prop::collection::vec(0usize..8, 1..40),
        taken_back in 0usize..60,
    ) {
        let mut now = head(State::Dispatched);
        let device = now.device.expect("has one");
        let write = |now: &mut Head, next: Next| {
            (now.state, now.reason, now.failures, now.device) =
                (next.state, next.reason, next.failures, next.device);
        };
        for (turn, index) in order.into_iter().enumerate() {
            if turn == taken_back {
                let cancel = by(Fence::Account(now.account), Change::Cancel { device: now.device, by_asking: true });
                if let Decision::Apply(next) = decide(&now, &cancel, Timestamp::EPOCH) {
                    prop_assert!(now.state <= State::Acknowledged);
                    write(&mut now, next);
                }
            }
            let (state, code) = REPORTS[index];
            let failure = code.map(Failure::from_device);
            let change = Change::Reported(Report { id: Uuid::from_u128(1).into(), state, failure, attempt: None });
            match decide(&now, &by(Fence::Device(device), change), Timestamp::EPOCH) {
                Decision::Apply(next) => {
                    prop_assert!(!now.state.is_terminal());
                    prop_assert!(next.failures <= MAX_TRIES && next.device == now.device);
                    let begins_anew = next.state == State::Scheduled && code == Some("no_service");
                    prop_assert!(next.state > now.state || begins_anew, "{} -> {}", now.state, next.state);
                    let more = u32::from(state == ReportState::Failed && next.state != State::Canceled);
                    prop_assert_eq!(next.failures, now.failures + more);
                    let asks = now.reason == Some(Reason::CancelRequested);
                    prop_assert!(!begins_anew || !asks || next.reason == now.reason);
                    write(&mut now, next);
                }
                other => prop_assert_eq!(other, Decision::Record),
            }
        }
    }
}
