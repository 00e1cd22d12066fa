//! `printery-workers audit`: accounts for every entry of every stream and group, from Redis alone.
//!
//! Reads while the fleet works and names every lost, doubled, stuck or orphaned entry; `--repair`
//! puts right what can be put right. Without it nothing is changed.

mod books;
mod copies;
mod examine;
mod finding;
mod flow;
mod passed;
mod patience;
mod pending;
mod repair;
mod results;
mod scene;
mod show;
mod waiting;

use std::process::ExitCode;

use clap::Args;
use printery_harness::args::CommonArgs;
use printery_streams::audit::mend::Mended;

use crate::cli::audit::examine::{Report, examine};
use crate::cli::audit::finding::Finding;
use crate::cli::audit::repair::repair;
use crate::cli::failure::Failure;
use crate::cli::operator::{Actor, Consent};
use crate::cli::target::{Target, on_redis, worker_named};

/// What to do about what is found.
#[derive(Debug, Args)]
#[command(
    after_help = "Exits 0 when nothing is wrong (after a repair: nothing any more), 1 when something \
                  is, 69 when Redis cannot be reached. With --worker only that worker is audited."
)]
pub(crate) struct AuditArgs {
    /// Put right what can be put right; asks, or takes --yes
    #[arg(long)]
    repair: bool,
    /// Only tell what --repair would do
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    actor: Actor,
}

/// Audits the fleet, or one worker of it.
pub(crate) fn audit(common: &CommonArgs, args: &AuditArgs, worker: Option<&str>) -> ExitCode {
    on_redis(common, "audit the fleet", async |target| {
        let worker = worker.map(worker_named).transpose()?.map(|worker| worker.name);
        let report = examine(target, worker).await?;
        let mends = report.findings.named.iter().filter(|finding| finding.mend.is_some());
        let mends: Vec<&Finding> = mends.collect();
        if !args.repair || args.dry_run || mends.is_empty() {
            return tell(target, args, &report, &[]);
        }
        let (count, what) = (mends.len(), summary(&mends));
        args.consent.ask(&format!("{count} findings would be repaired: {what}"))?;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let subject = worker.unwrap_or("all");
        let begun = args.actor.begins(target, "audit --repair", subject, count, what).await?;
        let outcome = repair(target, worker, report).await;
        let (made, word, detail) = match &outcome {
            Ok((report, changes)) => {
                let word = if report.is_well() { "done" } else { "failed" };
                (made(changes), word, show::sentence(report, made(changes)))
            }
            Err(error) => (0, "failed", error.to_string()),
        };
        let made = u64::try_from(made).unwrap_or(u64::MAX);
        let ended = begun.end(&mut target.session, &target.keys, made, word, &detail).await;
        let (report, changes) = outcome?;
        ended?;
        tell(target, args, &report, &changes)
    })
}

fn made(changes: &[repair::Change]) -> usize {
    changes.iter().filter(|change| change.done == Ok(Mended::Done)).count()
}

/// How many of each kind.
fn summary(mends: &[&Finding]) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for finding in mends {
        let name = finding.kind.name();
        match kinds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => kinds.push((name, 1)),
        }
    }
    let words: Vec<String> = kinds.iter().map(|(name, count)| format!("{count} {name}")).collect();
    words.join(", ")
}

fn tell(
    target: &mut Target,
    args: &AuditArgs,
    report: &Report,
    changes: &[repair::Change],
) -> Result<(), Failure> {
    if args.json {
        target.out.json(&show::json(report, changes))?;
    } else {
        let (colour, cli) = (target.out.colour(), target.redis_cli());
        target.out.lines(show::books(report, colour))?;
        target.out.lines(show::changes(changes, colour))?;
        target.out.lines(show::findings(report, colour, &cli))?;
        if args.repair && args.dry_run {
            target.out.line("nothing was changed; without --dry-run each line `repair` is done")?;
        }
        target.out.line(show::sentence(report, made(changes)))?;
    }
    if report.is_well() { Ok(()) } else { Err(Failure::told()) }
}
