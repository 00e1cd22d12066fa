//! `events list`: the latest events of all streams in one order.

use clap::Args;
use printery_events::EventType;
use printery_streams::{EntryId, Partition, Session, browse};

use crate::cli::events::row::{chosen, row};
use crate::cli::failure::Failure;
use crate::cli::sighting::Sighting;
use crate::cli::target::Target;
use crate::layout;

/// Entries read at once.
const PAGE: usize = 500;
/// Pages of one stream that are looked through for a deployment: 10,000 entries, the retention.
const PAGES: usize = 20;

/// Which events to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only these types; a beginning such as deployment:stage stands for all that follow
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only events of this deployment
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,
    /// Only events of the story that this event began
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// At most so many, the latest
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub(crate) async fn list(target: &mut Target, args: &ListArgs) -> Result<(), Failure> {
    let types = chosen(target.event_types(), &args.types)?;
    let deployment = args.deployment.as_deref();
    let partitions: Vec<&Partition> = match deployment {
        Some(deployment) => vec![target.partitions.of(deployment)],
        None => target.partitions.all().collect(),
    };
    let mut seen = Vec::new();
    for Partition { keys, redis } in partitions {
        let mut session = redis.session();
        for event_type in &types {
            let stream = keys.events(event_type.as_str());
            let correlation = args.correlation.as_deref();
            let wanted = Wanted { event_type, deployment, correlation, limit: args.limit };
            seen.extend(latest(&mut session, &stream, wanted).await?);
        }
    }
    seen.sort_by_key(Sighting::order);
    let from = seen.len().saturating_sub(args.limit);
    let shown = seen.get(from..).unwrap_or_default();
    for sighting in shown {
        if args.json {
            target.out.json_line(&sighting.to_json())?;
        } else {
            let line = row(sighting, target.out.colour());
            target.out.line(line)?;
        }
    }
    if shown.is_empty() && !args.json {
        let prefix = layout::described(&target.settings.prefix, target.settings.partitions);
        let what = args.deployment.as_ref().map_or_else(String::new, |id| format!(" of {id}"));
        target.out.line(format!("no events{what} on the prefix {prefix}"))?;
    }
    Ok(())
}

/// What of one stream is wanted.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    event_type: &'a EventType,
    deployment: Option<&'a str>,
    correlation: Option<&'a str>,
    limit: usize,
}

/// The latest wanted entries of one stream, youngest first.
async fn latest(
    session: &mut Session,
    stream: &str,
    wanted: Wanted<'_>,
) -> Result<Vec<Sighting>, Failure> {
    let mut found: Vec<Sighting> = Vec::new();
    let mut before: Option<EntryId> = None;
    let narrowed = wanted.deployment.is_some() || wanted.correlation.is_some();
    let page = if narrowed { PAGE } else { wanted.limit.min(PAGE) };
    for _ in 0..PAGES {
        let entries = browse::latest(session, stream, before, page).await?;
        before = entries.last().map(|entry| entry.id);
        let read = entries.iter().map(|entry| Sighting::read(wanted.event_type, entry));
        let fits = |sighting: &Sighting| {
            let correlation = sighting.event().map(|event| event.correlation_id.as_str());
            wanted.deployment.is_none_or(|id| sighting.subject() == Some(id))
                && wanted.correlation.is_none_or(|id| correlation == Some(id))
        };
        found.extend(read.filter(fits));
        if entries.len() < page || found.len() >= wanted.limit {
            break;
        }
    }
    found.truncate(wanted.limit);
    Ok(found)
}
