//! `printery-workers cleanup`: what processes that died have left behind.
//!
//! Takes their records away, and their consumers where nothing is pending for them; what is pending
//! is taken over by living replicas first. Whoever still lives is left alone.

use std::process::ExitCode;

use clap::Args;
use printery_fleet::activity::{self, Happening};
use printery_fleet::instances::{self, Instance};
use printery_fleet::lives::{self, Moved, State, Step};
use printery_harness::args::CommonArgs;
use printery_streams::{Clock, group};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::operator::{Actor, Consent};
use crate::cli::target::{Target, on_redis};
use crate::groups::PartitionStreams;

/// So many dead processes at once are worth an alarm.
const MASS: usize = 5;

/// Which processes.
#[derive(Debug, Args)]
pub(crate) struct CleanupArgs {
    /// The instance, as `worker list` shows it
    #[arg(value_name = "INSTANCE", required_unless_present = "zombies")]
    id: Option<String>,
    /// All that have died
    #[arg(long, conflicts_with = "id")]
    zombies: bool,
    /// Silent for at least so long
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    age: std::time::Duration,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 5)]
    max_per_minute: usize,
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

/// Cleans up.
pub(crate) fn cleanup(common: &CommonArgs, args: &CleanupArgs) -> ExitCode {
    on_redis(common, "clean up", async |target| clean(target, args).await)
}

async fn clean(target: &mut Target, args: &CleanupArgs) -> Result<(), Failure> {
    let clock = Clock::default();
    clock.read(&mut target.session).await?;
    let now_ms = clock.now_ms();
    let mut found = instances::list(&mut target.session, &target.keys).await?;
    if let Some(id) = &args.id {
        found.retain(|one| one.is_called(id));
        let one = found.first().ok_or_else(|| {
            Failure::failed(format!("there is no process {id:?}; see `worker list`"))
        })?;
        if one.is_alive(now_ms) {
            return Err(Failure::failed(format!(
                "{id} lives: it beat {} ms ago; `worker stop {id}` stops it",
                now_ms.saturating_sub(one.beat_ms)
            )));
        }
    } else {
        let age_ms = u64::try_from(args.age.as_millis()).unwrap_or(u64::MAX);
        let silent = |one: &Instance| now_ms.saturating_sub(one.beat_ms) >= age_ms;
        found.retain(|one| !one.is_alive(now_ms) && silent(one));
    }
    let dead = found.len();
    found.truncate(args.max_per_minute);
    if args.dry_run {
        let found: Vec<_> = found.into_iter().map(|one| (one.instance, 0)).collect();
        return told(target, args, dead, &found);
    }
    if args.zombies && !found.is_empty() {
        args.consent.ask(&format!("{} processes that died are forgotten", found.len()))?;
    }
    if dead >= MASS {
        let happening = Happening {
            kind: "worker:mass_zombification_alert".to_owned(),
            subject: "fleet".to_owned(),
            sentence: format!("{dead} processes have died without leaving"),
            detail: json!({ "dead": dead }),
        };
        activity::tell(&mut target.session, &target.keys, &happening).await?;
    }
    let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let begun = if found.is_empty() {
        None
    } else {
        let subject = args.id.as_deref().unwrap_or("zombies");
        Some(args.actor.begins(target, "cleanup", subject, count, String::new()).await?)
    };
    let mut cleaned = Vec::new();
    for one in found {
        retire(target, &one).await?;
        let recovered = file_away(target, &one).await?;
        cleaned.push((one.instance, recovered));
    }
    if let Some(begun) = begun {
        begun.end(&mut target.session, &target.keys, count, "done", "").await?;
    }
    told(target, args, dead, &cleaned)
}

/// Files the life of a dead process away; gives the tokens that came back.
async fn file_away(target: &mut Target, one: &Instance) -> Result<u64, Failure> {
    let reason = format!("cleaned up; it was pid {} on {}", one.pid, one.host);
    // One that nobody has judged yet is a zombie first; what is over already stays that.
    let zombie = Step::new(one.called(), State::Zombie, "it does not beat");
    let archived = Step { kind: "cleaned_up", ..Step::new(one.called(), State::Archived, reason) };
    let (session, keys) = (&mut target.session, &target.keys);
    lives::take_step(session, keys, None, &zombie).await?;
    Ok(match lives::take_step(session, keys, None, &archived).await? {
        Moved::Done(recovered) => recovered,
        Moved::Stood | Moved::Refused | Moved::Deposed => 0,
    })
}

/// Takes away what a process left: its consumers that own nothing, then its record.
async fn retire(target: &mut Target, one: &Instance) -> Result<(), Failure> {
    for place in PartitionStreams::of_all(&target.partitions, &target.fleet.stages) {
        let mut session = place.partition.redis.session();
        for subscription in place.subscriptions.iter().filter(|it| it.worker.name == one.worker) {
            // Refused in the same step while anything is pending: the janitor comes back later.
            group::retire(&mut session, &subscription.key, &subscription.group, &one.instance)
                .await?;
        }
    }
    let name = [one.instance.clone()];
    Ok(instances::remove(&mut target.session, &target.keys, &name).await?)
}

fn told(
    target: &mut Target,
    args: &CleanupArgs,
    dead: usize,
    done: &[(String, u64)],
) -> Result<(), Failure> {
    let names: Vec<&str> = done.iter().map(|(name, _)| name.as_str()).collect();
    if args.json {
        let shown = json!({
            "success": true, "cleaned": names, "left": dead - names.len(),
            "dry_run": args.dry_run,
            "recovered": done.iter().map(|(_, tokens)| tokens).sum::<u64>(),
        });
        return Ok(target.out.json(&shown)?);
    }
    if args.dry_run {
        target.out.lines(names.iter().map(|name| format!("{name} would be cleaned up")))?;
    } else {
        let line = |(name, tokens): &(String, u64)| {
            format!("Cleaned up {name}, recovered {tokens} tokens")
        };
        target.out.lines(done.iter().map(line))?;
    }
    let left = dead - names.len();
    if left > 0 {
        target.out.line(format!("{left} more have died; repeat it in a minute"))?;
    } else if names.is_empty() {
        target.out.line("nobody has died")?;
    }
    Ok(())
}
