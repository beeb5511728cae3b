//! What a run has shown: a table for people, one line of JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::flags::RunFlags;
use crate::tally::{Latency, Span};

pub(crate) struct Report {
    pub(crate) flags: RunFlags,
    pub(crate) accepted: Span,
    pub(crate) arrived: Span,
    pub(crate) reported: Span,
    /// Accepted messages whose report is not stored.
    pub(crate) lost: usize,
    pub(crate) duplicated: usize,
    pub(crate) refused: usize,
    /// By process: microseconds of processor time for each message, and megabytes at the most.
    pub(crate) cpu: BTreeMap<&'static str, f64>,
    pub(crate) memory: BTreeMap<&'static str, f64>,
}

impl Report {
    pub(crate) fn json(&self) -> Value {
        let RunFlags { messages, connections, devices, rate, bulk, body, only_accept, .. } = self.flags;
        json!({
            "store": name(self.flags.store),
            "queue": name(self.flags.queue),
            "broker": name(self.flags.broker),
            "messages": messages,
            "connections": connections,
            "devices": devices,
            "rate": rate,
            "bulk": bulk,
            "body": body,
            "only_accept": only_accept,
            "always_queue": self.flags.always_queue,
            "accepted_per_s": round(self.accepted.per_s),
            "e2e_per_s": round(self.reported.per_s),
            "http_ms": latency(&self.accepted.latency),
            "latency_ms": latency(&self.arrived.latency),
            "report_ms": latency(&self.reported.latency),
            "cpu_us_per_message": numbers(&self.cpu),
            "rss_mb": numbers(&self.memory),
            "lost": self.lost,
            "duplicated": self.duplicated,
            "refused": self.refused,
        })
    }

    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        let mut line = |text: String| {
            let _ = writeln!(table, "{text}");
        };
        line(format!(
            "{:<10} {:>9} {:>10}   {:>8} {:>8} {:>8} {:>8}",
            "", "messages", "a second", "p50 ms", "p95", "p99", "max"
        ));
        let spans = [("accepted", &self.accepted), ("at device", &self.arrived), ("sent", &self.reported)];
        for (name, Span { count, per_s, latency: Latency { p50, p95, p99, max } }) in spans {
            line(format!(
                "{name:<10} {count:>9} {per_s:>10.0}   {p50:>8.2} {p95:>8.2} {p99:>8.2} {max:>8.2}"
            ));
        }
        line(format!("\n{:<10} {:>14} {:>9}", "", "CPU µs/message", "MB"));
        for (name, cpu) in &self.cpu {
            line(format!("{name:<10} {cpu:>14.1} {:>9.1}", self.memory.get(name).unwrap_or(&0.0)));
        }
        line(format!("{:<10} {:>14.1}", "all", self.cpu.values().sum::<f64>()));
        line(format!(
            "\nlost {}   duplicated {}   refused and repeated {}",
            self.lost, self.duplicated, self.refused
        ));
        table
    }
}

/// As the command line writes it.
fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn latency(Latency { p50, p95, p99, max }: &Latency) -> Value {
    json!({"p50": round(*p50), "p95": round(*p95), "p99": round(*p99), "max": round(*max)})
}

fn numbers(all: &BTreeMap<&'static str, f64>) -> Value {
    all.iter().map(|(name, value)| ((*name).to_owned(), json!(round(*value)))).collect::<Map<_, _>>().into()
}
