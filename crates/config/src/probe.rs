//! What a single probe needs to know: target, expectation, limits.
//!
//! Owns the probe settings shared by checks, endpoints and services. The probes crate makes probes
//! of them. Never performs one.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::address::{HostPort, TargetUrl};
use crate::addressing::{IpFamily, RetryOn};
use crate::authorities::Authorities;
use crate::expectation::HttpExpectation;
use crate::node::{Node, Value};
use crate::problem::Code;
use crate::scalar;
use crate::secret::Secret;
use crate::shown;
use crate::table::Table;

/// Bounds one probe in time and repetition, and says over which addresses it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// How long one attempt may take, connecting included.
    #[serde(serialize_with = "shown::duration")]
    pub timeout: Duration,
    /// How long connecting may take; never more than `timeout`.
    #[serde(serialize_with = "shown::duration")]
    pub connect_timeout: Duration,
    /// How often a transient failure is tried in all; 1 is no repetition.
    pub attempts: u32,
    /// Which of a name's addresses are asked.
    pub ip: IpFamily,
    /// Final answers that are tried again all the same.
    pub retry_on: RetryOn,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            attempts: 2,
            ip: IpFamily::Any,
            retry_on: RetryOn::NONE,
        }
    }
}

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

/// Lists the response statuses that meet an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet(pub(crate) Vec<RangeInclusive<u16>>);

impl StatusSet {
    /// Tells whether a status is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }

    /// Tells whether no status at all is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the set that no status is in.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Returns 200 to 299.
    pub fn success() -> Self {
        Self(vec![200..=299])
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            if range.start() == range.end() {
                write!(f, "{}", range.start())?;
            } else {
                write!(f, "{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

impl Serialize for StatusSet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Says from which response time on an answer is slow, and from which it is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LatencyThresholds {
    /// From here on the target counts as degraded (a check: warns).
    #[serde(serialize_with = "shown::duration")]
    pub degraded: Duration,
    /// From here on the target counts as unhealthy (a check: fails).
    #[serde(serialize_with = "shown::duration")]
    pub unhealthy: Duration,
}

impl Default for LatencyThresholds {
    fn default() -> Self {
        Self { degraded: Duration::from_secs(1), unhealthy: Duration::from_secs(5) }
    }
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
    /// A bearer token for `Authorization`.
    pub bearer: Option<Secret>,
    /// Time and repetition.
    pub limits: Limits,
}

/// The words of `method`.
const METHOD: [(&str, Method); 2] = [("GET", Method::Get), ("HEAD", Method::Head)];

impl Limits {
    /// Reads what [`Limits::read`] does, and `ip`, of a target that is dialled itself.
    pub(crate) fn read_with_ip(table: &mut Table<'_, '_>, base: Self) -> Self {
        let ip = IpFamily::read(table, base.ip);
        Self { ip, ..Self::read(table, base) }
    }

    /// Reads `timeout`, `connect_timeout`, `attempts` and `retry_on` over the given ones.
    pub(crate) fn read(table: &mut Table<'_, '_>, base: Self) -> Self {
        let timeout = table.span("timeout").unwrap_or(base.timeout);
        let connect_timeout = table.span("connect_timeout");
        if connect_timeout.is_some_and(|connect| connect > timeout) {
            let text = format!(
                "{} is longer than `timeout`, {}",
                table.name("connect_timeout"),
                humantime::format_duration(timeout)
            );
            table.reader.report(Code::Conflict, table.at, text);
        }
        Self {
            timeout,
            connect_timeout: connect_timeout.unwrap_or(base.connect_timeout).min(timeout),
            attempts: table.small("attempts").unwrap_or(base.attempts),
            ip: base.ip,
            retry_on: RetryOn::read(table, base.retry_on),
        }
    }
}

impl LatencyThresholds {
    /// Reads `latency: { warn, fail }` over the given thresholds.
    pub(crate) fn read(table: &mut Table<'_, '_>, base: Self) -> Option<Self> {
        let mut latency = table.table("latency")?;
        let warn = latency.span("warn");
        let fail = latency.span("fail");
        let degraded = warn.unwrap_or(base.degraded);
        let unhealthy = fail.unwrap_or(base.unhealthy);
        if degraded > unhealthy {
            let text = format!(
                "{} is above `fail`, {}",
                latency.name("warn"),
                humantime::format_duration(unhealthy)
            );
            latency.reader.report(Code::Conflict, latency.at, text);
        }
        latency.close();
        Some(Self { degraded, unhealthy })
    }
}

impl StatusSet {
    /// Reads a list of statuses and ranges: `[200-299, 401]`.
    pub(crate) fn read(table: &mut Table<'_, '_>, key: &'static str) -> Option<Self> {
        let what = table.name(key);
        let node = table.get(key)?;
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Table(_) => {
                std::slice::from_ref(node)
            }
        };
        let range = |item: &Node| match &item.value {
            Value::Number(text) | Value::Text(text) => {
                let range = status_range(text);
                if range.is_none() {
                    let text = format!("{what} must hold statuses such as `200` or `200-299`");
                    table.reader.report(Code::BadValue, item.at, text);
                }
                range
            }
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Table(_) => {
                table.reader.wrong(item, &what, "a list of statuses");
                None
            }
        };
        Some(Self(items.iter().filter_map(range).collect()))
    }
}

/// Accepts `204` and `200-299`.
fn status_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let first: u16 = first.trim().parse().ok()?;
    let last: u16 = last.trim().parse().ok()?;
    (first >= 100 && first <= last && last <= 599).then_some(first..=last)
}

/// Holds what HTTP probes expect where they do not say.
#[derive(Clone, Debug)]
pub(crate) struct HttpDefaults {
    pub(crate) health: String,
    pub(crate) ready: String,
    pub(crate) status: StatusSet,
}

impl Default for HttpDefaults {
    fn default() -> Self {
        Self {
            health: "/health".to_owned(),
            ready: "/ready".to_owned(),
            status: StatusSet::success(),
        }
    }
}

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
    bearer: Option<Secret>,
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
            bearer: None,
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
            bearer: self.bearer,
            limits: self.limits,
        }
    }

    /// Reads how the request is made: `method`, `headers`, `auth`.
    pub(crate) fn read_request(&mut self, table: &mut Table<'_, '_>) {
        self.method = table.word("method", &METHOD).unwrap_or(self.method);
        if let Some(mut auth) = table.table("auth") {
            self.bearer = auth.secret("bearer");
            auth.later(&["basic", "oauth2", "mtls"]);
            auth.close();
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

/// The schemes of HTTP targets.
pub(crate) const HTTP: [&str; 2] = ["http", "https"];

/// Reads the address of a TCP target.
pub(crate) fn host_port(table: &mut Table<'_, '_>, key: &'static str) -> Option<HostPort> {
    let what = table.name(key);
    let node = table.get(key)?;
    let scalar = table.reader.text(node, &what)?;
    scalar::hide_user_info(table.reader, node, &what, &scalar.written);
    scalar::checked(table.reader, node, &what, &scalar, |text| {
        text.parse::<HostPort>().map_err(str::to_owned)
    })
}
