//! Events per second: raw, engine and validator in turns, so that whatever else the machine does is shared.
//!
//! Every case starts at the same backlog with empty results. Ratios are those of one round, and then the median.

use printery_events::topology::VALIDATOR;
use printery_events::{Encoding, Family};
use serde::Serialize;
use serde_json::json;

use crate::error::Error;
use crate::hop::HOP;
use crate::options::Effort;
use crate::program::Program;
use crate::raw::{RawHop, Settle, Way};
use crate::sample::{Cost, Goal, measure};
use crate::spread::Spread;
use crate::stage::{Launch, Stage};

/// What one way of working reaches.
#[derive(Debug, Clone, Serialize)]
pub struct Throughput {
    /// What was measured.
    pub name: String,
    /// Events per second.
    pub per_s: Spread,
    /// Events per second, round by round.
    pub rounds: Vec<f64>,
    /// Medians of what an event costs.
    pub cost: Cost,
    /// Events per second, as a part of what the best raw loop reached in the same round.
    pub to_raw: f64,
    /// CPU time of Redis for an event, as a multiple of the best raw loop's in the same round.
    pub server_to_raw: f64,
}

/// All cases, and which of them are the yardsticks.
#[derive(Debug, Clone, Serialize)]
pub struct Throughputs {
    /// Every case.
    pub cases: Vec<Throughput>,
    /// The name of the best raw loop.
    pub raw: String,
    /// The name of the best raw loop that fences.
    pub fenced: String,
}

/// Who works.
#[derive(Debug, Clone)]
enum Subject {
    Raw(Way),
    Worker { launch: Launch, processes: usize, results: Family },
}

struct Case {
    name: String,
    subject: Subject,
    encoding: Encoding,
    costs: Vec<Cost>,
}

/// The raw loop that reads one entry, and waits for its acknowledgement before it reads the next.
pub(crate) const RAW_ONE: &str = "raw, COUNT 1";

/// The name of an engine case.
pub(crate) fn engine_name(concurrency: usize, processes: usize, dedupe: bool) -> String {
    let processes = if processes == 1 { String::new() } else { format!(", {processes} processes") };
    let dedupe = if dedupe { "" } else { ", no dedupe" };
    format!("engine, {concurrency} at once{processes}{dedupe}")
}

/// The name of a validator case.
pub(crate) fn validator_name(concurrency: usize, encoding: Encoding) -> String {
    let encoding = match encoding {
        Encoding::Json => "JSON",
        Encoding::MessagePack => "MessagePack",
    };
    format!("validator, {concurrency} at once, {encoding}")
}

/// A hop worker that forgets what it settled at once.
pub(crate) fn without_dedupe(launch: Launch) -> Launch {
    launch.engine(json!({ "dedupe_window": "0s" }))
}

/// Measures every case in every round.
pub(crate) fn throughput(stage: &mut Stage<'_>) -> Result<Throughputs, Error> {
    let mut cases = cases(stage.options.effort);
    let entries = stage.options.entries();
    for round in 1..=stage.options.rounds() {
        for encoding in [Encoding::MessagePack, Encoding::Json] {
            if !cases.iter().any(|case| case.encoding == encoding) {
                continue;
            }
            stage.tell(&format!("loading {entries} entries"));
            stage.begin(entries, encoding)?;
            for case in cases.iter_mut().filter(|case| case.encoding == encoding) {
                stage.tell(&format!("round {round} of {}: {}", stage.options.rounds(), case.name));
                stage.rewind()?;
                let cost = run(stage, &case.subject, entries)?;
                case.costs.push(cost);
            }
        }
    }
    Ok(sum_up(&cases))
}

fn cases(effort: Effort) -> Vec<Case> {
    let full = effort == Effort::Full;
    let mut cases = Vec::new();
    let mut add = |name: String, encoding, subject| {
        cases.push(Case { name, subject, encoding, costs: Vec::new() });
    };
    let sizes = [(100, 1), (100, 2), (256, 2), (64, 4)];
    let sizes = sizes.get(..if full { 4 } else { 2 }).unwrap_or_default();
    for (settle, word) in [(Settle::Plain, "raw"), (Settle::Fenced, "raw-fenced")] {
        for (count, threads) in sizes.iter().copied() {
            let way = Way { settle, count, threads, waits: false };
            let name = format!("{word}, COUNT {count} × {threads}");
            add(name, Encoding::MessagePack, Subject::Raw(way));
        }
    }
    for (waits, name) in [(true, RAW_ONE), (false, "raw, COUNT 1, settled with the next read")] {
        let way = Way { settle: Settle::Plain, count: 1, threads: 1, waits };
        add(name.to_owned(), Encoding::MessagePack, Subject::Raw(way));
    }
    for concurrency in [1, 8, 64, 256] {
        for processes in [1, 2] {
            for dedupe in [true, false] {
                // A quick run leaves out what no target is about.
                if !full && (concurrency == 8 || (processes == 2 && !(dedupe && concurrency == 64)))
                {
                    continue;
                }
                let launch = Launch::of(HOP.program).concurrency(concurrency);
                let launch = if dedupe { launch } else { without_dedupe(launch) };
                let subject =
                    Subject::Worker { launch, processes, results: Family::DeploymentCompleted };
                add(engine_name(concurrency, processes, dedupe), Encoding::MessagePack, subject);
            }
        }
    }
    for (concurrency, encoding) in
        [(1, Encoding::MessagePack), (64, Encoding::MessagePack), (64, Encoding::Json)]
    {
        let launch = Launch::of(VALIDATOR.program).concurrency(concurrency).encoding(encoding);
        let subject =
            Subject::Worker { launch, processes: 1, results: Family::ValidationCompleted };
        add(validator_name(concurrency, encoding), encoding, subject);
    }
    cases
}

fn run(stage: &mut Stage<'_>, subject: &Subject, all: u64) -> Result<Cost, Error> {
    let within = stage.options.per_case();
    match subject {
        Subject::Raw(way) => {
            let source = stage.events(Family::DeploymentStarted);
            let results = stage.events(Family::DeploymentCompleted);
            let log = stage.keys.settlements("raw");
            let streams = [source, results.clone(), log];
            let hop = RawHop::start(stage.server.socket(), &streams, *way)?;
            let goal = Goal { results: &results, all, ordered: false, within };
            let cost = measure(stage, &mut [], goal);
            // What went wrong in a thread says more than that nothing came.
            hop.stop()?;
            cost
        }
        Subject::Worker { launch, processes, results } => {
            let results = stage.events(*results);
            let programs: Result<Vec<Program>, Error> =
                (0..*processes).map(|_| stage.start(launch)).collect();
            let ordered = launch.program == VALIDATOR.program;
            let goal = Goal { results: &results, all, ordered, within };
            measure(stage, &mut programs?, goal)
        }
    }
}

fn sum_up(cases: &[Case]) -> Throughputs {
    let median = |case: &Case, of: fn(&Cost) -> f64| {
        Spread::of(case.costs.iter().map(of)).map_or(0.0, |spread| spread.median)
    };
    let best = |word: &str| {
        let named = cases.iter().filter(|case| case.name.starts_with(word));
        named.max_by(|a, b| median(a, |cost| cost.per_s).total_cmp(&median(b, |cost| cost.per_s)))
    };
    let (raw, fenced) = (best("raw, "), best("raw-fenced, "));
    let ratio = |case: &Case, of: fn(&Cost) -> f64| {
        let yardstick = raw.map(|raw| raw.costs.as_slice()).unwrap_or_default();
        let rounds = case.costs.iter().zip(yardstick);
        Spread::of(rounds.map(|(cost, raw)| of(cost) / of(raw).max(1e-9)))
            .map_or(0.0, |spread| spread.median)
    };
    let rows = cases.iter().filter_map(|case| {
        Some(Throughput {
            name: case.name.clone(),
            per_s: Spread::of(case.costs.iter().map(|cost| cost.per_s))?,
            rounds: case.costs.iter().map(|cost| cost.per_s).collect(),
            cost: Cost {
                per_s: median(case, |cost| cost.per_s),
                server_us: median(case, |cost| cost.server_us),
                own_us: median(case, |cost| cost.own_us),
                commands: median(case, |cost| cost.commands),
                round_trips: median(case, |cost| cost.round_trips),
            },
            to_raw: ratio(case, |cost| cost.per_s),
            server_to_raw: ratio(case, |cost| cost.server_us),
        })
    });
    let name = |case: Option<&Case>| case.map(|case| case.name.clone()).unwrap_or_default();
    Throughputs { cases: rows.collect(), raw: name(raw), fenced: name(fenced) }
}
