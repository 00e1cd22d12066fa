//! One place that is told.
//!
//! Owns the choice between channels and what all of them share: a request, its classification,
//! the redacted target. The sender repeats what this does once. Never waits and never retries.

mod log;
mod slack;
mod webhook;

use std::time::Duration;

use printery_config::ReceiverKind;
use printery_events::Event;
use printery_events::payload::Channel;
use printery_probes::header::{HeaderMap, RETRY_AFTER};
use printery_probes::{Class, GuardedClient, RequestBuilder, Response, Url, redact, request_error};

use crate::facts::Facts;
use crate::verdict::Verdict;

/// A place that is told, ready to be used.
#[derive(Debug)]
pub struct Receiver {
    /// The name routes use.
    pub name: String,
    kind: ReceiverKind,
    client: GuardedClient,
}

/// What is told: an event, and the identity of telling it to this receiver.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// The event.
    pub event: &'a Event,
    /// What it says.
    pub facts: &'a Facts<'a>,
    /// The same however often it is told.
    pub id: &'a str,
    /// Now, in whole seconds since the epoch.
    pub timestamp: u64,
}

impl Receiver {
    /// Takes a receiver of the fleet file and the client its requests go through.
    pub fn new(receiver: &printery_config::Receiver, client: GuardedClient) -> Self {
        Self { name: receiver.name.clone(), kind: receiver.kind.clone(), client }
    }

    /// Returns how it is told, as events name it.
    pub fn channel(&self) -> Channel {
        match self.kind {
            ReceiverKind::Slack { .. } => Channel::Slack,
            ReceiverKind::Webhook { .. } => Channel::Webhook,
            ReceiverKind::Log => Channel::Log,
        }
    }

    /// Returns the address without secrets.
    pub fn target(&self) -> String {
        match &self.kind {
            ReceiverKind::Slack { url, name: Some(name) } => format!("{name} by {url}"),
            ReceiverKind::Slack { url, name: None } | ReceiverKind::Webhook { url, .. } => {
                url.to_string()
            }
            ReceiverKind::Log => "log".to_owned(),
        }
    }

    /// Tells whether it wants this type of event.
    pub fn wants(&self, event_type: &str) -> bool {
        match &self.kind {
            ReceiverKind::Webhook { events, .. } => {
                events.is_empty() || events.iter().any(|glob| glob.matches(event_type))
            }
            ReceiverKind::Slack { .. } | ReceiverKind::Log => true,
        }
    }

    /// Tells it once.
    ///
    /// # Cancel safety
    /// Cancel safe for us; the receiver may have it although nobody heard the answer.
    pub async fn tell(&self, telling: Telling<'_>) -> Verdict {
        match &self.kind {
            ReceiverKind::Slack { url, name } => {
                slack::tell(&self.client, url.expose(), name.as_deref(), telling).await
            }
            ReceiverKind::Webhook { url, secrets, .. } => {
                webhook::tell(&self.client, url.expose(), secrets, telling).await
            }
            ReceiverKind::Log => log::tell(&self.name, telling.facts),
        }
    }
}

/// Sends a request; every way of not getting an answer is a verdict already.
async fn answer(
    url: &Url,
    request: Result<RequestBuilder, printery_probes::Error>,
) -> Result<Response, Verdict> {
    let attempted = format!("POST {}", redact::secret_url(url));
    let request = request.map_err(|error| without_answer(&error))?;
    let sent = request.send().await;
    sent.map_err(|error| without_answer(&request_error(&error, &attempted)))
}

fn without_answer(error: &printery_probes::Error) -> Verdict {
    let why = error.to_string();
    match error.class() {
        Class::Transient => Verdict::Later { why, after: error.retry_after() },
        Class::Permanent | Class::Assertion | Class::Guard | Class::Internal => {
            Verdict::Never { why }
        }
    }
}

/// Reads `Retry-After` in seconds; its date form would need two clocks that agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
