//! What a run says of itself: a line where it went well, and all there is to know where it did not.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::checker::Verdict;
use crate::logs::Logs;
use crate::plans::Plan;
use crate::schedule::Step;
use crate::world::World;

/// Findings of one kind that are shown; all are in the files that are kept.
const SHOWN: usize = 5;

pub(crate) fn line(
    plan: &Plan,
    seed: u64,
    verdict: &Verdict,
    logs: &Logs,
    crashes: &BTreeMap<&'static str, (usize, usize)>,
    longest_drain: Duration,
    took: Duration,
) {
    let mut line = format!("chaos {} (seed {seed}, {:.0} s): {verdict}", plan.name, took.as_secs_f64());
    if crashes.is_empty() {
        let _ = write!(line, "; {} faults, {} deaths of gateways", plan.faults, logs.deaths.len());
    }
    for (point, (died, missed)) in crashes {
        let _ = write!(line, "; {point} {died}");
        if *missed > 0 {
            let _ = write!(line, " (not reached {missed})");
        }
    }
    if longest_drain > Duration::ZERO {
        let _ = write!(line, "; drained within {:.1} s", longest_drain.as_secs_f64());
    }
    println!("{line}");
}

/// Leaves the logs in a directory that stays.
pub(crate) fn keep(world: World, logs: &Logs, steps: &[Step]) -> PathBuf {
    let World { slots, hosts, directory, .. } = world;
    drop((slots, hosts));
    let path = directory.keep();
    write_lines(&path.join("schedule"), steps.iter());
    write_lines(&path.join("asked"), logs.asked.iter());
    write_lines(&path.join("rows"), logs.rows.iter());
    write_lines(&path.join("events"), logs.events.iter());
    write_lines(&path.join("deaths"), logs.deaths.iter());
    write_lines(&path.join("outages"), logs.outages.iter());
    path
}

fn write_lines(path: &Path, items: impl Iterator<Item = impl std::fmt::Debug>) {
    let text: String = items.map(|item| format!("{item:?}\n")).collect();
    std::fs::write(path, text).expect("a file");
}

pub(crate) fn failure(plan: &Plan, seed: u64, verdict: &Verdict, misdeeds: &[String], kept: &Path) -> String {
    let lane = std::env::var("SMSGW_CHAOS").map(|lane| format!("SMSGW_CHAOS={lane} ")).unwrap_or_default();
    let mut text = format!(
        "seed {seed}; the logs are in {}; again: {lane}SMSGW_CHAOS_SEED={seed} cargo test --locked --all-features \
         --test chaos -- --exact {}\n",
        kept.display(),
        plan.name
    );
    let misdeeds: (&str, &[String]) = ("gateways", misdeeds);
    for (kind, found) in verdict.problems().into_iter().chain([misdeeds]) {
        for one in found.iter().take(SHOWN) {
            let _ = writeln!(text, "{kind}: {one}");
        }
        if found.len() > SHOWN {
            let _ = writeln!(text, "{kind}: and {} more", found.len() - SHOWN);
        }
    }
    text
}
