//! What a replica that was killed leaves behind: how soon others have done it, and how busy Redis is meanwhile.
//!
//! The dead one is a consumer that was handed entries and never speaks again, which is all that is left of a killed
//! process.

use std::time::{Duration, Instant};

use printery_events::{Encoding, Family};
use serde::Serialize;
use serde_json::json;

use crate::error::Error;
use crate::hop::HOP;
use crate::program::Program;
use crate::spread::float;
use crate::stage::{Launch, Stage};
use crate::wire::Reply;

/// Handlers of the worker that takes over.
const CONCURRENCY: usize = 64;
/// Commands that take longer are noted, in microseconds.
const NOTED_US: &str = "500";
/// Entries handed out in one command.
const PAGE: &str = "1000";
/// Between two looks how far it has come.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What was left behind, and how it was taken over.
#[derive(Debug, Clone, Serialize)]
pub struct Recovery {
    /// Entries that were pending for the dead one.
    pub entries: u64,
    /// Those of them that had a result in the end.
    pub done: u64,
    /// Until their last result, from when it was last heard of, in seconds; reckoned where some had none in time.
    pub took_s: f64,
    /// The lease and the longest time to the next sweep, in seconds: nobody may be faster.
    pub lease_and_sweep_s: f64,
    /// The longest that a command kept Redis busy meanwhile, in milliseconds.
    pub longest_ms: f64,
    /// That command.
    pub longest: String,
}

/// Measures the usual number of entries, and then very many.
pub(crate) fn recoveries(stage: &mut Stage<'_>) -> Result<Vec<Recovery>, Error> {
    let sizes = [stage.options.held_by_the_dead(), stage.options.many_pending()];
    sizes.into_iter().map(|entries| recovery(stage, entries)).collect()
}

fn recovery(stage: &mut Stage<'_>, entries: u64) -> Result<Recovery, Error> {
    stage.tell(&format!("{entries} entries of a replica that was killed"));
    stage.begin(entries, Encoding::MessagePack)?;
    let source = stage.events(Family::DeploymentStarted);
    let results = stage.events(Family::DeploymentCompleted);
    let group = HOP.group();
    stage.ask(&["XGROUP", "CREATE", &source, &group, "0"])?;
    let words = ["XREADGROUP", "GROUP", &group, "dead-1", "COUNT", PAGE, "STREAMS", &source, ">"];
    while stage.ask(&words)? != Reply::Nil {
        stage.nap(Duration::ZERO)?;
    }
    let heard = Instant::now();
    stage.ask(&["CONFIG", "SET", "slowlog-log-slower-than", NOTED_US])?;
    stage.ask(&["CONFIG", "SET", "slowlog-max-len", "1000"])?;
    stage.ask(&["SLOWLOG", "RESET"])?;

    let lease = stage.options.lease();
    let lease_ms = format!("{}ms", lease.as_millis());
    let launch = Launch::of(HOP.program).concurrency(CONCURRENCY);
    let mut programs = [stage.start(&launch.engine(json!({ "lease": lease_ms })))?];
    // The fleet sweeps every third of a lease when nobody says.
    let earliest = lease + lease / 3;
    let (patience, mut done) = (stage.options.patience(), 0);
    while done < entries && heard.elapsed() < earliest + patience {
        programs.iter_mut().try_for_each(Program::check)?;
        stage.nap(LOOK_EVERY)?;
        done = stage.length(&results)?;
    }
    let (waited, lease_and_sweep_s) = (heard.elapsed().as_secs_f64(), earliest.as_secs_f64());
    let working = (waited - lease.as_secs_f64()).max(0.0);
    let left = float(entries.saturating_sub(done)) / float(done).max(1.0);
    let took_s = waited + working * left;

    let slow = stage.ask(&["SLOWLOG", "GET", "1000"])?;
    let slowest = slow.items().iter().filter_map(noted).max_by_key(|(us, _)| *us);
    let (us, longest) = slowest.unwrap_or((0, format!("none over {NOTED_US} µs")));
    Ok(Recovery { entries, done, took_s, lease_and_sweep_s, longest_ms: float(us) / 1e3, longest })
}

/// Microseconds and the first word of a noted command.
fn noted(entry: &Reply) -> Option<(u64, String)> {
    let [_id, _at, us, command, ..] = entry.items() else { return None };
    let words: Vec<String> = command.items().iter().take(2).map(Reply::text).collect();
    Some((us.number(), words.join(" ")))
}
