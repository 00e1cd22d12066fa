//! The HTTP probe: one request, judged by status, content and latency.
//!
//! All check workers use it for health endpoints and APIs. It reads at most 64 KiB, also of what was compressed, and
//! keeps an answer's text only as redacted evidence of a failure.

use std::fmt;
use std::time::Duration;

use printery_expressions::{Condition, Path, Pattern};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, Url};
use tokio::time::{Instant, timeout_at};

use crate::addresses::over;
use crate::classify::request_error;
use crate::egress::Egress;
use crate::error::Error;
use crate::http_exchange::{Exchange, Follow};
use crate::http_judge::Seen;
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::redact;
use crate::report::{Report, Timings};
use crate::retry::{About, timed_out, with_retries};
use crate::sign_in::SignIn;
use crate::trust::Trust;

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
    /// Headers that the answer must have, and what must be found in them.
    pub expect_headers: Vec<(HeaderName, Pattern)>,
    /// What every value must be that a path selects in the answer; each path must select something.
    pub expect_json: Vec<(Path, serde_json::Value)>,
    /// Conditions over everything that was seen.
    pub conditions: Vec<Condition>,
    /// Whom to believe; whom this machine believes, if nobody is named.
    pub trust: Option<Trust>,
    /// Redirects that are followed; `None`: as many as allowed, and none where a redirect is expected.
    pub follow: Option<usize>,
    /// As whom it is asked, beside the headers; left behind like these when a redirect leads to another host.
    pub sign_in: SignIn,
    /// What is dialled in place of the URL's host and port, as for one instance of a service; a redirect elsewhere goes there.
    pub dial: Option<(String, u16)>,
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
            expect_headers: Vec::new(),
            expect_json: Vec::new(),
            conditions: Vec::new(),
            trust: None,
            follow: None,
            sign_in: SignIn::default(),
            dial: None,
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
        let (probe, about) = (self, &about);
        let (host, _) = self.place(&self.url);
        over(egress, host, limits, about, |egress, limits| async move {
            let (egress, limits) = (&egress, &limits);
            with_retries(limits, about, |until| probe.attempt(egress, limits, about, until)).await
        })
        .await
    }

    /// Returns what is dialled for a URL.
    pub(crate) fn place<'p>(&'p self, url: &'p Url) -> (&'p str, u16) {
        match &self.dial {
            Some((host, port)) if url.origin() == self.url.origin() => (host, *port),
            Some(_) | None => {
                let port = url.port_or_known_default().unwrap_or(80);
                (url.host_str().unwrap_or_default(), port)
            }
        }
    }

    async fn attempt(
        &self,
        egress: &Egress,
        limits: &Limits,
        about: &About,
        until: Instant,
    ) -> Report {
        let started = Instant::now();
        let mut timings = Timings::default();
        let limits = limits.within(until.saturating_duration_since(started));
        let exchange =
            Exchange { probe: self, egress, limits: &limits, until, follow: Follow::of(self) };
        // Ended here and not by the retries around it, so that the phases so far are told.
        let answer = timeout_at(until, exchange.run(&mut timings)).await;
        let report = match answer.unwrap_or_else(|_elapsed| Err(timed_out(started.elapsed()))) {
            Ok(answer) => {
                let seen = Seen { answer, took: started.elapsed(), timings, until };
                let status = Some(seen.answer.status.as_u16());
                Report { status, ..self.judge(&seen, about).await }
            }
            Err(error) => about.failed(error),
        };
        Report { timings, ..report }
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
