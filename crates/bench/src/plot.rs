//! A report as a picture: bars of events per second, and bars of waits.
//!
//! Writes SVG by hand: text and rectangles are all it takes. Pure.

use std::fmt::Write;

use crate::report::Report;
use crate::spread::float;

/// Width of the picture, of the names on the left, and of the longest bar, in pixels.
const WIDTH: f64 = 900.0;
const NAMES: f64 = 330.0;
const LONGEST: f64 = 430.0;
/// Height of a row and of a title.
const ROW: f64 = 20.0;
const TITLE: f64 = 44.0;

struct Bar {
    name: String,
    value: f64,
    label: String,
    colour: &'static str,
}

/// Draws a report.
pub fn plot(report: &Report) -> String {
    let sections = [
        ("events per second, and as a part of the best raw loop", speeds(report)),
        ("from an entry written to its result visible: p99, ms", waits(report)),
    ];
    let mut body = String::new();
    let mut y = 10.0;
    let text = |x: f64, y: f64, anchor: &str, said: &str| {
        let said = said.replace('&', "&amp;").replace('<', "&lt;");
        format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{said}</text>\n")
    };
    for (title, bars) in sections.iter().filter(|(_, bars)| !bars.is_empty()) {
        y += TITLE;
        body.push_str(&text(10.0, y - 14.0, "start", title));
        let most = bars.iter().map(|bar| bar.value).fold(1e-9, f64::max);
        for bar in bars {
            let length = (LONGEST * bar.value / most).max(1.0);
            body.push_str(&text(NAMES - 8.0, y + 14.0, "end", &bar.name));
            // Writing to a text cannot fail.
            let _written = writeln!(
                body,
                "<rect x=\"{NAMES}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\" fill=\"{}\"/>",
                y + 3.0,
                ROW - 6.0,
                bar.colour
            )
            .is_ok();
            body.push_str(&text(NAMES + length + 6.0, y + 14.0, "start", &bar.label));
            y += ROW;
        }
    }
    y += TITLE;
    body.push_str(&text(
        10.0,
        y - 14.0,
        "start",
        &format!("{}: {}", report.effort, report.machine.line()),
    ));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" viewBox=\"0 0 {WIDTH} {y}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

fn speeds(report: &Report) -> Vec<Bar> {
    let cases = report.throughput.iter().flat_map(|all| &all.cases);
    let mut bars: Vec<Bar> = cases
        .map(|case| Bar {
            name: case.name.clone(),
            value: case.per_s.median,
            label: format!("{:.0} ({:.2})", case.per_s.median, case.to_raw),
            colour: colour(&case.name),
        })
        .collect();
    bars.extend(report.fleet.iter().map(|fleet| Bar {
        name: "fleet, events through all workers".to_owned(),
        value: fleet.events_per_s,
        label: format!("{:.0}", fleet.events_per_s),
        colour: colour("fleet"),
    }));
    bars.extend(report.backlog.iter().filter_map(|row| {
        let per_s = row.per_s?;
        let name = format!("engine, a backlog of {:.0}", float(row.entries));
        Some(Bar { colour: colour(&name), name, value: per_s, label: format!("{per_s:.0}") })
    }));
    bars
}

fn waits(report: &Report) -> Vec<Bar> {
    let rows = report.latency.iter().filter_map(|row| {
        let visible = row.visible?;
        Some(Bar {
            name: format!("{} at {:.0}/s", row.name, row.offered),
            value: visible.p99_ms,
            label: format!("{:.2} (half: {:.2})", visible.p99_ms, visible.p50_ms),
            colour: colour(&row.name),
        })
    });
    rows.collect()
}

fn colour(name: &str) -> &'static str {
    match name.split([',', ' ']).next() {
        Some("raw" | "bare") => "#9aa5b1",
        Some("raw-fenced") => "#6b7785",
        Some("engine") => "#2f6fd0",
        Some("validator") => "#2a9d74",
        _ => "#b0742f",
    }
}
