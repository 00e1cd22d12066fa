//! `worker spawn`: one more process of a worker, started and supervised by a manager.
//!
//! The wish goes to Redis; the first manager that starts such workers takes it. Where none does,
//! the wish is taken back.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use printery_events::ids;
use printery_fleet::budget;
use printery_fleet::instances;
use printery_fleet::lives::{self, State, Step};
use printery_fleet::orders::{self, Asked, Force, Spawn};
use printery_streams::Clock;
use serde_json::json;
use tokio::time::Instant;

use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::spec::{self, Wish};
use crate::cli::target::{Target, worker_named};

/// How often it is looked whether the process has begun to beat.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What to start.
#[derive(Debug, Args)]
pub(crate) struct SpawnArgs {
    /// The worker
    #[arg(value_name = "WORKER", required_unless_present_any = ["kind", "spec"])]
    who: Option<String>,
    /// The worker, said in another way
    #[arg(id = "kind", long = "type", value_name = "WORKER")]
    kind: Option<String>,
    /// A file that says all of it, as `spec validate` judges it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["who", "kind", "task_id", "master", "repo", "tokens"])]
    spec: Option<PathBuf>,
    /// What it is for
    #[arg(long, value_name = "TASK", default_value = "")]
    task_id: String,
    /// Who looks after it
    #[arg(long, value_name = "NAME", default_value = "")]
    master: String,
    /// How much it matters
    #[arg(long, value_name = "PRIORITY", default_value = "normal",
        value_parser = ["low", "normal", "high", "critical"])]
    priority: String,
    /// Where its work comes from
    #[arg(long, value_name = "OWNER/REPO", default_value = "")]
    repo: String,
    /// Tokens of the budget that it may use, where the fleet has one
    #[arg(long = "budget", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    tokens: Option<u64>,
    /// Also without the tokens: an emergency
    #[arg(long)]
    over_budget: bool,
    /// How long to wait until it beats
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct How {
    /// Who asks.
    pub(crate) actor: String,
    /// How long it is waited for.
    pub(crate) timeout: Duration,
    /// Whether the budget is a limit.
    pub(crate) force: Force,
    /// Whether JSON is printed.
    pub(crate) json: bool,
}

impl Default for How {
    fn default() -> Self {
        let timeout = Duration::from_secs(15);
        Self { actor: String::new(), timeout, force: Force::No, json: false }
    }
}

/// Asks for what was typed or stands in the file, and waits until it beats.
pub(crate) async fn spawn(target: &mut Target, args: &SpawnArgs) -> Result<(), Failure> {
    let wish = match &args.spec {
        Some(path) => spec::load(path).map_err(|problems| Failure::usage(problems.join("\n")))?,
        None => Wish {
            worker: worker_named(args.who.as_deref().or(args.kind.as_deref()).unwrap_or_default())?,
            task: args.task_id.clone(),
            master: args.master.clone(),
            priority: args.priority.clone(),
            repo: args.repo.clone(),
            tokens: args.tokens,
        },
    };
    let force = if args.over_budget { Force::Yes } else { Force::No };
    let (timeout, json) = (args.timeout, args.json);
    start(target, &wish, &How { actor: args.actor.name(), timeout, force, json }).await
}

/// Asks for a process and waits until it beats.
pub(crate) async fn start(target: &mut Target, wish: &Wish, how: &How) -> Result<(), Failure> {
    let worker = wish.worker;
    let clock = Clock::default();
    clock.read(&mut target.session).await?;
    let id = format!("worker-{}-{}", worker.name, ids::new_id(Timestamp::now()));
    let spawn = Spawn {
        id: id.clone(),
        worker: worker.name.to_owned(),
        task: wish.task.clone(),
        master: wish.master.clone(),
        priority: wish.priority.clone(),
        repo: wish.repo.clone(),
        budget: wish.tokens.unwrap_or(budget::DEFAULT_TOKENS),
        since_ms: clock.now_ms(),
        actor: how.actor.clone(),
    };
    match orders::ask_for(&mut target.session, &target.keys, &spawn, how.force).await? {
        Asked::Done => {}
        Asked::Short(available) => {
            let needed = spawn.budget;
            return Err(Failure::failed(format!("Insufficient budget: {available} < {needed}")));
        }
        Asked::Known => return Err(Failure::failed(format!("{id} has been asked for before"))),
    }
    let until = Instant::now() + how.timeout;
    loop {
        let all = instances::list(&mut target.session, &target.keys).await?;
        if let Some(one) = all.iter().find(|one| one.is_called(&id)) {
            let shown =
                json!({ "id": id, "instance": one.instance, "host": one.host, "pid": one.pid });
            if how.json {
                return Ok(target.out.json(&shown)?);
            }
            let line = format!("{id} runs as {} (pid {} on {})", one.instance, one.pid, one.host);
            return Ok(target.out.line(line)?);
        }
        let lives = lives::list(&mut target.session, &target.keys).await?;
        if let Some(life) = lives.get(&id).filter(|life| life.state == State::Failed) {
            return Err(Failure::failed(life.reason.clone()));
        }
        if Instant::now() >= until {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let taken_back = orders::claim(&mut target.session, &target.keys, &id).await?;
    if taken_back {
        let step = Step::new(&id, State::Failed, "no manager took it");
        lives::take_step(&mut target.session, &target.keys, None, &step).await?;
    }
    Err(Failure::failed(if taken_back {
        format!(
            "no manager that starts {} took it within {:?}; `printery-workers` is one, or run \
             `printery-workers --worker={}` yourself",
            worker.name, how.timeout, worker.name
        )
    } else {
        format!("{id} was taken by a manager and has not begun to beat within {:?}", how.timeout)
    }))
}
