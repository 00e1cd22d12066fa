//! `printery-workers replay`: what happened to a deployment, once more.
//!
//! Publishes again what producers said of it; what workers derived follows by itself. Each event
//! gets an id of its own, made of its old one and the replay's, so that no worker takes it for a
//! duplicate, and repeating a replay under its id does nothing. Without `--execute` it only tells.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use printery_events::ids::{derived_id, is_event_id, new_id};
use printery_events::{Event, EventType};
use printery_harness::args::CommonArgs;
use printery_streams::{Partition, publish};
use serde_json::{Value, json};

use crate::cli::dlq::change::end;
use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::sighting::Sighting;
use crate::cli::target::{Target, on_redis};
use crate::history;

/// Who a replayed event is from.
const SOURCE: &str = "/printery-workers/replay";

/// Which deployment, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The deployment
    #[arg(long, value_name = "ID")]
    deployment: String,
    /// Only what happened in this stage
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Publish the events; without it they are only listed
    #[arg(long)]
    execute: bool,
    /// What this replay is called; the same one again does nothing within 24 h. Made up by default
    #[arg(long, value_name = "ID")]
    replay_id: Option<String>,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Replays it, or tells what would be replayed.
pub(crate) fn replay(common: &CommonArgs, args: &ReplayArgs) -> ExitCode {
    on_redis(common, &format!("replay {}", args.deployment), async |target| {
        let replay_id = args.replay_id.clone().unwrap_or_else(|| new_id(Timestamp::now()));
        if !is_event_id(&replay_id) {
            return Err(Failure::usage(format!(
                "--replay-id {replay_id:?} must be 1 to 128 characters without control characters"
            )));
        }
        let story =
            history::story(&target.partitions, &target.fleet.stages, &args.deployment).await?;
        let wanted: Vec<&Event> =
            story.events.iter().filter_map(Sighting::event).filter(|one| args.wants(one)).collect();
        if wanted.is_empty() {
            let stage = args.stage.as_ref().map_or_else(String::new, |it| format!(" of {it}"));
            return Err(Failure::failed(format!(
                "the streams have nothing{stage} that a producer said of {}",
                args.deployment
            )));
        }
        let done = if args.execute {
            execute(target, args, &wanted, &replay_id).await?
        } else {
            wanted.iter().map(|event| row(event, &again(event, &replay_id), None)).collect()
        };
        tell(target, args, &replay_id, &done)
    })
}

impl ReplayArgs {
    /// Whether an event is replayed: what has a cause follows from what is.
    fn wants(&self, event: &Event) -> bool {
        let of_stage = self.stage.as_deref().is_none_or(|it| event.event_type.stage() == Some(it));
        let original = event.source.as_deref() != Some(SOURCE);
        event.causation_id.is_none() && original && of_stage
    }
}

/// The event as it is published again. Its source says so, so that a second replay leaves it out.
fn again(event: &Event, replay_id: &str) -> Event {
    let kind = event.event_type.as_str();
    let id = derived_id(&event.id, "replay", kind, replay_id);
    let source = Some(SOURCE.to_owned());
    Event { id, source, time: Some(Timestamp::now()), ..event.clone() }
}

async fn execute(
    target: &mut Target,
    args: &ReplayArgs,
    wanted: &[&Event],
    replay_id: &str,
) -> Result<Vec<Value>, Failure> {
    let count = u64::try_from(wanted.len()).unwrap_or(u64::MAX);
    let detail = format!("replay id {replay_id}");
    let begun = args.actor.begins(target, "replay", &args.deployment, count, detail).await?;
    let (mut done, mut failure) = (Vec::with_capacity(wanted.len()), None);
    for event in wanted {
        match add(target, event, replay_id).await {
            Ok(row) => done.push(row),
            Err(problem) => {
                failure = Some(problem);
                break;
            }
        }
    }
    let outcome = if failure.is_none() { "done" } else { "failed" };
    let changed = u64::try_from(done.len()).unwrap_or(u64::MAX);
    end(target, begun, changed, outcome, "").await;
    failure.map_or(Ok(done), Err)
}

async fn add(target: &Target, event: &Event, replay_id: &str) -> Result<Value, Failure> {
    let Partition { keys, redis } = target.partitions.of(&event.subject);
    let replayed = again(event, replay_id);
    let mut fields = replayed.encode(target.settings.encoding);
    for (name, value) in [("replay_of", event.id.as_str()), ("replay_id", replay_id)] {
        fields.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    }
    let kind = replayed.event_type.as_str();
    let session = &mut redis.session();
    let published = publish::publish(session, keys, kind, &replayed.id, &fields).await?;
    Ok(row(event, &replayed, Some(&published)))
}

fn row(event: &Event, replayed: &Event, published: Option<&publish::Published>) -> Value {
    let kind: &EventType = &event.event_type;
    json!({
        "type": kind, "id": replayed.id, "replay_of": event.id,
        "entry": published.map(|it| it.entry.to_string()),
        "deduplicated": published.is_some_and(|it| it.deduplicated),
    })
}

fn tell(
    target: &mut Target,
    args: &ReplayArgs,
    replay_id: &str,
    rows: &[Value],
) -> Result<(), Failure> {
    if args.json {
        return Ok(target.out.json(&json!({
            "deployment_id": args.deployment, "replay_id": replay_id, "executed": args.execute,
            "events": rows,
        }))?);
    }
    for row in rows {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let how = match (args.execute, row.get("deduplicated") == Some(&Value::Bool(true))) {
            (false, _) => "would be replayed".to_owned(),
            (true, true) => "had been replayed before".to_owned(),
            (true, false) => format!("replayed as {}", text("entry")),
        };
        target.out.line(format!("{} {} {how}", text("type"), text("replay_of")))?;
    }
    let count = rows.len();
    Ok(target.out.line(if args.execute {
        format!("{count} events; the replay is called {replay_id}")
    } else {
        format!("{count} events; nothing was published: repeat it with --execute")
    })?)
}
