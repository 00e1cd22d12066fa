//! The worker that the bench measures the engine by: it publishes one result for each event, and does nothing else.
//!
//! The result's `version` says when its handler was started, in nanoseconds of this machine's clock.

use std::process::ExitCode;

use printery_bench::clock::wall_ns;
use printery_bench::hop::HOP;
use printery_harness::events::payload::{DeploymentCompleted, DeploymentStatus};
use printery_harness::events::{Event, Payload};
use printery_harness::{Context, Effects, Handler, Outcome};

struct Hop;

impl Handler for Hop {
    const PROMPT: bool = true;

    async fn handle(&self, event: &Event, _context: &Context) -> Outcome {
        let started = wall_ns();
        Ok(Effects::publish(Payload::DeploymentCompleted(DeploymentCompleted {
            deployment_id: event.subject.clone(),
            status: DeploymentStatus::Success,
            environment: None,
            version: Some(started.to_string()),
            total_duration_seconds: None,
            stage_results: Vec::new(),
        })))
    }
}

fn main() -> ExitCode {
    printery_harness::run(&HOP, |_boot| Ok(Hop))
}
