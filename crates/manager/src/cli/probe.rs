//! `printery-workers probe`: asks one endpoint or service of the fleet file, and shows every phase.
//!
//! Asks exactly as the dependency-checker would, with its limits and its guard. Needs no Redis, and
//! publishes nothing.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use printery_config::Fleet;
use printery_harness::args::CommonArgs;
use printery_harness::exit;
use printery_probes::{Egress, Outcome, Report, Target, Timings, targets};
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::output::{Colour, Output, Tone, clean};
use crate::cli::target::conclude;

/// What to ask.
#[derive(Debug, Args)]
#[command(
    after_help = "Exits 0 when it is as expected (or slow), 1 when it is not or cannot be asked."
)]
pub(crate) struct ProbeArgs {
    /// The endpoint or service, as the fleet file calls it
    #[arg(value_name = "ENDPOINT")]
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks once and shows what was seen.
pub(crate) fn probe(common: &CommonArgs, args: &ProbeArgs) -> ExitCode {
    match ask(common, args) {
        Ok(code) => exit::code(code),
        Err(failure) => conclude(&failure),
    }
}

fn ask(common: &CommonArgs, args: &ProbeArgs) -> Result<u8, Failure> {
    let path = common.config.as_deref().map(std::path::Path::new);
    let fleet = Fleet::load(path, &|name| common.variable(name)).map_err(Failure::usage)?;
    let target = find(&fleet, &args.name)?;
    let egress = Egress::try_new(&fleet.egress).map_err(Failure::usage)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(target.ask(&egress, target.limits.check));
    let mut out = Output::stdout();
    if args.json {
        out.json(&as_json(&target, &report))?;
    } else {
        let lines = lines(&target, &report, out.colour());
        out.lines(lines)?;
    }
    let fine = matches!(report.outcome, Outcome::Pass | Outcome::Warn);
    Ok(if fine { exit::DONE } else { exit::FAILED })
}

fn find(fleet: &Fleet, name: &str) -> Result<Target, Failure> {
    let mut known = targets(fleet);
    let at = known.iter().position(|target| target.name == name);
    at.map(|at| known.swap_remove(at)).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|target| target.name.as_str()).collect();
        let names = names.join(", ");
        Failure::usage(format!(
            "{name} is neither an endpoint nor a service of {}; it has {names}",
            fleet.source()
        ))
    })
}

/// The phases that happened, in their order.
fn phases(timings: &Timings) -> impl Iterator<Item = (&'static str, Duration)> + use<> {
    let phases = [
        ("resolve", timings.resolve),
        ("connect", timings.connect),
        ("tls", timings.tls),
        ("processing", timings.processing),
        ("transfer", timings.transfer),
    ];
    phases.into_iter().filter_map(|(name, took)| Some((name, took?)))
}

fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

fn as_json(target: &Target, report: &Report) -> Value {
    let timings: Map<String, Value> = phases(&report.timings)
        .map(|(name, took)| (name.to_owned(), json!(milliseconds(took))))
        .collect();
    json!({
        "name": target.name,
        "target": report.target,
        "outcome": report.outcome.as_str(),
        "class": report.class.map(printery_probes::Class::as_str),
        "reason_code": report.reason_code.as_str(),
        "expected": report.expected,
        "observed": report.observed,
        "message": report.message,
        "attempts": report.attempts,
        "duration_ms": milliseconds(report.duration),
        "timings_ms": timings,
        "evidence": report.evidence,
    })
}

fn lines(target: &Target, report: &Report, colour: Colour) -> Vec<String> {
    let tone = match report.outcome {
        Outcome::Pass => Tone::Good,
        Outcome::Warn | Outcome::Skipped | Outcome::Inconclusive => Tone::Warn,
        Outcome::Fail | Outcome::Error => Tone::Bad,
    };
    let outcome = colour.paint(tone, report.outcome.as_str());
    let mut lines = vec![format!("{outcome}  {}  {}", target.name, clean(&report.message))];
    let mut row = |name: &str, text: &str| {
        if !text.is_empty() {
            lines.push(format!("  {name:<10}  {}", clean(text)));
        }
    };
    row("target", &report.target);
    row("expected", &report.expected);
    if let Some(class) = report.class {
        row("reason", &format!("{} ({class})", report.reason_code));
    }
    row("evidence", report.evidence.as_deref().unwrap_or_default());
    if report.attempts > 0 {
        for (name, took) in phases(&report.timings) {
            row(name, &format!("{:>10.3} ms", milliseconds(took)));
        }
        let attempts = match report.attempts {
            1 => String::new(),
            more => format!(", the last of {more} attempts"),
        };
        row("in all", &format!("{:>10.3} ms{attempts}", milliseconds(report.duration)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_that_happened_has_its_line() {
        let fleet = "version: 1\nfleet: t\nendpoints: { db: { tcp: 'db:5432' } }\n\
                     services: { api: { requires: [db] } }\n";
        let fleet = Fleet::parse("f", fleet, &|_| None).unwrap();
        let target = find(&fleet, "db").unwrap_or_else(|failure| panic!("{}", failure.text));
        let timings = Timings {
            connect: Some(Duration::from_micros(1500)),
            transfer: Some(Duration::from_millis(3)),
            ..Timings::default()
        };
        let report = Report {
            timings,
            message: "connecting to db:5432: connected\u{1b} in 4.5ms".to_owned(),
            duration: Duration::from_micros(4500),
            ..Report::pass("db:5432", "a connection")
        };
        assert_eq!(
            lines(&target, &report, Colour::Off),
            [
                "pass  db  connecting to db:5432: connected\u{fffd} in 4.5ms",
                "  target      db:5432",
                "  expected    a connection",
                "  connect          1.500 ms",
                "  transfer         3.000 ms",
                "  in all           4.500 ms",
            ]
        );
        assert_eq!(
            as_json(&target, &report)["timings_ms"],
            json!({ "connect": 1.5, "transfer": 3.0 })
        );
        let unknown = find(&fleet, "bd").err().map(|failure| failure.text).unwrap_or_default();
        assert_eq!(unknown, "bd is neither an endpoint nor a service of f; it has db, api");
    }
}
