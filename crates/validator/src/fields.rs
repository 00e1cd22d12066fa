//! What a deployment says of itself, by the names that templates and policies use.
//!
//! Checks that are filled in for each event ask it. Pure; what the event leaves out is `None`, never an empty text.

use printery_events::payload::DeploymentStarted;

/// Returns one field for one service of a deployment.
pub(crate) fn fields(deployment: &DeploymentStarted, service: &str, field: &str) -> Option<String> {
    match field {
        "deployment_id" => Some(deployment.deployment_id.clone()),
        "version" => Some(deployment.version.clone()),
        "previous_version" => deployment.previous_version.clone(),
        "environment" => Some(deployment.environment.clone()),
        "strategy" => deployment.strategy.map(|strategy| strategy.as_str().to_owned()),
        "initiated_by" => deployment.initiated_by.clone(),
        "service" => Some(service.to_owned()),
        "image" => deployment.images.get(service).cloned(),
        _ => None,
    }
}
