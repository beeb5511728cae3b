//! The conformance suite on the memory backends, alone and under the layers.

mod fixtures;

use std::process::ExitCode;

use smsgw_core::conformance::{self, Arguments, queue, store, transport};

use fixtures::{MemoryPlace, MemoryQueuePlace, MemoryTransportPlace};

fn main() -> ExitCode {
    let suites = vec![
        store::suite("memory", async || Ok(MemoryPlace::new())),
        queue::suite("memory", async || Ok(MemoryQueuePlace::new())),
        transport::suite("memory", async || Ok(MemoryTransportPlace::new())),
    ];
    conformance::run(&Arguments::from_args(), suites)
}
