//! What processes use: one, given by its number, or that one and all that it has started and that still runs.

use std::fs;
use std::time::Duration;

pub use crate::process::family;
use crate::process::stat;

/// The processor time that a process and all that it has started have used, in user and in kernel mode.
pub fn cpu(process: u32) -> Duration {
    family(process).into_iter().map(cpu_of_one).sum()
}

/// The memory that a process and all that it has started hold, in bytes. What several share counts once (PSS).
pub fn memory(process: u32) -> u64 {
    family(process).into_iter().map(memory_of_one).sum()
}

/// As [`cpu`], without what it has started; zero where it is gone.
pub fn cpu_of_one(process: u32) -> Duration {
    let ticks = || {
        let fields = stat(process)?;
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    };
    // In ticks of 10 ms, as on every Linux of the last twenty years.
    Duration::from_millis(ticks().unwrap_or(0) * 10)
}

/// As [`memory`], without what it has started; zero where it is gone.
pub fn memory_of_one(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}
