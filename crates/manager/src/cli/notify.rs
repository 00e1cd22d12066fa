//! `printery-workers notify`: who would be told of an event, in which words, and does it arrive?
//!
//! Goes by the same routes and receivers as the notifier, which it does not need. `test` is the
//! only one that sends anything. Silences are in Redis; the others neither need it nor leave a
//! trace in it.

mod acknowledge;
mod explain;
mod silence;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use printery_config::Fleet;
use printery_events::{Event, EventType};
use printery_harness::args::CommonArgs;
use printery_harness::exit;
use printery_notices::{Facts, Receiver, Telling, Verdict, Ways, example};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::failure::Failure;
use crate::cli::notify::acknowledge::AcknowledgeArgs;
use crate::cli::notify::explain::ExplainArgs;
use crate::cli::notify::silence::{SilenceArgs, SilencesArgs, UnsilenceArgs};
use crate::cli::output::{Output, clean};
use crate::cli::publish::read_data;
use crate::cli::target::{conclude, load_fleet, on_redis};

/// What to find out about notifications.
#[derive(Debug, Subcommand)]
pub(crate) enum NotifyVerb {
    /// Say which routes match an event, whom they name, and who is muted
    Explain(ExplainArgs),
    /// Print what a receiver would be sent
    Preview(OneArgs),
    /// Send a receiver a message now; exits 1 when it does not take it
    Test(OneArgs),
    /// Say that you have a deployment's trouble, so that it is not escalated
    Acknowledge(AcknowledgeArgs),
    /// Tell nobody of some events for a while
    Silence(SilenceArgs),
    /// List what is silenced
    Silences(SilencesArgs),
    /// End a silence
    Unsilence(UnsilenceArgs),
}

/// Which event.
#[derive(Debug, Args)]
pub(crate) struct EventArgs {
    /// The event's data: JSON, @file, or - for standard input; an example by default
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    data: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which receiver, and which event.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The receiver, as the fleet file names it
    #[arg(value_name = "RECEIVER")]
    receiver: String,
    /// The event's type
    #[arg(value_name = "TYPE", default_value = "deployment:failed")]
    event_type: String,
    #[command(flatten)]
    event: EventArgs,
}

/// Does what was typed.
pub(crate) fn notify(common: &CommonArgs, verb: &NotifyVerb) -> ExitCode {
    let fleet = || load_fleet(common);
    let done = match verb {
        NotifyVerb::Explain(args) => fleet().and_then(|fleet| explain::explain(&fleet, args)),
        NotifyVerb::Preview(args) => fleet().and_then(|fleet| preview(&fleet, args)),
        NotifyVerb::Test(args) => fleet().and_then(|fleet| test(&fleet, args)),
        NotifyVerb::Acknowledge(args) => {
            return on_redis(common, "acknowledge", async |target| {
                acknowledge::acknowledge(target, args).await
            });
        }
        NotifyVerb::Silence(args) => {
            return on_redis(common, "silence", async |target| {
                silence::silence(target, args).await
            });
        }
        NotifyVerb::Silences(args) => {
            return on_redis(common, "list silences", async |target| {
                silence::silences(target, args).await
            });
        }
        NotifyVerb::Unsilence(args) => {
            return on_redis(common, "end a silence", async |target| {
                silence::unsilence(target, args).await
            });
        }
    };
    match done {
        Ok(()) => exit::code(exit::DONE),
        Err(failure) => conclude(&failure),
    }
}

fn event(event_type: &str, args: &EventArgs) -> Result<Event, Failure> {
    let parsed = EventType::parse(event_type)
        .map_err(|invalid| Failure::usage(format!("{event_type:?} {}", invalid.problem)))?;
    let data = match &args.data {
        None => None,
        Some(said) => {
            let bytes = read_data(said)?;
            let data: Value = serde_json::from_slice(&bytes)
                .map_err(|error| Failure::usage(format!("--data is no JSON: {error}")))?;
            Some(data)
        }
    };
    example(&parsed, data.as_ref()).map_err(Failure::usage)
}

fn receiver(fleet: &Fleet, name: &str) -> Result<Receiver, Failure> {
    let Some(receiver) = fleet.receivers.get(name) else {
        let known: Vec<&str> = fleet.receivers.keys().map(String::as_str).collect();
        let text =
            format!("unknown receiver {name:?}; {} has {}", fleet.source(), known.join(", "));
        return Err(Failure::usage(text));
    };
    let ways = Ways::try_new(fleet).map_err(Failure::failed)?;
    Ok(Receiver::new(receiver, fleet.notifier.retry, ways))
}

fn preview(fleet: &Fleet, args: &OneArgs) -> Result<(), Failure> {
    let event = event(&args.event_type, &args.event)?;
    let facts = Facts::of(&event);
    let receiver = receiver(fleet, &args.receiver)?;
    let id = Uuid::nil().to_string();
    let text = receiver.preview(telling(&event, &facts, &id));
    let mut out = Output::stdout();
    if args.event.json {
        let (name, target) = (&args.receiver, receiver.target());
        return Ok(out.json(&json!({
            "receiver": name, "target": target, "wants": receiver.wants(&facts), "message": text,
        }))?);
    }
    if !receiver.wants(&facts) {
        out.line(format!("# {} does not want to hear of {}", args.receiver, facts.event_type))?;
    }
    out.line(format!("# to {}", receiver.target()))?;
    Ok(out.lines(text.lines().map(clean))?)
}

fn test(fleet: &Fleet, args: &OneArgs) -> Result<(), Failure> {
    let event = event(&args.event_type, &args.event)?;
    let note = "This is a test of printery-workers notify; nothing has happened.";
    let facts = Facts { note: Some(note.to_owned()), ..Facts::of(&event) };
    let receiver = receiver(fleet, &args.receiver)?;
    if !receiver.wants(&facts) {
        let text = format!("{} does not want to hear of {}", args.receiver, facts.event_type);
        return Err(Failure::usage(text));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A test is news each time it is made.
    let id = Uuid::new_v4().to_string();
    let reply = runtime.block_on(receiver.tell(telling(&event, &facts, &id)));
    let mut out = Output::stdout();
    let (told, why) = match &reply.verdict {
        Verdict::Told => (true, None),
        Verdict::Later { why, .. } | Verdict::Never { why } => (false, Some(why)),
    };
    let again = matches!(reply.verdict, Verdict::Later { .. });
    if args.event.json {
        out.json(&json!({
            "receiver": args.receiver, "target": receiver.target(), "told": told,
            "tried_again": again, "error_message": why,
        }))?;
    } else if let Some(why) = why {
        let then = if again { "the notifier would try again" } else { "it would be given up" };
        out.line(format!("{}: {}; {then}", args.receiver, clean(why)))?;
    } else {
        out.line(format!("{}: told, by {}", args.receiver, receiver.target()))?;
    }
    if told { Ok(()) } else { Err(Failure::told()) }
}

/// Tells it now, by this machine's clock: no fleet is asked.
fn telling<'a>(event: &'a Event, facts: &'a Facts<'a>, id: &'a str) -> Telling<'a> {
    let timestamp = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
    Telling::new(event, facts, id, timestamp)
}
