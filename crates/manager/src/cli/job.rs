//! `printery-workers job`: what workers have been given to do, and what became of it.
//!
//! The same as `/api/pipelines/:worker/jobs` and `/api/jobs`; see [`crate::jobs`].

use std::process::ExitCode;

use clap::{Args, Subcommand};
use printery_events::topology::{WORKERS, Worker};
use printery_harness::args::CommonArgs;
use printery_harness::exit;
use serde_json::{Value, json};

use crate::archive::plan::ArchiveArgs;
use crate::archive::{Archive, Standing};
use crate::cli::dlq::list::or_dash;
use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::output::{Tone, clean};
use crate::cli::table::{Cell, Table};
use crate::cli::target::{PROGRAM, Target, on_redis, worker_named};
use crate::cli::times::moment;
use crate::jobs::{self, Job, Page, Refusal, Status};
use crate::launch;

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum JobVerb {
    /// List the youngest jobs, of one worker or of all
    List(ListArgs),
    /// Show everything that is known of one
    Show(OneArgs),
    /// Take back one that waits in its worker's inbox
    Cancel(ChangeArgs),
    /// Give one that failed another chance
    Retry(ChangeArgs),
}

/// Which jobs.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The worker; all of them by default
    #[arg(value_name = "WORKER")]
    pipeline: Option<String>,
    /// Only those that stand so: queued, paused, running, completed, failed, cancelled
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// At most so many of each worker
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
    /// After so many
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which job.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// Its id
    #[arg(value_name = "JOB")]
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Which job, and who.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    one: OneArgs,
    #[command(flatten)]
    actor: Actor,
}

/// Does what was typed.
pub(crate) fn job(common: &CommonArgs, kept: &ArchiveArgs, verb: &JobVerb) -> ExitCode {
    match verb {
        JobVerb::List(args) => on_redis(common, "list jobs", async |target| {
            let archive = archive(common, kept, target)?;
            let listed = list(target, &archive, args).await;
            concluded(&archive).await;
            listed
        }),
        JobVerb::Show(args) => on_redis(common, "show the job", async |target| {
            let archive = archive(common, kept, target)?;
            let shown = show(target, &archive, args).await;
            concluded(&archive).await;
            shown
        }),
        JobVerb::Cancel(args) => on_redis(common, "cancel the job", async |target| {
            let changed = jobs::cancel(target, &args.one.id, &args.actor.name()).await;
            told(target, &args.one, changed)
        }),
        JobVerb::Retry(args) => on_redis(common, "retry the job", async |target| {
            let changed = jobs::retry(target, &args.one.id, &args.actor.name()).await;
            told(target, &args.one, changed)
        }),
    }
}

/// The history as the manager has it: its process is asked where it runs, otherwise one is
/// started for this command.
fn archive(common: &CommonArgs, kept: &ArchiveArgs, target: &Target) -> Result<Archive, Failure> {
    let address = kept.address(target.fleet.store.address.as_ref()).map_err(Failure::usage)?;
    launch::archive(common, address.as_deref(), target.partitions.home())
        .map_err(|error| Failure::failed(format!("cannot prepare the store: {error}")))
}

/// Says what the history could not tell, and ends what was started for it.
async fn concluded(archive: &Archive) {
    if let Some(Standing::Degraded(problem)) = archive.standing() {
        exit::report(PROGRAM, &format!("older jobs are not shown: {problem}"));
    }
    archive.stop().await;
}

async fn list(target: &mut Target, archive: &Archive, args: &ListArgs) -> Result<(), Failure> {
    let status = args.status.as_deref().map(|word| {
        let known = Status::ALL.map(|(_, name)| name).join(", ");
        let wrong = || Failure::usage(format!("--status {word:?} must be one of {known}"));
        Status::parse(word).ok_or_else(wrong)
    });
    let page =
        Page { status: status.transpose()?, limit: usize::from(args.limit), offset: args.offset };
    let workers: Vec<&'static Worker> = match &args.pipeline {
        Some(name) => vec![worker_named(name)?],
        None => WORKERS.to_vec(),
    };
    let (mut all, mut older, mut total) = (Vec::new(), Vec::new(), 0);
    for worker in workers {
        let listed = jobs::list_whole(target, archive, worker, page).await?;
        total += listed.total;
        all.extend(listed.jobs);
        older.extend(listed.older);
    }
    all.sort_by_key(|job: &Job| std::cmp::Reverse(job.item.entry));
    // The text of a moment sorts as the moment.
    older.sort_by(|a: &Value, b| text(b, "createdAt").cmp(text(a, "createdAt")));
    if args.json {
        let shown: Vec<Value> = all.iter().map(Job::to_json).chain(older).collect();
        return Ok(target.out.json(&json!({ "jobs": shown, "total": total }))?);
    }
    if all.is_empty() && older.is_empty() {
        return Ok(target.out.line("no jobs")?);
    }
    let mut table = Table::new(&["STATUS", "WORKER", "SINCE", "DEPLOYMENT", "JOB"]);
    for job in &all {
        table.row([
            Cell::new(tone(job.status), job.status.as_str()),
            job.finding.worker.name.into(),
            moment(job.item.entry.ms).into(),
            or_dash(job.item.subject().unwrap_or_default()).into(),
            job.id.as_str().into(),
        ]);
    }
    for job in &older {
        let status = Status::parse(text(job, "status"));
        table.row([
            Cell::new(status.map_or(Tone::Plain, tone), text(job, "status")),
            text(job, "pipelineId").into(),
            text(job, "createdAt").into(),
            or_dash(text(job, "deploymentId")).into(),
            text(job, "id").into(),
        ]);
    }
    let colour = target.out.colour();
    Ok(target.out.lines(table.lines(colour))?)
}

/// A field's text; empty where it has none.
fn text<'a>(job: &'a Value, name: &str) -> &'a str {
    job.get(name).and_then(Value::as_str).unwrap_or_default()
}

async fn show(target: &mut Target, archive: &Archive, args: &OneArgs) -> Result<(), Failure> {
    let found = jobs::get_whole(target, archive, &args.id).await?;
    let shown = found.ok_or_else(|| unknown(&args.id))?;
    if args.json {
        return Ok(target.out.json(&shown)?);
    }
    let Value::Object(facts) = shown else { return Ok(()) };
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_null()) {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        target.out.line(format!("{name:<14} {}", clean(&text)))?;
    }
    Ok(())
}

fn told(
    target: &mut Target,
    args: &OneArgs,
    changed: Result<Value, Refusal>,
) -> Result<(), Failure> {
    let done = changed.map_err(|refusal| match refusal {
        Refusal::Unknown => unknown(&args.id),
        Refusal::Unfit(why) => Failure::failed(why),
        Refusal::Failed(failure) => failure,
    })?;
    if args.json {
        return Ok(target.out.json(&done)?);
    }
    Ok(target.out.line(format!(
        "{} is {}",
        args.id,
        done.get("status").and_then(Value::as_str).unwrap_or("changed")
    ))?)
}

fn unknown(id: &str) -> Failure {
    Failure::failed(format!("there is no job {id:?}"))
}

fn tone(status: Status) -> Tone {
    match status {
        Status::Completed => Tone::Good,
        Status::Failed => Tone::Bad,
        Status::Paused => Tone::Warn,
        Status::Running => Tone::Strong,
        Status::Queued => Tone::Plain,
        Status::Cancelled => Tone::Dim,
    }
}
