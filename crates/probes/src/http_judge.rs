//! Judging the answer to an HTTP request.
//!
//! The HTTP probe calls it with what came back: status, text, headers, document, conditions, latency, in this order.
//! It asks nothing more of anybody.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::assertions;
use crate::classify::status_class;
use crate::error::Error;
use crate::facts;
use crate::http::HttpProbe;
use crate::http_exchange::Answer;
use crate::outcome::{Class, Outcome, ReasonCode};
use crate::redact::{self, brief};
use crate::report::{Report, Timings};
use crate::retry::About;
use crate::trust::Trust;

/// An answer and how long it took to come.
pub(crate) struct Seen {
    pub(crate) answer: Answer,
    pub(crate) took: Duration,
    pub(crate) timings: Timings,
    pub(crate) until: Instant,
}

impl HttpProbe {
    /// Judges an answer; the report's phases and status are the caller's to fill in.
    pub(crate) async fn judge(&self, seen: &Seen, about: &About) -> Report {
        let Seen { answer, took, .. } = seen;
        let status = answer.status.as_u16();
        let caveat = Trust::caveat(self.trust.as_ref());
        let observed = format!("answered {} in {}{caveat}", answer.status, brief(*took));
        if self.warn_status.iter().any(|range| range.holds(status)) {
            return about.passed(observed).judged(Outcome::Warn, ReasonCode::HttpStatus);
        }
        let right = if self.status.iter().any(|range| range.holds(status)) {
            self.content(seen).await
        } else {
            let observed = format!("expected {}", self.expected_status());
            let error =
                Error::new(status_class(answer.status), ReasonCode::HttpStatus, "", observed);
            Err(error.with_retry_after(retry_after(&answer.headers)))
        };
        match right {
            Ok(()) => {
                about.passed(observed).judged_by_latency(*took, self.warn_after, self.fail_after)
            }
            Err(error) => {
                let observed = format!("{observed}, {}", error.observed());
                let whole = Error::new(error.class(), error.reason_code(), "", observed)
                    .with_retry_after(error.retry_after())
                    .with_evidence(redact::evidence(&answer.body));
                about.failed(whole)
            }
        }
    }

    /// Looks at everything but status and latency.
    async fn content(&self, seen: &Seen) -> Result<(), Error> {
        let answer = &seen.answer;
        let wrong =
            |observed: String| Err(Error::new(Class::Assertion, ReasonCode::Content, "", observed));
        if let Some(text) = self.body_contains.as_deref()
            && !contains(&answer.body, text.as_bytes())
        {
            return wrong("without the expected text".to_owned());
        }
        for (name, pattern) in &self.expect_headers {
            let mut values = answer.headers.get_all(name).iter();
            if !values.any(|value| pattern.is_in(value.as_bytes())) {
                return wrong(format!("without a header `{name}` like `{pattern}`"));
            }
        }
        let document = self.document(answer);
        for (path, expected) in &self.expect_json {
            let Some(document) = &document else {
                return wrong("with something that is not JSON".to_owned());
            };
            let selected = path.select(document);
            if selected.is_empty() {
                return wrong(format!("with nothing at `{path}`"));
            }
            if !selected.iter().all(|value| equal(value, expected)) {
                return wrong(format!("with something else than {expected} at `{path}`"));
            }
        }
        if self.conditions.is_empty() {
            return Ok(());
        }
        let facts = facts(seen, document.unwrap_or_default());
        assertions::check(&self.conditions, facts, seen.until).await
    }

    /// Reads the body as a document, if anything is asked of it.
    fn document(&self, answer: &Answer) -> Option<Value> {
        if self.expect_json.is_empty() && self.conditions.is_empty() {
            return None;
        }
        serde_json::from_slice(&answer.body).ok()
    }

    /// Says what is expected, for people.
    pub(crate) fn expected(&self) -> String {
        let mut expected = vec![format!("status {}", self.expected_status())];
        if let Some(limit) = self.fail_after.or(self.warn_after) {
            expected.push(format!("within {}", brief(limit)));
        }
        if self.body_contains.is_some() {
            expected.push("with the expected text".to_owned());
        }
        let header = |(name, pattern)| format!("header `{name}` like `{pattern}`");
        expected
            .extend(self.expect_headers.iter().map(|(name, pattern)| (name, pattern)).map(header));
        let value = |(path, value): &(_, _)| format!("{value} at `{path}`");
        expected.extend(self.expect_json.iter().map(value));
        expected.extend(self.conditions.iter().map(|condition| format!("`{condition}`")));
        expected.join(", ")
    }

    fn expected_status(&self) -> String {
        self.status.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Returns the variables of conditions over an answer.
fn facts(seen: &Seen, document: Value) -> Map<String, Value> {
    let answer = &seen.answer;
    let mut facts = facts::of_connection(&answer.peer, seen.took, &seen.timings);
    let mut headers: Map<String, Value> = Map::new();
    for name in answer.headers.keys() {
        let values = answer.headers.get_all(name).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        headers.insert(name.as_str().to_owned(), json!(values.join(", ")));
    }
    facts.insert("status".to_owned(), json!(answer.status.as_u16()));
    facts.insert("header".to_owned(), Value::Object(headers));
    facts.insert("body".to_owned(), json!(String::from_utf8_lossy(&answer.body)));
    facts.insert("json".to_owned(), document);
    facts
}

/// Compares values; numbers by what they are worth, so that `1` is `1.0`.
fn equal(value: &Value, expected: &Value) -> bool {
    match (value.as_f64(), expected.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() < f64::EPSILON,
        _ => value == expected,
    }
}

/// Reads `Retry-After` in seconds; its date form would need a clock that agrees with the server's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}
