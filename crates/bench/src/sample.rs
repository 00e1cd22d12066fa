//! What something costs: counters of Redis and of processes, read twice.
//!
//! Called by every part that counts events. Between two samples only the reading of lengths is added by the bench, and
//! that is taken out again.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::Error;
use crate::program::{Program, cpu_us};
use crate::spread::float;
use crate::stage::Stage;
use crate::wire::Wire;

/// Between two looks how far it has come. 2 ms: 500 cheap commands a second.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Commands that only the bench sends.
const OURS: [&str; 6] = ["xlen", "info", "slowlog", "keys", "unlink", "flushall"];

/// Commands that workers send outside of scripts while events flow.
const OF_CLIENTS: [&str; 8] =
    ["evalsha", "eval", "xread", "xreadgroup", "script|load", "wait", "hello", "client|setinfo"];

/// Counters at one instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    /// Events that are done.
    pub(crate) done: u64,
    /// CPU time of Redis, in microseconds.
    pub(crate) server_us: u64,
    /// CPU time of the measured processes, in microseconds.
    pub(crate) own_us: u64,
    /// Commands that Redis ran, in scripts and outside, without ours.
    pub(crate) commands: u64,
    /// Of those, what clients sent.
    pub(crate) round_trips: u64,
}

/// What one event costs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cost {
    /// Events per second.
    pub per_s: f64,
    /// CPU time of Redis for an event, in microseconds.
    pub server_us: f64,
    /// CPU time of the measured processes for an event, in microseconds.
    pub own_us: f64,
    /// Commands that Redis ran for an event, in scripts and outside.
    pub commands: f64,
    /// Commands that clients sent for an event.
    pub round_trips: f64,
}

impl Sample {
    /// Reads all counters. `ordered`: whether the worker reads in a script, so that its reads are no round trips.
    pub(crate) fn take(
        stage: &mut Stage<'_>,
        done: u64,
        pids: &[u32],
        ordered: bool,
    ) -> Result<Self, Error> {
        let at = Instant::now();
        let own_us = cpu_us(pids);
        let (server_us, commands, round_trips) = counters(&mut stage.wire, ordered)
            .map_err(Error::io("cannot read the counters of Redis"))?;
        Ok(Self { at, done, server_us, own_us, commands, round_trips })
    }

    /// What an event cost since an earlier sample.
    pub(crate) fn since(&self, before: &Self) -> Cost {
        let events = float(self.done.saturating_sub(before.done)).max(1.0);
        let each = |now: u64, then: u64| float(now.saturating_sub(then)) / events;
        let took = self.at.duration_since(before.at).as_secs_f64().max(1e-6);
        Cost {
            per_s: float(self.done.saturating_sub(before.done)) / took,
            server_us: each(self.server_us, before.server_us),
            own_us: each(self.own_us, before.own_us),
            commands: each(self.commands, before.commands),
            round_trips: each(self.round_trips, before.round_trips),
        }
    }
}

/// What is measured: entries that appear in a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal<'a> {
    /// Where results appear.
    pub(crate) results: &'a str,
    /// So many are all of them.
    pub(crate) all: u64,
    /// Whether the worker reads in a script.
    pub(crate) ordered: bool,
    /// How long to measure at most.
    pub(crate) within: Duration,
}

/// Measures from when a hundredth is done until everything is, or until it has taken long enough. The start of programs,
/// their connections and their scripts are not part of it.
pub(crate) fn measure(
    stage: &mut Stage<'_>,
    programs: &mut [Program],
    goal: Goal<'_>,
) -> Result<Cost, Error> {
    let own = [std::process::id()];
    let pids: Vec<u32> = programs.iter().map(Program::pid).collect();
    let pids = if pids.is_empty() { &own } else { pids.as_slice() };
    let warm = (goal.all / 100).clamp(1, 2_000);
    let mut done = 0;
    let what = format!("{} has results", goal.results);
    stage.until(&what, programs, |stage| {
        done = stage.length(goal.results)?;
        Ok(done >= warm)
    })?;
    let first = Sample::take(stage, done, pids, goal.ordered)?;
    while done < goal.all && first.at.elapsed() < goal.within {
        stage.nap(LOOK_EVERY)?;
        programs.iter_mut().try_for_each(Program::check)?;
        done = stage.length(goal.results)?;
    }
    Ok(Sample::take(stage, done, pids, goal.ordered)?.since(&first))
}

/// CPU time of Redis in microseconds, commands, and commands that clients sent.
fn counters(wire: &mut Wire, ordered: bool) -> std::io::Result<(u64, u64, u64)> {
    let text = wire.ask(&["INFO", "cpu"])?.text();
    let seconds = |name: &str| text.lines().find_map(|line| micros(line.strip_prefix(name)?));
    let main = ["used_cpu_user_main_thread:", "used_cpu_sys_main_thread:"].map(seconds);
    let whole = ["used_cpu_user:", "used_cpu_sys:"].map(seconds);
    let server_us = if main.contains(&None) { whole } else { main }.into_iter().flatten().sum();
    let text = wire.ask(&["INFO", "commandstats"])?.text();
    let calls = text.lines().filter_map(command_calls);
    let (mut commands, mut round_trips) = (0, 0);
    for (name, calls) in calls {
        if OURS.contains(&name) {
            continue;
        }
        commands += calls;
        if OF_CLIENTS.contains(&name) && !(ordered && name == "xreadgroup") {
            round_trips += calls;
        }
    }
    Ok((server_us, commands, round_trips))
}

/// `12.345678` seconds as microseconds.
fn micros(text: &str) -> Option<u64> {
    let (whole, part) = text.trim().split_once('.')?;
    let part: u64 = format!("{part:0<6}").get(..6)?.parse().ok()?;
    Some(whole.parse::<u64>().ok()? * 1_000_000 + part)
}

/// `cmdstat_xadd:calls=3,…` as name and calls.
fn command_calls(line: &str) -> Option<(&str, u64)> {
    let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
    Some((name, rest.split(',').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_of_redis_are_read() {
        assert_eq!(micros("12.345678\r"), Some(12_345_678));
        assert_eq!(micros("0.5"), Some(500_000));
        assert_eq!(micros("x"), None);
        let line = "cmdstat_xinfo|groups:calls=34,usec=120,usec_per_call=3.5";
        assert_eq!(command_calls(line), Some(("xinfo|groups", 34)));
        assert_eq!(command_calls("# Commandstats"), None);
    }
}
