//! A plot of relative costs over numbers of rows, as SVG: legible on light and on dark ground.

use std::fmt::Write;

/// One curve: rows, and cost relative to that of the small table.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// One plot among those that share a picture.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// Colours of a middle brightness, each with a dash of its own.
const STYLES: [(&str, &str); 9] = [
    ("#4c8dd6", ""),
    ("#e08a2e", "7 3"),
    ("#2fa37c", ""),
    ("#c565a7", "2 3"),
    ("#d6544c", ""),
    ("#8c7ae6", "7 3"),
    ("#9a8b2f", "2 3"),
    ("#4aa5b5", ""),
    ("#a0705a", "7 3"),
];
const INK: &str = "#7d8590";
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 340.0;
/// The place of the axes in a panel.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 280.0;
/// What no cost is to rise above, drawn as a line.
const LIMIT: f64 = 1.3;

/// All panels, one below the other.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let height = HEIGHT * panels.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"13\" fill=\"{INK}\">\n"
    );
    for (number, panel) in panels.iter().enumerate() {
        // Writing into a string cannot fail.
        let _ = writeln!(out, "<g transform=\"translate(0 {})\">", HEIGHT * number as f64);
        panel.draw(&mut out);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

impl Panel {
    fn draw(&self, out: &mut String) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let most = points().map(|(_, cost)| *cost).filter(|cost| cost.is_finite()).fold(1.5, f64::max);
        let step = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0].into_iter().find(|step| most / step <= 8.0);
        let step = step.unwrap_or(most / 8.0);
        let top = (most / step).ceil() * step;
        let (first, last) = points()
            .fold((f64::MAX, 0.0_f64), |(least, most), (rows, _)| (least.min(*rows), most.max(*rows)));
        let (first, last) = (first.log10(), last.log10().max(first.log10() + 1.0));
        let x = |rows: f64| LEFT + (rows.log10() - first) / (last - first) * (RIGHT - LEFT);
        let y = |cost: f64| BOTTOM - cost / top * (BOTTOM - TOP);

        text(out, LEFT, 20.0, "start", &format!("Time of a call, that with 10 thousand {} = 1", self.title));
        for tick in 0..=(top / step).round() as u32 {
            let cost = f64::from(tick) * step;
            rule(out, (LEFT, y(cost)), (RIGHT, y(cost)), "stroke-opacity=\"0.25\"");
            text(out, LEFT - 8.0, y(cost) + 4.0, "end", &format!("{cost}"));
        }
        rule(out, (LEFT, y(LIMIT)), (RIGHT, y(LIMIT)), "stroke-dasharray=\"1 4\"");
        text(out, RIGHT + 6.0, y(LIMIT) + 4.0, "start", &format!("{LIMIT}"));
        for power in first.round() as i32..=last.round() as i32 {
            let rows = 10_f64.powi(power);
            rule(out, (x(rows), BOTTOM), (x(rows), BOTTOM + 5.0), "");
            text(out, x(rows), BOTTOM + 20.0, "middle", &count(rows));
        }
        text(out, (LEFT + RIGHT) / 2.0, BOTTOM + 40.0, "middle", self.title);
        for (number, (line, style)) in self.lines.iter().zip(STYLES.iter().cycle()).enumerate() {
            let place = (RIGHT + 36.0, TOP + 14.0 + 22.0 * number as f64);
            line.draw(out, *style, place, x, y);
        }
    }
}

impl Line {
    /// The curve, and its name at `place`.
    fn draw(
        &self,
        out: &mut String,
        (colour, dash): (&str, &str),
        place: (f64, f64),
        x: impl Fn(f64) -> f64,
        y: impl Fn(f64) -> f64,
    ) {
        let good = self.points.iter().filter(|(_, cost)| cost.is_finite());
        let places: Vec<_> = good.map(|(rows, cost)| (x(*rows), y(*cost))).collect();
        let path: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let stroke = format!("stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\"");
        let _ = writeln!(out, "<polyline points=\"{}\" fill=\"none\" {stroke}/>", path.join(" "));
        for (x, y) in &places {
            let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let (left, middle) = place;
        let _ = writeln!(out, "<path d=\"M{left} {middle}h24\" {stroke}/>");
        text(out, left + 30.0, middle + 4.0, "start", self.name);
    }
}

fn rule(out: &mut String, from: (f64, f64), to: (f64, f64), more: &str) {
    let _ = writeln!(
        out,
        "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"{INK}\" {more}/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

/// A round number in words that are short.
fn count(rows: f64) -> String {
    match rows {
        1e6.. => format!("{} million", rows / 1e6),
        1e3.. => format!("{} thousand", rows / 1e3),
        _ => format!("{rows}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_drawn_and_named_inside_the_picture() {
        let points = vec![(1e3, 0.9), (1e4, 1.0), (1e5, f64::NAN), (1e7, 2.5)];
        let line = |name| Line { name, points: points.clone() };
        let picture = svg(&[Panel { title: "rows", lines: vec![line("claim"), line("due")] }]);
        assert_eq!(picture.matches("<polyline").count(), 2);
        assert_eq!(picture.matches("<circle").count(), 6, "what is no number is left out");
        assert!(picture.contains(">claim</text>") && picture.contains(">due</text>"));
        assert!(picture.contains(">10 million</text>") && !picture.contains("NaN"));
        for (start, end) in [("cx=\"", WIDTH), ("cy=\"", HEIGHT)] {
            for place in picture.split(start).skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(place.parse().is_ok_and(|at: f64| (0.0..=end).contains(&at)), "{place}");
            }
        }
    }
}
