//! What happens when a backend goes away and comes back: real servers, a real gateway with its HTTP API, real devices, and
//! load all the while. Each case counts what clients were told and what went over the air, and holds it against the times
//! that are promised, which are in `suite`.
//!
//! Gateways run in this process, unless it is their memory, their disk or their end that counts: then it is the example
//! gateway, which `cargo build --examples` makes. The servers of a case are its own. One that is not installed shows as
//! ignored, unless `SMSGW_TEST_REQUIRE` names it. What was measured is on standard error.
#![allow(clippy::print_stderr, reason = "what was measured is for whoever runs it")]

#[path = "../support/mod.rs"]
mod support;

mod backlog;
mod broker;
mod client;
mod disk;
mod flood;
mod gateway;
mod partition_broker;
mod partition_database;
mod phones;
mod postgres;
mod process;
mod queues;
mod stop;
mod suite;

use std::process::ExitCode;

use libtest_mimic::Arguments;

/// Cases at a time, where nobody says: they wait far more than they work.
const THREADS: usize = 5;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let modules = [
        queues::trials(),
        postgres::trials(),
        broker::trials(),
        partition_broker::trials(),
        partition_database::trials(),
        backlog::trials(),
        disk::trials(),
        flood::trials(),
        stop::trials(),
    ];
    libtest_mimic::run(&arguments, modules.into_iter().flatten().collect()).exit_code()
}
