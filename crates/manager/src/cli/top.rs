//! `printery-workers top`: the status, refreshed in place until somebody has seen enough.
//!
//! Shows the same snapshot as `status`. Where nobody watches, it prints once.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use printery_harness::args::CommonArgs;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::cli::failure::Failure;
use crate::cli::observed::snapshot;
use crate::cli::status;
use crate::cli::target::{Target, on_redis, worker_named};

/// Moves to the upper left corner and clears what is below.
const HOME: &str = "\x1b[H\x1b[J";

/// What to show, and how often.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Only this worker
    #[arg(long = "type", value_name = "WORKER")]
    kind: Option<String>,
    /// Only workers in this state, as `status` shows it
    #[arg(long, value_name = "STATE")]
    status: Option<String>,
    /// How often to look
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// Print once and end; so it is as well where standard output is no terminal
    #[arg(long)]
    once: bool,
}

/// Shows it until `q` and return, or Ctrl-C.
pub(crate) fn top(common: &CommonArgs, args: &TopArgs) -> ExitCode {
    on_redis(common, "show the fleet", async |target| {
        let worker = args.kind.as_deref().map(worker_named).transpose()?.map(|worker| worker.name);
        if args.once || !std::io::stdout().is_terminal() {
            return draw(target, args, worker, "").await;
        }
        let mut typed = BufReader::new(tokio::io::stdin()).lines();
        loop {
            draw(target, args, worker, HOME).await?;
            target.out.line("q and return to leave")?;
            tokio::select! {
                () = tokio::time::sleep(args.interval.max(Duration::from_millis(200))) => {}
                line = typed.next_line() => {
                    if line?.is_none_or(|line| line.trim().eq_ignore_ascii_case("q")) {
                        return Ok(());
                    }
                }
            }
        }
    })
}

async fn draw(
    target: &mut Target,
    args: &TopArgs,
    worker: Option<&str>,
    before: &str,
) -> Result<(), Failure> {
    let (mut snapshot, managed) = snapshot(target).await?;
    let is_shown = |name: &str| worker.is_none_or(|worker| worker == name);
    snapshot.workers.retain(|one| {
        is_shown(&one.worker) && args.status.as_deref().is_none_or(|it| it == one.state.as_str())
    });
    snapshot.streams.retain(|one| is_shown(&one.worker));
    snapshot.queues.retain(|one| is_shown(&one.worker));
    let lines = status::lines(&snapshot, managed, target.out.colour());
    target.out.raw(before.as_bytes())?;
    Ok(target.out.lines(lines)?)
}
