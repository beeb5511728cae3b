//! Promises of the engine over many seeded worlds: gateways that die and come back, backends that fail, stall and lose
//! their answers, phones that crash and come and go, callers who repeat themselves and change their minds. Time is
//! paused, so that an hour of waiting takes a moment.
//!
//! `SMSGW_SEEDS=100000` runs more worlds, `SMSGW_SEED=17` one of them again.

mod air;
mod away;
mod caller;
mod check;
mod clock;
mod gateways;
mod phone;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

const SEEDS: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn no_promise_is_broken_in_any_world() {
    let first = number("SMSGW_SEED");
    let (from, until) = first.map_or((0, number("SMSGW_SEEDS").unwrap_or(SEEDS)), |seed| (seed, seed + 1));
    let next = AtomicU64::new(from);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= until {
                        return;
                    }
                    if catch_unwind(AssertUnwindSafe(|| world::run(seed))).is_err() {
                        next.store(until, Ordering::Relaxed);
                        panic!("again with: SMSGW_SEED={seed} cargo test -p smsgw-core --all-features --test simulation");
                    }
                }
            });
        }
    });
}
