//! Addresses of the fleet file: host and port, URLs that may be shown, URLs that are secrets.
//!
//! Owns parsing and the redacted forms. Every probe and receiver section is built from these.
//! Never resolves or dials a name, and never shows user info or a secret query parameter.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use url::Url;

use crate::secret::MASK;

/// Query parameters whose values are never shown.
const SECRET_PARAMETERS: [&str; 7] =
    ["token", "key", "secret", "password", "sig", "signature", "code"];

/// Names a TCP endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// A host name or a literal address, IPv6 without brackets.
    pub host: String,
    /// The port, 1..=65535.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = &'static str;

    /// Reads `host:port`, `[v6]:port`, or a URL whose scheme has a well-known port.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("://") {
            let Ok(url) = Url::parse(text) else { return Err("is not a URL") };
            return Self::of_url(&url);
        }
        let (host, port) = text.rsplit_once(':').ok_or("has no port; write host:port")?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(v6) => v6,
            None if host.contains(':') => return Err("is ambiguous; write [v6]:port"),
            None => host,
        };
        let strange = |c: char| c.is_whitespace() || c.is_control() || "/@?#".contains(c);
        if host.is_empty() || host.contains(strange) {
            return Err("has no usable host name; write host:port");
        }
        match port.parse() {
            Ok(0) | Err(_) => Err("has no usable port; write a number from 1 to 65535"),
            Ok(port) => Ok(Self { host: host.to_owned(), port }),
        }
    }
}

impl HostPort {
    /// Takes host and port of a URL; the scheme gives the port where the URL has none.
    fn of_url(url: &Url) -> Result<Self, &'static str> {
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("names no host")?;
        let well_known = match url.scheme() {
            "postgres" | "postgresql" => Some(5432),
            "mysql" => Some(3306),
            "redis" | "rediss" => Some(6379),
            "smtp" => Some(25),
            "amqp" => Some(5672),
            _ => None,
        };
        let port = url.port_or_known_default().or(well_known).ok_or("has no port")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Serialize for HostPort {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Holds the URL of a probe's target; shown without user info and secret parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetUrl(Url);

impl TargetUrl {
    /// Wraps a URL that has been checked for scheme and host.
    pub(crate) fn new(url: Url) -> Self {
        Self(url)
    }

    /// Gives the whole URL to the code that dials it.
    pub fn expose(&self) -> &Url {
        &self.0
    }

    /// Returns the URL of a path below this one; the query is the path's own.
    pub(crate) fn below(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{}", path.trim_start_matches('/')));
        url.set_query(query);
        Self(url)
    }

    /// Returns the URL without a path at its end, so that a base may be given as the health URL
    /// itself.
    pub(crate) fn without(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        if let Some(base) = self.0.path().trim_end_matches('/').strip_suffix(path) {
            url.set_path(base);
        }
        Self(url)
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(redacted(&self.0).as_str())
    }
}

impl fmt::Debug for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TargetUrl {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Holds a URL whose path is itself a credential, such as an incoming webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// Wraps a URL that has been checked for scheme and host.
    pub(crate) fn new(url: Url) -> Self {
        Self(url)
    }

    /// Gives the whole URL to the code that dials it.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.0.host_str().unwrap_or_default())?;
        if let Some(port) = self.0.port() {
            write!(f, ":{port}")?;
        }
        write!(f, "/{MASK}")
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Holds the address of a Redis, one host or several; shown without user info and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

impl RedisUrl {
    /// The schemes a Redis address may have.
    pub const SCHEMES: [&'static str; 7] = [
        "redis",
        "rediss",
        "redis+unix",
        "redis+cluster",
        "rediss+cluster",
        "redis+sentinel",
        "rediss+sentinel",
    ];

    /// Checks the scheme; what follows it is the connection's to judge.
    pub(crate) fn try_new(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some((scheme, rest)) if Self::SCHEMES.contains(&scheme) && !rest.is_empty() => {
                Ok(Self(text.to_owned()))
            }
            Some(_) | None => {
                Err(format!("must be a URL of one of these schemes: {}", Self::SCHEMES.join(", ")))
            }
        }
    }

    /// Gives the whole address to the code that dials it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("redis", ""));
        let (place, parameters) = match rest.split_once('?') {
            Some((place, _)) => (place, "?***"),
            None => (rest, ""),
        };
        match place.rsplit_once('@') {
            Some((_, hosts)) => write!(f, "{scheme}://{MASK}@{hosts}{parameters}"),
            None => write!(f, "{scheme}://{place}{parameters}"),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RedisUrl {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Returns the URL without user info and with secret query values masked.
fn redacted(url: &Url) -> Url {
    let mut shown = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        // Both fail only for URLs that cannot have user info, and then there is none to hide.
        shown.set_password(None).unwrap_or_default();
        shown.set_username(MASK).unwrap_or_default();
    }
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let secret = SECRET_PARAMETERS.iter().any(|s| name.to_lowercase().contains(s));
                (name.into_owned(), if secret { MASK.to_owned() } else { value.into_owned() })
            })
            .collect();
        shown.query_pairs_mut().clear().extend_pairs(pairs);
    }
    shown
}
