//! Chaos: the real gateway, real servers, phones in processes of their own, and everything that breaks. Then the checker
//! says whether a message was lost or sent twice.
//!
//! ```text
//! make chaos                                      the short lane, some minutes
//! SMSGW_CHAOS=long make chaos                     all of it, some hours
//! SMSGW_CHAOS=long SMSGW_CHAOS_PERCENT=5 …        a share of it
//! SMSGW_CHAOS_SEED=7 …                            another course of events
//! cargo test … --test chaos -- --exact kills      one run
//! ```
#![allow(clippy::print_stdout, reason = "a run says what it has measured")]

#[path = "../support/mod.rs"]
mod support;

mod checker;
mod clients;
mod export;
mod faults;
mod gateway;
mod logs;
mod phones;
mod plans;
mod report;
mod run;
mod schedule;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use plans::Lane;

/// Runs side by side: most of their time they wait.
const SIDE_BY_SIDE: usize = 4;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(phones::PHONES) {
        phones::serve(&words.next().expect("the file of the phones"));
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(SIDE_BY_SIDE);
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seed = number("SMSGW_CHAOS_SEED").unwrap_or(1);
    let lane = match std::env::var("SMSGW_CHAOS").as_deref() {
        Ok("long") => Lane::Long { percent: number("SMSGW_CHAOS_PERCENT").unwrap_or(100) as usize },
        _ => Lane::Short,
    };
    let runs = plans::plans(lane)
        .into_iter()
        .map(|plan| Trial::ignorable_test(plan.name, move || run::run(&plan, seed)));
    let trials = runs.chain(checker::planted::trials()).chain([schedule_is_of_the_seed()]).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Else no failure could be replayed.
fn schedule_is_of_the_seed() -> Trial {
    Trial::test("schedule::is_of_the_seed", || {
        for plan in plans::plans(Lane::Short) {
            let of = |seed| schedule::schedule(plan.kind, plan.faults, seed);
            if of(7) != of(7) || of(7) == of(8) {
                return Err(plan.name.into());
            }
        }
        Ok(())
    })
}
