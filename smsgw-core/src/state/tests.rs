use proptest::prelude::*;

use uuid::Uuid;

use super::*;
use crate::time::Timestamp;

fn head(state: State) -> Head {
    let id = Uuid::from_u128(7);
    Head {
        state,
        reason: None,
        epoch: 2,
        failures: 0,
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
