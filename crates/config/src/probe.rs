//! What a single probe needs to know: target, expectation, limits.
//!
//! Owns the probe settings shared by checks, endpoints and services. The probes crate makes probes
//! of them. Never performs one.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::address::HostPort;
use crate::addressing::{IpFamily, RetryOn};
use crate::node::{Node, Value};
use crate::problem::Code;
use crate::scalar;
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
