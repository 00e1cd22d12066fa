//! How services did before a deployment, from one event to the next.
//!
//! Owns the way of a baseline into Redis and back. The handler keeps it after the window before
//! the deployment and reads it for the windows after the stages; nothing is judged here.

use std::collections::BTreeMap;

use printery_harness::fleet::baselines;
use printery_harness::{Context, Refusal};

use crate::comparison::Before;
use crate::request::Request;

/// Keeps how the services of a deployment do before it.
///
/// # Errors
/// Redis cannot be reached: tried again, so that the stages have something to compare with.
pub(crate) async fn keep(
    request: &Request,
    context: &Context,
    did: &BTreeMap<String, Before>,
    now_ms: u64,
) -> Result<(), Refusal> {
    let rows = did.iter().map(|(service, before)| {
        (service.clone(), serde_json::to_string(before).unwrap_or_default())
    });
    let (records, deployment_id) = (&context.records, &request.deployment_id);
    let kept = baselines::keep(records, deployment_id, &rows.collect(), now_ms).await;
    kept.map_err(|error| refusal(&format!("the baseline cannot be kept: {error}")))
}

/// Reads how the services of a deployment did before it; what cannot be read is not compared.
///
/// # Errors
/// Redis cannot be reached.
pub(crate) async fn read(
    request: &Request,
    context: &Context,
) -> Result<BTreeMap<String, Before>, Refusal> {
    let read = baselines::read(&context.records, &request.deployment_id).await;
    let rows = read.map_err(|error| refusal(&format!("the baseline cannot be read: {error}")))?;
    let before = rows
        .into_iter()
        .filter_map(|(service, row)| Some((service, serde_json::from_str(&row).ok()?)));
    Ok(before.collect())
}

fn refusal(sentence: &str) -> Refusal {
    Refusal::without_redis(sentence)
}
