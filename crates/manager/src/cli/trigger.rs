//! `printery-workers trigger`: one job for one worker, asked for by hand.
//!
//! The same as `POST /api/pipelines/:worker/trigger`; see [`crate::jobs`].

use std::process::ExitCode;

use clap::Args;
use printery_harness::args::CommonArgs;
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::target::{on_redis, worker_named};
use crate::jobs::{self, NotTriggered};
use crate::wake;

/// What to ask for.
#[derive(Debug, Args)]
pub(crate) struct TriggerArgs {
    /// The worker
    #[arg(value_name = "WORKER")]
    pipeline: String,
    /// A parameter of its input event: text or JSON; lists may be written a,b. `type` chooses among
    /// the events that the worker reads
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    #[command(flatten)]
    actor: Actor,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Asks for it.
pub(crate) fn trigger(common: &CommonArgs, args: &TriggerArgs) -> ExitCode {
    on_redis(common, "ask for the job", async |target| {
        let worker = worker_named(&args.pipeline)?;
        let parameters = parameters(&args.parameters)?;
        let actor = args.actor.name();
        wake::wish(target, worker).await?;
        let asked = jobs::trigger(target, worker, &parameters, &actor).await;
        let triggered = asked.map_err(|refused| match refused {
            NotTriggered::Invalid(problem) => Failure::usage(problem),
            NotTriggered::Full => Failure::failed(format!(
                "{} has as many jobs waiting as may be asked for by hand; `job list {} --status queued` shows them",
                worker.name, worker.name
            )),
            NotTriggered::Failed(failure) => failure,
        })?;
        if args.json {
            return Ok(target.out.json(&json!({
                "jobId": triggered.job_id, "pipelineId": worker.name, "status": "queued",
                "entry": triggered.entry.to_string(),
            }))?);
        }
        Ok(target.out.line(format!("{} is queued; see `job show {0}`", triggered.job_id))?)
    })
}

/// Reads `name=value` pairs.
fn parameters(said: &[String]) -> Result<Map<String, Value>, Failure> {
    let pair = |one: &String| {
        let (name, text) = one
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::usage(format!("--param {one:?} must be NAME=VALUE")))?;
        Ok((name.to_owned(), value(name, text)))
    };
    said.iter().map(pair).collect()
}

/// A value as JSON where it is a list, a map or a truth, otherwise as text: a version that looks
/// like a number is none.
fn value(name: &str, text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_) | Value::Bool(_))) => value,
        Ok(_) | Err(_) if matches!(name, "services" | "labels") => {
            text.split(',').map(|part| Value::from(part.trim())).collect()
        }
        Ok(_) | Err(_) => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_text_unless_they_are_clearly_more() {
        let said = ["version=1.20", "services=api, web", "migrations={\"required\":true}", "a=b=c"];
        let read = parameters(&said.map(str::to_owned)).unwrap();
        let expected = json!({
            "version": "1.20", "services": ["api", "web"], "migrations": {"required": true},
            "a": "b=c",
        });
        assert_eq!(Value::Object(read), expected);
        for wrong in ["version", "=1"] {
            assert!(parameters(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
