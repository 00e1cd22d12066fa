//! Discord webhooks.
//!
//! Owns the embed, its limits and the judgement. Called by `Receiver`. Never mentions anybody,
//! whatever an event's text says.

use std::time::Duration;

use printery_events::payload::NotificationSeverity as Severity;
use printery_probes::Url;
use serde_json::{Value, json};

use super::exchange::{Answer, Request, with};
use super::{Telling, body};
use crate::facts::Facts;
use crate::render::{self, shortened};
use crate::verdict::Verdict;

/// Characters of an embed's title, description, a field's value and the footer.
///
/// # Source
/// Discord, "Embed Limits": 256, 4096, 1024 and 2048, and 6000 for all of them together.
const TITLE: usize = 256;
const DESCRIPTION: usize = 2500;
const VALUE: usize = 300;
const FOOTER: usize = 200;

/// Builds the one request; whoever wrote the message, it mentions nobody.
pub(super) fn request(url: &Url, telling: Telling<'_>) -> Request {
    Request::new(url.clone(), with(body(telling, own), "allowed_mentions", json!({ "parse": [] })))
}

/// Makes the embed.
fn own(facts: &Facts<'_>) -> Value {
    let colour = match facts.severity {
        Severity::Info | Severity::Success => 0x002e_b886,
        Severity::Warning => 0x00da_a038,
        Severity::Critical => 0x00a3_0200,
    };
    let fields: Vec<Value> = render::details(facts)
        .into_iter()
        .map(|(name, value)| json!({ "name": name, "value": shortened(&value, VALUE), "inline": true }))
        .collect();
    let footer = format!("correlation {}", facts.correlation_id);
    json!({
        "embeds": [{
            "title": shortened(&render::title(facts), TITLE),
            "description": shortened(&render::lines(facts).join("\n"), DESCRIPTION),
            "color": colour,
            "fields": fields,
            "footer": { "text": shortened(&footer, FOOTER) },
        }],
    })
}

/// Judges the answer; how long to wait may stand in the body.
///
/// # Source
/// Discord, "Rate Limits": 429 with `retry_after` in seconds, as a fraction.
pub(super) fn judge(answer: &Answer) -> Verdict {
    let said = answer.json().get("retry_after").and_then(Value::as_f64);
    let after = said.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match answer.judged() {
        Verdict::Later { why, after: None } => {
            Verdict::Later { why, after: after.map(|wait| wait.min(Duration::from_secs(60 * 60))) }
        }
        verdict @ (Verdict::Told | Verdict::Later { .. } | Verdict::Never { .. }) => verdict,
    }
}
