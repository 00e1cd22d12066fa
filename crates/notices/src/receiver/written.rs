//! Messages in the fleet's own words.
//!
//! Owns what a template is given and how large what it makes may be; pure. A receiver asks for its
//! channel. Never lets an event's text become markup of a channel.

use printery_config::Pages;
use serde_json::{Map, Value, json};

use super::Telling;
use crate::facts::Facts;
use crate::render;

/// Characters of a Slack message, as JSON: beyond about 13,000 it is refused.
const SLACK: usize = 12_000;

/// Characters of all texts of a Discord message.
const DISCORD: usize = 6_000;

/// Bytes of a card or of a webhook: Teams takes 21,000 to 28,000, others about 20,000.
const LARGE: usize = 20_000;

/// What a template made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Written {
    /// The body of a request.
    Json(Value),
    /// Text, and the same as a page, whichever there is a template for.
    Text {
        /// Plain.
        text: Option<String>,
        /// HTML.
        html: Option<String>,
    },
}

/// Writes a message of a channel; none where the fleet has no words of its own for it.
///
/// # Errors
/// The template cannot be filled in, or makes what the channel does not take: a clause that names
/// the template.
pub(super) fn written(
    pages: &Pages,
    channel: &str,
    telling: Telling<'_>,
) -> Result<Option<Written>, String> {
    let filled = |form: &str| filled(pages, (channel, form), telling);
    if matches!(channel, "email" | "ntfy") {
        let text = filled("txt")?.map(|(_, made)| made);
        let html = if channel == "email" { filled("html")?.map(|(_, made)| made) } else { None };
        let any = text.is_some() || html.is_some();
        return Ok(any.then_some(Written::Text { text, html }));
    }
    let Some((name, made)) = filled("json")? else { return Ok(None) };
    let body: Value = serde_json::from_str(&made)
        .map_err(|error| format!("the template {name} makes no JSON: {error}"))?;
    if !body.is_object() {
        return Err(format!("the template {name} makes no JSON object"));
    }
    let (size, most, unit) = match channel {
        "slack" => (body.to_string().chars().count(), SLACK, "characters"),
        "discord" => (characters(&body), DISCORD, "characters"),
        _ => (body.to_string().len(), LARGE, "bytes"),
    };
    if size > most {
        return Err(format!("the template {name} makes {size} {unit}; {channel} takes {most}"));
    }
    Ok(Some(Written::Json(body)))
}

/// Fills in a template; gives its name with what it made.
fn filled<'a>(
    pages: &'a Pages,
    (channel, form): (&str, &str),
    telling: Telling<'_>,
) -> Result<Option<(&'a str, String)>, String> {
    let Some((name, page)) = pages.find(channel, telling.facts.event_type, form) else {
        return Ok(None);
    };
    let made = page.fill(&values(channel, telling));
    let made = made.map_err(|fault| format!("the template {name}: {fault}"))?;
    Ok(Some((name, made)))
}

/// What a template may ask for.
fn values(channel: &str, telling: Telling<'_>) -> Value {
    let facts = telling.facts;
    let mut values: Map<String, Value> = match facts.variables() {
        Value::Object(values) => values,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    let details: Vec<Value> = render::details(facts)
        .into_iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let more = [
        ("title", json!(render::title(facts))),
        ("icon", json!(render::icon(facts.severity))),
        ("headline", json!(facts.headline)),
        ("lines", json!(render::lines(facts))),
        ("details", json!(details)),
        ("note", json!(facts.note.as_deref().unwrap_or_default())),
        ("also", json!(facts.also)),
        ("event_id", json!(facts.event_id)),
        ("data", serde_json::to_value(&telling.event.payload).unwrap_or_default()),
    ];
    values.extend(more.map(|(name, value)| (name.to_owned(), value)));
    let values = Value::Object(values);
    if channel == "slack" { mapped(values, &render::slack_escaped) } else { values }
}

/// Changes every text.
fn mapped(value: Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(&text)),
        Value::Array(items) => items.into_iter().map(|item| mapped(item, change)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, mapped(value, change))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// Characters of all texts.
fn characters(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.iter().map(characters).sum(),
        Value::Object(fields) => fields.values().map(characters).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// The body that a template made, or the channel's own.
pub(super) fn body(telling: Telling<'_>, own: impl FnOnce(&Facts<'_>) -> Value) -> Value {
    match telling.written {
        Some(Written::Json(body)) => body.clone(),
        Some(Written::Text { .. }) | None => own(telling.facts),
    }
}
