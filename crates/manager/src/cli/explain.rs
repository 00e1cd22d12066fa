//! `printery-workers explain`: where an event is, why, and what happens to it next.
//!
//! Takes the id of an entry, an event, a deployment or a dead letter. It looks at Redis alone,
//! within bounds that it tells, and changes nothing. What `--json` prints is described in `shape`.

mod ended;
pub(crate) mod facts;
pub(crate) mod locate;
pub(crate) mod place;
pub(crate) mod reason;
pub(crate) mod search;
mod shape;
mod story;
pub(crate) mod traces;
mod words;

use std::process::ExitCode;

use clap::Args;
use printery_events::EventType;
use printery_events::topology::WORKERS;
use printery_harness::args::CommonArgs;
use printery_streams::{EntryId, Partition};
use serde_json::{Value, json};

use crate::cli::explain::facts::{FleetFacts, Look};
use crate::cli::explain::reason::Reason;
use crate::cli::explain::story::Story;
use crate::cli::explain::words::words;
use crate::cli::failure::Failure;
use crate::cli::output::clean;
use crate::cli::target::{Target, on_redis};

/// What to explain.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// An entry's id, an event's id, a deployment's id or a dead letter's id
    #[arg(value_name = "ID")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found of an id.
#[derive(Debug, Default)]
struct Found {
    /// Its events, oldest first, at most [`search::MOST`].
    stories: Vec<Story>,
    /// How many events it has.
    events: usize,
    /// Types whose streams may have had it and have been trimmed since.
    trimmed: Vec<EventType>,
}

/// Explains it.
pub(crate) fn explain(common: &CommonArgs, args: &ExplainArgs) -> ExitCode {
    on_redis(common, &format!("explain {}", args.id), async |target| {
        let found = find(target, &args.id).await?;
        let absence = found.stories.is_empty().then(|| Absence::of(target, &args.id, &found));
        if args.json {
            target.out.json(&as_json(&args.id, &found, absence.as_ref()))?;
        } else if let Some(absence) = &absence {
            let (lines, cli) = (absence.lines(&args.id), target.redis_cli());
            target.out.lines(lines)?;
            let look: Vec<&str> = absence.look.iter().map(String::as_str).collect();
            target.out.line(format!("  look     {}", cli.line(&look)))?;
        } else {
            show(target, &args.id, &found)?;
        }
        let unknown = absence.is_some_and(|absence| absence.reason == Reason::Unknown);
        if unknown { Err(Failure::told()) } else { Ok(()) }
    })
}

/// Looks through the partitions, that of a deployment of this id first; when it is one, no other
/// has anything of it.
async fn find(target: &mut Target, id: &str) -> Result<Found, Failure> {
    let fleet = FleetFacts::gather(target).await?;
    let own = target.partitions.of(id).clone();
    let mut all: Vec<Partition> = target.partitions.all().cloned().collect();
    all.sort_by_key(|one| one.keys != own.keys);
    let mut found = Found::default();
    for partition in all {
        let mut look = Look::at(&partition, &fleet, &target.fleet.stages, &WORKERS).await?;
        let mut items = search::items(&mut look, id).await?;
        let is_deployment = items.iter().any(|item| item.subject() == Some(id));
        found.events += items.len();
        items.drain(..items.len().saturating_sub(search::MOST));
        for item in items {
            found.stories.push(Story::of(&mut look, item).await?);
        }
        if is_deployment {
            break;
        }
        if let (true, Ok(entry)) = (found.stories.is_empty(), id.parse::<EntryId>()) {
            found.trimmed.extend(search::trimmed_beyond(&mut look, entry).await?);
        }
    }
    found.stories.sort_by_key(Story::order);
    let many = found.stories.len().saturating_sub(search::MOST);
    found.stories.drain(..many);
    Ok(found)
}

/// Where everything that an id means stands, for whoever waits for it.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// How many events it has.
    pub(crate) events: usize,
    /// What is not settled, a line each.
    pub(crate) open: Vec<String>,
    /// What failed or was given up, a line each.
    pub(crate) failed: Vec<String>,
}

/// Looks where everything that an id means stands.
pub(crate) async fn standing(target: &mut Target, id: &str) -> Result<Standing, Failure> {
    let found = find(target, id).await?;
    let mut standing = Standing { events: found.events, ..Standing::default() };
    for story in &found.stories {
        story.stand(&mut standing);
    }
    Ok(standing)
}

fn show(target: &mut Target, id: &str, found: &Found) -> Result<(), Failure> {
    let (colour, cli) = (target.out.colour(), target.redis_cli());
    let stories = &found.stories;
    if found.events > stories.len() {
        let (shown, all) = (stories.len(), found.events);
        target.out.line(format!("the latest {shown} of {all} events of {}", clean(id)))?;
    }
    // One event is explained in full; of many, only what is not done.
    let whole = stories.len() == 1;
    for story in stories {
        target.out.lines(story.lines(whole, colour, &cli))?;
    }
    if whole {
        return Ok(());
    }
    target.out.line("")?;
    let line = match stories.iter().map(Story::open).sum() {
        0_usize => "every event has been settled by all its readers".to_owned(),
        1 => "1 delivery is not settled; it is explained above".to_owned(),
        open => format!("{open} deliveries are not settled; they are explained above"),
    };
    Ok(target.out.line(line)?)
}

fn as_json(id: &str, found: &Found, absence: Option<&Absence>) -> Value {
    let events: Vec<Value> = found.stories.iter().map(Story::to_json).collect();
    let mut shown = json!({ "id": id, "events": events });
    if let (Some(absence), Some(object)) = (absence, shown.as_object_mut()) {
        object.insert("reason".to_owned(), json!(absence.reason.as_str()));
        object.insert("why".to_owned(), json!(absence.why));
        object.insert("next".to_owned(), json!("nothing"));
        object.insert("command".to_owned(), json!(absence.command));
        object.insert("redis_cli".to_owned(), json!(absence.look));
    }
    shown
}

/// Why nothing is there to be explained.
#[derive(Debug)]
struct Absence {
    /// Trimmed or unknown.
    reason: Reason,
    prefix: String,
    why: String,
    command: String,
    /// The words with which redis-cli looks for it.
    look: Vec<String>,
}

impl Absence {
    fn of(target: &Target, id: &str, found: &Found) -> Self {
        let prefix = target.keys.prefix().to_owned();
        let command = "printery-workers events tail --from 1h".to_owned();
        let Some(event_type) = found.trimmed.first() else {
            let why =
                "it was never published here, or it has been trimmed and its settlement forgotten";
            let pattern = format!("{prefix}:printery:published:*:{id}");
            let look = words(["--scan", "--pattern", &pattern]);
            return Self { reason: Reason::Unknown, prefix, why: why.to_owned(), command, look };
        };
        let types: Vec<&str> = found.trimmed.iter().map(EventType::as_str).collect();
        let why = format!(
            "it is older than everything that these streams retain, one of which may have had it: {}; the fleet trims only what every group has settled",
            types.join(", ")
        );
        let stream = target.keys.events(event_type.as_str());
        let look = words(["XRANGE", &stream, "-", "+", "COUNT", "1"]);
        Self { reason: Reason::Trimmed, prefix, why, command, look }
    }

    fn lines(&self, id: &str) -> [String; 5] {
        [
            format!("{} is {} on the prefix {}", clean(id), self.reason.as_str(), self.prefix),
            format!("  looked   {}", search::bounds()),
            format!("  why      {}", self.why),
            "  next     nothing".to_owned(),
            format!("  see      {}", self.command),
        ]
    }
}
