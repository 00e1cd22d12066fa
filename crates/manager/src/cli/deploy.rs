//! `printery-workers deploy`: publishes the event sequence of a whole deployment.
//!
//! Tells the fleet about a deployment and obeys the validator; it deploys nothing by itself. The
//! demo runs the same [`rollout`].

pub(crate) mod plan;
pub(crate) mod rollout;
pub(crate) mod timeline;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use printery_events::ids;
use printery_harness::args::CommonArgs;
use serde_json::{Value, json};

use crate::cli::deploy::plan::{Gate, Plan, Reality};
use crate::cli::deploy::rollout::{Audience, Ended, Rollout};
use crate::cli::deploy::timeline::Timeline;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::sighting::Sighting;
use crate::cli::target::on_redis;

/// What to tell the fleet.
#[derive(Debug, Args)]
#[command(
    after_help = "Exits 0 when the deployment is completed, 1 when it failed: by the validator's verdict, \
                        by --fail-stage, by what --wait found, or because a verdict did not come in time. \
                        The same deployment (id, version, environment, services) may be told again: what was \
                        published is not published twice, and an interrupted one goes on. \
                        --environment may be any word here."
)]
pub(crate) struct DeployArgs {
    /// The version that is deployed
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// The services that are deployed, separated by commas
    #[arg(long, value_name = "A,B", value_delimiter = ',', required = true)]
    services: Vec<String>,
    /// The deployment's id; made up by default. Repeating one publishes nothing twice
    #[arg(long, value_name = "ID")]
    deployment_id: Option<String>,
    /// The stages, separated by commas; those of the fleet file by default
    #[arg(long, value_name = "S,T", value_delimiter = ',')]
    stages: Vec<String>,
    /// Let this stage end with a failure, and the deployment with it
    #[arg(long, value_name = "STAGE")]
    fail_stage: Option<String>,
    /// Mark every event `dryrun`: checks run, nobody is told, nothing is rolled back
    #[arg(long)]
    dry_run: bool,
    /// After each stage wait for its checks; what they find unhealthy fails the deployment
    #[arg(long)]
    wait: bool,
    /// How long to wait for a verdict
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// How long each stage takes
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    pace: Duration,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

/// Publishes the events of the deployment that was typed.
pub(crate) fn deploy(common: &CommonArgs, args: &DeployArgs) -> ExitCode {
    let environment = common.environment.clone().unwrap_or_else(|| "development".to_owned());
    // Events may name any environment; the fleet's own has three.
    let common = CommonArgs { environment: None, ..common.clone() };
    on_redis(&common, "publish the deployment", async |target| {
        let plan = plan(args, environment, &target.fleet.stages)?;
        for service in
            plan.services.iter().filter(|name| !target.fleet.services.contains_key(*name))
        {
            eprintln!("service {service} is not in {}", target.fleet.source());
        }
        if args.json {
            let mut events = Record(Vec::new());
            let ended = Rollout::begin(target, &plan).await?.run(&mut events).await?;
            target.out.json(&report(&plan, &ended, &events.0))?;
            return told(&ended);
        }
        let mut rollout = Rollout::begin(target, &plan).await?;
        let ended = rollout.run(&mut Timeline::new(&mut target.out, &plan)).await?;
        if rollout.is_resumed() {
            target.out.line("it had been begun before; nothing was published twice")?;
        }
        conclude(&mut target.out, &plan, &ended)
    })
}

fn plan(args: &DeployArgs, environment: String, fleet_stages: &[String]) -> Result<Plan, Failure> {
    let stages = if args.stages.is_empty() { fleet_stages.to_vec() } else { args.stages.clone() };
    let plan = Plan {
        deployment_id: args.deployment_id.clone().unwrap_or_else(|| made_up_id(Timestamp::now())),
        version: args.version.clone(),
        environment,
        services: args.services.clone(),
        stages,
        fail_stage: args.fail_stage.clone(),
        reality: if args.dry_run { Reality::DryRun } else { Reality::Real },
        gate: if args.wait { Gate::EveryStage } else { Gate::Validation },
        pace: args.pace,
        timeout: args.timeout,
    };
    plan.check().map_err(Failure::usage)?;
    Ok(plan)
}

/// A deployment id that sorts by time and that a person can read out.
pub(crate) fn made_up_id(now: Timestamp) -> String {
    let random = ids::new_id(now);
    let end = random.len().saturating_sub(4);
    format!("d-{}-{}", now.strftime("%y%m%d-%H%M%S"), random.get(end..).unwrap_or_default())
}

/// Remembers everything.
struct Record(Vec<Sighting>);

impl Audience for Record {
    fn sees(&mut self, _at: Duration, sighting: &Sighting) -> Result<(), Failure> {
        self.0.push(sighting.clone());
        Ok(())
    }
}

fn report(plan: &Plan, ended: &Ended, events: &[Sighting]) -> Value {
    let (word, reason) = ended.parts();
    json!({
        "deployment_id": plan.deployment_id,
        "version": plan.version,
        "environment": plan.environment,
        "services": plan.services,
        "ended": word,
        "reason": reason,
        "events": events.iter().map(Sighting::to_json).collect::<Vec<_>>(),
    })
}

fn conclude(out: &mut Output, plan: &Plan, ended: &Ended) -> Result<(), Failure> {
    let (tone, line) = ended.line(&plan.deployment_id);
    out.line("")?;
    out.line(out.colour().paint(tone, &line))?;
    out.line(format!("its story: printery-workers explain {}", plan.deployment_id))?;
    told(ended)
}

fn told(ended: &Ended) -> Result<(), Failure> {
    match ended {
        Ended::Completed => Ok(()),
        Ended::Refused { .. } | Ended::Failed { .. } => Err(Failure::told()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_id_is_one_that_events_may_carry() {
        let id = made_up_id(Timestamp::from_second(1_732_251_600).unwrap());
        assert!(id.starts_with("d-241122-050000-") && id.len() == 20, "{id}");
        assert!(ids::is_deployment_id(&id));
    }
}
