//! `dlq resolve`, `dlq abandon` and `dlq purge`: dead letters that will not be run again.
//!
//! The first two keep them for a day among the processed ones, with who decided and why; the last
//! one removes them for good.

use clap::Args;
use printery_fleet::dead_letters::{self, Decision, PutAway, Resolution};
use printery_streams::Session;
use serde_json::json;

use crate::cli::dlq::change::{Agreed, Change, ChangeArgs, Tally, end, letters};
use crate::cli::dlq::choice::{Chosen, Found};
use crate::cli::dlq::scope::Source;
use crate::cli::failure::Failure;
use crate::cli::interrupt::{Interrupt, stoppable};
use crate::cli::target::Target;

/// Which dead letters, who, how, and why.
#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Why; kept with the letter
    #[arg(long, value_name = "TEXT", default_value = "")]
    notes: String,
}

/// What is done to each letter.
enum Way {
    Decide(Resolution),
    Purge,
}

impl Way {
    fn action(&self) -> &'static str {
        match self {
            Self::Decide(Resolution { decision: Decision::Resolved, .. }) => "dlq resolve",
            Self::Decide(Resolution { decision: Decision::Abandoned, .. }) => "dlq abandon",
            Self::Purge => "dlq purge",
        }
    }

    fn done_to(&self) -> &'static str {
        match self {
            Self::Decide(Resolution { decision: Decision::Resolved, .. }) => "marked as resolved",
            Self::Decide(Resolution { decision: Decision::Abandoned, .. }) => "abandoned",
            Self::Purge => "removed for good",
        }
    }
}

/// Puts them away as decided.
pub(crate) async fn decide(
    target: &mut Target,
    args: &DecideArgs,
    decision: Decision,
) -> Result<(), Failure> {
    let resolution =
        Resolution { decision, notes: args.notes.clone(), actor: args.change.actor.name() };
    Box::pin(change(target, &args.change, &Way::Decide(resolution), args.notes.clone())).await
}

/// Removes them.
pub(crate) async fn purge(target: &mut Target, args: &ChangeArgs) -> Result<(), Failure> {
    Box::pin(change(target, args, &Way::Purge, String::new())).await
}

async fn change(
    target: &mut Target,
    args: &ChangeArgs,
    way: &Way,
    detail: String,
) -> Result<(), Failure> {
    let chosen = args.choice.find(target).await?;
    let change =
        Change { action: way.action(), done_to: way.done_to(), detail: detail.clone(), args };
    let Some(agreed) = change.agree(target, &chosen).await? else { return Ok(()) };
    let (matched, mut tally) = (agreed.total(), Tally::default());
    let Agreed { begun, mut interrupt, .. } = agreed;
    let done = stoppable(Box::pin(each(&chosen, way, &mut tally, &mut interrupt))).await;
    let outcome = match &done {
        Ok(Finish::Complete) => "done",
        Ok(Finish::Cancelled) => "cancelled",
        Err(_failure) => "failed",
    };
    end(target, begun, tally.changed, outcome, &detail).await;
    tell(target, args, way, matched, &tally, outcome)?;
    match done? {
        Finish::Complete if tally.gone == 0 || !chosen.is_named() => Ok(()),
        Finish::Complete | Finish::Cancelled => Err(Failure::told()),
    }
}

/// Whether all letters were gone through.
enum Finish {
    Complete,
    Cancelled,
}

async fn each(
    chosen: &Chosen,
    way: &Way,
    tally: &mut Tally,
    interrupt: &mut Interrupt,
) -> Result<Finish, Failure> {
    let mut queue = chosen.queue();
    // Kept for all letters of a place: each new one costs two commands.
    let mut kept: Option<(usize, Session)> = None;
    while let Some(found) = queue.next(&chosen.sources).await? {
        if interrupt.is_raised() {
            return Ok(Finish::Cancelled);
        }
        let Some(source) = chosen.sources.get(found.source) else { continue };
        let session = match kept.take() {
            Some((of, session)) if of == found.source => session,
            Some(_) | None => source.session(),
        };
        let (_, session) = kept.insert((found.source, session));
        one(source, session, &found, way, tally).await?;
    }
    Ok(Finish::Complete)
}

async fn one(
    source: &Source,
    session: &mut Session,
    found: &Found,
    way: &Way,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let (keys, worker) = (source.keys(), source.worker.name);
    let entry = found.entry.id;
    let processed = match way {
        Way::Decide(resolution) => {
            match dead_letters::put_away(session, keys, worker, entry, resolution).await? {
                PutAway::Processed(id) => Some(id.to_string()),
                PutAway::Gone => {
                    tally.gone += 1;
                    return Ok(());
                }
            }
        }
        Way::Purge => {
            if dead_letters::purge(session, keys, worker, &[entry]).await? == 0 {
                tally.gone += 1;
                return Ok(());
            }
            None
        }
    };
    tally.note(json!({
        "worker": worker, "partition": source.partition, "entry": found.letter.entry,
        "event_id": found.letter.event_id, "processed_entry": processed,
    }));
    Ok(())
}

fn tell(
    target: &mut Target,
    args: &ChangeArgs,
    way: &Way,
    matched: u64,
    tally: &Tally,
    outcome: &str,
) -> Result<(), Failure> {
    let Tally { changed, gone, letters: listed } = tally;
    if args.json {
        return Ok(target.out.json(&json!({
            "action": way.action(), "outcome": outcome, "matched": matched, "changed": changed,
            "gone": gone, "left": matched.saturating_sub(changed + gone), "letters": listed,
        }))?);
    }
    target.out.line(format!("{} of {} {}", changed, letters(matched, outcome), way.done_to()))?;
    if *gone > 0 {
        target.out.line(format!("{gone} were taken away by somebody else"))?;
    }
    Ok(())
}
