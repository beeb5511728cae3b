//! One run: the world, its load, its faults, the calm after them, and the verdict.

use std::time::{Duration, Instant};

use libtest_mimic::{Completion, Failed};
use smsgw_test_support::Missing;

use crate::checker::check;
use crate::clients::Clients;
use crate::faults::{Breaker, Happened};
use crate::logs::Logs;
use crate::phones::read_radios;
use crate::plans::Plan;
use crate::schedule::schedule;
use crate::world::World;
use crate::{export, report};

/// How long the load goes on after the last fault, so that there is something to recover with.
const CALM: Duration = Duration::from_secs(8);
/// By when every request must be accepted after that.
const ACCEPTED: Duration = Duration::from_secs(30);
/// By when every message must be at its end: a message that the broker lost is sent again after 60 s, under a lease of 30.
const SETTLED: Duration = Duration::from_secs(150);

/// Ignored where a server is missing that need not be there.
pub(crate) fn run(plan: &Plan, seed: u64) -> Result<Completion, Failed> {
    match World::start(plan, seed) {
        Ok(world) => judged(plan, seed, world).map(|()| Completion::Completed),
        Err(missing) if missing.is_required() => Err(missing.0.into()),
        Err(Missing(why)) => Ok(Completion::ignored_with(why)),
    }
}

fn judged(plan: &Plan, seed: u64, mut world: World) -> Result<(), Failed> {
    let began = Instant::now();
    let steps = schedule(plan.kind, plan.faults, seed);
    let clients = Clients::start(plan.load, seed, &world.accounts, &world.addresses);
    let happened = Breaker::run(&mut world, &steps, seed)?;
    std::thread::sleep(CALM);
    let asked = clients.finish(ACCEPTED);
    world.settles(SETTLED);
    let Happened { deaths, outages, crashes, mut misdeeds, longest_drain } = happened;
    let logs = Logs {
        asked,
        aired: read_radios(world.directory.path()),
        rows: export::rows(&world.postgres),
        events: export::events(&world.postgres),
        devices: export::devices(&world.postgres),
        deaths,
        outages,
    };
    let verdict = check(&logs, plan.rules);
    let unreached = crashes.iter().filter(|(_, (died, _))| *died == 0);
    misdeeds.extend(unreached.map(|(point, _)| format!("the crash point {point} was never reached")));
    report::line(plan, seed, &verdict, &logs, &crashes, longest_drain, began.elapsed());
    if verdict.problems().is_empty() && misdeeds.is_empty() {
        return Ok(());
    }
    let kept = report::keep(world, &logs, &steps);
    Err(report::failure(plan, seed, &verdict, &misdeeds, &kept).into())
}
