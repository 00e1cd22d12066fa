//! CDEvents inside CloudEvents: what the continuous-delivery vocabulary says of services.
//!
//! Pure. A service that was deployed, upgraded or rolled back is the end of a deployment to us; all
//! else of that vocabulary is accepted and ignored.
//!
//! Source: CDEvents 0.5.1, continuous deployment events.

use jiff::Timestamp;
use printery_events::ids;
use serde_json::{Value, json};

use crate::ingest::{Received, Refused, judge};

/// What the types of this vocabulary begin with.
pub(crate) const PREFIX: &str = "dev.cdevents.";

/// Reads the `data` of a CloudEvent of that vocabulary.
///
/// # Errors
/// It lacks what every CDEvent has.
pub(crate) fn read(
    id: &str,
    kind: &str,
    data: Option<&Value>,
    now: Timestamp,
) -> Result<Received, Refused> {
    let data = data.filter(|data| data.is_object());
    let data = data.ok_or_else(|| Refused::unfit("/data", "must be a CDEvent"))?;
    let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str);
    for pointer in ["/context/id", "/context/type", "/context/source", "/subject/id"] {
        if text(pointer).is_none_or(str::is_empty) {
            return Err(Refused::unfit(format!("/data{pointer}"), "is missing"));
        }
    }
    if text("/context/type") != Some(kind) {
        return Err(Refused::unfit("/data/context/type", "must be the type of the CloudEvent"));
    }
    let service = text("/subject/id").unwrap_or_default();
    let artifact = text("/subject/content/artifactId").unwrap_or("unknown");
    let predicate = kind.strip_prefix(PREFIX).unwrap_or_default();
    let deployment_id = deployment_id(service, text("/context/chainId").unwrap_or(id));
    let (event_type, data) = if predicate.starts_with("service.rolledback.") {
        let data = json!({
            "deployment_id": deployment_id, "status": "success", "restored_version": artifact,
            "rolled_back_services": [service],
        });
        ("rollback:completed", data)
    } else if ["service.deployed.", "service.upgraded."].iter().any(|it| predicate.starts_with(it))
    {
        let data = json!({
            "deployment_id": deployment_id, "status": "success", "version": artifact,
            "environment": text("/subject/content/environment/id").unwrap_or("unknown"),
        });
        ("deployment:completed", data)
    } else {
        let why = format!("{kind} is nothing that this fleet acts on");
        return Ok(Received::Ignored { id: id.to_owned(), why });
    };
    let fields: Vec<(Vec<u8>, Vec<u8>)> = [
        ("id", id.to_owned()),
        ("source", text("/context/source").unwrap_or_default().to_owned()),
        ("type", event_type.to_owned()),
        ("time", text("/context/timestamp").map_or_else(|| now.to_string(), str::to_owned)),
        ("datacontenttype", "application/json".to_owned()),
        ("data", data.to_string()),
    ]
    .map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes()))
    .into();
    Ok(Received::Event(Box::new(judge(&fields, now)?)))
}

/// The deployment of a service within one chain of events.
fn deployment_id(service: &str, chain: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.:-".contains(c) { c } else { '-' };
    let text: String = format!("cd:{service}:{chain}").chars().map(allowed).collect();
    text.chars().take(ids::MAX_DEPLOYMENT_ID_CHARS).collect()
}
