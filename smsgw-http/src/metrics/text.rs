//! The Prometheus text format 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::{Display, Write};

use smsgw_core::gateway::Histogram;

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins a family of samples of one name.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
        Family { text: self, name }
    }

    fn line(&mut self, line: impl Display) {
        // A text takes all that is written to it.
        let _ = writeln!(self.0, "{line}");
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

pub(super) struct Family<'a> {
    text: &'a mut Text,
    name: &'static str,
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.text.line(format_args!("{}{} {value}", self.name, Labels(labels)));
    }

    /// The buckets, the sum and the count of one label.
    pub(super) fn histogram(&mut self, (label, value): (&str, &str), histogram: &Histogram) {
        let name = self.name;
        for (end, count) in histogram.buckets() {
            let end = end.as_secs_f64().to_string();
            let labels = [(label, value), ("le", &end)];
            self.text.line(format_args!("{name}_bucket{} {count}", Labels(&labels)));
        }
        let (all, own) = ([(label, value), ("le", "+Inf")], [(label, value)]);
        self.text.line(format_args!("{name}_bucket{} {}", Labels(&all), histogram.count()));
        self.text.line(format_args!("{name}_sum{} {}", Labels(&own), histogram.sum()));
        self.text.line(format_args!("{name}_count{} {}", Labels(&own), histogram.count()));
    }
}

struct Labels<'a>(&'a [(&'a str, &'a str)]);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "{" } else { "," })?;
            write!(f, "{name}=\"")?;
            for character in value.chars() {
                match character {
                    '\\' => f.write_str("\\\\")?,
                    '"' => f.write_str("\\\"")?,
                    '\n' => f.write_str("\\n")?,
                    other => f.write_char(other)?,
                }
            }
            f.write_char('"')?;
        }
        f.write_str(if self.0.is_empty() { "" } else { "}" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_says_what_it_is_and_escapes_what_it_must() {
        let mut text = Text::default();
        let mut family = text.family("smsgw_things_total", Kind::Counter, "Things.");
        family.sample(&[], 3);
        family.sample(&[("code", "a\"b\\c\nd"), ("state", "sent")], 1.5);
        let expected = "# HELP smsgw_things_total Things.\n# TYPE smsgw_things_total counter\nsmsgw_things_total 3\n\
                        smsgw_things_total{code=\"a\\\"b\\\\c\\nd\",state=\"sent\"} 1.5\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn the_buckets_of_a_histogram_end_in_all_of_them() {
        let mut text = Text::default();
        let mut family = text.family("smsgw_waits_seconds", Kind::Histogram, "Waits.");
        family.histogram(("stage", "send"), &Histogram::default());
        let text = text.finish();
        let first = "smsgw_waits_seconds_bucket{stage=\"send\",le=\"0.0001\"} 0\n";
        assert_eq!(text.lines().nth(2).map(|line| format!("{line}\n")).as_deref(), Some(first));
        let last = "smsgw_waits_seconds_bucket{stage=\"send\",le=\"+Inf\"} 0\n\
                    smsgw_waits_seconds_sum{stage=\"send\"} 0\nsmsgw_waits_seconds_count{stage=\"send\"} 0\n";
        assert!(text.ends_with(last), "{text}");
    }
}
