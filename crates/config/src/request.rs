//! A request and what its answer must be, as the fleet file describes it.
//!
//! Owns `http` of endpoints, checks and services. The probes crate makes probes of it. Never asks.

use serde::Serialize;

use crate::address::TargetUrl;
use crate::auth::HttpAuth;
use crate::authorities::Authorities;
use crate::expectation::HttpExpectation;
use crate::node::Value;
use crate::probe::{LatencyThresholds, Limits, StatusSet};
use crate::problem::Code;
use crate::secret::Secret;
use crate::table::Table;

/// Names the request method of an HTTP probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Asks for the body.
    #[default]
    Get,
    /// Asks for the headers alone.
    Head,
}

/// Describes a request and what its answer must be.
#[derive(Clone, Debug, Serialize)]
pub struct HttpProbe {
    /// Where the request goes.
    pub url: TargetUrl,
    /// How it asks.
    pub method: Method,
    /// Statuses that pass.
    pub status: StatusSet,
    /// Statuses that pass with a warning; they win over `status`.
    pub warn_status: StatusSet,
    /// Response times that count as slow; `None` where the using worker has its own thresholds.
    pub latency: Option<LatencyThresholds>,
    /// A text the body must contain (within the first 64 KiB).
    pub contains: Option<String>,
    /// Headers, values and conditions that the answer must meet.
    pub expect: HttpExpectation,
    /// Whose certificates are believed.
    pub authorities: Authorities,
    /// How many redirects are followed; `None`: as many as allowed, and none where a redirect is expected.
    pub follow: Option<usize>,
    /// Request headers, in the file's order; values are never shown.
    pub headers: Vec<(String, Secret)>,
    /// As whom the request is made.
    pub auth: HttpAuth,
    /// Time and repetition.
    pub limits: Limits,
}

/// The words of `method`.
const METHOD: [(&str, Method); 2] = [("GET", Method::Get), ("HEAD", Method::Head)];

/// Holds an HTTP probe whose URL is not known yet, so that the problems of all keys are found.
#[derive(Clone, Debug)]
pub(crate) struct HttpParts {
    method: Method,
    status: StatusSet,
    warn_status: StatusSet,
    latency: Option<LatencyThresholds>,
    contains: Option<String>,
    expect: HttpExpectation,
    authorities: Authorities,
    follow: Option<usize>,
    headers: Vec<(String, Secret)>,
    auth: HttpAuth,
    limits: Limits,
}

impl HttpParts {
    /// Starts with a plain request.
    pub(crate) fn new(status: StatusSet, limits: Limits) -> Self {
        Self {
            method: Method::Get,
            status,
            warn_status: StatusSet::none(),
            latency: None,
            contains: None,
            expect: HttpExpectation::default(),
            authorities: Authorities::Machine,
            follow: None,
            headers: Vec::new(),
            auth: HttpAuth::default(),
            limits,
        }
    }

    /// Completes the probe.
    pub(crate) fn to(self, url: TargetUrl) -> HttpProbe {
        HttpProbe {
            url,
            method: self.method,
            status: self.status,
            warn_status: self.warn_status,
            latency: self.latency,
            contains: self.contains,
            expect: self.expect,
            authorities: self.authorities,
            follow: self.follow,
            headers: self.headers,
            auth: self.auth,
            limits: self.limits,
        }
    }

    /// Reads how the request is made: `method`, `headers`, `auth`.
    pub(crate) fn read_request(&mut self, table: &mut Table<'_, '_>) {
        self.method = table.word("method", &METHOD).unwrap_or(self.method);
        if let Some(auth) = table.table("auth") {
            self.auth = HttpAuth::read(auth);
        }
        let what = table.name("headers");
        for (name, _, node) in table.named("headers") {
            // A header's value may be a credential, and nothing here needs to show it.
            if let Some(scalar) = table.reader.text(node, &what) {
                self.headers.push((name.to_owned(), Secret::new(scalar.text)));
            }
        }
    }

    /// Reads what the answer must be: `status`, `warn_status`, `latency`, `contains`, `expect`, `assert`, whom
    /// to believe, `follow`, limits.
    pub(crate) fn read_expectation(&mut self, table: &mut Table<'_, '_>) {
        self.limits = Limits::read_with_ip(table, self.limits);
        if let Some(status) = StatusSet::read(table, "status") {
            self.status = status;
        }
        if let Some(status) = StatusSet::read(table, "warn_status") {
            self.warn_status = status;
        }
        if let Some(latency) = LatencyThresholds::read(table, LatencyThresholds::default()) {
            self.latency = Some(latency);
        }
        self.contains = table.text("contains");
        self.expect = HttpExpectation::read(table);
        self.authorities = Authorities::read(table);
        self.follow = follow(table);
    }
}

/// The most redirects that a probe follows.
pub const MAX_REDIRECTS: usize = 3;

/// Reads `follow: true`, `follow: false` or `follow: 2`.
fn follow(table: &mut Table<'_, '_>) -> Option<usize> {
    let what = table.name("follow");
    let node = table.get("follow")?;
    match &node.value {
        Value::Bool(true) => Some(MAX_REDIRECTS),
        Value::Bool(false) => Some(0),
        Value::Number(text) => {
            let most = text.parse().ok().filter(|most| *most <= MAX_REDIRECTS);
            if most.is_none() {
                let text = format!("{what} must be at most {MAX_REDIRECTS} redirects");
                table.reader.report(Code::BadValue, node.at, text);
            }
            most
        }
        Value::Null | Value::Text(_) | Value::List(_) | Value::Table(_) => {
            let wanted = "`true`, `false` or a number of redirects";
            table.reader.wrong(node, &what, wanted);
            None
        }
    }
}
