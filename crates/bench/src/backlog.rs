//! What grows with the backlog: the time for an event, and memory.
//!
//! Both should not. Called after the throughput; it says nothing about how fast is fast enough.

use std::time::{Duration, Instant};

use printery_events::topology::WORKERS;
use printery_events::{Encoding, Family};
use serde::Serialize;

use crate::error::Error;
use crate::hop::HOP;
use crate::program::{memory_kib, size_of};
use crate::sample::{Goal, Sample, measure};
use crate::spread::float;
use crate::stage::{Launch, Stage};

/// Handlers of the worker that is measured.
const CONCURRENCY: usize = 64;
/// A backlog up to this size is over too soon to be measured once.
const SMALL: u64 = 10_000;
/// So often it is measured instead.
const REPEATS: u64 = 40;
/// How long a worker is left alone before its idle memory is read.
const SETTLED: Duration = Duration::from_secs(1);

/// A worker with so many entries waiting.
#[derive(Debug, Clone, Serialize)]
pub struct Backlog {
    /// Entries that wait when it begins; none is a worker with nothing to do.
    pub entries: u64,
    /// Events per second.
    pub per_s: Option<f64>,
    /// CPU time of Redis for an event, in microseconds.
    pub server_us: Option<f64>,
    /// The most memory that the worker had, in MiB.
    pub memory_mib: f64,
}

/// A program's file.
#[derive(Debug, Clone, Serialize)]
pub struct Binary {
    /// Its name.
    pub name: String,
    /// Its size in MiB.
    pub mib: f64,
}

/// Measures an idle worker, and then every backlog.
pub(crate) fn backlogs(stage: &mut Stage<'_>) -> Result<Vec<Backlog>, Error> {
    let launch = Launch::of(HOP.program).concurrency(CONCURRENCY);
    let results = stage.events(Family::DeploymentCompleted);
    stage.tell("an idle worker");
    stage.begin(0, Encoding::MessagePack)?;
    let idle = stage.start(&launch)?;
    stage.rest(SETTLED)?;
    let (memory, _most) = memory_kib(idle.pid())?;
    idle.stop();
    let mut rows =
        vec![Backlog { entries: 0, per_s: None, server_us: None, memory_mib: mib(memory) }];
    for entries in stage.options.backlogs() {
        stage.tell(&format!("a backlog of {entries}"));
        let mut programs = Vec::new();
        let cost = if entries <= SMALL {
            stage.begin(1, Encoding::MessagePack)?;
            programs.push(stage.start(&launch)?);
            stage
                .until("a first result", &mut programs, |stage| Ok(stage.length(&results)? == 1))?;
            let pids = [programs.first().map_or(0, crate::program::Program::pid)];
            let first = Sample::take(stage, 0, &pids, false)?;
            let mut busy = Duration::ZERO;
            for repeat in 0..REPEATS {
                let done = 1 + repeat * entries;
                // All at once, so that it is a backlog before anybody sees it.
                stage.add_at_once((done, done + entries), Encoding::MessagePack)?;
                let began = Instant::now();
                stage.until("a small backlog", &mut programs, |stage| {
                    Ok(stage.length(&results)? == done + entries)
                })?;
                busy += began.elapsed();
            }
            let last = Sample::take(stage, REPEATS * entries, &pids, false)?;
            let mut cost = last.since(&first);
            cost.per_s = float(REPEATS * entries) / busy.as_secs_f64();
            cost
        } else {
            stage.begin(entries, Encoding::MessagePack)?;
            programs.push(stage.start(&launch)?);
            let within = 4 * stage.options.per_case();
            let goal = Goal { results: &results, all: entries, ordered: false, within };
            measure(stage, &mut programs, goal)?
        };
        let pid = programs.first().map_or(0, crate::program::Program::pid);
        let (_now, most) = memory_kib(pid)?;
        rows.push(Backlog {
            entries,
            per_s: Some(cost.per_s),
            server_us: Some(cost.server_us),
            memory_mib: mib(most),
        });
    }
    Ok(rows)
}

/// The size of every program.
pub(crate) fn binaries(stage: &Stage<'_>) -> Result<Vec<Binary>, Error> {
    let names = WORKERS.iter().map(|worker| worker.program).chain(["printery-workers"]);
    names
        .map(|name| {
            let size = size_of(&stage.program(name)).map_err(Error::io(format!("no {name}")))?;
            Ok(Binary { name: name.to_owned(), mib: mib(size / 1024) })
        })
        .collect()
}

pub(crate) fn mib(kib: u64) -> f64 {
    float(kib) / 1024.0
}
