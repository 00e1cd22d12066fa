//! ntfy topics.
//!
//! Owns the message, its priority and its size. Called by `Receiver`. Never lets a text become a
//! header: it publishes JSON.

use printery_config::Secret;
use printery_events::payload::NotificationSeverity as Severity;
use printery_probes::Url;
use serde_json::json;

use super::exchange::Request;
use super::{Telling, Written};
use crate::render::{self, shortened};

/// Characters of a message; ntfy makes a file of more than 4096 bytes.
const MESSAGE: usize = 1200;
const TITLE: usize = 250;

/// Builds the one request: the topic stands at the end of the address, and JSON goes to the server
/// itself.
///
/// # Source
/// ntfy, "Publish as JSON".
pub(super) fn request(
    url: &Url,
    token: Option<&Secret>,
    telling: Telling<'_>,
) -> Result<Request, String> {
    let facts = telling.facts;
    let path = url.path().trim_end_matches('/');
    let (above, topic) = path.rsplit_once('/').unwrap_or(("", path));
    if topic.is_empty() {
        return Err("the address names no topic; write https://<server>/<topic>".to_owned());
    }
    let (priority, tag) = match facts.severity {
        Severity::Info => (2, "information_source"),
        Severity::Success => (2, "white_check_mark"),
        Severity::Warning => (3, "warning"),
        Severity::Critical => (5, "rotating_light"),
    };
    let mut lines = render::lines(facts);
    lines.extend(render::details(facts).iter().map(|(name, value)| format!("{name}: {value}")));
    let own = match telling.written {
        Some(Written::Text { text, .. }) => text.clone(),
        Some(Written::Json(_)) | None => None,
    };
    let body = json!({
        "topic": topic,
        "title": shortened(&format!("{}: {}", facts.deployment_id, facts.headline), TITLE),
        "message": shortened(&own.unwrap_or_else(|| lines.join("\n")), MESSAGE),
        "priority": priority,
        "tags": [tag],
    });
    let mut server = url.clone();
    server.set_path(&format!("{above}/"));
    let request = Request::new(server, body);
    Ok(match token {
        Some(token) => request.bearer(token.expose()),
        None => request,
    })
}
