//! `bench`: measures the fleet on a private Redis of its own.
//!
//! Turns flags into options, shows what it is at, and prints and stores what was found. What is measured, and how, is the
//! business of `printery-bench`.

use std::error::Error as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};
use printery_bench::{Effort, Options, Part, Report, lines, plot};
use printery_harness::exit;

use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Output;
use crate::cli::target::conclude;
use crate::launch::program_directory;

/// What is measured, how thoroughly, and where the figures go.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that is typed or not")]
pub(crate) struct BenchArgs {
    /// Take less than a minute; good to compare two builds, not to publish
    #[arg(long, conflicts_with = "smoke")]
    quick: bool,
    /// Only see that every part works; the figures mean nothing
    #[arg(long)]
    smoke: bool,
    /// Measure only this; may be repeated
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<PartWord>,
    /// Let the largest backlog be a million entries; Redis needs 2 GB for it
    #[arg(long)]
    million: bool,
    /// Let Redis write an append-only file, synchronised every second
    #[arg(long)]
    append_only: bool,
    /// Write all figures as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw the figures, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// A part, as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PartWord {
    /// Events per second
    Throughput,
    /// How long entries wait
    Latency,
    /// What grows with the backlog
    Backlog,
    /// What a killed replica leaves behind
    Recovery,
    /// A fleet with nothing to do
    Idle,
    /// Deployments through all workers
    Fleet,
}

impl PartWord {
    fn part(self) -> Part {
        match self {
            Self::Throughput => Part::Throughput,
            Self::Latency => Part::Latency,
            Self::Backlog => Part::Backlog,
            Self::Recovery => Part::Recovery,
            Self::Idle => Part::Idle,
            Self::Fleet => Part::Fleet,
        }
    }
}

/// Measures, prints and stores.
pub(crate) fn bench(args: &BenchArgs) -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let measured = match runtime {
        Ok(runtime) => runtime.block_on(measure(args)),
        Err(error) => Err(Failure::failed(format!("cannot start the runtime: {error}"))),
    };
    match measured {
        Ok(()) => exit::code(exit::DONE),
        Err(failure) => conclude(&failure),
    }
}

async fn measure(args: &BenchArgs) -> Result<(), Failure> {
    let options = options(args)?;
    let stop = Arc::clone(&options.stop);
    let mut interrupt = Interrupt::listen()?;
    let (says, mut said) = tokio::sync::mpsc::unbounded_channel();
    let measuring = tokio::task::spawn_blocking(move || {
        printery_bench::run(&options, &mut |text| {
            // Whoever listened is gone only when this ends as well.
            let _heard = says.send(text.to_owned()).is_ok();
        })
    });
    let mut out = Output::stdout();
    loop {
        tokio::select! {
            text = said.recv() => match text {
                Some(text) => out.live(&text)?,
                None => break,
            },
            () = interrupt.wait() => stop.store(true, Ordering::Relaxed),
        }
    }
    let report = measuring
        .await
        .map_err(|error| Failure::failed(format!("the measurement broke off: {error}")))?
        .map_err(|error| told(&error))?;
    out.take_live_away()?;
    store(args, &report)?;
    Ok(out.lines(lines(&report))?)
}

fn options(args: &BenchArgs) -> Result<Options, Failure> {
    let effort = match (args.smoke, args.quick) {
        (true, _) => Effort::Smoke,
        (false, true) => Effort::Quick,
        (false, false) => Effort::Full,
    };
    let parts: Vec<Part> = args.only.iter().map(|word| word.part()).collect();
    Ok(Options {
        parts: if parts.is_empty() { Part::ALL.to_vec() } else { parts },
        effort,
        million: args.million,
        append_only: args.append_only,
        programs: program_directory()?,
        stop: Arc::new(AtomicBool::new(false)),
    })
}

fn store(args: &BenchArgs, report: &Report) -> Result<(), Failure> {
    let write = |path: &PathBuf, text: String| {
        std::fs::write(path, text)
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))
    };
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(report).map_err(Failure::failed)?;
        write(path, text + "\n")?;
    }
    if let Some(path) = &args.svg {
        write(path, plot(report))?;
    }
    Ok(())
}

/// What went wrong, with its causes.
fn told(error: &printery_bench::Error) -> Failure {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Failure::failed(text)
}
