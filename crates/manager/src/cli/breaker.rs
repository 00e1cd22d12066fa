//! `printery-workers breaker`: the circuits of the receivers and of the workers' starts, and closing one
//! by hand.
//!
//! A circuit opens after failures in a row, so that a dead receiver is left alone by all replicas
//! together; it closes by itself with the first answer. Partitions have circuits of their own.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use printery_events::topology::{Worker, every};
use printery_fleet::Records;
use printery_fleet::destinations::{CircuitState, Destination, Standing};
use printery_fleet::starts::Starts;
use printery_harness::args::CommonArgs;
use printery_streams::Clock;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::output::Tone;
use crate::cli::table::{Cell, Table};
use crate::cli::target::{Target, on_redis};
use crate::cli::times::span;

/// What to do with circuits.
#[derive(Debug, Subcommand)]
pub(crate) enum BreakerVerb {
    /// List how every receiver fares
    List(ListArgs),
    /// Close a receiver's circuit: the next message is sent to it
    Reset(ResetArgs),
}

/// How to list them.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which one.
#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// The receiver, or `start:<worker>`
    #[arg(value_name = "RECEIVER")]
    receiver: String,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does what was typed.
pub(crate) fn breaker(common: &CommonArgs, verb: &BreakerVerb) -> ExitCode {
    match verb {
        BreakerVerb::List(args) => {
            on_redis(common, "list circuits", async |target| list(target, args).await)
        }
        BreakerVerb::Reset(args) => {
            on_redis(common, "close the circuit", async |target| reset(target, args).await)
        }
    }
}

/// How every receiver fares in every partition, and the server's time in milliseconds.
///
/// # Redis
/// `TIME`, and one `HMGET` for each receiver and partition.
pub(crate) async fn circuits(
    target: &mut Target,
) -> Result<(Vec<(String, String, Standing)>, u64), Failure> {
    let clock = Clock::default();
    clock.read(&mut target.session).await?;
    let mut rows = Vec::new();
    let home = target.partitions.home();
    for worker in every() {
        let standing = Starts::of(home, worker.name).standing().await?;
        if standing.failures > 0 {
            let name = format!("start:{}", worker.name);
            rows.push((name, home.keys.prefix().to_owned(), standing));
        }
    }
    for name in target.fleet.receivers.keys() {
        for partition in target.partitions.all() {
            let records = Records::of(partition, target.partitions.home());
            let standing = Destination::of(&records, name).standing().await?;
            rows.push((name.clone(), partition.keys.prefix().to_owned(), standing));
        }
    }
    Ok((rows, clock.now_ms()))
}

async fn list(target: &mut Target, args: &ListArgs) -> Result<(), Failure> {
    let (rows, now_ms) = circuits(target).await?;
    if args.json {
        let shown: Vec<Value> = rows
            .iter()
            .map(|(receiver, partition, standing)| {
                json!({
                    "target": receiver, "partition": partition, "state": standing.circuit(now_ms).as_str(),
                    "failures": standing.failures, "open_until_ms": standing.open_until_ms,
                })
            })
            .collect();
        return Ok(target.out.json(&json!({ "breakers": shown }))?);
    }
    let mut table = Table::new(&["TARGET", "STATE", ">FAILURES", "TRIED AGAIN IN"]);
    for (receiver, _, standing) in &rows {
        let state = standing.circuit(now_ms);
        let tone = if state == CircuitState::Closed { Tone::Good } else { Tone::Bad };
        let left = standing.open_until_ms.map_or(0, |until| until.saturating_sub(now_ms));
        table.row([
            receiver.as_str().into(),
            Cell::new(tone, state.as_str()),
            standing.failures.into(),
            if left == 0 { "-".into() } else { span(left).into() },
        ]);
    }
    let colour = target.out.colour();
    Ok(target.out.lines(table.lines(colour))?)
}

async fn reset(target: &mut Target, args: &ResetArgs) -> Result<(), Failure> {
    let name = args.receiver.as_str();
    let worker = name.strip_prefix("start:").and_then(Worker::find);
    if worker.is_none() && !target.fleet.receivers.contains_key(name) {
        let known: Vec<&str> = target.fleet.receivers.keys().map(String::as_str).collect();
        return Err(Failure::usage(format!(
            "there is no receiver {name:?}; the fleet file has {}; a worker's starts are start:<worker>",
            known.join(", ")
        )));
    }
    let begun = args.actor.begins(target, "breaker reset", name, 1, String::new()).await?;
    let mut closed = 0;
    if let Some(worker) = worker {
        closed += u64::from(Starts::of(target.partitions.home(), worker.name).reset().await?);
    }
    for partition in target.partitions.all().filter(|_| worker.is_none()) {
        let records = Records::of(partition, target.partitions.home());
        closed += u64::from(Destination::of(&records, name).reset().await?);
    }
    begun.end(&mut target.session, &target.keys, closed, "done", "").await?;
    if args.json {
        return Ok(target.out.json(&json!({ "target": name, "reset": closed > 0 }))?);
    }
    Ok(target.out.line(match closed {
        0 => format!("{name} had no failures; nothing was changed"),
        _ => format!("the circuit of {name} is closed"),
    })?)
}
