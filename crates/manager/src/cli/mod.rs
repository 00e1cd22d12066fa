//! The command line: one file per verb, and this table of them.
//!
//! Parses what was typed and hands it to the verb; without a verb the fleet runs. A new verb is a
//! file here, a variant of [`Verb`] and an arm of [`main`].

mod approve;
mod archive;
mod audit;
mod bench;
pub(crate) mod breaker;
pub(crate) mod budget;
mod cleanup;
mod completions;
mod config;
pub(crate) mod deploy;
pub(crate) mod dlq;
mod doctor;
mod events;
pub(crate) mod explain;
pub(crate) mod failure;
pub(crate) mod follower;
pub(crate) mod gist;
mod group;
mod health;
mod import;
pub(crate) mod interrupt;
mod inventory;
mod job;
mod kill_all;
mod notify;
mod observed;
pub(crate) mod operator;
pub(crate) mod output;
mod owner;
mod probe;
mod publish;
pub(crate) mod redis_cli;
mod replay;
mod restarts;
pub(crate) mod sighting;
pub(crate) mod spec;
mod status;
pub(crate) mod table;
pub(crate) mod target;
pub(crate) mod times;
mod top;
mod trigger;
mod wait;
mod wizard;
mod worker;

use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use printery_harness::args::CommonArgs;

use crate::demo;
use crate::pid_file::PidArgs;
use crate::run;
use crate::settings::ManagerArgs;

/// Validates, checks, watches and announces deployments that flow through Redis Streams.
#[derive(Debug, Parser)]
#[command(name = "printery-workers", version, about)]
pub(crate) struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    manager: ManagerArgs,
    #[command(flatten)]
    pid: PidArgs,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the fleet; the same as no command at all
    Run,
    /// Show the whole fleet at work on this machine
    Demo(demo::DemoArgs),
    /// Publish again what producers said of a deployment
    Replay(replay::ReplayArgs),
    /// Publish one event
    Publish(publish::PublishArgs),
    /// Publish the event sequence of a deployment, step by step
    Deploy(deploy::DeployArgs),
    /// List or follow events, or print their schemas
    #[command(subcommand)]
    Events(events::EventsVerb),
    /// Show who runs, what waits, what is worked on and what was given up
    Status(status::StatusArgs),
    /// Wait until the fleet is ready, or a deployment is settled
    Wait(wait::WaitArgs),
    /// List, show, spawn, stop, restart and drain processes, on any host
    #[command(subcommand)]
    Worker(worker::WorkerVerb),
    /// Judge a file that says which process to ask for
    #[command(subcommand)]
    Spec(spec::SpecVerb),
    /// Ask what there is to say of a process, then have it started
    Wizard(wizard::WizardArgs),
    /// Take away what processes that died have left behind
    Cleanup(cleanup::CleanupArgs),
    /// File the lives of processes away that ended some time ago
    Archive(archive::ArchiveArgs),
    /// List which processes had to be started again, and why
    Restarts(restarts::RestartsArgs),
    /// List the circuits of receivers and of starts, and close one
    #[command(subcommand)]
    Breaker(breaker::BreakerVerb),
    /// Show and set how many tokens there are for processes that are asked for
    #[command(subcommand)]
    Budget(budget::BudgetVerb),
    /// Print every program with what it reads, writes and is kept back by
    Inventory(inventory::InventoryArgs),
    /// Show the status, refreshed in place
    Top(top::TopArgs),
    /// Kill every recorded worker process at once
    KillAll(kill_all::KillAllArgs),
    /// Ask one worker for one job by hand
    Trigger(trigger::TriggerArgs),
    /// List and show what workers were given to do, take it back, or try it again
    #[command(subcommand)]
    Job(job::JobVerb),
    /// Explain where an event is, why, and what happens to it next
    Explain(explain::ExplainArgs),
    /// List dead letters, sum them up, put them back or away
    #[command(subcommand)]
    Dlq(dlq::DlqVerb),
    /// List consumer groups, pause and resume their workers
    #[command(subcommand)]
    Group(group::GroupVerb),
    /// Tell or say who runs each worker kind
    #[command(subcommand)]
    Owner(owner::OwnerVerb),
    /// Let a deployment pass the gate that it waits at
    Approve(approve::ApproveArgs),
    /// Refuse a deployment at its gate
    Reject(approve::ApproveArgs),
    /// Tell what is wrong with the fleet, and what to do about it
    #[command(alias = "debug")]
    Doctor(doctor::DoctorArgs),
    /// Account for every entry of every stream, and repair what can be repaired
    Audit(audit::AuditArgs),
    /// Measure the fleet against the least code that could do the job
    Bench(bench::BenchArgs),
    /// Check or show the fleet file
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Make a fleet file of Kubernetes manifests or of a compose file
    #[command(subcommand)]
    Import(import::ImportVerb),
    /// Ask one endpoint or service of the fleet file, and show every phase
    Probe(probe::ProbeArgs),
    /// Say who would be told of an event and how, or send a receiver a test
    #[command(subcommand)]
    Notify(notify::NotifyVerb),
    /// Print what a shell needs to complete this command line
    Completions(completions::CompletionsArgs),
    /// Ask the process at --http-addr whether it is well; exits 0 or 1
    Health,
}

/// Does what was typed.
pub(crate) fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let Cli { common, manager, pid, verb } =
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let (common, manager) = (common.without_blanks(), manager.without_blanks());
    match verb {
        None | Some(Verb::Run) => run::run(&common, &manager, &pid),
        Some(Verb::Demo(args)) => demo::demo(&common, &args),
        Some(Verb::Replay(args)) => replay::replay(&common, &args),
        Some(Verb::Publish(args)) => publish::publish(&common, &args),
        Some(Verb::Deploy(args)) => deploy::deploy(&common, &args),
        Some(Verb::Events(verb)) => events::events(&common, &verb),
        Some(Verb::Status(args)) => status::status(&common, &args),
        Some(Verb::Wait(args)) => wait::wait(&common, &args),
        Some(Verb::Worker(verb)) => {
            worker::worker(&common, &verb, typed_worker(&matches).as_deref())
        }
        Some(Verb::Spec(verb)) => spec::spec(&verb),
        Some(Verb::Wizard(args)) => wizard::wizard(&common, &args),
        Some(Verb::Cleanup(args)) => cleanup::cleanup(&common, &args),
        Some(Verb::Archive(args)) => archive::archive(&common, &args),
        Some(Verb::Restarts(args)) => restarts::restarts(&common, &args),
        Some(Verb::Breaker(verb)) => breaker::breaker(&common, &verb),
        Some(Verb::Budget(verb)) => budget::budget(&common, &verb),
        Some(Verb::Inventory(args)) => inventory::inventory(&common, &args),
        Some(Verb::Top(args)) => top::top(&common, &args),
        Some(Verb::KillAll(args)) => kill_all::kill_all(&common, &args),
        Some(Verb::Trigger(args)) => trigger::trigger(&common, &args),
        Some(Verb::Job(verb)) => job::job(&common, &manager.archive, &verb),
        Some(Verb::Explain(args)) => explain::explain(&common, &args),
        Some(Verb::Dlq(verb)) => dlq::dlq(&common, &verb.of(typed_worker(&matches))),
        Some(Verb::Group(verb)) => group::group(&common, &verb),
        Some(Verb::Owner(verb)) => owner::owner(&common, &verb),
        Some(Verb::Approve(args)) => approve::approve(&common, &args),
        Some(Verb::Reject(args)) => approve::reject(&common, &args),
        Some(Verb::Doctor(args)) => doctor::doctor(&common, &args),
        Some(Verb::Audit(args)) => audit::audit(&common, &args, typed_worker(&matches).as_deref()),
        Some(Verb::Bench(args)) => bench::bench(&args),
        Some(Verb::Config(verb)) => config::config(&common, &verb),
        Some(Verb::Import(verb)) => import::import(&verb),
        Some(Verb::Probe(args)) => probe::probe(&common, &args),
        Some(Verb::Notify(verb)) => notify::notify(&common, &verb),
        Some(Verb::Completions(args)) => completions::completions(&args),
        Some(Verb::Health) => health::health(&common),
    }
}

/// The worker that was typed as `--worker`: to a verb it says which worker is meant. What the
/// environment says is about the process that runs the fleet.
fn typed_worker(matches: &ArgMatches) -> Option<String> {
    let typed = matches.value_source("worker") == Some(ValueSource::CommandLine);
    typed.then(|| matches.get_one::<String>("worker").cloned()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// Whoever reads a flag of the fleet would get that of the verb, of another type perhaps.
    #[test]
    fn no_verb_has_a_flag_that_is_called_like_one_of_the_fleet() {
        fn walk(command: &clap::Command, global: &[String], twice: &mut Vec<String>) {
            for verb in command.get_subcommands() {
                let ids = verb.get_arguments().map(|arg| arg.get_id().as_str());
                let same = ids.filter(|id| global.iter().any(|known| known == id));
                twice.extend(same.map(|id| format!("{} {id}", verb.get_name())));
                walk(verb, global, twice);
            }
        }
        let root = Cli::command();
        let global: Vec<String> =
            root.get_arguments().map(|arg| arg.get_id().to_string()).collect();
        let mut twice = Vec::new();
        walk(&root, &global, &mut twice);
        assert_eq!(twice, Vec::<String>::new());
    }

    #[test]
    fn a_worker_is_typed_before_or_after_the_verb() {
        for line in [
            &["printery-workers", "--worker", "validator", "dlq", "list"][..],
            &["printery-workers", "dlq", "list", "--worker=validator"],
        ] {
            let matches = Cli::command().try_get_matches_from(line).unwrap();
            assert_eq!(typed_worker(&matches).as_deref(), Some("validator"), "{line:?}");
        }
        let matches = Cli::command().try_get_matches_from(["printery-workers", "dlq", "list"]);
        assert_eq!(typed_worker(&matches.unwrap()), None);
    }

    #[test]
    fn flags_are_understood_before_and_after_the_verb() {
        for line in [
            ["printery-workers", "--supervised", "--worker=none", "run"],
            ["printery-workers", "run", "--worker=none", "--supervised=true"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap();
            assert_eq!(cli.manager.supervised.as_deref(), Some("true"), "{line:?}");
            assert_eq!(cli.manager.worker.as_deref(), Some("none"), "{line:?}");
            assert!(matches!(cli.verb, Some(Verb::Run)), "{line:?}");
        }
    }
}
