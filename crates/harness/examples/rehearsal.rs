//! A worker that does what the event's `version` says: the harness' tests play every ending on it.
//!
//! `ok` · `sleep:<ms>` · `fail` · `fail:<n>` (the first n attempts) · `later:<ms>` (asked once per
//! process) · `reject` · `panic` · `abort` (takes the whole process with it) · `hang` · `block:<ms>`
//! (keeps its thread and cannot be stopped)

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use printery_harness::events::payload::{DeploymentCompleted, DeploymentStatus};
use printery_harness::events::topology::{Reads, Worker};
use printery_harness::events::{Event, Family, Payload};
use printery_harness::{Context, Effects, Handler, Outcome, Refusal};

static REHEARSAL: Worker = Worker {
    name: "rehearsal",
    program: "rehearsal",
    aliases: &[],
    ordered: false,
    concurrency: 4,
    reads: &[Reads::One(Family::DeploymentStarted)],
    publishes: &[Family::DeploymentCompleted],
};

#[derive(Default)]
struct Rehearsal {
    /// Events that were asked to come later already.
    postponed: Mutex<HashSet<String>>,
}

impl Handler for Rehearsal {
    async fn handle(&self, event: &Event, context: &Context) -> Outcome {
        let Payload::DeploymentStarted(started) = &event.payload else {
            return Err(Refusal::reject("unexpected", "only deployment:started is played"));
        };
        let (word, number) = started.version.split_once(':').unwrap_or((&started.version, ""));
        let number: u64 = number.parse().unwrap_or(u64::MAX);
        eprintln!("plays {} of {} attempt {}", started.version, event.subject, context.attempt);
        match word {
            "sleep" => tokio::time::sleep(Duration::from_millis(number)).await,
            "hang" => std::future::pending().await,
            "block" => std::thread::sleep(Duration::from_millis(number)),
            "fail" if u64::from(context.attempt) <= number => {
                return Err(Refusal::retry("played", "it was told to fail"));
            }
            "later" => {
                let mut postponed = self.postponed.lock().unwrap_or_else(PoisonError::into_inner);
                if postponed.insert(event.id.clone()) {
                    let after = Duration::from_millis(number);
                    return Err(Refusal::retry_after("busy", "it was told to wait", after));
                }
            }
            "reject" => return Err(Refusal::reject("bad_order", "it was told to reject")),
            #[expect(clippy::panic, reason = "an ending to play")]
            "panic" => panic!("it was told to panic"),
            "abort" => std::process::abort(),
            _ => {}
        }
        Ok(Effects::publish(Payload::DeploymentCompleted(DeploymentCompleted {
            deployment_id: started.deployment_id.clone(),
            status: DeploymentStatus::Success,
            environment: None,
            version: Some(started.version.clone()),
            total_duration_seconds: None,
            stage_results: Vec::new(),
        })))
    }
}

pub(crate) fn main() -> ExitCode {
    printery_harness::run(&REHEARSAL, |_boot| Ok(Rehearsal::default()))
}
