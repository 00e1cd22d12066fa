//! `printery-workers kill-all`: the emergency brake.
//!
//! Kills every recorded process: children by their managers, everywhere, and what nobody manages on
//! this host. A process is named by pid *and* start, so that nobody else's is ever touched.

use std::process::ExitCode;

use clap::Args;
use printery_harness::args::CommonArgs;

use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::target::on_redis;
use crate::cli::worker::told;
use crate::steering;

/// Whether it is meant.
#[derive(Debug, Args)]
pub(crate) struct KillAllArgs {
    /// Really do it; without it nothing is done
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Pulls it.
pub(crate) fn kill_all(common: &CommonArgs, args: &KillAllArgs) -> ExitCode {
    on_redis(common, "kill the processes", async |target| {
        if !args.yes {
            return Err(Failure::usage(
                "kill-all ends every worker process at once; what they work on is taken over after \
                 the lease. Repeat it with --yes",
            ));
        }
        let outcome = steering::kill_all(target, &args.actor.name()).await?;
        told(target, &outcome, args.json)
    })
}
