//! The runs: what each consists of, how long it is, and what it must show.

use crate::checker::{RECLAIM_WITHIN, Rules};
use crate::clients::Load;
use crate::schedule::{Kind, groups};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueueKind {
    Memory,
    Postgres,
    Redis,
    RabbitMq,
}

#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// How many faults; of crash points, so many of each.
    pub(crate) faults: usize,
    pub(crate) gateways: usize,
    pub(crate) phones: usize,
    pub(crate) queue: QueueKind,
    pub(crate) load: Load,
    pub(crate) rules: Rules,
}

/// How much.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lane {
    /// Some minutes, for every change.
    Short,
    /// What issue 4 asks for, or a share of it in percent.
    Long { percent: usize },
}

impl Lane {
    fn size(self, short: usize, long: usize) -> usize {
        match self {
            Self::Short => short,
            Self::Long { percent } => (long * percent).div_ceil(100),
        }
    }
}

impl Lane {
    /// Seconds. The short lane runs wherever somebody tests, beside whatever else that machine does, and is no place to
    /// fail for a second: it says what it took, and the long lane holds the promise against it.
    fn reclaim_within(self) -> f64 {
        match self {
            Self::Short => 2.0 * RECLAIM_WITHIN,
            Self::Long { .. } => RECLAIM_WITHIN,
        }
    }
}

pub(crate) fn plans(lane: Lane) -> Vec<Plan> {
    let load = |rate| Load { clients: 6, rate, at_most: usize::MAX };
    let gateway_dies = Rules { phones_die: false, reclaim_within: Some(lane.reclaim_within()) };
    let plan = |name, kind, faults| Plan {
        name,
        kind,
        faults,
        gateways: 1,
        phones: 8,
        queue: QueueKind::Memory,
        load: load(20.0),
        rules: Rules::default(),
    };
    let [intake, sending, hearing] = groups();
    let crashes = |name, points, queue| Plan {
        queue,
        rules: gateway_dies,
        ..plan(name, Kind::Crashes(points), lane.size(10, 100))
    };
    // The longest first: they run side by side.
    vec![
        crashes("crash_points::of_intake", intake, QueueKind::Memory),
        crashes("crash_points::of_sending", sending, QueueKind::Redis),
        crashes("crash_points::of_hearing", hearing, QueueKind::Postgres),
        Plan {
            phones: lane.size(20, 200).max(20),
            load: load(lane.size(20, 50).max(20) as f64),
            rules: gateway_dies,
            ..plan("kills", Kind::Kills, lane.size(60, 1_000))
        },
        plan("partitions", Kind::Partitions, lane.size(6, 200)),
        plan("broker", Kind::Broker, lane.size(12, 200)),
        Plan { gateways: 2, rules: gateway_dies, ..plan("pauses", Kind::Pauses, lane.size(1, 10)) },
        plan("database", Kind::Database, lane.size(6, 50)),
        Plan { queue: QueueKind::Redis, ..plan("queue::redis", Kind::Queue, lane.size(6, 50)) },
        Plan { queue: QueueKind::RabbitMq, ..plan("queue::rabbitmq", Kind::Queue, lane.size(3, 20)) },
        Plan {
            gateways: 2,
            load: load(lane.size(20, 200).max(20) as f64),
            ..plan("restarts", Kind::Restarts, lane.size(10, 50))
        },
        Plan {
            rules: Rules { phones_die: true, reclaim_within: Some(lane.reclaim_within()) },
            ..plan("phones", Kind::Phones, lane.size(15, 300))
        },
    ]
}
