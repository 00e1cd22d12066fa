//! The Redis probe: signs in, pings, and reads role and version.
//!
//! Workers use it for caches and for the fleet's own Redis. It only ever sends AUTH, PING, EXISTS and INFO, and needs no
//! client library for that; passwords are read from the target and never shown.

use std::time::Duration;

use printery_expressions::Condition;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncWrite, BufStream};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::addresses::over;
use crate::assertions;
use crate::classify::{connect_timeout, io_error};
use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::redact::brief;
use crate::redis_portrait::Portrait;
use crate::redis_target::{Place, RedisTarget};
use crate::report::{Report, Timings};
use crate::resp::{Reply, receive, send};
use crate::retry::{About, with_retries};
use crate::tls;

/// One server and what is expected of it.
#[derive(Debug, Clone)]
pub struct RedisProbe {
    /// The server.
    pub target: RedisTarget,
    /// The role that it must have, `master` or `slave`.
    pub role: Option<String>,
    /// The lowest version that will do, as in `6.2`.
    pub min_version: Option<String>,
    /// What it must do when its memory is full.
    pub maxmemory_policy: Option<String>,
    /// A key that must not be there.
    pub maintenance_key: Option<String>,
    /// Conditions over what it says of itself.
    pub conditions: Vec<Condition>,
    /// Total time from which on a right answer is a warning.
    pub warn_after: Option<Duration>,
    /// Total time from which on a right answer is a failure.
    pub fail_after: Option<Duration>,
}

/// The sections of `INFO`: who it is, then how it does.
const SECTIONS: [&str; 5] = ["server", "replication", "memory", "persistence", "clients"];

/// Whatever carries the bytes.
trait Carrier: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Carrier for T {}

impl RedisProbe {
    /// Makes a probe that expects a PONG only.
    ///
    /// # Errors
    /// The text is not the URL of one server.
    pub fn try_new(url: &str) -> Result<Self, Error> {
        Ok(Self {
            target: RedisTarget::parse(url)?,
            role: None,
            min_version: None,
            maxmemory_policy: None,
            maintenance_key: None,
            conditions: Vec::new(),
            warn_after: None,
            fail_after: None,
        })
    }

    /// Asks, with retries, and judges the answers.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connection.
    pub async fn run(&self, egress: &Egress, limits: &Limits) -> Report {
        let target = self.target.to_string();
        let about =
            About { attempted: format!("PING {target}"), target, expected: self.expected() };
        let (probe, about) = (self, &about);
        over(egress, self.target.host(), limits, about, |egress, limits| async move {
            let (egress, limits) = (&egress, &limits);
            with_retries(limits, about, |until| probe.attempt(egress, limits, about, until)).await
        })
        .await
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
        let reach = until.min(started + limits.connect);
        let answer = match self.reach(egress, reach, &mut timings).await {
            Ok(carrier) => {
                let asked = Instant::now();
                let answer = self.interview(carrier).await;
                timings.processing = Some(asked.elapsed());
                answer
            }
            Err(error) => Err(error),
        };
        let took = started.elapsed();
        let right = match answer {
            Ok(portrait) => self.holds(&portrait, took, until).await,
            Err(error) => Err(error),
        };
        let report = match right {
            Ok(observed) => {
                about.passed(observed).judged_by_latency(took, self.warn_after, self.fail_after)
            }
            Err(error) => about.failed(error),
        };
        Report { timings, ..report }
    }

    async fn reach(
        &self,
        egress: &Egress,
        deadline: Instant,
        timings: &mut Timings,
    ) -> Result<Box<dyn Carrier>, Error> {
        let (host, port) = match &self.target.place {
            Place::Unix { path } => {
                egress.admit_unix_socket()?;
                let opened = timeout_at(deadline, UnixStream::connect(path)).await;
                let opened = opened.map_err(|_elapsed| connect_timeout("", Duration::ZERO))?;
                return match opened {
                    Ok(stream) => Ok(Box::new(stream)),
                    Err(error) => Err(io_error(&error, "")),
                };
            }
            Place::Tcp { host, port } | Place::Tls { host, port } => (host, *port),
        };
        let connection = egress.connect(Purpose::Probe, host, port, deadline).await?;
        timings.resolve = connection.resolve;
        timings.connect = Some(connection.connect);
        if !matches!(self.target.place, Place::Tls { .. }) {
            return Ok(Box::new(connection.stream));
        }
        let name = ServerName::try_from(host.clone()).map_err(|_invalid| {
            let observed = "its host is not a name that a certificate could carry";
            Error::new(Class::Internal, ReasonCode::InvalidTarget, "", observed)
        })?;
        let started = Instant::now();
        let handshake = TlsConnector::from(std::sync::Arc::new(tls::plain()?))
            .connect(name, connection.stream)
            .await
            .map_err(|error| io_error(&error, ""))?;
        timings.tls = Some(started.elapsed());
        Ok(Box::new(handshake))
    }

    /// Signs in, pings, and asks for a portrait; a user who may not see the portrait still gets a PONG.
    async fn interview(&self, carrier: Box<dyn Carrier>) -> Result<Portrait, Error> {
        let mut stream = BufStream::new(carrier);
        if let Some(password) = &self.target.password {
            let password = password.expose_secret();
            let command: &[&str] = match &self.target.user {
                Some(user) => &["AUTH", user, password],
                None => &["AUTH", password],
            };
            ask(&mut stream, command).await?;
        }
        let pong = ask(&mut stream, &["PING"]).await?;
        if pong != "PONG" {
            let observed = "answered a PING with something else than PONG";
            return Err(Error::new(Class::Permanent, ReasonCode::Protocol, "", observed));
        }
        if let Some(key) = &self.maintenance_key
            && ask(&mut stream, &["EXISTS", key]).await? != "0"
        {
            let observed = format!("is up, and `{key}` says that somebody is at work on it");
            return Err(Error::new(Class::Assertion, ReasonCode::NotReady, "", observed));
        }
        let mut portrait = Portrait::default();
        let needed = if self.needs_memory() { &SECTIONS[..] } else { &SECTIONS[..2] };
        for section in needed {
            match ask(&mut stream, &["INFO", section]).await {
                Ok(text) => portrait.read(&text),
                // Wanting to know is no reason to fail, unless the answer is needed.
                Err(error) if error.reason_code() == ReasonCode::Auth && !self.needs_portrait() => {
                }
                Err(error) => return Err(error),
            }
        }
        Ok(portrait)
    }

    /// Judges what a server says of itself by the rules, then by the conditions.
    async fn holds(
        &self,
        portrait: &Portrait,
        took: Duration,
        until: Instant,
    ) -> Result<String, Error> {
        let observed = self.judge(portrait, took)?;
        if !self.conditions.is_empty() {
            assertions::check(&self.conditions, portrait.facts(took), until).await?;
        }
        Ok(observed)
    }

    fn judge(&self, portrait: &Portrait, took: Duration) -> Result<String, Error> {
        let mut observed = format!("PONG in {}", brief(took));
        if let Some(role) = &portrait.role {
            observed.push_str(", role ");
            observed.push_str(role);
        }
        if let Some(version) = &portrait.version {
            observed.push_str(", version ");
            observed.push_str(version);
        }
        let unmet = |reason, expected: String| {
            let observed = format!("{observed}, expected {expected}");
            Err(Error::new(Class::Assertion, reason, "", observed))
        };
        if let Some(role) = &self.role
            && portrait.role.as_deref() != Some(role_name(role))
        {
            return unmet(ReasonCode::Role, format!("role {role}"));
        }
        if let Some(lowest) = &self.min_version
            && !portrait.version.as_deref().is_some_and(|version| at_least(version, lowest))
        {
            return unmet(ReasonCode::Version, format!("version {lowest} or later"));
        }
        if let Some(policy) = &self.maxmemory_policy
            && portrait.maxmemory_policy.as_ref() != Some(policy)
        {
            let seen = portrait.maxmemory_policy.as_deref().unwrap_or("nothing");
            return unmet(ReasonCode::Setting, format!("maxmemory-policy {policy}, found {seen}"));
        }
        Ok(observed)
    }

    fn needs_portrait(&self) -> bool {
        self.role.is_some() || self.min_version.is_some() || self.needs_memory()
    }

    fn needs_memory(&self) -> bool {
        self.maxmemory_policy.is_some() || !self.conditions.is_empty()
    }

    fn expected(&self) -> String {
        let mut expected = "PONG".to_owned();
        if let Some(role) = &self.role {
            expected.push_str(", role ");
            expected.push_str(role);
        }
        if let Some(version) = &self.min_version {
            expected.push_str(", version ");
            expected.push_str(version);
            expected.push_str(" or later");
        }
        if let Some(policy) = &self.maxmemory_policy {
            expected.push_str(", maxmemory-policy ");
            expected.push_str(policy);
        }
        for condition in &self.conditions {
            expected.push_str(", ");
            expected.push_str(condition.as_str());
        }
        expected
    }
}

async fn ask(stream: &mut BufStream<Box<dyn Carrier>>, command: &[&str]) -> Result<String, Error> {
    send(stream, command).await?;
    match receive(stream).await? {
        Reply::Text(text) => Ok(text),
        Reply::Refusal(text) => Err(refusal(&text)),
    }
}

/// Sorts an error reply by its first word; the words after it may quote what was sent and are not repeated.
///
/// # Source
/// The error prefixes of Redis 7 (`server.c`, `acl.c`).
fn refusal(text: &str) -> Error {
    let word = text.split_whitespace().next().unwrap_or_default();
    let (class, reason) = match word {
        "LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" => {
            (Class::Transient, ReasonCode::NotReady)
        }
        "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED" => (Class::Permanent, ReasonCode::Auth),
        "ERR" if text.contains("max number of clients") => (Class::Transient, ReasonCode::NotReady),
        "ERR" if text.contains("AUTH") => (Class::Permanent, ReasonCode::Auth),
        _ => (Class::Permanent, ReasonCode::Protocol),
    };
    let known = word.len() <= 16 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    let observed = match (reason, known) {
        (ReasonCode::Auth, true) => format!("refused the sign-in ({word})"),
        (ReasonCode::NotReady, true) => format!("is not ready ({word})"),
        (_, true) => format!("answered with an error ({word})"),
        (_, false) => "answered with an error".to_owned(),
    };
    Error::new(class, reason, "", observed)
}

/// Redis itself says `slave`; people may write `replica` and `primary`.
fn role_name(role: &str) -> &str {
    match role {
        "replica" => "slave",
        "primary" => "master",
        other => other,
    }
}

/// Compares dotted versions number by number; what is not a number counts as 0.
fn at_least(version: &str, lowest: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        let mut numbers: Vec<u64> =
            text.split('.').map(|part| part.parse().unwrap_or_default()).collect();
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        numbers
    };
    numbers(version) >= numbers(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_replies_are_sorted_by_their_first_word() {
        let cases = [
            (
                "LOADING Redis is loading the dataset in memory",
                Class::Transient,
                ReasonCode::NotReady,
            ),
            ("BUSY Redis is busy running a script", Class::Transient, ReasonCode::NotReady),
            ("ERR max number of clients reached", Class::Transient, ReasonCode::NotReady),
            ("NOAUTH Authentication required.", Class::Permanent, ReasonCode::Auth),
            ("WRONGPASS invalid username-password pair", Class::Permanent, ReasonCode::Auth),
            ("NOPERM this user has no permissions", Class::Permanent, ReasonCode::Auth),
            ("DENIED Redis is running in protected mode", Class::Permanent, ReasonCode::Auth),
            ("ERR AUTH <password> called without any password", Class::Permanent, ReasonCode::Auth),
            ("ERR unknown command", Class::Permanent, ReasonCode::Protocol),
        ];
        for (text, class, reason) in cases {
            let error = refusal(text);
            assert_eq!((error.class(), error.reason_code()), (class, reason), "{text}");
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(at_least("7.0.15", "6.2"));
        assert!(at_least("7.10", "7.9"));
        assert!(at_least("7", "7.0.0"));
        assert!(!at_least("6.2.9", "7"));
    }
}
