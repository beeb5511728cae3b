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

/// The processes that have this parent, and the parent itself.
pub(crate) fn with_children(parent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| *id == parent || parent_of(*id) == Some(parent)).collect()
}

fn parent_of(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name, which stands in brackets and may hold anything: the state and the parent.
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Memory in MiB: `VmRSS`, what a process has now, or `VmHWM`, the most that it ever had.
pub(crate) fn memory(process: u32, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib: f64 = line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0.0);
    kib / 1024.0
}
