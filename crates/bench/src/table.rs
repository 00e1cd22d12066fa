//! A report for people: one table for each part, and what was aimed at.
//!
//! Pure text. Whoever prints it decides where.

use crate::latency::Latency;
use crate::report::{Bound, Report};
use crate::spread::Quantiles;

/// Between two columns.
const GAP: &str = "  ";

/// The lines of a report.
pub fn lines(report: &Report) -> Vec<String> {
    let file = if report.append_only { "append-only file, every second" } else { "no persistence" };
    let mut out = vec![format!("{}: {}; {file}", report.effort, report.machine.line())];
    let mut section = |title: &str, rows: Vec<Vec<String>>| {
        if rows.len() > 1 {
            out.extend([String::new(), title.to_owned()]);
            out.extend(aligned(&rows));
        }
    };
    section("THROUGHPUT (medians; ratios of the same round)", throughput(report));
    section("LATENCY, ms (from an entry written)", latency(&report.latency));
    section("BACKLOG (one worker, 64 at once)", backlog(report));
    section("RECOVERY", recovery(report));
    section("FLEET (manager and four workers)", fleet(report));
    section("TARGETS", targets(report));
    out
}

fn throughput(report: &Report) -> Vec<Vec<String>> {
    let head = [
        "",
        "events/s",
        "least",
        "most",
        "/ raw",
        "Redis µs",
        "/ raw",
        "own µs",
        "commands",
        "round trips",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for case in report.throughput.iter().flat_map(|all| &all.cases) {
        rows.push(vec![
            case.name.clone(),
            format!("{:.0}", case.per_s.median),
            format!("{:.0}", case.per_s.min),
            format!("{:.0}", case.per_s.max),
            format!("{:.2}", case.to_raw),
            format!("{:.1}", case.cost.server_us),
            format!("{:.2}", case.server_to_raw),
            format!("{:.1}", case.cost.own_us),
            format!("{:.2}", case.cost.commands),
            format!("{:.3}", case.cost.round_trips),
        ]);
    }
    rows
}

fn latency(waits: &[Latency]) -> Vec<Vec<String>> {
    let head =
        ["", "offered/s", "written/s", "started p50", "p99", "max", "visible p50", "p99", "max"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for row in waits {
        let mut cells =
            vec![row.name.clone(), format!("{:.0}", row.offered), format!("{:.0}", row.written)];
        for waits in [row.started, row.visible] {
            cells.extend(waits.map_or_else(|| ["–"; 3].map(str::to_owned), quantiles));
        }
        rows.push(cells);
    }
    rows
}

fn quantiles(waits: Quantiles) -> [String; 3] {
    [waits.p50_ms, waits.p99_ms, waits.max_ms].map(|ms| format!("{ms:.2}"))
}

fn backlog(report: &Report) -> Vec<Vec<String>> {
    let head = ["entries", "events/s", "Redis µs", "memory MiB"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for row in &report.backlog {
        let shown = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
        };
        rows.push(vec![
            row.entries.to_string(),
            shown(row.per_s, 0),
            shown(row.server_us, 1),
            format!("{:.1}", row.memory_mib),
        ]);
    }
    rows
}

fn recovery(report: &Report) -> Vec<Vec<String>> {
    let head = ["entries", "done", "took s", "lease + sweep s", "longest command ms", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for row in &report.recovery {
        rows.push(vec![
            row.entries.to_string(),
            row.done.to_string(),
            format!("{:.2}", row.took_s),
            format!("{:.2}", row.lease_and_sweep_s),
            format!("{:.1}", row.longest_ms),
            row.longest.clone(),
        ]);
    }
    rows
}

fn fleet(report: &Report) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new(), String::new()]];
    let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
    if let Some(work) = &report.fleet {
        row("deployments/s", format!("{:.0}", work.deployments_per_s));
        row("events/s", format!("{:.0}", work.events_per_s));
        row("events a deployment", format!("{:.1}", work.events_each));
        row("Redis µs an event", format!("{:.1}", work.server_us));
        row("own µs an event", format!("{:.1}", work.own_us));
        row("commands an event", format!("{:.1}", work.commands));
        row("one alone, ms to its last notification", format!("{:.1}", work.alone_ms));
    }
    if let Some(idle) = &report.idle {
        row("idle, % of a core", format!("{:.2}", idle.cpu_percent));
        row("idle, % of a core in Redis", format!("{:.2}", idle.server_cpu_percent));
        row("idle, commands/s", format!("{:.1}", idle.commands_per_s));
        row("idle, of those sent by clients", format!("{:.1}", idle.sent_per_s));
        for (name, mib) in &idle.memory_mib {
            row(&format!("idle, MiB of {name}"), format!("{mib:.1}"));
        }
    }
    for binary in &report.binaries {
        row(&format!("file, MiB of {}", binary.name), format!("{:.1}", binary.mib));
    }
    rows
}

fn targets(report: &Report) -> Vec<Vec<String>> {
    let head = ["", "found", "target", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for target in &report.targets {
        let sign = match target.bound {
            Bound::AtLeast => "≥",
            Bound::AtMost => "≤",
        };
        rows.push(vec![
            target.name.clone(),
            format!("{:.2}", target.found),
            format!("{sign} {}", target.limit),
            if target.met { "met" } else { "missed" }.to_owned(),
        ]);
    }
    rows
}

/// Columns as wide as their widest text: the first on the left, the others on the right.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
            if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    rows.iter().map(line).filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_text() {
        let rows = [["", "b"], ["µs", "12"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), ["     b", "µs  12"]);
    }
}
