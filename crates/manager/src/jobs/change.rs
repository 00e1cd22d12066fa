//! Taking a job back, and giving one that failed another chance.
//!
//! Each is one step in Redis of the engine's own, and on record before it is made. What a process
//! works on is left alone.

use printery_events::topology::Worker;
use printery_fleet::dead_letters::{Redriven, revive};
use printery_fleet::operator_log;
use printery_streams::Partition;
use printery_streams::trigger::{Unwanted, cancel as take_out};
use serde_json::{Value, json};

use crate::cli::explain::place::Place;
use crate::cli::failure::Failure;
use crate::cli::target::Target;
use crate::jobs::{Job, Status, get};

/// How often one job may be given another chance by hand.
const MOST_RETRIES: u32 = 10;

/// Why a job was not changed.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such job.
    Unknown,
    /// It does not stand so that this could be done, in a sentence.
    Unfit(String),
    /// Redis.
    Failed(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<printery_streams::Error> for Refusal {
    fn from(error: printery_streams::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Takes back a job that waits in its worker's inbox.
///
/// An event's job cannot be taken back: its entry is everybody's.
pub(crate) async fn cancel(target: &mut Target, id: &str, actor: &str) -> Result<Value, Refusal> {
    let job = get(target, id).await?.ok_or(Refusal::Unknown)?;
    let unfit = |why: String| Err(Refusal::Unfit(why));
    match job.status {
        Status::Queued | Status::Paused => {}
        Status::Running => {
            return unfit(format!("{id} is running: what a process works on is finished"));
        }
        Status::Completed | Status::Failed | Status::Cancelled => {
            return unfit(format!("{id} is {} already", job.status.as_str()));
        }
    }
    if !matches!(job.finding.place, Place::Waiting { .. }) || !job.finding.in_inbox() {
        return unfit(format!(
            "{id} is {}: only what waits in its worker's inbox can be taken back",
            job.finding.reason().as_str().replace('_', " ")
        ));
    }
    let Partition { keys, redis } = partition_of(target, &job);
    record(target, actor, "job cancel", id).await?;
    let worker: &Worker = job.finding.worker;
    let unwanted = Unwanted {
        worker: worker.name,
        group: &worker.group(),
        entry: job.finding.entry,
        event_id: job.item.event_id.as_deref().unwrap_or_default(),
        event_type: job.item.event_type_name().unwrap_or_default(),
        actor,
    };
    if !take_out(&mut redis.session(), &keys, &unwanted).await? {
        return unfit(format!("{id} was taken by a process in the meantime"));
    }
    Ok(json!({ "success": true, "jobId": id, "status": Status::Cancelled.as_str() }))
}

/// Gives a job that failed another chance.
pub(crate) async fn retry(target: &mut Target, id: &str, actor: &str) -> Result<Value, Refusal> {
    let job = get(target, id).await?.ok_or(Refusal::Unknown)?;
    let unfit = |why: String| Err(Refusal::Unfit(why));
    let Place::Dead(letter) = &job.finding.place else {
        return unfit(format!("{id} is {}: only what failed is retried", job.status.as_str()));
    };
    if letter.replay_count >= MOST_RETRIES {
        return unfit(format!("{id} has had {MOST_RETRIES} further chances already"));
    }
    let Partition { keys, redis } = partition_of(target, &job);
    record(target, actor, "job retry", id).await?;
    match revive(&mut redis.session(), &keys, job.finding.worker.name, letter).await? {
        Redriven::Inbox(inbox) => Ok(json!({
            "success": true, "jobId": id, "status": Status::Queued.as_str(),
            "inboxEntry": inbox.to_string(), "retries": letter.replay_count + 1,
        })),
        Redriven::Gone => unfit(format!("{id} was put back or away in the meantime")),
        Redriven::Bodiless | Redriven::TooWide(_) => {
            unfit(format!("{id} has no body that could be run again"))
        }
    }
}

/// Where the job's entry is.
fn partition_of(target: &Target, job: &Job) -> Partition {
    let keys = &job.finding.around.keys;
    let own = target.partitions.all().find(|one| one.keys == *keys);
    own.unwrap_or_else(|| target.partitions.home()).clone()
}

/// Puts on record what is about to be done.
async fn record(
    target: &mut Target,
    actor: &str,
    action: &str,
    subject: &str,
) -> Result<(), Failure> {
    let entry = operator_log::Entry::of_one(actor, action, subject);
    operator_log::record(&mut target.session, &target.keys, &entry).await?;
    Ok(())
}
