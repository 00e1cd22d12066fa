//! `printery-workers dlq`: dead letters, looked at, put back, put away.
//!
//! Every change is agreed to by a person or `--yes`, and is in the operator log before it begins.

pub(crate) mod change;
mod choice;
mod export;
mod history;
pub(crate) mod list;
mod put_away;
mod queue;
mod redrive;
mod scope;
mod show;
mod stats;

use std::process::ExitCode;

use clap::Subcommand;
use printery_fleet::dead_letters::Decision;
use printery_harness::args::CommonArgs;

use crate::cli::target::on_redis;

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DlqVerb {
    /// List the dead letters of one worker or of all, youngest first
    List(list::ListArgs),
    /// Sum them up by failure: how many, since when, and one of each
    Stats(stats::StatsArgs),
    /// Show everything about one dead letter, its fields included
    Show(show::ShowArgs),
    /// Put dead letters back into their worker's inbox, with their attempts at zero
    Redrive(Box<redrive::RedriveArgs>),
    /// Put away what was taken care of in another way; kept for a day
    Resolve(put_away::DecideArgs),
    /// Put away what nothing will be done about; kept for a day
    Abandon(put_away::DecideArgs),
    /// Print them as lines of JSON, every byte included
    Export(export::ExportArgs),
    /// Remove them for good
    Purge(change::ChangeArgs),
    /// List what people did to the fleet, dead letters or not
    Log(history::LogArgs),
}

impl DlqVerb {
    /// Takes the worker that was typed as `--worker`, which is a flag of the whole program.
    pub(crate) fn of(mut self, worker: Option<String>) -> Self {
        let scope = match &mut self {
            Self::List(args) => &mut args.scope,
            Self::Stats(args) => &mut args.choice.scope,
            Self::Show(args) => &mut args.choice.scope,
            Self::Redrive(args) => &mut args.change.choice.scope,
            Self::Resolve(args) | Self::Abandon(args) => &mut args.change.choice.scope,
            Self::Export(args) => &mut args.choice.scope,
            Self::Purge(args) => &mut args.choice.scope,
            Self::Log(_) => return self,
        };
        scope.of = worker;
        self
    }
}

/// Does what was typed.
pub(crate) fn dlq(common: &CommonArgs, verb: &DlqVerb) -> ExitCode {
    match verb {
        DlqVerb::List(args) => {
            on_redis(common, "list dead letters", async |target| list::list(target, args).await)
        }
        DlqVerb::Stats(args) => {
            on_redis(common, "sum up dead letters", async |target| stats::stats(target, args).await)
        }
        DlqVerb::Show(args) => {
            on_redis(common, "show the dead letter", async |target| show::show(target, args).await)
        }
        DlqVerb::Redrive(args) => on_redis(common, "redrive dead letters", async |target| {
            redrive::redrive(target, args).await
        }),
        DlqVerb::Resolve(args) => on_redis(common, "resolve dead letters", async |target| {
            put_away::decide(target, args, Decision::Resolved).await
        }),
        DlqVerb::Abandon(args) => on_redis(common, "abandon dead letters", async |target| {
            put_away::decide(target, args, Decision::Abandoned).await
        }),
        DlqVerb::Export(args) => on_redis(common, "export dead letters", async |target| {
            export::export(target, args).await
        }),
        DlqVerb::Purge(args) => on_redis(common, "purge dead letters", async |target| {
            put_away::purge(target, args).await
        }),
        DlqVerb::Log(args) => on_redis(common, "read the operator log", async |target| {
            history::log(target, args).await
        }),
    }
}
