//! `worker list` and `worker show`: what the processes say of themselves.

use clap::Args;
use printery_fleet::instances::{self, Instance};
use printery_streams::Clock;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::output::{Tone, clean};
use crate::cli::table::{Cell, Table};
use crate::cli::target::{Target, worker_named};
use crate::cli::times::{moment, span};

/// Which processes.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only those of a worker
    #[arg(value_name = "WORKER")]
    who: Option<String>,
    /// Only those in a state: running, idle, draining, stopping, held, dead
    #[arg(long, value_name = "STATE")]
    status: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which process.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Its instance's name
    #[arg(value_name = "INSTANCE")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The states that a process can be in, as lists show them.
const STATES: [&str; 6] = ["running", "idle", "draining", "stopping", "held", "dead"];

/// Lists them.
pub(crate) async fn list(
    target: &mut Target,
    args: &ListArgs,
    typed: Option<&str>,
) -> Result<(), Failure> {
    if let Some(wrong) = args.status.as_deref().filter(|status| !STATES.contains(status)) {
        let known = STATES.join(", ");
        return Err(Failure::usage(format!("--status {wrong:?} must be one of {known}")));
    }
    let worker = args.who.as_deref().or(typed).map(worker_named).transpose()?;
    let (mut all, now_ms) = recorded(target).await?;
    all.retain(|one| {
        worker.is_none_or(|worker| one.worker == worker.name)
            && args.status.as_deref().is_none_or(|status| state(one, now_ms) == status)
    });
    if args.json {
        let shown: Vec<Value> = all.iter().map(|one| shown(one, now_ms)).collect();
        return Ok(target.out.json(&json!({ "workers": shown }))?);
    }
    if all.is_empty() {
        return Ok(target.out.line("no process is recorded")?);
    }
    let heading = [
        "WORKER", "STATE", "INSTANCE", "HOST", ">PID", ">UP", ">BEAT", ">BUSY", ">SETTLED",
        ">FAILED",
    ];
    let mut table = Table::new(&heading);
    for one in &all {
        let state = state(one, now_ms);
        table.row([
            one.worker.as_str().into(),
            Cell::new(tone(state), state),
            one.instance.as_str().into(),
            one.host.as_str().into(),
            u64::from(one.pid).into(),
            span(now_ms.saturating_sub(one.started_ms)).into(),
            span(now_ms.saturating_sub(one.beat_ms)).into(),
            format!("{}/{}", one.in_flight, one.concurrency).into(),
            one.settled.into(),
            one.failed.into(),
        ]);
    }
    let colour = target.out.colour();
    Ok(target.out.lines(table.lines(colour))?)
}

/// Shows one.
pub(crate) async fn show(target: &mut Target, args: &ShowArgs) -> Result<(), Failure> {
    let (all, now_ms) = recorded(target).await?;
    let one = all.iter().find(|one| one.is_called(&args.id)).ok_or_else(|| {
        Failure::failed(format!("there is no process {:?}; see `worker list`", args.id))
    })?;
    let shown = shown(one, now_ms);
    if args.json {
        return Ok(target.out.json(&shown)?);
    }
    let Value::Object(facts) = shown else { return Ok(()) };
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_null()) {
        let text = match (name.as_str(), value.as_u64()) {
            ("started_ms" | "beat_ms", Some(ms)) => moment(ms),
            _ => value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned),
        };
        target.out.line(format!("{name:<12} {}", clean(&text)))?;
    }
    Ok(())
}

async fn recorded(target: &mut Target) -> Result<(Vec<Instance>, u64), Failure> {
    let clock = Clock::default();
    clock.read(&mut target.session).await?;
    let all = instances::list(&mut target.session, &target.keys).await?;
    Ok((all, clock.now_ms()))
}

/// Where a process stands, in a word.
pub(crate) fn state(one: &Instance, now_ms: u64) -> &'static str {
    if !one.is_alive(now_ms) {
        return "dead";
    }
    match (one.phase.as_str(), one.hold.is_some(), one.in_flight) {
        ("draining", ..) => "draining",
        ("stopping", ..) => "stopping",
        (_, true, _) => "held",
        (_, false, 0) => "idle",
        (_, false, _) => "running",
    }
}

fn shown(one: &Instance, now_ms: u64) -> Value {
    let mut shown = serde_json::to_value(one).unwrap_or_default();
    if let Some(object) = shown.as_object_mut() {
        object.insert("state".to_owned(), json!(state(one, now_ms)));
        object.insert("alive".to_owned(), json!(one.is_alive(now_ms)));
    }
    shown
}

fn tone(state: &str) -> Tone {
    match state {
        "running" => Tone::Good,
        "dead" => Tone::Bad,
        "idle" => Tone::Plain,
        _ => Tone::Warn,
    }
}
