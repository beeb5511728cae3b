//! What breaks, and when: a pure function of the seed.

use std::time::Duration;

use smsgw::crash::POINTS;

/// What breaks in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Gateways die at these crash points, each equally often.
    Crashes(&'static [&'static str]),
    /// Gateways are killed at any time.
    Kills,
    /// Gateways are told to end, and follow each other.
    Restarts,
    /// The MQTT broker is restarted, one time in four without its sessions.
    Broker,
    /// The database stops as in a crash.
    Database,
    /// The queue's server dies with all that it has.
    Queue,
    /// The network between two parts is gone, one way or both.
    Partitions,
    /// One gateway of several stands still for longer than its lease.
    Pauses,
    /// Processes of phones are killed, and gateways too.
    Phones,
}

/// What is between two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    GatewayBroker,
    GatewayDatabase,
    DeviceBroker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    ToClient,
    Both,
}

/// What the broker remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// Ended in order.
    Kept,
    /// Killed: it has what it had written down.
    Crashed,
    Wiped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Crash { point: &'static str, pass: u64 },
    Kill,
    Restart,
    Broker(Sessions),
    Database { down: Duration },
    Queue { down: Duration },
    Partition { line: Line, way: Way, lasts: Duration },
    Pause { lasts: Duration },
    Phones,
}

/// A fault, and how long all goes well before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) after: Duration,
    pub(crate) fault: Fault,
}

/// `count` faults; of crash points, so many of each.
pub(crate) fn schedule(kind: Kind, count: usize, seed: u64) -> Vec<Step> {
    let mut random = fastrand::Rng::with_seed(seed);
    if let Kind::Crashes(points) = kind {
        let mut steps: Vec<Step> = points
            .iter()
            .flat_map(|point| std::iter::repeat_n(*point, count))
            .map(|point| Step { after: Duration::ZERO, fault: crash(point, &mut random) })
            .collect();
        random.shuffle(&mut steps);
        return steps;
    }
    (0..count).map(|n| step(kind, n, &mut random)).collect()
}

fn crash(point: &'static str, random: &mut fastrand::Rng) -> Fault {
    // Those that a process seldom comes by.
    let most = if matches!(point, "due" | "pulled" | "draining") { 1 } else { 12 };
    Fault::Crash { point, pass: random.u64(1..=most) }
}

fn step(kind: Kind, n: usize, random: &mut fastrand::Rng) -> Step {
    let mut within = |from: u64, to: u64| Duration::from_millis(random.u64(from..to));
    let (after, fault) = match kind {
        Kind::Crashes(_) | Kind::Kills => (within(50, 2_000), Fault::Kill),
        Kind::Restarts => (within(1_000, 4_000), Fault::Restart),
        Kind::Broker => {
            let sessions = match n % 4 {
                3 => Sessions::Wiped,
                1 => Sessions::Crashed,
                _ => Sessions::Kept,
            };
            (within(3_000, 6_000), Fault::Broker(sessions))
        }
        Kind::Database => (within(4_000, 7_000), Fault::Database { down: within(500, 5_000) }),
        Kind::Queue => (within(3_000, 7_000), Fault::Queue { down: within(0, 3_000) }),
        Kind::Partitions => {
            let lines = [Line::GatewayBroker, Line::GatewayDatabase, Line::DeviceBroker];
            let ways = [Way::Both, Way::ToServer, Way::ToClient];
            // Each line each way, over nine faults.
            let (line, way) = (lines[n % 3], ways[(n / 3 + n) % 3]);
            let lasts = if n % 2 == 1 { within(28_000, 30_000) } else { within(8_000, 10_000) };
            (within(11_000, 12_000), Fault::Partition { line, way, lasts })
        }
        Kind::Pauses => (within(3_000, 6_000), Fault::Pause { lasts: within(40_000, 60_000) }),
        Kind::Phones if n % 3 == 2 => (within(500, 2_000), Fault::Kill),
        Kind::Phones => (within(500, 2_000), Fault::Phones),
    };
    Step { after, fault }
}

/// The crash points in three groups, each of which a run can go through.
pub(crate) fn groups() -> [&'static [&'static str]; 3] {
    static ALL: [&str; POINTS.len()] = POINTS;
    let third = ALL.len().div_ceil(3);
    let (first, rest) = ALL.split_at(third);
    let (second, last) = rest.split_at(third);
    [first, second, last]
}
