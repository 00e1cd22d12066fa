//! `printery-workers approve` and `reject`: what a person says to a deployment that waits at a gate.
//!
//! Writes the decision where the validator looks for it. It judges nothing and publishes nothing: the validator does both, at
//! its next look.

use std::process::ExitCode;

use clap::Args;
use printery_fleet::Records;
use printery_fleet::approvals::{self, Decision};
use printery_harness::args::CommonArgs;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::target::{Target, on_redis};

/// The longest note, in bytes; it stands in results and in the operator log.
const LONGEST_NOTE: usize = 500;

/// Which deployment, and what is said to it.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The deployment
    #[arg(value_name = "DEPLOYMENT")]
    deployment: String,
    /// What the result says about it
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    #[command(flatten)]
    actor: Actor,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lets a deployment pass its gate.
pub(crate) fn approve(common: &CommonArgs, args: &ApproveArgs) -> ExitCode {
    on_redis(common, "approve the deployment", async |target| {
        decide(target, args, Decision::Approved).await
    })
}

/// Refuses a deployment at its gate.
pub(crate) fn reject(common: &CommonArgs, args: &ApproveArgs) -> ExitCode {
    on_redis(common, "reject the deployment", async |target| {
        decide(target, args, Decision::Rejected).await
    })
}

async fn decide(
    target: &mut Target,
    args: &ApproveArgs,
    decision: Decision,
) -> Result<(), Failure> {
    let deployment = named(&args.deployment)?;
    let note = noted(&args.note)?;
    let records = Records::of(target.partitions.of(deployment), target.partitions.home());
    let before = approvals::read(&records, deployment).await?;
    let actor = args.actor.name();
    let word = decision.as_str();
    if !args.dry_run {
        let begun = args.actor.begins(target, word, deployment, 1, note.to_owned()).await?;
        let written = approvals::decide(&records, deployment, decision, &actor, note).await;
        let outcome = if written.is_ok() { "done" } else { "failed" };
        let ended = begun.end(&mut target.session, &target.keys, 1, outcome, note).await;
        written?;
        ended?;
    }
    let waits = before.asked_ms.is_some() && before.decided.is_none();
    if args.json {
        let shown = json!({
            "deployment_id": deployment, "decision": word, "by": actor, "note": note,
            "waiting": waits, "before": before.decided.as_ref().map(|it| it.decision.as_str()),
            "dry_run": args.dry_run,
        });
        return Ok(target.out.json(&shown)?);
    }
    let would = if args.dry_run { "would be " } else { "" };
    let follows = match (&before.decided, waits) {
        (Some(earlier), _) => {
            format!("it had been {} by {}", earlier.decision.as_str(), earlier.by)
        }
        (None, true) => "the validator goes on at its next look, within 60 s".to_owned(),
        (None, false) => "nothing waits for it yet; the validator finds it when it asks".to_owned(),
    };
    Ok(target.out.line(format!("{deployment} {would}{word}; {follows}"))?)
}

/// Judges the deployment's id as an event's subject is judged: it becomes part of a key.
fn named(deployment: &str) -> Result<&str, Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    if deployment.is_empty() || deployment.len() > 128 || !deployment.chars().all(fits) {
        let rule = "must be 1 to 128 letters, digits, '_', '.', ':' or '-'";
        return Err(Failure::usage(format!("the deployment {deployment:?} {rule}")));
    }
    Ok(deployment)
}

fn noted(note: &str) -> Result<&str, Failure> {
    if note.len() > LONGEST_NOTE || note.chars().any(char::is_control) {
        let rule = format!("must be one line of at most {LONGEST_NOTE} bytes");
        return Err(Failure::usage(format!("--note {rule}")));
    }
    Ok(note)
}
