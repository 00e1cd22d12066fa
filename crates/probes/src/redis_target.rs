//! The address of a Redis server as people write it: `redis://`, `rediss://` and unix sockets.
//!
//! The Redis probe dials it. Credentials live in a secret and are never shown.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;
use secrecy::SecretString;

use crate::error::Error;
use crate::outcome::{Class, ReasonCode};
use crate::redact::MASK;

/// The port of Redis when none is written.
const DEFAULT_PORT: u16 = 6379;

/// A Redis server and how to sign in there.
#[derive(Debug, Clone)]
pub struct RedisTarget {
    pub(crate) place: Place,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<SecretString>,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16 },
    Unix { path: PathBuf },
}

impl RedisTarget {
    /// Returns the name or address that is dialled; empty for a socket.
    pub(crate) fn host(&self) -> &str {
        match &self.place {
            Place::Tcp { host, .. } | Place::Tls { host, .. } => host,
            Place::Unix { .. } => "",
        }
    }

    /// Reads `redis://[user:password@]host[:port]`, `rediss://…`, `redis+unix:///path[?user=…&pass=…]` or `unix://…`.
    ///
    /// Of `redis+cluster://h1,h2` and `redis+sentinel://h1,h2/name` the first host stands for all: a probe asks one server.
    ///
    /// # Errors
    /// Another scheme, no host or no path; the text does not repeat what was written.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| {
            let attempted = "reading the URL of a Redis probe";
            Error::new(Class::Internal, ReasonCode::InvalidTarget, attempted, why)
        };
        let one = first_host(text);
        let url = Url::parse(one.as_deref().unwrap_or(text))
            .map_err(|error| wrong(&error.to_string()))?;
        match url.scheme() {
            "redis" | "rediss" => {
                Self::from_network_url(&url).ok_or_else(|| wrong("it must be redis://host[:port]"))
            }
            "redis+unix" | "unix" => Self::from_unix_url(&url)
                .ok_or_else(|| wrong("it must be redis+unix:///path/to/socket")),
            _ => Err(wrong("its scheme must be redis, rediss or redis+unix")),
        }
    }

    fn from_network_url(url: &Url) -> Option<Self> {
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        let port = url.port().unwrap_or(DEFAULT_PORT);
        let place = if url.scheme() == "rediss" {
            Place::Tls { host, port }
        } else {
            Place::Tcp { host, port }
        };
        let user = Some(decoded(url.username())).filter(|user| !user.is_empty());
        let password = url.password().map(|password| decoded(password).into());
        Some(Self { place, user, password })
    }

    fn from_unix_url(url: &Url) -> Option<Self> {
        let path = PathBuf::from(decoded(url.path()));
        let value = |name: &str| {
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let (user, password) = (value("user"), value("pass").map(Into::into));
        path.is_absolute().then_some(Self { place: Place::Unix { path }, user, password })
    }
}

/// The target without its credentials.
impl fmt::Display for RedisTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign_in = match (&self.user, &self.password) {
            (Some(user), Some(_)) => format!("{user}:{MASK}@"),
            (None, Some(_)) => format!("{MASK}@"),
            (Some(user), None) => format!("{user}@"),
            (None, None) => String::new(),
        };
        match &self.place {
            Place::Tcp { host, port } => write!(f, "redis://{sign_in}{}:{port}", bracketed(host)),
            Place::Tls { host, port } => write!(f, "rediss://{sign_in}{}:{port}", bracketed(host)),
            Place::Unix { path } => write!(f, "redis+unix://{}", path.display()),
        }
    }
}

/// Returns the URL of the first of several hosts, or nothing when the scheme names one host anyway.
fn first_host(text: &str) -> Option<String> {
    let several = ["redis+cluster://", "redis+sentinel://"];
    let rest = several.iter().find_map(|scheme| text.strip_prefix(scheme))?;
    let hosts = rest.split(['/', '?']).next().unwrap_or_default();
    // A password may hold a comma; the hosts begin after the last `@`.
    let (sign_in, hosts) =
        hosts.rsplit_once('@').map_or(("", hosts), |(user, hosts)| (user, hosts));
    let first = hosts.split(',').next().unwrap_or_default();
    let at = if sign_in.is_empty() { "" } else { "@" };
    Some(format!("redis://{sign_in}{at}{first}"))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Undoes percent-encoding, as passwords with reserved characters need it.
pub(crate) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_target_is_shown_without_its_password() {
        let cases = [
            ("redis://cache", "redis://cache:6379"),
            ("redis://cache:6380/2", "redis://cache:6380"),
            ("redis://:hunter2@cache", "redis://***@cache:6379"),
            ("redis://ada:hunter2@cache", "redis://ada:***@cache:6379"),
            ("rediss://cache", "rediss://cache:6379"),
            ("redis+cluster://:hunter2@a:7000,b:7001", "redis://***@a:7000"),
            ("redis+sentinel://a:26379,b:26379/main?x=1", "redis://a:26379"),
            ("redis://[::1]:7000", "redis://[::1]:7000"),
            ("redis+unix:///run/redis.sock?pass=hunter2", "redis+unix:///run/redis.sock"),
            ("unix:///run/redis.sock", "redis+unix:///run/redis.sock"),
        ];
        for (written, shown) in cases {
            let target = RedisTarget::parse(written).unwrap();
            assert_eq!(target.to_string(), shown);
            assert!(!format!("{target:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_password_is_decoded() {
        let target = RedisTarget::parse("redis://:p%40ss%2Fw%C3%B6rd@cache").unwrap();
        assert_eq!(target.password.unwrap().expose_secret(), "p@ss/wörd");
    }

    #[test]
    fn what_is_not_one_server_is_refused_without_repeating_it() {
        for written in
            ["http://hunter2@cache", "redis+cluster://", "cache:6379", "redis://", "unix://x"]
        {
            let error = RedisTarget::parse(written).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
