//! What is aimed at, and whether it was reached.
//!
//! Pure: it reads a report and adds nothing that was not measured in the same run. The numbers are the project's own
//! goals; they stand here once.

use printery_events::Encoding;

use crate::latency::{BARE, ENGINE, Latency};
use crate::report::{Bound, Report, Target};
use crate::spread::Spread;
use crate::throughput::{RAW_ONE, Throughput, Throughputs, engine_name, validator_name};

/// Judges every target whose parts were measured.
pub(crate) fn judge(report: &Report) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some(throughput) = &report.throughput {
        speed(throughput, &mut targets);
    }
    latency(&report.latency, &mut targets);
    memory(report, &mut targets);
    for recovery in &report.recovery {
        let entries = recovery.entries;
        // Of more it is asked that nobody else is held up by them.
        if entries <= 10_000 {
            let name = format!("{entries} entries of a dead replica, s over lease and sweep");
            targets.push(at_most(name, recovery.took_s - recovery.lease_and_sweep_s, 2.0));
        }
        let name = format!("longest command over {entries} pending entries, ms");
        targets.push(at_most(name, recovery.longest_ms, 20.0));
    }
    if let Some(idle) = &report.idle {
        targets.push(at_most("idle fleet, % of a core", idle.cpu_percent, 0.5));
        targets.push(at_most("idle fleet, Redis commands/s", idle.commands_per_s, 20.0));
    }
    targets
}

fn speed(all: &Throughputs, targets: &mut Vec<Target>) {
    let case = |name: &str| all.cases.iter().find(|case| case.name == name);
    // Of the same round: what else the machine did then slowed both.
    let ratio = |one: &str, other: &str| {
        let rounds = case(one)?.rounds.iter().zip(&case(other)?.rounds);
        Spread::of(rounds.map(|(one, other)| one / other.max(1e-9))).map(|ratios| ratios.median)
    };
    let mut add = |target: Option<Target>| targets.extend(target);
    for concurrency in [64, 256] {
        for dedupe in [true, false] {
            let engine = engine_name(concurrency, 1, dedupe);
            let found = ratio(&engine, &all.fenced);
            add(found.map(|it| at_least(format!("{engine} / raw-fenced"), it, 0.85)));
            let (least, most) = if dedupe { (0.4, 2.5) } else { (0.5, 2.0) };
            let found = case(&engine);
            add(found.map(|it| at_least(format!("{engine} / raw"), it.to_raw, least)));
            let server = |it: &Throughput| {
                at_most(format!("{engine}, Redis CPU / raw's"), it.server_to_raw, most)
            };
            add(found.map(server));
        }
    }
    let one = engine_name(1, 1, true);
    add(ratio(&one, RAW_ONE).map(|it| at_least(format!("{one} / {RAW_ONE}"), it, 0.7)));
    let engine = engine_name(64, 1, true);
    for encoding in [Encoding::MessagePack, Encoding::Json] {
        let name = validator_name(64, encoding);
        add(ratio(&name, &engine).map(|it| at_least(format!("{name} / engine"), it, 0.5)));
    }
    let two = engine_name(64, 2, true);
    add(ratio(&two, &engine).map(|it| at_least(format!("{two} / one process"), it, 1.0)));
    let round_trips = case(&engine).map(|case| case.cost.round_trips);
    add(round_trips.map(|it| at_most(format!("{engine}, round trips an event"), it, 0.2)));
}

fn latency(rows: &[Latency], targets: &mut Vec<Target>) {
    let row = |name: &str| rows.iter().find(|row| row.name == name);
    let started = |name: &str| row(name).and_then(|row| row.started).map(|waits| waits.p99_ms);
    if let (Some(engine), Some(bare)) = (started(ENGINE), started(BARE)) {
        let name = "p99 until the handler starts, ms over a bare reader";
        targets.push(at_most(name, engine - bare, 0.5));
    }
    if let Some(visible) = row(ENGINE).and_then(|row| row.visible) {
        targets.push(at_most("p99 until the result is visible, ms", visible.p99_ms, 3.0));
    }
}

fn memory(report: &Report, targets: &mut Vec<Target>) {
    for row in &report.backlog {
        let (name, limit) = match row.entries {
            0 => ("an idle worker, MiB".to_owned(), 15.0),
            entries => (format!("a worker with {entries} entries waiting, MiB"), 40.0),
        };
        targets.push(at_most(name, row.memory_mib, limit));
    }
    if let Some(spread) = Spread::of(report.backlog.iter().filter_map(|row| row.per_s)) {
        let name = "slowest backlog / fastest backlog, events/s";
        targets.push(at_least(name, spread.min / spread.max.max(1e-9), 0.9));
    }
    if let Some(largest) = Spread::of(report.binaries.iter().map(|binary| binary.mib)) {
        targets.push(at_most("the largest program, MiB", largest.max, 15.0));
    }
    let workers = report.idle.iter().flat_map(|idle| idle.memory_mib.iter().skip(1));
    if let Some(largest) = Spread::of(workers.map(|(_, mib)| *mib)) {
        targets.push(at_most("the largest idle worker of the fleet, MiB", largest.max, 15.0));
    }
}

fn at_least(name: impl Into<String>, found: f64, limit: f64) -> Target {
    Target { name: name.into(), found, limit, bound: Bound::AtLeast, met: found >= limit }
}

fn at_most(name: impl Into<String>, found: f64, limit: f64) -> Target {
    Target { name: name.into(), found, limit, bound: Bound::AtMost, met: found <= limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_at_its_limit_and_missed_beyond_it() {
        for (found, least, most) in [(0.9, false, true), (1.0, true, true), (1.1, true, false)] {
            assert_eq!(at_least("a", found, 1.0).met, least, "{found}");
            assert_eq!(at_most("a", found, 1.0).met, most, "{found}");
        }
    }
}
