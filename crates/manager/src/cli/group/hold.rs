//! `group pause` and `group resume`: a worker takes nothing new, or goes on.
//!
//! Writes what every process of the worker reads with its next beat, and who wanted it. What runs
//! is finished; nothing is handed back.

use std::io::{self, IsTerminal};

use clap::Args;
use printery_fleet::controls::{self, Pause, pause_field};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::operator::{Actor, Consent};
use crate::cli::target::{Target, worker_named};
use crate::cli::times::moment;

/// Which worker to pause.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// The worker
    #[arg(value_name = "WORKER")]
    who: String,
    /// Why, for everybody who asks
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    how: How,
}

/// Which worker to let go on.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The worker
    #[arg(value_name = "WORKER")]
    who: String,
    #[command(flatten)]
    how: How,
}

/// How a control is changed.
#[derive(Debug, Args)]
pub(crate) struct How {
    #[command(flatten)]
    pub(crate) actor: Actor,
    #[command(flatten)]
    consent: Consent,
    /// Only tell what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl How {
    /// Asks whoever sits at a terminal; a script need not say yes to what can be taken back.
    pub(crate) fn agree(&self, what: &str) -> Result<(), Failure> {
        if io::stdin().is_terminal() { self.consent.ask(what) } else { Ok(()) }
    }
}

/// Pauses it.
pub(crate) async fn pause(target: &mut Target, args: &PauseArgs) -> Result<(), Failure> {
    let worker = worker_named(&args.who)?.name;
    let before = controls::read(&mut target.session, &target.keys).await?.of(worker).pause;
    if args.how.dry_run {
        return tell(target, &args.how, worker, Change::WouldPause, before.as_ref());
    }
    args.how.agree(&format!("{worker} takes nothing new until somebody resumes it"))?;
    let (actor, reason) = (args.how.actor.name(), args.reason.as_str());
    controls::pause(&mut target.session, &target.keys, worker, &actor, reason).await?;
    let after = controls::read(&mut target.session, &target.keys).await?.of(worker).pause;
    tell(target, &args.how, worker, Change::Paused, after.as_ref())
}

/// Lets it go on.
pub(crate) async fn resume(target: &mut Target, args: &ResumeArgs) -> Result<(), Failure> {
    let worker = worker_named(&args.who)?.name;
    let before = controls::read(&mut target.session, &target.keys).await?.of(worker).pause;
    let change = match (&before, args.how.dry_run) {
        (None, _) => Change::WasNotPaused,
        (Some(_), true) => Change::WouldResume,
        (Some(_), false) => Change::Resumed,
    };
    if let Change::Resumed = change {
        args.how.agree(&format!("{worker} takes entries again"))?;
        let actor = args.how.actor.name();
        controls::resume(&mut target.session, &target.keys, worker, &actor).await?;
    }
    tell(target, &args.how, worker, change, before.as_ref())
}

/// What was done, or would be.
#[derive(Debug, Clone, Copy)]
enum Change {
    WouldPause,
    Paused,
    WasNotPaused,
    WouldResume,
    Resumed,
}

fn tell(
    target: &mut Target,
    how: &How,
    worker: &str,
    change: Change,
    pause: Option<&Pause>,
) -> Result<(), Failure> {
    let paused = matches!(change, Change::Paused | Change::WouldResume)
        || (matches!(change, Change::WouldPause) && pause.is_some());
    if how.json {
        let pause = pause.filter(|_| paused).map_or(Value::Null, |pause| json!(pause));
        let shown =
            json!({ "worker": worker, "paused": paused, "pause": pause, "dry_run": how.dry_run });
        return Ok(target.out.json(&shown)?);
    }
    let since = pause.map(|pause| format!(" since {}", moment(pause.since_ms))).unwrap_or_default();
    let line = match change {
        Change::Paused => {
            format!(
                "{worker} is paused: what runs is finished, nothing new is taken from within 5 s on"
            )
        }
        Change::Resumed => format!("{worker} takes entries again within 5 s; it was paused{since}"),
        Change::WasNotPaused => format!("{worker} was not paused; nothing was changed"),
        Change::WouldPause if paused => {
            format!("{worker} is paused{since}; its reason would be replaced")
        }
        Change::WouldPause => format!("{worker} would be paused; nothing was changed"),
        Change::WouldResume => format!("{worker}, paused{since}, would go on; nothing was changed"),
    };
    target.out.line(line)?;
    let (key, field) = (target.keys.controls(), pause_field(worker));
    let by_hand = match change {
        Change::Paused | Change::WouldPause => ["HSET", &key, &field, "<why>"].to_vec(),
        Change::Resumed | Change::WouldResume => ["HDEL", &key, &field].to_vec(),
        Change::WasNotPaused => ["HGET", &key, &field].to_vec(),
    };
    let line = format!("  by hand  {}", target.redis_cli().line(&by_hand));
    Ok(target.out.line(line)?)
}
