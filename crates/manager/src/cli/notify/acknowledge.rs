//! `printery-workers notify acknowledge`: a person has it, so that nobody else is woken.
//!
//! Writes down who has a deployment's trouble; the notifier asks before it escalates. It ends when
//! the next trouble begins, and it hides nothing.

use clap::Args;
use printery_events::ids::is_deployment_id;
use printery_fleet::{Records, eased};
use printery_streams::Clock;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::target::Target;
use crate::cli::times::moment;

/// Whose trouble.
#[derive(Debug, Args)]
pub(crate) struct AcknowledgeArgs {
    /// The deployment
    #[arg(value_name = "DEPLOYMENT")]
    deployment: String,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Writes it down.
pub(super) async fn acknowledge(
    target: &mut Target,
    args: &AcknowledgeArgs,
) -> Result<(), Failure> {
    let deployment = &args.deployment;
    if !is_deployment_id(deployment) {
        return Err(Failure::usage(format!("{deployment:?} is no deployment's id")));
    }
    let records = Records::of(target.partitions.of(deployment), target.partitions.home());
    let clock = Clock::default();
    clock.read(&mut target.partitions.of(deployment).redis.session()).await?;
    let (actor, now_ms) = (args.actor.name(), clock.now_ms());
    let begun =
        args.actor.begins(target, "notify acknowledge", deployment, 1, String::new()).await?;
    eased::acknowledge(&records, deployment, &actor, now_ms).await?;
    begun.end(&mut target.session, &target.keys, 1, "done", "").await?;
    if args.json {
        let at = moment(now_ms);
        let shown = json!({ "deployment_id": deployment, "by": actor, "at": at });
        return Ok(target.out.json(&shown)?);
    }
    let line = format!("{deployment} is acknowledged; what was told of it is not escalated");
    Ok(target.out.line(line)?)
}
