//! How long an entry waits: until its handler starts, and until its result can be read.
//!
//! Entries are written at a fixed rate whatever the workers do, and a reader of its own waits for the results. The bare
//! reader, which is measured in the same way, is what no worker can be faster than.

mod bare;
mod reader;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use printery_events::topology::VALIDATOR;
use printery_events::{Encoding, Family};
use serde::Serialize;

use self::bare::Bare;
use self::reader::{Answer, Reader};
use crate::clock::wall_ns;
use crate::error::Error;
use crate::hop::HOP;
use crate::load::write_started;
use crate::program::Program;
use crate::spread::{Quantiles, float};
use crate::stage::{Launch, Stage};

/// The rate that every system is compared at.
const RATE: f64 = 500.0;
/// Entries that are written first and not looked at: connections, scripts and caches are made by them.
const WARM: u64 = 100;
/// Unanswered entries while the capacity is measured: enough to keep every slot busy.
const WINDOW: u64 = 1_024;
/// Between two writes at most often: what falls due meanwhile is written at once.
const TICK: Duration = Duration::from_micros(500);
/// Handlers of the worker that is measured.
const CONCURRENCY: usize = 64;

/// How long entries waited.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    /// What was measured.
    pub name: String,
    /// Entries per second that were to be written.
    pub offered: f64,
    /// Entries per second that were written.
    pub written: f64,
    /// From an entry written to its handler started; the validator does not say.
    pub started: Option<Quantiles>,
    /// From an entry written to its result read.
    pub visible: Option<Quantiles>,
}

/// The bare reader's name.
pub(crate) const BARE: &str = "bare reader";
/// The engine's name.
pub(crate) const ENGINE: &str = "engine";
/// The validator's name.
const THE_VALIDATOR: &str = "validator";

/// How entries are written.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// So many a second.
    Rate(f64),
    /// As many as are answered, and so many ahead.
    Window(u64),
}

/// One run's waits.
struct Waits {
    written: Vec<u64>,
    answers: Vec<Answer>,
}

/// Measures every case.
pub(crate) fn latency(stage: &mut Stage<'_>) -> Result<Vec<Latency>, Error> {
    let mut rows = Vec::new();
    for name in [BARE, ENGINE, THE_VALIDATOR] {
        stage.tell(&format!("latency at {RATE}/s: {name}"));
        let waits = run(stage, name, Pace::Rate(RATE))?;
        rows.push(sum_up(name, RATE, &waits));
    }
    stage.tell("capacity with a producer beside it");
    let busy = run(stage, ENGINE, Pace::Window(WINDOW))?;
    let rate = (0.7 * busy.per_second()).max(1.0).round();
    for name in [BARE, ENGINE] {
        stage.tell(&format!("latency at {rate}/s: {name}"));
        let waits = run(stage, name, Pace::Rate(rate))?;
        rows.push(sum_up(name, rate, &waits));
    }
    Ok(rows)
}

fn sum_up(name: &str, offered: f64, waits: &Waits) -> Latency {
    let since = |answer: &Answer, at: u64| {
        let written = usize::try_from(answer.index).ok().and_then(|index| waits.written.get(index));
        written.filter(|_| answer.index >= WARM).map(|written| at.saturating_sub(*written))
    };
    let started = waits.answers.iter().filter_map(|answer| since(answer, answer.started_ns?));
    let visible = waits.answers.iter().filter_map(|answer| since(answer, answer.visible_ns));
    Latency {
        name: name.to_owned(),
        offered,
        written: rate_of(waits.written.iter().copied()),
        started: Quantiles::of(started.collect()),
        visible: Quantiles::of(visible.collect()),
    }
}

impl Waits {
    /// Results per second.
    fn per_second(&self) -> f64 {
        rate_of(self.answers.iter().map(|answer| answer.visible_ns))
    }
}

/// How many a second, without those that came first.
fn rate_of(times_ns: impl Iterator<Item = u64>) -> f64 {
    let times: Vec<u64> = times_ns.skip(usize::try_from(WARM).unwrap_or(0)).collect();
    let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) else { return 0.0 };
    let seconds = float(last.saturating_sub(*first)) / 1e9;
    if seconds > 0.0 { float(u64::try_from(times.len()).unwrap_or(0)) / seconds } else { 0.0 }
}

/// Starts whoever is measured and a reader, writes, and waits until everything is answered.
fn run(stage: &mut Stage<'_>, name: &str, pace: Pace) -> Result<Waits, Error> {
    stage.begin(0, Encoding::Json)?;
    let source = stage.events(Family::DeploymentStarted);
    let family = if name == THE_VALIDATOR {
        Family::ValidationCompleted
    } else {
        Family::DeploymentCompleted
    };
    let results = stage.events(family);
    let mut programs: Vec<Program> = Vec::new();
    let mut bare = None;
    if name == BARE {
        bare = Some(Bare::start(stage.connect()?, stage.connect()?, &source, &results)?);
    } else {
        let program = if name == ENGINE { HOP.program } else { VALIDATOR.program };
        let launch = Launch::of(program).concurrency(CONCURRENCY).encoding(Encoding::Json);
        programs.push(stage.start(&launch)?);
    }
    let answered = Arc::new(AtomicU64::new(0));
    let reader = Reader::start(stage.connect()?, results, Arc::clone(&answered));

    let mut writer = Writer { source, written: Vec::new() };
    for index in 1..=WARM {
        writer.write(stage, 1)?;
        let seen = Arc::clone(&answered);
        stage.until("a first answer", &mut programs, move |_| {
            Ok(seen.load(Ordering::Relaxed) >= index)
        })?;
    }
    writer.keep_on(stage, pace, &answered)?;
    let all = u64::try_from(writer.written.len()).unwrap_or(u64::MAX);
    stage.until("every answer", &mut programs, |_| Ok(answered.load(Ordering::Relaxed) >= all))?;
    if let Some(bare) = bare {
        bare.stop()?;
    }
    Ok(Waits { written: writer.written, answers: reader.stop()? })
}

/// Writes entries, and notes when.
struct Writer {
    source: String,
    /// By the entry's number, nanoseconds.
    written: Vec<u64>,
}

impl Writer {
    fn write(&mut self, stage: &mut Stage<'_>, count: u64) -> Result<(), Error> {
        let first = u64::try_from(self.written.len()).unwrap_or(u64::MAX);
        let mut commands = Vec::new();
        for index in first..first + count {
            write_started(&mut commands, &self.source, index, Encoding::Json);
        }
        let failed = || Error::io("cannot write entries");
        let now = wall_ns();
        self.written.extend((0..count).map(|_| now));
        stage.wire.push_encoded(&commands);
        stage.wire.send().map_err(failed())?;
        (0..count).try_for_each(|_| stage.wire.skip()).map_err(failed())
    }

    fn keep_on(
        &mut self,
        stage: &mut Stage<'_>,
        pace: Pace,
        answered: &AtomicU64,
    ) -> Result<(), Error> {
        let first = u64::try_from(self.written.len()).unwrap_or(u64::MAX);
        let (began, within) = (Instant::now(), stage.options.latency_for());
        while began.elapsed() < within {
            let written = u64::try_from(self.written.len()).unwrap_or(u64::MAX);
            let due = match pace {
                Pace::Rate(rate) => first + whole(rate * began.elapsed().as_secs_f64()),
                Pace::Window(ahead) => answered.load(Ordering::Relaxed) + ahead,
            };
            if due > written {
                self.write(stage, (due - written).min(WINDOW))?;
            }
            let pause = match pace {
                Pace::Rate(rate) => Duration::from_secs_f64(0.5 / rate).max(TICK),
                Pace::Window(_) => TICK,
            };
            stage.nap(pause)?;
        }
        Ok(())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of entries of a few seconds"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
