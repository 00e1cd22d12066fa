//! The HTTP probe: one request, judged by status, content and latency.
//!
//! All check workers use it for health endpoints and APIs. It reads at most 64 KiB, decompresses nothing and
//! keeps an answer's text only as redacted evidence of a failure.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::time::Instant;

use crate::classify::{request_error, status_class};
use crate::client::Redirects;
use crate::egress::Egress;
use crate::error::Error;
use crate::limits::Limits;
use crate::outcome::{Class, Outcome, ReasonCode};
use crate::redact::{self, brief};
use crate::report::{Report, Timings};
use crate::resolver::ResolveTime;
use crate::retry::{About, with_retries};

/// Bytes of an answer that a probe reads; a longer one is an error, not a reason to read on. 64 KiB.
pub const MAX_BODY: usize = 64 * 1024;

/// An inclusive range of HTTP statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// The lowest status in the range.
    pub first: u16,
    /// The highest status in the range.
    pub last: u16,
}

impl StatusRange {
    /// The successful ones, 200-299.
    pub const SUCCESS: Self = Self { first: 200, last: 299 };

    /// Returns the range of one status.
    pub fn only(status: u16) -> Self {
        Self { first: status, last: status }
    }

    /// Returns the ranges that hold exactly the statuses that the caller names, of 100..=599.
    pub fn where_named(named: impl Fn(u16) -> bool) -> Vec<Self> {
        let mut ranges: Vec<Self> = Vec::new();
        for status in (100..=599).filter(|status| named(*status)) {
            match ranges.last_mut() {
                Some(range) if range.last + 1 == status => range.last = status,
                Some(_) | None => ranges.push(Self::only(status)),
            }
        }
        ranges
    }

    /// Tells whether a status lies in the range.
    pub fn holds(&self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// One request and what is expected of its answer.
#[derive(Debug, Clone)]
pub struct HttpProbe {
    /// How it is asked. GET.
    pub method: Method,
    /// What is asked for; credentials in it are sent and never shown.
    pub url: Url,
    /// Headers to send; add those that may be credentials with [`with_header`](HttpProbe::with_header).
    pub headers: HeaderMap,
    /// Statuses that are right. 200-299.
    pub status: Vec<StatusRange>,
    /// Statuses that are right, but not comfortably; they win over `status`.
    pub warn_status: Vec<StatusRange>,
    /// Total time from which on a right answer is a warning.
    pub warn_after: Option<Duration>,
    /// Total time from which on a right answer is a failure.
    pub fail_after: Option<Duration>,
    /// Text that the answer must contain.
    pub body_contains: Option<String>,
}

/// What came back, before it is judged.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl HttpProbe {
    /// Makes a probe of a URL that expects any successful status.
    ///
    /// # Errors
    /// The text is not an `http://` or `https://` URL with a host.
    pub fn try_new(url: &str) -> Result<Self, Error> {
        let wrong = |why: String| {
            let attempted = "reading the URL of an HTTP probe";
            Error::new(Class::Internal, ReasonCode::InvalidTarget, attempted, why)
        };
        let url = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong(format!("{} is not an http or https URL", redact::url(&url))));
        }
        Ok(Self::new(url))
    }

    /// Makes a probe of a parsed URL that expects any successful status.
    pub fn new(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            status: vec![StatusRange::SUCCESS],
            warn_status: Vec::new(),
            warn_after: None,
            fail_after: None,
            body_contains: None,
        }
    }

    /// Returns the same probe with one more header, whose value is never shown or sent to another host.
    ///
    /// # Errors
    /// Name or value cannot stand in a header; the text does not repeat the value.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let wrong = |what: &str| {
            let attempted = format!("adding the header {name} to an HTTP probe");
            Error::new(Class::Internal, ReasonCode::InvalidTarget, attempted, what)
        };
        let name = HeaderName::try_from(name).map_err(|_why| wrong("its name is not allowed"))?;
        let mut value =
            HeaderValue::try_from(value).map_err(|_quotes_it| wrong("its value is not allowed"))?;
        value.set_sensitive(true);
        self.headers.append(name, value);
        Ok(self)
    }

    /// Asks, with retries, and judges the answer.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connection.
    pub async fn run(&self, egress: &Egress, limits: &Limits) -> Report {
        let target = redact::url(&self.url);
        let about = About {
            attempted: format!("{} {target}", self.method),
            target,
            expected: self.expected(),
        };
        with_retries(limits, &about, |until| self.attempt(egress, limits, &about, until)).await
    }

    async fn attempt(
        &self,
        egress: &Egress,
        limits: &Limits,
        about: &About,
        until: Instant,
    ) -> Report {
        let started = Instant::now();
        let resolve_time = ResolveTime::default();
        let mut timings = Timings::default();
        let limits = limits.within(until.saturating_duration_since(started));
        let answer = self.ask(egress, &limits, &resolve_time, &mut timings).await;
        timings.resolve = resolve_time.get();
        timings.processing = timings
            .processing
            .map(|first_byte| first_byte.saturating_sub(timings.resolve.unwrap_or_default()));
        let report = match answer {
            Ok(answer) => {
                let status = Some(answer.status.as_u16());
                Report { status, ..self.judge(&answer, started.elapsed(), about) }
            }
            Err(error) => about.failed(error),
        };
        Report { timings, ..report }
    }

    /// Makes the request; writes into `timings` what it learns, also when it fails half-way.
    async fn ask(
        &self,
        egress: &Egress,
        limits: &Limits,
        resolve_time: &ResolveTime,
        timings: &mut Timings,
    ) -> Result<Answer, Error> {
        // Whoever expects a redirect wants to see it, not to follow it.
        let wants_redirect = |range: &StatusRange| (300..400).any(|status| range.holds(status));
        let follow = if self.status.iter().chain(&self.warn_status).any(wants_redirect) {
            Redirects::Stop
        } else if !self.headers.is_empty() || self.url.password().is_some() {
            Redirects::FollowOnSameHost
        } else {
            Redirects::Follow
        };
        let client = egress.probe_client(limits, follow, resolve_time.clone())?;
        let started = Instant::now();
        let response = client
            .request(self.method.clone(), &self.url)?
            .headers(self.headers.clone())
            .send()
            .await
            .map_err(|error| request_error(&error, ""))?;
        let answered = Instant::now();
        timings.processing = Some(answered.duration_since(started));
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_body(response, MAX_BODY).await?;
        timings.transfer = Some(answered.elapsed());
        Ok(Answer { status, headers, body })
    }

    fn judge(&self, answer: &Answer, took: Duration, about: &About) -> Report {
        let status = answer.status.as_u16();
        let observed = format!("answered {} in {}", answer.status, brief(took));
        if self.warn_status.iter().any(|range| range.holds(status)) {
            return about.passed(observed).judged(Outcome::Warn, ReasonCode::HttpStatus);
        }
        if !self.status.iter().any(|range| range.holds(status)) {
            let error = Error::new(
                status_class(answer.status),
                ReasonCode::HttpStatus,
                "",
                format!("{observed}, expected {}", self.expected_status()),
            );
            return about.failed(
                error
                    .with_retry_after(retry_after(&answer.headers))
                    .with_evidence(redact::evidence(&answer.body)),
            );
        }
        if let Some(text) = self.body_contains.as_deref()
            && !contains(&answer.body, text.as_bytes())
        {
            let observed = format!("{observed}, without the expected text");
            let error = Error::new(Class::Assertion, ReasonCode::Content, "", observed);
            return about.failed(error.with_evidence(redact::evidence(&answer.body)));
        }
        about.passed(observed).judged_by_latency(took, self.warn_after, self.fail_after)
    }

    fn expected(&self) -> String {
        let mut expected = format!("status {}", self.expected_status());
        if let Some(limit) = self.fail_after.or(self.warn_after) {
            expected.push_str(" within ");
            expected.push_str(&brief(limit));
        }
        if self.body_contains.is_some() {
            expected.push_str(", with the expected text");
        }
        expected
    }

    fn expected_status(&self) -> String {
        self.status.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Reads an answer's body up to a cap.
///
/// # Errors
/// The body is larger than the cap (class guard), or the connection broke.
pub async fn read_body(mut response: Response, cap: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| request_error(&error, "reading the answer"))?
    {
        if body.len() + chunk.len() > cap {
            let observed = format!("answered with more than {} KiB", cap / 1024);
            return Err(Error::new(
                Class::Guard,
                ReasonCode::BodyTooLarge,
                "reading the answer",
                observed,
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads `Retry-After` in seconds; its date form would need a clock that agrees with the server's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}
