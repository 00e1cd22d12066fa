//! Teams: adaptive cards for a workflow's webhook.
//!
//! Owns the card, its size and the one second try with a smaller card. Called by `Receiver`. Never
//! uses the connectors that Microsoft has switched off.

use printery_config::SecretUrl;
use printery_events::payload::NotificationSeverity as Severity;
use printery_probes::{GuardedClient, StatusCode, Url};
use serde_json::{Value, json};

use super::exchange::Request;
use super::{Telling, body};
use crate::facts::Facts;
use crate::render::{self, shortened};
use crate::verdict::Verdict;

/// Characters of the text and of one fact: all of it stays below 20 KB, though 28 KB are said to
/// be taken, because 21 KB have been seen to be refused.
const TEXT: usize = 3000;
const FACT: usize = 300;

/// Characters of a card after one was too large.
const SMALL: usize = 200;

/// Posts one card, and a smaller one where that is too large.
pub(super) async fn tell(url: &SecretUrl, client: &GuardedClient, telling: Telling<'_>) -> Verdict {
    let url = url.expose();
    let (facts, now) = (telling.facts, telling.timestamp);
    let answer = match request(url, telling).send(client, now).await {
        Ok(answer) if answer.status == StatusCode::PAYLOAD_TOO_LARGE => {
            Request::new(url.clone(), card(facts, SMALL, 40)).send(client, now).await
        }
        answer => answer,
    };
    answer.map_or_else(|verdict| verdict, |answer| answer.judged())
}

/// Builds the request with the whole card.
pub(super) fn request(url: &Url, telling: Telling<'_>) -> Request {
    Request::new(url.clone(), body(telling, |facts| card(facts, TEXT, FACT)))
}

/// Makes the card.
///
/// # Source
/// Microsoft, "Create incoming webhooks with Workflows": a message with one adaptive card, 1.4.
fn card(facts: &Facts<'_>, text: usize, fact: usize) -> Value {
    let colour = match facts.severity {
        Severity::Info => "Default",
        Severity::Success => "Good",
        Severity::Warning => "Warning",
        Severity::Critical => "Attention",
    };
    let rows: Vec<Value> = render::details(facts)
        .into_iter()
        .map(|(name, value)| json!({ "title": name, "value": shortened(&value, fact) }))
        .collect();
    let mut body = vec![json!({
        "type": "TextBlock", "text": shortened(&render::title(facts), SMALL),
        "weight": "Bolder", "size": "Medium", "color": colour, "wrap": true,
    })];
    let lines = render::lines(facts).join("\n\n");
    if !lines.is_empty() {
        body.push(json!({ "type": "TextBlock", "text": shortened(&lines, text), "wrap": true }));
    }
    body.push(json!({ "type": "FactSet", "facts": rows }));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard", "version": "1.4", "body": body,
                "msteams": { "width": "Full" },
            },
        }],
    })
}
