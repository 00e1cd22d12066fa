//! How a deployment came about, read from events that are still retained.
//!
//! Owns three questions: how it began, which of its stages are done, what ran before it. The appeal
//! asks them, only when going back is considered; nothing is decided here.

use printery_events::payload::{
    DeploymentCompleted, DeploymentStarted, DeploymentStatus, StageStatus,
};
use printery_events::{Event, EventType, Payload};
use printery_harness::Refusal;
use printery_harness::fleet::past::Past;
use printery_harness::fleet::{Records, versions};

/// Earlier deployments that are looked at for the one that brought a service.
const MOST_EARLIER: usize = 20;

/// Returns the event with which a deployment began, while it is retained.
///
/// # Errors
/// Redis cannot be reached.
pub(crate) async fn beginning(
    records: &Records,
    deployment_id: &str,
) -> Result<Option<DeploymentStarted>, Refusal> {
    first(records, "deployment:started", |payload| {
        let Payload::DeploymentStarted(started) = payload else { return None };
        (started.deployment_id == deployment_id).then_some(started)
    })
    .await
}

/// Returns the stages of a deployment that succeeded, in their order.
///
/// # Errors
/// Redis cannot be reached.
pub(crate) async fn stages_done(
    records: &Records,
    stages: &[String],
    deployment_id: &str,
) -> Result<Vec<String>, Refusal> {
    let mut done = Vec::new();
    for stage in stages {
        let event_type = EventType::stage_completed(stage);
        let succeeded = first(records, event_type.as_str(), |payload| {
            let Payload::StageCompleted(completed) = payload else { return None };
            let own = completed.deployment_id == deployment_id;
            own.then_some(completed.status == StageStatus::Success)
        });
        if succeeded.await? == Some(true) {
            done.push(stage.clone());
        }
    }
    Ok(done)
}

/// What the earlier version is looked for by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub deployment_id: &'a str,
    pub environment: &'a str,
    pub services: &'a [String],
}

/// Returns the version that ran before a deployment: the one its producer named, else the one its
/// services last did well with, else the one that the last deployment of any of them completed.
///
/// # Errors
/// Redis cannot be reached.
pub(crate) async fn previous_version(
    records: &Records,
    wanted: Wanted<'_>,
    beginning: Option<&DeploymentStarted>,
) -> Result<Option<String>, Refusal> {
    if let Some(named) = beginning.and_then(|started| started.previous_version.clone()) {
        return Ok(Some(named));
    }
    let Wanted { deployment_id, environment, services } = wanted;
    let proven = versions::before(records, environment, services, deployment_id).await;
    let proven = proven.map_err(|error| refusal(&error))?;
    let mut proven: Vec<String> = proven.into_values().map(|proven| proven.version).collect();
    proven.sort_unstable();
    proven.dedup();
    match proven.as_slice() {
        [only] => Ok(Some(only.clone())),
        // Services that came from different deployments have no one version to return to.
        [_, ..] => Ok(None),
        [] => last_completed(records, wanted).await,
    }
}

async fn last_completed(records: &Records, wanted: Wanted<'_>) -> Result<Option<String>, Refusal> {
    let mut past = Past::of(records, "deployment:completed");
    let mut tried = 0;
    loop {
        let page = past.earlier().await.map_err(|error| refusal(&error))?;
        if page.is_empty() {
            return Ok(None);
        }
        for fields in &page {
            let Some(completed) = completed(fields, &wanted) else { continue };
            tried += 1;
            if tried > MOST_EARLIER {
                return Ok(None);
            }
            let Some(version) = completed.version else { continue };
            let began = beginning(records, &completed.deployment_id).await?;
            let shares = |began: &DeploymentStarted| {
                began.environment == wanted.environment
                    && began.services.iter().any(|service| wanted.services.contains(service))
            };
            if began.as_ref().is_some_and(shares) {
                return Ok(Some(version));
            }
        }
    }
}

/// Reads the good end of another deployment.
fn completed(fields: &[(Vec<u8>, Vec<u8>)], wanted: &Wanted<'_>) -> Option<DeploymentCompleted> {
    let payload = payload("deployment:completed", fields)?;
    let Payload::DeploymentCompleted(completed) = payload else { return None };
    let other = completed.deployment_id != wanted.deployment_id;
    (other && completed.status == DeploymentStatus::Success).then_some(completed)
}

/// Returns the youngest event of a type that `pick` takes.
async fn first<T>(
    records: &Records,
    event_type: &str,
    pick: impl Fn(Payload) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let mut past = Past::of(records, event_type);
    loop {
        let page = past.earlier().await.map_err(|error| refusal(&error))?;
        if page.is_empty() {
            return Ok(None);
        }
        let mut payloads = page.iter().filter_map(|fields| payload(event_type, fields));
        if let Some(found) = payloads.find_map(&pick) {
            return Ok(Some(found));
        }
    }
}

/// Reads an event's facts; none for what is not valid, which is nobody's business here.
fn payload(event_type: &str, fields: &[(Vec<u8>, Vec<u8>)]) -> Option<Payload> {
    let implied = EventType::parse(event_type).ok()?;
    Event::decode(Some(&implied), fields).ok().map(|event| event.payload)
}

fn refusal(error: &impl std::fmt::Display) -> Refusal {
    Refusal::without_redis(format!("the deployment's past cannot be read: {error}"))
}
