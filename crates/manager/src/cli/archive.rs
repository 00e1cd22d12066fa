//! `printery-workers archive`: files the lives away of processes that ended some time ago.
//!
//! The leader does it by itself after seven days. A life of which nobody knows when it ended stays.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use printery_fleet::lives::{self, Life, Moved, State, Step};
use printery_harness::args::CommonArgs;
use printery_streams::Clock;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::operator::{Actor, Consent};
use crate::cli::target::{Target, on_redis};

/// Which ones.
#[derive(Debug, Args)]
pub(crate) struct ArchiveArgs {
    /// Ended for at least so long
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = humantime::parse_duration)]
    older_than: Duration,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Files them away.
pub(crate) fn archive(common: &CommonArgs, args: &ArchiveArgs) -> ExitCode {
    on_redis(common, "file processes away", async |target| file(target, args).await)
}

async fn file(target: &mut Target, args: &ArchiveArgs) -> Result<(), Failure> {
    let clock = Clock::default();
    clock.read(&mut target.session).await?;
    let age_ms = u64::try_from(args.older_than.as_millis()).unwrap_or(u64::MAX);
    let all = lives::list(&mut target.session, &target.keys).await?;
    let mut due: Vec<String> = all
        .into_iter()
        .filter(|(_, life)| is_due(life, clock.now_ms(), age_ms))
        .map(|(id, _)| id)
        .collect();
    if !args.dry_run && !due.is_empty() {
        args.consent.ask(&format!("ended processes are filed away: {}", due.len()))?;
        let count = u64::try_from(due.len()).unwrap_or(u64::MAX);
        let begun = args.actor.begins(target, "archive", "ended", count, String::new()).await?;
        let mut done = Vec::new();
        for id in due {
            let step = Step::new(&id, State::Archived, "filed away");
            let (session, keys) = (&mut target.session, &target.keys);
            if let Moved::Done(_) = lives::take_step(session, keys, None, &step).await? {
                done.push(id);
            }
        }
        let count = u64::try_from(done.len()).unwrap_or(u64::MAX);
        begun.end(&mut target.session, &target.keys, count, "done", "").await?;
        due = done;
    }
    if args.json {
        return Ok(target.out.json(&json!({ "archived": due, "dry_run": args.dry_run }))?);
    }
    if due.is_empty() {
        return Ok(target.out.line("nothing ended so long ago")?);
    }
    let what = if args.dry_run { "would be filed away" } else { "is filed away" };
    Ok(target.out.lines(due.iter().map(|id| format!("{id} {what}")))?)
}

/// Whether a life ended so long ago.
fn is_due(life: &Life, now_ms: u64, age_ms: u64) -> bool {
    let ended = matches!(life.state, State::Completed | State::Failed);
    ended && life.since_ms > 0 && now_ms.saturating_sub(life.since_ms) >= age_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ended_and_is_dated_and_old_is_due() {
        let day = 24 * 3_600_000;
        let now = 100 * day;
        let life = |state, since_ms| -> Life {
            let life = json!({ "state": state, "since_ms": since_ms });
            serde_json::from_value(life).unwrap()
        };
        let table = [
            (life("completed", now - 8 * day), true),
            (life("failed", now - 7 * day), true),
            (life("completed", now - 6 * day), false),
            (life("completed", 0), false),
            (life("zombie", now - 8 * day), false),
            (life("archived", now - 8 * day), false),
        ];
        for (life, expected) in table {
            assert_eq!(is_due(&life, now, 7 * day), expected, "{life:?}");
        }
    }
}
