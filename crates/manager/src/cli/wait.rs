//! `printery-workers wait`: for scripts that go on when the fleet, or a deployment, has come so far.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use printery_harness::args::CommonArgs;
use serde_json::json;
use tokio::time::Instant;

use crate::cli::explain;
use crate::cli::failure::Failure;
use crate::cli::observed::{Managed, snapshot};
use crate::cli::target::{Target, on_redis};

/// How often it is looked. 500 ms.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What to wait for.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Until every worker is ready
    #[arg(long, required_unless_present = "deployment", conflicts_with = "deployment")]
    healthy: bool,
    /// Until everything that is known of a deployment is settled, and none of it failed
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,
    /// How long
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Waits; exits 1 when it did not come so far, and lists what is missing.
pub(crate) fn wait(common: &CommonArgs, args: &WaitArgs) -> ExitCode {
    on_redis(common, "wait", async |target| {
        let until = Instant::now() + args.timeout;
        loop {
            let missing = match &args.deployment {
                None => unready(target).await,
                Some(id) => unsettled(target, id).await,
            };
            // An outage is something to wait for as well.
            let missing = missing.unwrap_or_else(|failure| Missing::Yet(vec![failure.text]));
            match missing {
                Missing::Nothing => return told(target, args, &[]),
                Missing::ForGood(what) => return told(target, args, &what),
                Missing::Yet(what) if Instant::now() >= until => return told(target, args, &what),
                Missing::Yet(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    })
}

/// What is missing.
enum Missing {
    Nothing,
    /// It may still come.
    Yet(Vec<String>),
    /// It will not come.
    ForGood(Vec<String>),
}

impl Missing {
    fn of(what: Vec<String>) -> Self {
        if what.is_empty() { Self::Nothing } else { Self::Yet(what) }
    }
}

/// The workers that are not ready, by their manager or, where none answers, by their beats.
async fn unready(target: &mut Target) -> Result<Missing, Failure> {
    let (snapshot, managed) = snapshot(target).await?;
    let unready = |worker: &&crate::snapshot::WorkerView| !worker.ready;
    let mut missing: Vec<String> = snapshot
        .workers
        .iter()
        .filter(unready)
        .map(|worker| format!("{} is {}", worker.worker, worker.state.as_str()))
        .collect();
    if managed == Managed::Yes {
        if snapshot.manager.ready {
            return Ok(Missing::Nothing);
        }
        if missing.is_empty() {
            missing.push("the manager is not ready".to_owned());
        }
    }
    Ok(Missing::of(missing))
}

/// What of a deployment is not settled, or failed.
async fn unsettled(target: &mut Target, id: &str) -> Result<Missing, Failure> {
    let standing = explain::standing(target, id).await?;
    if standing.events == 0 {
        return Ok(Missing::Yet(vec![format!("nothing is known of {id}")]));
    }
    if !standing.failed.is_empty() {
        return Ok(Missing::ForGood(standing.failed));
    }
    Ok(Missing::of(standing.open))
}

fn told(target: &mut Target, args: &WaitArgs, missing: &[String]) -> Result<(), Failure> {
    if args.json {
        target.out.json(&json!({ "success": missing.is_empty(), "missing": missing }))?;
    } else {
        target.out.lines(missing)?;
    }
    if missing.is_empty() { Ok(()) } else { Err(Failure::told()) }
}
