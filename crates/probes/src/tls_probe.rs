//! The TLS probe: makes a handshake and looks at the certificate.
//!
//! Workers use it for ports whose certificate must be watched. A certificate that is not believed is described all the
//! same; nothing is ever sent over the connection.

use std::time::Duration;

use jiff::Timestamp;
use printery_config::{CertificateRules, StartTls, TlsVersion};
use printery_expressions::Condition;
use tokio::time::Instant;

use crate::addresses::over;
use crate::assertions;
use crate::certificate::Certificate;
use crate::channel::{Channel, Handshake, Peer};
use crate::egress::Egress;
use crate::error::Error;
use crate::facts;
use crate::limits::Limits;
use crate::outcome::{Class, Outcome, ReasonCode};
use crate::redact::brief;
use crate::report::{Report, Timings};
use crate::retry::{About, with_retries};
use crate::starttls;
use crate::trust::Trust;

/// One port and what its certificate must be.
#[derive(Debug, Clone)]
pub struct TlsProbe {
    /// A name or a literal address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The name that the certificate must be for.
    pub server_name: String,
    /// How the connection is encrypted, if not at once.
    pub starttls: Option<StartTls>,
    /// What the certificate must be good for.
    pub certificate: CertificateRules,
    /// Conditions over everything that was seen.
    pub conditions: Vec<Condition>,
    /// Whom to believe; whom this machine believes, if nobody is named.
    pub trust: Option<Trust>,
    /// Total time from which on a right answer is a warning.
    pub warn_after: Option<Duration>,
    /// Total time from which on a right answer is a failure.
    pub fail_after: Option<Duration>,
}

impl TlsProbe {
    /// Makes a probe of a certificate that must be for this host.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        Self {
            server_name: host.clone(),
            host,
            port,
            starttls: None,
            certificate: CertificateRules::default(),
            conditions: Vec::new(),
            trust: None,
            warn_after: None,
            fail_after: None,
        }
    }

    /// Makes the handshake, with retries, and judges the certificate.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connection.
    pub async fn run(&self, egress: &Egress, limits: &Limits) -> Report {
        let target = format!("tls://{}", crate::tcp::shown(&self.host, self.port));
        let about = About {
            attempted: format!("the handshake with {target}"),
            expected: format!("a certificate for {}", self.server_name),
            target,
        };
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
        let mut peer = Peer::default();
        let shaken = self.shake(egress, reach, until, &mut timings, &mut peer).await;
        let took = started.elapsed();
        let report = match shaken {
            Ok(()) => self.judge(&peer, took, &timings, until, about).await,
            Err(error) => about.failed(described(error, peer.certificate.as_ref())),
        };
        Report { timings, ..report }
    }

    async fn shake(
        &self,
        egress: &Egress,
        reach: Instant,
        until: Instant,
        timings: &mut Timings,
        peer: &mut Peer,
    ) -> Result<(), Error> {
        let mut channel = Channel::open(egress, &self.host, self.port, reach).await?;
        *timings = channel.timings;
        if let Some(kind) = self.starttls {
            starttls::negotiate(kind, &mut channel.wire, until).await?;
        }
        let trust = self.trust.clone().map_or_else(Trust::machine, Ok)?;
        let handshake =
            Handshake { name: &self.server_name, trust: &trust, alpn: &[], identity: None };
        let result;
        (result, *peer, *timings) = channel.secure(handshake, until).await;
        result.map(drop)
    }

    async fn judge(
        &self,
        peer: &Peer,
        took: Duration,
        timings: &Timings,
        until: Instant,
        about: &About,
    ) -> Report {
        let version = peer.tls_version.unwrap_or("1.2");
        let Some(certificate) = &peer.certificate else {
            let observed = "showed a certificate that cannot be read";
            return about.failed(Error::new(Class::Permanent, ReasonCode::Tls, "", observed));
        };
        let caveat = Trust::caveat(self.trust.as_ref());
        let left = certificate.life_left_pct(Timestamp::now());
        let observed = format!("TLS {version}, {} in {}{caveat}", lasts(certificate), brief(took));
        let expired = |outcome, limit: f64| {
            let observed = format!("{observed}, below {:.0}% of its life", limit * 100.0);
            about.passed(observed).judged(outcome, ReasonCode::Expired)
        };
        let rules = &self.certificate;
        if version == "1.2" && rules.min_version > TlsVersion::V1_2 {
            let observed = format!("{observed}, expected TLS 1.3");
            return about.failed(Error::new(Class::Assertion, ReasonCode::Tls, "", observed));
        }
        if left < rules.fail_life_left * 100.0 {
            return expired(Outcome::Fail, rules.fail_life_left);
        }
        let facts = facts::of_connection(peer, took, timings);
        if let Err(error) = assertions::check(&self.conditions, facts, until).await {
            return about.failed(error);
        }
        if left < rules.warn_life_left * 100.0 {
            return expired(Outcome::Warn, rules.warn_life_left);
        }
        about.passed(observed).judged_by_latency(took, self.warn_after, self.fail_after)
    }
}

/// Adds to a refusal what the certificate says of itself.
fn described(error: Error, certificate: Option<&Certificate>) -> Error {
    match certificate {
        Some(certificate) if error.reason_code() == ReasonCode::Tls => {
            let observed = format!("{}; {}", error.observed(), lasts(certificate));
            Error::new(error.class(), error.reason_code(), "", observed)
        }
        Some(_) | None => error,
    }
}

/// Says whose a certificate is and how long it lasts.
fn lasts(certificate: &Certificate) -> String {
    let now = Timestamp::now();
    let (days, left) = (certificate.days_left(now), certificate.life_left_pct(now));
    let end = certificate.not_after;
    let subject = &certificate.subject;
    if days < 0.0 {
        format!("the certificate of {subject} has ended on {end}")
    } else {
        format!(
            "the certificate of {subject} lasts {days:.0} more days ({left:.0}% of its life) until {end}"
        )
    }
}
