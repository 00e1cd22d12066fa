//! The whole fleet as it is shipped: manager and four workers, at work and with nothing to do.
//!
//! One `deployment:started` goes in; it is over when the last of its notifications was sent.

use std::time::{Duration, Instant};

use printery_events::topology::WORKERS;
use printery_events::{Encoding, Family};
use serde::Serialize;
use serde_json::json;

use crate::backlog::mib;
use crate::error::Error;
use crate::program::{Program, memory_kib};
use crate::sample::Sample;
use crate::spread::float;
use crate::stage::{Launch, Stage};
use crate::wire::Reply;

/// How long nothing must happen before the first deployment counts as over.
const QUIET: Duration = Duration::from_millis(1_500);
/// How long the fleet is left alone before it is watched: its start is over then.
const SETTLED: Duration = Duration::from_secs(3);
/// The program that starts the others.
const MANAGER: &str = "printery-workers";

/// A fleet at work.
#[derive(Debug, Clone, Serialize)]
pub struct FleetAtWork {
    /// Deployments that flowed through it.
    pub deployments: u64,
    /// Events that each of them caused, its own with them.
    pub events_each: f64,
    /// Events per second.
    pub events_per_s: f64,
    /// Deployments per second.
    pub deployments_per_s: f64,
    /// CPU time of Redis for an event, in microseconds.
    pub server_us: f64,
    /// CPU time of the fleet for an event, in microseconds.
    pub own_us: f64,
    /// Commands that Redis ran for an event, in scripts and outside.
    pub commands: f64,
    /// From one deployment written to its last notification, with nothing else to do, in milliseconds.
    pub alone_ms: f64,
}

/// A fleet with nothing to do.
#[derive(Debug, Clone, Serialize)]
pub struct FleetIdle {
    /// CPU time of manager and workers, in percent of one core.
    pub cpu_percent: f64,
    /// CPU time of Redis, in percent of one core.
    pub server_cpu_percent: f64,
    /// Commands that Redis ran in a second, in scripts and outside.
    pub commands_per_s: f64,
    /// Of those, what was sent.
    pub sent_per_s: f64,
    /// Memory of each process in MiB: the manager, then the workers.
    pub memory_mib: Vec<(String, f64)>,
}

/// Lets deployments flow.
pub(crate) fn at_work(stage: &mut Stage<'_>) -> Result<FleetAtWork, Error> {
    let deployments = stage.options.deployments();
    stage.tell("one deployment through the fleet");
    stage.begin(0, Encoding::MessagePack)?;
    let mut programs = vec![start(stage)?];
    let told = stage.events(Family::NotificationSent);
    let written = Instant::now();
    stage.add((0, 1), Encoding::MessagePack)?;
    // How many notifications are the last is not known before: until none comes any more.
    let (mut seen, mut alone) = (0, Duration::ZERO);
    stage.until("one deployment is over", &mut programs, |stage| {
        let now = stage.length(&told)?;
        if now > seen {
            (seen, alone) = (now, written.elapsed());
        }
        Ok(seen > 0 && written.elapsed() > alone + QUIET)
    })?;
    let each = events(stage)?;

    stage.tell(&format!("{deployments} deployments through the fleet"));
    let pids = programs.first().map(Program::family).unwrap_or_default();
    let first = Sample::take(stage, each, &pids, true)?;
    stage.add((1, 1 + deployments), Encoding::MessagePack)?;
    let all = seen * (1 + deployments);
    stage.until("every deployment is over", &mut programs, |stage| {
        Ok(stage.length(&told)? >= all)
    })?;
    let done = events(stage)?;
    let cost = Sample::take(stage, done, &pids, true)?.since(&first);
    if let Some(manager) = programs.pop() {
        manager.stop();
    }
    let events_each = float(done.saturating_sub(each)) / float(deployments);
    Ok(FleetAtWork {
        deployments,
        events_each,
        events_per_s: cost.per_s,
        deployments_per_s: cost.per_s / events_each.max(1.0),
        server_us: cost.server_us,
        own_us: cost.own_us,
        commands: cost.commands,
        alone_ms: alone.as_secs_f64() * 1e3,
    })
}

/// Watches a fleet that has nothing to do.
pub(crate) fn idle(stage: &mut Stage<'_>) -> Result<FleetIdle, Error> {
    stage.tell("a fleet with nothing to do");
    stage.begin(0, Encoding::MessagePack)?;
    let mut manager = start(stage)?;
    stage.rest(SETTLED)?;
    let pids = manager.family();
    let first = Sample::take(stage, 0, &pids, true)?;
    stage.rest(stage.options.idle_for())?;
    let last = Sample::take(stage, 0, &pids, true)?;
    manager.check()?;
    let seconds = last.at.duration_since(first.at).as_secs_f64();
    let percent = |now: u64, then: u64| float(now.saturating_sub(then)) / seconds / 1e4;
    let memory: Result<Vec<_>, Error> = pids
        .iter()
        .map(|pid| {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            Ok((String::from_utf8_lossy(name).into_owned(), mib(memory_kib(*pid)?.0)))
        })
        .collect();
    manager.stop();
    Ok(FleetIdle {
        cpu_percent: percent(last.own_us, first.own_us),
        server_cpu_percent: percent(last.server_us, first.server_us),
        commands_per_s: float(last.commands.saturating_sub(first.commands)) / seconds,
        sent_per_s: float(last.round_trips.saturating_sub(first.round_trips)) / seconds,
        memory_mib: memory?,
    })
}

/// Starts manager and workers and waits until each worker has said that it lives, which it says when it has its groups.
fn start(stage: &mut Stage<'_>) -> Result<Program, Error> {
    let mut launch = Launch::of(MANAGER);
    launch.file = json!({
        "version": 1,
        "fleet": "bench",
        "validator": { "checks": [] },
        "services": { "frontend": {}, "cart": {}, "checkout": {} },
        "health_monitor": { "defaults": { "warmup": "0s", "window": "20ms", "interval": "10ms", "min_samples": 1,
                                          "baseline": { "samples": 1 } } },
        "receivers": { "log": "log" },
        "routes": [{ "to": ["log"] }],
    });

    let mut programs = [stage.start(&launch)?];
    let instances = stage.keys.instances();
    stage.until("the fleet lives", &mut programs, |stage| {
        let alive = stage.ask(&["HLEN", &instances])?.number();
        Ok(alive >= u64::try_from(WORKERS.len()).unwrap_or(0))
    })?;
    let [manager] = programs;
    Ok(manager)
}

/// Events that were published, by whomever.
fn events(stage: &mut Stage<'_>) -> Result<u64, Error> {
    let pattern = stage.keys.events("*");
    let found = stage.ask(&["KEYS", &pattern])?;
    let mut keys: Vec<String> = found.items().iter().map(Reply::text).collect();
    keys.retain(|key| stage.keys.event_type(key).is_some());
    let mut events = 0;
    for key in keys {
        events += stage
            .ask(&["XINFO", "STREAM", &key])?
            .items()
            .chunks_exact(2)
            .find_map(|pair| match pair {
                [name, value] if name.text() == "entries-added" => Some(value.number()),
                _ => None,
            })
            .unwrap_or(0);
    }
    Ok(events)
}
