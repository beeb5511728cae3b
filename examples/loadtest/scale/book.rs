//! What calls took: noted one by one, and compared with a small table that was measured in turn with the large one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ground::Ground;
use crate::usage;

/// What calls of one kind took on one ground.
#[derive(Debug, Default, Clone)]
pub(crate) struct Series {
    wall: Vec<Duration>,
    own: Duration,
    server: Duration,
}

impl Series {
    /// The time that a call took, in microseconds: half of them took less.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.wall.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).map_or(0.0, |span| span.as_secs_f64() * 1e6)
    }

    fn each(&self, span: Duration) -> f64 {
        span.as_secs_f64() * 1e6 / self.wall.len().max(1) as f64
    }

    /// CPU of this process, and of the server's, in microseconds a call.
    pub(crate) fn cpu(&self) -> (f64, f64) {
        (self.each(self.own), self.each(self.server))
    }
}

/// Times calls on one ground, each kind under its name, in the order in which they first came.
#[derive(Debug, Default)]
pub(crate) struct Book(Vec<(&'static str, Series)>);

impl Book {
    /// Times one call.
    pub(crate) async fn time<T>(
        &mut self,
        ground: &Ground,
        name: &'static str,
        call: impl Future<Output = smsgw::error::Result<T>>,
    ) -> smsgw::error::Result<T> {
        let (server, own) = (usage::cpu(&ground.processes), usage::own_cpu());
        let begun = Instant::now();
        let outcome = call.await;
        let (wall, own_now) = (begun.elapsed(), usage::own_cpu());
        let series = self.series(name);
        series.wall.push(wall);
        series.own += own_now.saturating_sub(own);
        series.server += usage::cpu(&ground.processes).saturating_sub(server);
        outcome
    }

    fn series(&mut self, name: &'static str) -> &mut Series {
        let place = self.0.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.0.push((name, Series::default()));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }

    fn find(&self, name: &str) -> Option<&Series> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, series)| series)
    }
}

/// What one kind of call costs at one size.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    pub(crate) step: &'static str,
    pub(crate) rows: u64,
    pub(crate) wall_us: f64,
    pub(crate) own_us: f64,
    pub(crate) server_us: f64,
    /// Its time against that of the small table in the same minutes, and its CPU.
    pub(crate) ratio: f64,
    pub(crate) cpu_ratio: f64,
}

impl Cost {
    /// One for each kind of call.
    pub(crate) fn all(rows: u64, large: &Book, small: &Book) -> Vec<Self> {
        let cost = |(step, series): &(&'static str, Series)| {
            let (own_us, server_us) = series.cpu();
            let wall_us = series.median();
            let beside = small.find(step);
            let ratio = wall_us / beside.map_or(f64::NAN, Series::median);
            let cpu = beside.map(Series::cpu).map_or(f64::NAN, |(own, server)| own + server);
            Self { step, rows, wall_us, own_us, server_us, ratio, cpu_ratio: (own_us + server_us) / cpu }
        };
        large.0.iter().map(cost).collect()
    }

    pub(crate) fn json(&self) -> Value {
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        let thousandth = |value: f64| (value * 1000.0).round() / 1000.0;
        json!({
            "step": self.step,
            "rows": self.rows,
            "wall_us": tenth(self.wall_us),
            "cpu_us": {"own": tenth(self.own_us), "server": tenth(self.server_us)},
            "ratio": thousandth(self.ratio),
            "cpu_ratio": thousandth(self.cpu_ratio),
        })
    }
}
