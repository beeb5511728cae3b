//! The conformance suite has to fail where it should: each test here plants one bug in a backend that passes.

mod fixtures;
mod forward;
mod planted;

use std::collections::BTreeMap;
use std::sync::Arc;

use smsgw_core::conformance::{Absent, Outcome, Suite, queue, store, transport};

use fixtures::{MemoryPlace, MemoryQueuePlace, MemoryTransportPlace};
use planted::{Leaky, Shuffled, Unfenced};

/// Runs the cases of a suite and answers what failed, by the name of the case.
fn failures(suite: Suite) -> BTreeMap<String, String> {
    let failed = suite.into_cases().filter_map(|(name, case)| match case() {
        Outcome::Failed(why) => Some((name, why)),
        Outcome::Passed | Outcome::Absent(_) => None,
    });
    failed.collect()
}

#[test]
fn the_sweep_catches_an_await_between_pop_and_hand_over() {
    let fresh = || queue::layered(MemoryQueuePlace::new(), |inner| Arc::new(Leaky(inner)));
    let failed = failures(queue::suite("leaky", async move || Ok(fresh())));
    let names: Vec<_> = failed.keys().map(String::as_str).collect();
    let expected = ["leaky::queue::lease_can_be_dropped", "leaky::queue::waiting_lease_can_be_dropped"];
    assert_eq!(names, expected, "the bug shows in nothing but the sweeps: {failed:?}");
    assert!(failed[expected[0]].contains("lost"), "{failed:?}");
}

#[test]
fn a_store_that_ignores_the_fence_fails() {
    let fresh = || store::layered(MemoryPlace::new(), |inner| Arc::new(Unfenced::new(inner)));
    let failed = failures(store::suite("unfenced", async move || Ok(fresh())));
    let expected =
        ["old_epoch_changes_nothing", "transition_answers_each_item_in_order", "recall_ends_the_claim"];
    for case in expected {
        assert!(failed.contains_key(&format!("unfenced::store::{case}")), "{case} passed: {failed:?}");
    }
}

#[test]
fn a_transport_that_mixes_up_its_outcomes_fails() {
    let fresh = || transport::layered(MemoryTransportPlace::new(), |inner| Arc::new(Shuffled(inner)));
    let failed = failures(transport::suite("shuffled", async move || Ok(fresh())));
    assert!(failed.contains_key("shuffled::transport::send_can_be_dropped"), "{failed:?}");
}

#[test]
fn a_backend_that_is_not_there_neither_passes_nor_fails() {
    let fresh = async || Err::<MemoryQueuePlace, _>(Absent("no server".into()));
    for (name, case) in queue::suite("absent", fresh).into_cases() {
        assert_eq!(case(), Outcome::Absent(Absent("no server".into())), "{name}");
    }
}
