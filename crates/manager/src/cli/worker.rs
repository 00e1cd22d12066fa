//! `printery-workers worker`: the processes of the fleet, on whichever host, one by one.
//!
//! What is ordered here goes through Redis and reaches children of managers and replicas that no
//! manager started alike; see [`crate::steering`].

mod list;
mod logs;
pub(crate) mod spawn;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use printery_fleet::orders::Verb;
use printery_harness::args::CommonArgs;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::target::{Target, on_redis};
use crate::steering::{self, Outcome, Whom};

/// What to do with processes.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkerVerb {
    /// List every process that is recorded
    List(list::ListArgs),
    /// Show everything that one process says of itself
    Show(list::ShowArgs),
    /// Have a manager start one more process of a worker
    Spawn(spawn::SpawnArgs),
    /// Show what the processes of this host wrote to their log file
    Logs(logs::LogsArgs),
    /// Let processes finish what they run, leave and stay away; kills who takes longer
    Stop(StopArgs),
    /// Let processes finish what they run and be started again by their manager
    Restart(OrderArgs),
    /// Let processes finish what they run, however long it takes, and leave
    Drain(OrderArgs),
}

/// Who is meant.
#[derive(Debug, Args)]
pub(crate) struct WhomArgs {
    /// A worker, an instance as `worker list` shows it, or how a spawned process was called
    #[arg(value_name = "WORKER|INSTANCE", required_unless_present = "everybody")]
    who: Option<String>,
    /// Every process of every worker
    #[arg(id = "everybody", long = "all")]
    all: bool,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Who is to be stopped, and how long that may take.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    whom: WhomArgs,
    /// Kill whoever has not left by then [default: 5s for one, 10s for a worker, 30s for all]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

/// Who is meant, and how long it is waited for.
#[derive(Debug, Args)]
pub(crate) struct OrderArgs {
    #[command(flatten)]
    whom: WhomArgs,
    /// How long to wait until they have left
    #[arg(long, value_name = "DURATION", default_value = "35s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

impl WhomArgs {
    fn whom(&self, typed: Option<&str>) -> Result<Whom, Failure> {
        match (self.who.as_deref().or(typed), self.all) {
            (Some(_), true) => {
                Err(Failure::usage("a name together with --all: name the one or the other"))
            }
            (Some(name), false) => Ok(Whom::read(name)),
            (None, _) => Ok(Whom::All),
        }
    }
}

/// Does what was typed; `typed` is what stood behind `--worker`.
pub(crate) fn worker(common: &CommonArgs, verb: &WorkerVerb, typed: Option<&str>) -> ExitCode {
    match verb {
        WorkerVerb::List(args) => {
            on_redis(common, "list processes", async |target| list::list(target, args, typed).await)
        }
        WorkerVerb::Show(args) => {
            on_redis(common, "show the process", async |target| list::show(target, args).await)
        }
        WorkerVerb::Logs(args) => logs::logs(common, args, typed),
        WorkerVerb::Spawn(args) => {
            on_redis(common, "spawn a process", async |target| spawn::spawn(target, args).await)
        }
        WorkerVerb::Stop(args) => on_redis(common, "stop processes", async |target| {
            let whom = args.whom.whom(typed)?;
            let timeout = args.timeout.unwrap_or(match &whom {
                Whom::One(_) => Duration::from_secs(5),
                Whom::Kind(_) => Duration::from_secs(10),
                Whom::All => Duration::from_secs(30),
            });
            stop(target, &args.whom, (&whom, Verb::Stop), timeout).await
        }),
        WorkerVerb::Drain(args) => on_redis(common, "drain processes", async |target| {
            let whom = args.whom.whom(typed)?;
            stop(target, &args.whom, (&whom, Verb::Drain), args.timeout).await
        }),
        WorkerVerb::Restart(args) => on_redis(common, "restart processes", async |target| {
            let whom = args.whom.whom(typed)?;
            restart(target, args, &whom).await
        }),
    }
}

async fn stop(
    target: &mut Target,
    args: &WhomArgs,
    (whom, verb): (&Whom, Verb),
    timeout: Duration,
) -> Result<(), Failure> {
    unknown(target, whom).await?;
    let outcome = steering::stop(target, whom, verb, timeout, &args.actor.name()).await?;
    told(target, &outcome, args.json)
}

/// Tells how stopping went; that somebody is left is a failure.
pub(crate) fn told(target: &mut Target, outcome: &Outcome, json: bool) -> Result<(), Failure> {
    if json {
        target.out.json(outcome)?;
    } else {
        target.out.line(&outcome.message)?;
        target.out.lines(&outcome.errors)?;
    }
    if outcome.success { Ok(()) } else { Err(Failure::told()) }
}

async fn restart(target: &mut Target, args: &OrderArgs, whom: &Whom) -> Result<(), Failure> {
    unknown(target, whom).await?;
    let actor = args.whom.actor.name();
    let meant = steering::living(target, whom).await?;
    steering::order(target, whom, &meant, Verb::Restart, &actor).await?;
    let names: Vec<&str> = meant.iter().map(|one| one.instance.as_str()).collect();
    if args.whom.json {
        return Ok(target.out.json(&json!({ "success": true, "ordered": names }))?);
    }
    Ok(target.out.line(match names.as_slice() {
        [] => "none of them runs; a manager that has one starts it again".to_owned(),
        names => format!("{} are to leave and be started again", names.join(", ")),
    })?)
}

/// Refuses a name that nobody has, dead or alive.
async fn unknown(target: &mut Target, whom: &Whom) -> Result<(), Failure> {
    let Whom::One(name) = whom else { return Ok(()) };
    let all = printery_fleet::instances::list(&mut target.session, &target.keys).await?;
    if all.iter().any(|one| one.is_called(name)) {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "there is no worker and no process {name:?}; `worker list` shows those that there are"
    )))
}
