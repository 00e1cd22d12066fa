//! GitHub's `deployment` and `deployment_status` webhooks as events of this fleet.
//!
//! Pure. Its signature is checked over the bytes as they came, before anything of them is read. No
//! address that it names is ever asked for anything.
//!
//! Source: GitHub, "Webhook events and payloads" and "Validating webhook deliveries".

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use printery_events::ids;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::ingest::{Received, Refused, judge};

/// Whether `X-Hub-Signature-256` is that of these bytes; compared in constant time.
pub(crate) fn is_signed(secret: &str, body: &[u8], signature: &str) -> bool {
    let Some(hex) = signature.strip_prefix("sha256=") else { return false };
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    let given: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(pair).collect();
    let (Some(given), Ok(mut mac)) = (given, Hmac::<Sha256>::new_from_slice(secret.as_bytes()))
    else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

/// Reads a delivery: its id, the event's name, and the body.
///
/// # Errors
/// It lacks what such a delivery has.
pub(crate) fn read(
    delivery: &str,
    name: &str,
    body: &Value,
    now: Timestamp,
) -> Result<Received, Refused> {
    let ignored = |why: String| Ok(Received::Ignored { id: delivery.to_owned(), why });
    let text = |pointer: &str| {
        let found = body.pointer(pointer).and_then(Value::as_str);
        found.ok_or_else(|| Refused::unfit(pointer, "is missing"))
    };
    if !matches!(name, "deployment" | "deployment_status") {
        return ignored(format!("{name} is nothing that this fleet acts on"));
    }
    let number = body.pointer("/deployment/id").and_then(Value::as_u64);
    let number = number.ok_or_else(|| Refused::unfit("/deployment/id", "is missing"))?;
    let repository = text("/repository/full_name")?;
    let id = deployment_id(repository, number);
    let environment = text("/deployment/environment")?;
    let version = text("/deployment/sha")?;
    let (event_type, data) = if name == "deployment" {
        if body["action"] != "created" {
            return ignored(format!("action {} is not created", body["action"]));
        }
        let service = text("/repository/name")?;
        let initiated_by = body.pointer("/deployment/creator/login").cloned();
        let data = json!({
            "deployment_id": id, "version": version, "environment": environment,
            "services": [service], "initiated_by": initiated_by.unwrap_or(Value::Null),
        });
        ("deployment:started", data)
    } else {
        let said = body.pointer("/deployment_status/description").and_then(Value::as_str);
        match text("/deployment_status/state")? {
            "success" => (
                "deployment:completed",
                json!({
                    "deployment_id": id, "status": "success", "environment": environment,
                    "version": version,
                }),
            ),
            state @ ("failure" | "error") => {
                let reason = said.filter(|said| !said.is_empty()).unwrap_or(state);
                let data =
                    json!({ "deployment_id": id, "reason": reason, "failed_stage": "github" });
                ("deployment:failed", data)
            }
            state => return ignored(format!("state {state} is nothing that this fleet acts on")),
        }
    };
    let fields: Vec<(Vec<u8>, Vec<u8>)> = [
        // A delivery that is repeated keeps its id, and so does its event.
        ("id", delivery.to_owned()),
        ("source", format!("https://github.com/{repository}")),
        ("type", event_type.to_owned()),
        ("correlationid", id),
        ("datacontenttype", "application/json".to_owned()),
        ("data", data.to_string()),
    ]
    .map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes()))
    .into();
    Ok(Received::Event(Box::new(judge(&fields, now)?)))
}

fn deployment_id(repository: &str, number: u64) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '.' };
    let repository: String = repository.chars().map(allowed).collect();
    let room = ids::MAX_DEPLOYMENT_ID_CHARS - "gh::".len() - 20;
    format!("gh:{}:{number}", repository.chars().take(room).collect::<String>())
}
