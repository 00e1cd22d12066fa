//! The TCP probe: connects, says something if asked to, and looks at what comes back.
//!
//! Workers use it for whatever speaks no protocol of its own here. It never sends anything that was not configured.

use std::time::Duration;

use printery_config::StartTls;
use printery_expressions::{Condition, Pattern};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::addresses::over;
use crate::assertions;
use crate::channel::{Channel, Handshake, Peer, Wire};
use crate::classify::io_error;
use crate::egress::Egress;
use crate::error::Error;
use crate::facts;
use crate::http::MAX_BODY;
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::redact::{self, brief};
use crate::report::{Report, Timings};
use crate::retry::{About, with_retries};
use crate::starttls;
use crate::trust::Trust;

/// What the first bytes from the target must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// They begin with this.
    Prefix(Vec<u8>),
    /// They contain this.
    Contains(Vec<u8>),
    /// The pattern is found in them.
    Like(Pattern),
}

/// One connection and what is expected of it.
#[derive(Debug, Clone)]
pub struct TcpProbe {
    /// A name or a literal address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Bytes to send after connecting.
    pub send: Option<Vec<u8>>,
    /// What must come back.
    pub expect: Option<Expect>,
    /// How the connection is encrypted before anything is said.
    pub starttls: Option<StartTls>,
    /// Whom to believe; whom this machine believes, if nobody is named.
    pub trust: Option<Trust>,
    /// Conditions over everything that was seen.
    pub conditions: Vec<Condition>,
    /// Total time from which on a right answer is a warning.
    pub warn_after: Option<Duration>,
    /// Total time from which on a right answer is a failure.
    pub fail_after: Option<Duration>,
}

/// What has been read so far, seen through the expectation.
#[derive(Debug, PartialEq, Eq)]
enum Match {
    Yes,
    NotYet,
    Never,
}

impl TcpProbe {
    /// Makes a probe of `host:port` (also `tcp://host:port`, `[v6]:port`) that expects a connection only.
    ///
    /// # Errors
    /// The text has no host or no port between 1 and 65535.
    pub fn try_new(address: &str) -> Result<Self, Error> {
        let bare = address.strip_prefix("tcp://").unwrap_or(address);
        let parsed = bare.rsplit_once(':').and_then(|(host, port)| {
            let host = host.trim_matches(['[', ']']);
            let literal = host.contains(':') && host.parse::<std::net::Ipv6Addr>().is_err();
            let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
            let plain = !host.is_empty() && !host.contains(['@', '/', '?', '#', ' ']);
            (plain && !literal).then(|| (host.to_owned(), port))
        });
        match parsed {
            Some((host, port)) => Ok(Self::new(host, port)),
            None => Err(Error::new(
                Class::Internal,
                ReasonCode::InvalidTarget,
                "reading the address of a TCP probe",
                "it must be host:port",
            )),
        }
    }

    /// Makes a probe of a host, a name or a literal address without brackets, that expects a connection only.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            send: None,
            expect: None,
            starttls: None,
            trust: None,
            conditions: Vec::new(),
            warn_after: None,
            fail_after: None,
        }
    }

    /// Connects, with retries, and judges what comes back.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connection.
    pub async fn run(&self, egress: &Egress, limits: &Limits) -> Report {
        let target = self.target();
        let expected = match &self.expect {
            None => "a connection".to_owned(),
            Some(Expect::Prefix(_)) => "an answer with the expected beginning".to_owned(),
            Some(Expect::Contains(_)) => "an answer with the expected text".to_owned(),
            Some(Expect::Like(pattern)) => format!("an answer like `{pattern}`"),
        };
        let about = About { attempted: format!("connecting to {target}"), target, expected };
        let (probe, about) = (self, &about);
        over(egress, &self.host, limits, about, |egress, limits| async move {
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
        let seen = self.talk(egress, reach, until, &mut timings).await;
        let took = started.elapsed();
        let seen = match seen {
            Ok((peer, said)) => self.holds(&peer, &said, took, &timings, until).await,
            Err(error) => Err(error),
        };
        let caveat = Trust::caveat(self.trust.as_ref());
        let report = match seen {
            Ok(observed) => about
                .passed(format!("{observed} in {}{caveat}", brief(took)))
                .judged_by_latency(took, self.warn_after, self.fail_after),
            Err(error) => about.failed(error),
        };
        Report { timings, ..report }
    }

    /// Connects, encrypts if asked to, says and hears; returns who it was and what was heard.
    async fn talk(
        &self,
        egress: &Egress,
        reach: Instant,
        until: Instant,
        timings: &mut Timings,
    ) -> Result<(Peer, Vec<u8>), Error> {
        let mut channel = Channel::open(egress, &self.host, self.port, reach).await?;
        *timings = channel.timings;
        let (mut wire, peer) = match self.starttls {
            None => (channel.wire, channel.peer),
            Some(kind) => {
                starttls::negotiate(kind, &mut channel.wire, until).await?;
                let trust = self.trust.clone().map_or_else(Trust::machine, Ok)?;
                let handshake =
                    Handshake { name: &self.host, trust: &trust, alpn: &[], identity: None };
                let (wire, peer, spent) = channel.secure(handshake, until).await;
                *timings = spent;
                (wire?, peer)
            }
        };
        let asked = Instant::now();
        let said = self.converse(&mut wire, until).await;
        if self.expect.is_some() {
            timings.processing = Some(asked.elapsed());
        }
        Ok((peer, said?))
    }

    async fn holds(
        &self,
        peer: &Peer,
        said: &[u8],
        took: Duration,
        timings: &Timings,
        until: Instant,
    ) -> Result<&'static str, Error> {
        if !self.conditions.is_empty() {
            let mut facts = facts::of_connection(peer, took, timings);
            facts.insert("body".to_owned(), String::from_utf8_lossy(said).into());
            assertions::check(&self.conditions, facts, until).await?;
        }
        Ok(if self.expect.is_some() { "answered as expected" } else { "connected" })
    }

    /// Sends and reads what is configured; returns what was heard when the expectation is met.
    async fn converse(&self, wire: &mut Box<dyn Wire>, until: Instant) -> Result<Vec<u8>, Error> {
        if let Some(bytes) = &self.send {
            wire.write_all(bytes).await.map_err(|error| io_error(&error, ""))?;
            wire.flush().await.map_err(|error| io_error(&error, ""))?;
        }
        let mut seen = Vec::new();
        let Some(expect) = &self.expect else {
            return Ok(seen);
        };
        loop {
            match expect.look(&seen) {
                Match::Yes => return Ok(seen),
                Match::Never => return Err(unexpected(&seen)),
                Match::NotYet if seen.len() >= MAX_BODY => return Err(unexpected(&seen)),
                Match::NotYet => {}
            }
            match timeout_at(until, wire.read_buf(&mut seen)).await {
                Ok(Ok(0)) => return Err(unexpected(&seen)),
                Ok(Ok(_more)) => {}
                Ok(Err(error)) => return Err(io_error(&error, "")),
                Err(_elapsed) if seen.is_empty() => {
                    let observed = "connected, but nothing was sent in time";
                    return Err(Error::new(Class::Transient, ReasonCode::Timeout, "", observed));
                }
                Err(_elapsed) => return Err(unexpected(&seen)),
            }
        }
    }

    fn target(&self) -> String {
        shown(&self.host, self.port)
    }
}

/// Writes a host and a port as people do.
pub(crate) fn shown(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl Expect {
    fn look(&self, seen: &[u8]) -> Match {
        match self {
            Self::Prefix(prefix) if seen.starts_with(prefix) => Match::Yes,
            Self::Prefix(prefix) if prefix.starts_with(seen) => Match::NotYet,
            Self::Prefix(_) => Match::Never,
            Self::Contains(text) if text.is_empty() => Match::Yes,
            Self::Contains(text) if seen.windows(text.len()).any(|w| w == text) => Match::Yes,
            Self::Like(pattern) if pattern.is_in(seen) => Match::Yes,
            Self::Contains(_) | Self::Like(_) => Match::NotYet,
        }
    }
}

fn unexpected(seen: &[u8]) -> Error {
    let (reason, observed) = if seen.is_empty() {
        (ReasonCode::ConnectionClosed, "connected, but the connection was closed without an answer")
    } else {
        (ReasonCode::Content, "answered something else than expected")
    };
    Error::new(Class::Assertion, reason, "", observed).with_evidence(redact::evidence(seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let good = [
            ("db:5432", "db:5432"),
            ("tcp://db.internal:5432", "db.internal:5432"),
            ("[::1]:80", "[::1]:80"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ];
        for (written, target) in good {
            assert_eq!(TcpProbe::try_new(written).unwrap().target(), target);
        }
        for written in
            ["db", "db:", ":80", "db:0", "db:70000", "http://db:80", "u:p@db:80", "a:b:80"]
        {
            assert!(TcpProbe::try_new(written).is_err(), "{written}");
        }
    }

    #[test]
    fn a_wrong_beginning_is_known_before_the_end() {
        let prefix = Expect::Prefix(b"220 ".to_vec());
        assert_eq!(prefix.look(b""), Match::NotYet);
        assert_eq!(prefix.look(b"22"), Match::NotYet);
        assert_eq!(prefix.look(b"220 mail"), Match::Yes);
        assert_eq!(prefix.look(b"554"), Match::Never);
        let contains = Expect::Contains(b"ESMTP".to_vec());
        assert_eq!(contains.look(b"220 mail ESM"), Match::NotYet);
        assert_eq!(contains.look(b"220 mail ESMTP"), Match::Yes);
    }
}
