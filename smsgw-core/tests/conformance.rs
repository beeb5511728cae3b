//! The conformance suite on the memory backends, alone and under the layers.

mod fixtures;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use smsgw_core::conformance::{self, Arguments, Suite, queue, store, transport};
use smsgw_core::layer::{Fault, FaultPlan};

use fixtures::{MemoryPlace, MemoryQueuePlace, MemoryTransportPlace};

/// The suites under a fault layer whose plan breaks no promise: what it passes on, it must pass on whole.
fn under_faults(name: &str, plan: FaultPlan) -> Vec<Suite> {
    let store = move || store::layered(MemoryPlace::new(), move |inner| Arc::new(Fault::new(inner, plan)));
    let queue =
        move || queue::layered(MemoryQueuePlace::new(), move |inner| Arc::new(Fault::new(inner, plan)));
    let transport = move || {
        transport::layered(MemoryTransportPlace::new(), move |inner| Arc::new(Fault::new(inner, plan)))
    };
    vec![
        store::suite(name, async move || Ok(store())),
        queue::suite(name, async move || Ok(queue())),
        transport::suite(name, async move || Ok(transport())),
    ]
}

fn main() -> ExitCode {
    let mut suites = vec![
        store::suite("memory", async || Ok(MemoryPlace::new())),
        queue::suite("memory", async || Ok(MemoryQueuePlace::new())),
        transport::suite("memory", async || Ok(MemoryTransportPlace::new())),
    ];
    suites.extend(under_faults("memory_without_faults", FaultPlan::default()));
    let delays =
        FaultPlan { seed: 1, delay: 0.5, max_delay: Duration::from_millis(2), ..FaultPlan::default() };
    suites.extend(under_faults("memory_with_delays", delays));
    conformance::run(&Arguments::from_args(), suites)
}
