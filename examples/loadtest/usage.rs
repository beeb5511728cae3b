//! What a process uses, as Linux tells.

use std::time::Duration;

/// The processor time of these processes, all threads of each that still run.
pub(crate) fn cpu(processes: &[u32]) -> Duration {
    let spent = |id: &u32| {
        let tasks = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
        // The first field of `schedstat`: nanoseconds on a processor.
        tasks
            .filter_map(|task| {
                let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
                text.split(' ').next()?.parse::<u64>().ok()
            })
            .sum::<u64>()
    };
    Duration::from_nanos(processes.iter().map(spent).sum())
}

/// The processor time of this process.
pub(crate) fn own_cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.try_into().unwrap_or(0), spent.tv_nsec.try_into().unwrap_or(0))
}

/// Memory in MiB: `VmRSS`, what a process has now, or `VmHWM`, the most that it ever had.
pub(crate) fn memory(process: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib: f64 = line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0.0);
    kib / 1024.0
}
