//! One request to a receiver and its answer.
//!
//! Owns how it is sent and what every way of not getting an answer means. Each channel builds one
//! and judges the answer. Never follows a redirect and never shows an address that is a secret.

use std::time::Duration;

use printery_probes::header::{CONTENT_TYPE, HeaderValue};
use printery_probes::{
    Class, GuardedClient, Method, StatusCode, Url, read_body, redact, request_error, status_class,
};
use serde_json::Value;

use crate::retry_after::retry_after;
use crate::verdict::Verdict;

/// The longest answer that is read; a receiver's are a word or a small document. 64 KiB.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How much of an answer is quoted, in characters.
const QUOTED: usize = 200;

/// The longest wait a receiver may ask for. Beyond it the news is old.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// A request, ready to be sent or shown.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) url: Url,
    pub(super) body: Value,
    /// The body's bytes, where they must be those that were signed.
    pub(super) text: Option<String>,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// What a receiver answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How long it asked us to wait.
    pub(super) after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Posts JSON.
    pub(super) fn new(url: Url, body: Value) -> Self {
        Self { url, body, text: None, headers: Vec::new() }
    }

    /// Adds a bearer token.
    pub(super) fn bearer(mut self, token: &str) -> Self {
        self.headers.push(("authorization", format!("Bearer {token}")));
        self
    }

    /// Sends it; every way of not getting an answer is a verdict already.
    ///
    /// # Shapes and units
    /// `now`: whole seconds since the epoch.
    pub(super) async fn send(self, client: &GuardedClient, now: u64) -> Result<Answer, Verdict> {
        let attempted = format!("POST {}", redact::secret_url(&self.url));
        let request = client.request(Method::POST, &self.url).map_err(|error| refused(&error))?;
        let text = self.text.unwrap_or_else(|| self.body.to_string());
        let json = HeaderValue::from_static("application/json");
        let mut request = request.header(CONTENT_TYPE, json).body(text);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let sent = request.send().await;
        let response = sent.map_err(|error| refused(&request_error(&error, &attempted)))?;
        let status = response.status();
        let after = retry_after(response.headers(), now).map(|wait| wait.min(LONGEST_WAIT));
        // The status has been heard: an answer that is cut off or endless says nothing more.
        let body = read_body(response, LONGEST_ANSWER).await.unwrap_or_default();
        Ok(Answer { status, after, body })
    }

    /// Returns it as people can read it, without credentials.
    pub(super) fn shown(&self) -> String {
        let url = redact::secret_url(&self.url);
        format!("POST {url}\n{:#}", self.body)
    }
}

impl Answer {
    /// Judges it by its status alone.
    pub(super) fn judged(&self) -> Verdict {
        if self.status.is_success() { Verdict::Told } else { self.refused() }
    }

    /// Judges an answer that is no success.
    pub(super) fn refused(&self) -> Verdict {
        let why = self.quoted();
        match status_class(self.status) {
            Class::Transient => Verdict::Later { why, after: self.after },
            Class::Permanent | Class::Assertion | Class::Guard | Class::Internal => {
                Verdict::Never { why }
            }
        }
    }

    /// Returns the answer in one clause.
    pub(super) fn quoted(&self) -> String {
        let said = redact::evidence(&self.body).unwrap_or_default();
        let said: String = said.chars().take(QUOTED).collect();
        let status = self.status.as_u16();
        if said.is_empty() {
            format!("answered {status}")
        } else {
            format!("answered {status} {said:?}")
        }
    }

    /// Reads the body as JSON; null when it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Returns a document with one more field, or another value of it.
pub(super) fn with(mut document: Value, field: &str, value: Value) -> Value {
    if let Value::Object(fields) = &mut document {
        fields.insert(field.to_owned(), value);
    }
    document
}

fn refused(error: &printery_probes::Error) -> Verdict {
    let why = error.to_string();
    match error.class() {
        Class::Transient => Verdict::Later { why, after: error.retry_after() },
        Class::Permanent | Class::Assertion | Class::Guard | Class::Internal => {
            Verdict::Never { why }
        }
    }
}
