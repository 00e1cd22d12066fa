//! What people read.
//!
//! Owns the words of a notification and its form for each channel; pure. The receivers send what
//! this makes. Never lets an event's text become markup, and never exceeds a channel's limits.

use std::time::Duration;

use printery_events::Event;
use printery_events::payload::NotificationSeverity as Severity;
use serde_json::{Value, json};

use crate::facts::Facts;

/// Characters of the one sentence; Slack cuts a section at 3000.
const SENTENCE: usize = 2000;

/// Characters of what the notifier adds.
const NOTE: usize = 1000;

/// Characters of a single value or suggestion.
const VALUE: usize = 300;

/// Characters of a Slack message's text, as escaped: with every other part below 12,000.
const SLACK_TEXT: usize = 6000;

/// What stands where something was cut off.
const CUT: &str = "… (cut)";

/// Services named before the rest is counted.
const SERVICES: usize = 20;

/// Suggestions shown.
const SUGGESTIONS: usize = 5;

/// Lines of what else is said, before the rest is counted.
const ALSO: usize = 20;

/// Returns the first line: icon, what happened, to which deployment.
pub fn title(facts: &Facts<'_>) -> String {
    format!("{} {}: {}", icon(facts.severity), facts.deployment_id, facts.headline)
}

/// Returns what people see first.
pub fn icon(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "ℹ️",
        Severity::Success => "✅",
        Severity::Warning => "⚠️",
        Severity::Critical => "🔴",
    }
}

/// Returns the facts worth a line of their own, as name and value.
pub fn details(facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let version = match (facts.previous_version, facts.version) {
        (Some(old), Some(new)) => Some(format!("{old} → {new}")),
        (Some(old), None) => Some(format!("back to {old}")),
        (None, new) => owned(new),
    };
    [
        ("Version", version),
        ("Environment", owned(facts.environment)),
        ("Stage", owned(facts.stage)),
        ("Services", listed(&facts.services)),
        ("By", owned(facts.by)),
        ("Duration", facts.duration.map(rounded)),
        ("Severity", Some(facts.severity.as_str().to_owned())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// Returns what is said below the title: what the notifier adds, why, what to do.
pub fn lines(facts: &Facts<'_>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    // First, because it is short: whatever is cut off, this is not.
    lines.extend(facts.note.as_deref().map(|note| shortened(note, NOTE)));
    lines.extend(facts.sentence.map(|sentence| shortened(sentence, SENTENCE)));
    let suggestions = facts.suggestions.iter().take(SUGGESTIONS);
    lines.extend(suggestions.map(|text| format!("→ {}", shortened(text, VALUE))));
    lines.extend(facts.also.iter().take(ALSO).map(|line| shortened(line, VALUE)));
    let more = facts.also.len().saturating_sub(ALSO);
    lines.extend((more > 0).then(|| format!("and {more} more")));
    lines
}

/// Returns a Slack message: what incoming webhooks and bots both take.
///
/// # Source
/// Slack, "Formatting text for app surfaces": `&`, `<` and `>` must be escaped; what is not could
/// mention a whole channel. A message of more than about 13,000 characters is refused.
pub fn slack(facts: &Facts<'_>, channel: Option<&str>) -> Value {
    let colour = match facts.severity {
        Severity::Info | Severity::Success => "good",
        Severity::Warning => "warning",
        Severity::Critical => "danger",
    };
    let title = escaped(&title(facts), VALUE);
    let fields: Vec<Value> = details(facts)
        .into_iter()
        .map(|(name, value)| json!({ "title": name, "value": escaped(&value, VALUE), "short": true }))
        .collect();
    let footer = match channel {
        Some(channel) => format!("{channel} · correlation {}", facts.correlation_id),
        None => format!("correlation {}", facts.correlation_id),
    };
    json!({
        "text": title,
        "attachments": [{
            "color": colour,
            "fallback": title,
            "text": escaped(&lines(facts).join("\n"), SLACK_TEXT),
            "fields": fields,
            "footer": escaped(&footer, VALUE),
        }],
    })
}

/// Returns the body of a generic webhook: `type`, `timestamp` and `data` as Standard Webhooks
/// recommends, and what a reader without our schemas wants.
pub fn webhook(event: &Event, facts: &Facts<'_>) -> Value {
    json!({
        "type": facts.event_type,
        "timestamp": event.time.map(|time| time.to_string()),
        "event_id": facts.event_id,
        "deployment_id": facts.deployment_id,
        "correlation_id": facts.correlation_id,
        "severity": facts.severity.as_str(),
        "title": title(facts),
        "text": facts.sentence,
        "note": facts.note,
        "data": event.payload,
    })
}

/// Returns the text for a log.
pub fn log(facts: &Facts<'_>) -> String {
    let mut line = title(facts);
    if let Some(sentence) = facts.sentence {
        line.push_str(". ");
        line.push_str(&shortened(sentence, SENTENCE));
    }
    if let Some(note) = &facts.note {
        line.push_str(" (");
        line.push_str(&shortened(note, NOTE));
        line.push(')');
    }
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Escapes a text for Slack, whatever its length.
pub(crate) fn slack_escaped(text: &str) -> String {
    escaped(text, usize::MAX)
}

/// Escapes a text for Slack, to at most so many characters; what is cut off is said to be.
fn escaped(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    let mut length = 0;
    for c in text.chars() {
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => "",
        };
        length += piece.len().max(1);
        if length > most {
            escaped.push_str(CUT);
            return escaped;
        }
        escaped.push_str(piece);
        if piece.is_empty() {
            escaped.push(c);
        }
    }
    escaped
}

/// Cuts a text to a number of characters, the words that say so included.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let kept = most.saturating_sub(CUT.chars().count());
    text.chars().take(kept).chain(CUT.chars()).collect()
}

fn listed(services: &[&str]) -> Option<String> {
    let shown: Vec<&str> = services.iter().take(SERVICES).copied().collect();
    let more = services.len().saturating_sub(shown.len());
    match (shown.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(shown.join(", ")),
        (false, more) => Some(format!("{} and {more} more", shown.join(", "))),
    }
}

/// Writes a duration as people say it.
fn rounded(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{escaped, listed, log, rounded, shortened, slack, webhook};
    use crate::facts::Facts;
    use crate::sample;

    #[test]
    fn a_start_reads_as_version_environment_services_and_person() {
        let event = sample::started();
        let expected = json!({
            "text": "ℹ️ d-1: deployment started",
            "attachments": [{
                "color": "good",
                "fallback": "ℹ️ d-1: deployment started",
                "text": "",
                "fields": [
                    { "title": "Version", "value": "1.1.0 → 1.2.0", "short": true },
                    { "title": "Environment", "value": "staging", "short": true },
                    { "title": "Services", "value": "api, relay", "short": true },
                    { "title": "By", "value": "ana", "short": true },
                    { "title": "Severity", "value": "info", "short": true },
                ],
                "footer": "correlation e-1",
            }],
        });
        assert_eq!(slack(&Facts::of(&event), None), expected);
    }

    #[test]
    fn a_failure_says_why_and_what_to_do_and_mentions_nobody() {
        let event = sample::failed();
        let body = slack(&Facts::of(&event), Some("#materi-critical"));
        assert_eq!(body["text"], "🔴 d-1: deployment failed");
        let attachment = &body["attachments"][0];
        assert_eq!(attachment["color"], "danger");
        let text = "&lt;!channel&gt; &amp; &lt;redis&gt;: connection refused\n→ Start Redis.";
        assert_eq!(attachment["text"], text);
        assert_eq!(attachment["footer"], "#materi-critical · correlation e-1");
    }

    #[test]
    fn a_webhook_carries_the_event_itself() {
        let event = sample::completed("failure");
        let expected = json!({
            "type": "deployment:completed",
            "timestamp": "2026-11-22T06:00:00Z",
            "event_id": "e-1",
            "deployment_id": "d-1",
            "correlation_id": "e-1",
            "severity": "critical",
            "title": "🔴 d-1: deployment failure",
            "text": null,
            "note": null,
            "data": { "deployment_id": "d-1", "status": "failure", "environment": "production" },
        });
        assert_eq!(webhook(&event, &Facts::of(&event)), expected);
    }

    #[test]
    fn the_log_gets_one_line() {
        let event = sample::validation("FAILED");
        assert_eq!(log(&Facts::of(&event)), "🔴 d-1: validation FAILED. 1 of 2 checks failed");
    }

    #[test]
    fn no_text_grows_without_end() {
        assert_eq!(shortened(&"ä".repeat(10), 9), "ää… (cut)");
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(escaped("a<b>c&d", 6), "a&lt;b… (cut)");
        assert_eq!(escaped("a<b>c&d", 100), "a&lt;b&gt;c&amp;d");
        assert_eq!(listed(&[]), None);
        assert!(listed(&["s"; 25]).unwrap().ends_with("s and 5 more"));
        let long = sample::event(
            "deployment:failed",
            &json!({ "deployment_id": "d", "reason": "<&>".repeat(30_000), "failed_stage": "<".repeat(90_000) }),
        );
        assert!(slack(&Facts::of(&long), None).to_string().len() < 12_000);
    }

    #[test]
    fn durations_are_said_as_people_say_them() {
        let cases =
            [(812, "812 ms"), (12_500, "12.5 s"), (125_000, "2 min 5 s"), (7_260_000, "2 h 1 min")];
        for (ms, expected) in cases {
            assert_eq!(rounded(Duration::from_millis(ms)), expected);
        }
    }
}
