//! Figures of the last minutes, out of the samples that the gateway keeps.

use std::fmt::Write;

use maud::{Markup, PreEscaped};
use smsgw_core::gateway::{Histogram, Sample};

/// Over how many samples, which are seconds, a rate is taken.
const RATE: usize = 10;
/// Over how many a percentile is.
const QUANTILE: usize = 60;

/// Rates a second, how long devices take to answer, and a line each for the chart.
pub(super) struct Figures {
    pub(super) accepted: f64,
    pub(super) sent: f64,
    pub(super) delivered: f64,
    pub(super) failed: f64,
    pub(super) report: Histogram,
    /// Seconds since 1970, then accepted, sent, delivered and failed a second.
    columns: [Vec<f64>; 5],
}

impl Figures {
    pub(super) fn of(samples: &[Sample]) -> Self {
        let columns = columns(samples);
        let mean = |column: &[f64]| {
            let newest = &column[column.len().saturating_sub(RATE)..];
            newest.iter().sum::<f64>() / newest.len().max(1) as f64
        };
        let [_, accepted, sent, delivered, failed] = &columns;
        let report = match (samples.last(), samples.iter().rev().nth(QUANTILE).or(samples.first())) {
            (Some(last), Some(first)) => last.report.since(&first.report),
            _ => Histogram::default(),
        };
        Self {
            accepted: mean(accepted),
            sent: mean(sent),
            delivered: mean(delivered),
            failed: mean(failed),
            report,
            columns,
        }
    }

    /// The columns as JSON: nothing in it but numbers.
    pub(super) fn as_json(&self) -> Markup {
        let mut text = String::from("[");
        for (index, column) in self.columns.iter().enumerate() {
            text.push_str(if index == 0 { "[" } else { ",[" });
            for (index, value) in column.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                // Writing to a string does not fail.
                let _ = write!(text, "{comma}{value:.1}");
            }
            text.push(']');
        }
        text.push(']');
        PreEscaped(text)
    }
}

/// What happened between each sample and the next, a second.
fn columns(samples: &[Sample]) -> [Vec<f64>; 5] {
    let mut columns: [Vec<f64>; 5] = Default::default();
    for pair in samples.windows(2) {
        let [before, after] = pair else { continue };
        let seconds = before.at.until(after.at).as_secs_f64();
        if seconds <= 0.0 {
            continue;
        }
        let counts = |sample: &Sample| [sample.accepted, sample.sent, sample.delivered, sample.failed];
        columns[0].push(after.at.as_micros() as f64 / 1e6);
        for (column, (before, after)) in
            columns[1..].iter_mut().zip(counts(before).into_iter().zip(counts(after)))
        {
            column.push(after.saturating_sub(before) as f64 / seconds);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use smsgw_core::time::Timestamp;

    use super::*;

    fn sample(second: u64, accepted: u64) -> Sample {
        Sample {
            at: Timestamp::EPOCH + Duration::from_secs(second),
            accepted,
            sent: 0,
            delivered: 0,
            failed: 0,
            depth: None,
            devices_online: 0,
            report: Histogram::default(),
        }
    }

    #[test]
    fn a_rate_is_what_came_between_two_samples_by_their_time() {
        let figures = Figures::of(&[sample(1, 0), sample(2, 10), sample(4, 50)]);
        assert_eq!(figures.accepted, 15.0);
        assert_eq!(figures.as_json().into_string(), "[[2.0,4.0],[10.0,20.0],[0.0,0.0],[0.0,0.0],[0.0,0.0]]");
    }

    #[test]
    fn without_samples_there_are_no_figures() {
        let figures = Figures::of(&[]);
        assert_eq!((figures.accepted, figures.report.count()), (0.0, 0));
        assert_eq!(figures.as_json().into_string(), "[[],[],[],[],[]]");
        assert_eq!(Figures::of(&[sample(1, 5)]).accepted, 0.0);
    }
}
