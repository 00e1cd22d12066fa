//! The DNS probe: asks for records of a name, counts and compares them, and connects to what SRV records name.
//!
//! Workers use it for names and for discovery. It asks the given name server or the machine's own, and dials nothing that
//! the egress guard has not admitted.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use printery_expressions::Condition;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::assertions;
use crate::classify;
use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::facts::milliseconds;
use crate::limits::Limits;
use crate::outcome::{Class, Outcome, ReasonCode};
use crate::redact::brief;
use crate::report::{Report, Timings};
use crate::retry::{About, with_retries};

/// Answers that a report lists before it only counts.
const MOST_ANSWERS: usize = 8;

/// Bytes of one answer that a report shows; TXT records may be long.
const MOST_BYTES: usize = 120;

/// What is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsRecord {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Another name.
    Cname,
    /// Mail servers.
    Mx,
    /// Name servers.
    Ns,
    /// Host and port of a service.
    Srv,
    /// Text.
    Txt,
}

/// One name and what is expected of its records.
#[derive(Debug, Clone)]
pub struct DnsProbe {
    /// The name.
    pub name: String,
    /// What is looked up.
    pub record: DnsRecord,
    /// How many answers there must be at least.
    pub min_answers: usize,
    /// Answers that must be among them; an SRV record is `host:port`.
    pub expect: Vec<String>,
    /// Host and port of the name server; `None`: the machine's own.
    pub nameserver: Option<(String, u16)>,
    /// Whether so many of the SRV records' targets must accept a connection.
    pub connect: bool,
    /// Conditions over what was answered.
    pub conditions: Vec<Condition>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    text: String,
    /// Priority, weight, host and port of an SRV record.
    pub(crate) service: Option<(u16, u16, String, u16)>,
}

impl DnsRecord {
    pub(crate) fn kind(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Cname => RecordType::CNAME,
            Self::Mx => RecordType::MX,
            Self::Ns => RecordType::NS,
            Self::Srv => RecordType::SRV,
            Self::Txt => RecordType::TXT,
        }
    }
}

impl DnsProbe {
    /// Asks, with retries, and judges the answers.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future ends the question.
    pub async fn run(&self, egress: &Egress, limits: &Limits) -> Report {
        let target = format!("{} {}", self.name, self.record.kind());
        let asked = match &self.nameserver {
            Some((host, port)) => format!(" at {host}:{port}"),
            None => String::new(),
        };
        let attempted = format!("looking up {target}{asked}");
        let about = About { attempted, target, expected: self.words() };
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
        let mut timings = Timings::default();
        let report = match self.look(egress, limits, until, &mut timings).await {
            Ok((observed, outcome)) => {
                let report = about.passed(format!("{observed}, in {}", brief(started.elapsed())));
                if outcome == Outcome::Warn {
                    report.judged(Outcome::Warn, ReasonCode::ConnectRefused)
                } else {
                    report
                }
            }
            Err(error) => about.failed(error),
        };
        Report { timings, ..report }
    }

    async fn look(
        &self,
        egress: &Egress,
        limits: &Limits,
        until: Instant,
        timings: &mut Timings,
    ) -> Result<(String, Outcome), Error> {
        let started = Instant::now();
        let resolver = self.resolver(egress, limits, until).await?;
        let found = resolver.lookup(self.name.as_str(), self.record.kind()).await;
        timings.resolve = Some(started.elapsed());
        let found = found.map_err(|error| failure(&error))?;
        let kind = self.record.kind();
        let mut answers: Vec<Answer> = found
            .answers()
            .iter()
            .filter(|record| record.record_type() == kind)
            .map(|record| Answer::of(&record.data))
            .collect();
        // RFC 2782: the lowest priority first; among equals, the heavier is the likelier.
        answers.sort_by_key(|answer| {
            answer.service.as_ref().map(|(priority, weight, ..)| (*priority, u16::MAX - *weight))
        });
        self.judge(&answers)?;
        assertions::check(&self.conditions, facts(&answers, started.elapsed()), until).await?;
        if !self.connect {
            return Ok((listed(&answers), Outcome::Pass));
        }
        let connecting = Instant::now();
        let reached = self.connect_all(&resolver, egress, &answers, until).await;
        timings.connect = Some(connecting.elapsed());
        self.judge_reached(&answers, &reached)
    }

    /// Makes a resolver that forgets everything with the attempt: a check wants to know what is, not what was.
    pub(crate) async fn resolver(
        &self,
        egress: &Egress,
        limits: &Limits,
        until: Instant,
    ) -> Result<TokioResolver, Error> {
        let unusable = |_error: NetError| {
            let observed = "the machine's own name servers are not configured";
            Error::new(Class::Internal, ReasonCode::DnsFailure, "", observed)
        };
        let mut builder = match &self.nameserver {
            None => TokioResolver::builder_tokio().map_err(unusable)?,
            Some((host, port)) => {
                let address = server_address(egress, host, *port, until).await?;
                let [mut udp, mut tcp] = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                (udp.port, tcp.port) = (*port, *port);
                let server = NameServerConfig::new(address, true, vec![udp, tcp]);
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.attempts = 0;
        options.timeout = limits.connect.min(until.saturating_duration_since(Instant::now()));
        builder.build().map_err(unusable)
    }

    fn judge(&self, answers: &[Answer]) -> Result<(), Error> {
        let unmet =
            |observed: String| Err(Error::new(Class::Assertion, ReasonCode::Content, "", observed));
        if answers.len() < self.min_answers {
            let wanted = self.min_answers;
            return unmet(format!("{}, expected at least {wanted}", listed(answers)));
        }
        let missing: Vec<&str> = self
            .expect
            .iter()
            .filter(|wanted| !answers.iter().any(|answer| answer.is(wanted)))
            .map(String::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        unmet(format!("{}, without {}", listed(answers), missing.join(", ")))
    }

    /// Connects to every target; returns those that did not answer, and why.
    async fn connect_all(
        &self,
        resolver: &TokioResolver,
        egress: &Egress,
        answers: &[Answer],
        until: Instant,
    ) -> Vec<String> {
        let mut missed = Vec::new();
        let services = answers.iter().filter_map(|answer| answer.service.as_ref());
        let count = u32::try_from(answers.len()).unwrap_or(u32::MAX).max(1);
        for (_, _, host, port) in services {
            // What remains is shared, so that one silent target does not use up the turn of the next.
            let left = until.saturating_duration_since(Instant::now()) / count;
            let share = Instant::now() + left.max(Duration::from_millis(1));
            if let Err(error) = reach(resolver, egress, host, *port, share).await {
                missed.push(format!("{host}:{port} ({})", error.observed()));
            }
        }
        missed
    }

    fn judge_reached(
        &self,
        answers: &[Answer],
        missed: &[String],
    ) -> Result<(String, Outcome), Error> {
        let reached = answers.len().saturating_sub(missed.len());
        let mut observed =
            format!("{}, {reached} of {} accept connections", listed(answers), answers.len());
        if !missed.is_empty() {
            observed.push_str("; not ");
            observed.push_str(&missed.join(", "));
        }
        if reached < self.min_answers {
            return Err(Error::new(Class::Transient, ReasonCode::ConnectRefused, "", observed));
        }
        let outcome = if missed.is_empty() { Outcome::Pass } else { Outcome::Warn };
        Ok((observed, outcome))
    }

    fn words(&self) -> String {
        let mut words = format!("at least {} answers", self.min_answers);
        if !self.expect.is_empty() {
            words.push_str(", among them ");
            words.push_str(&self.expect.join(", "));
        }
        if self.connect {
            words.push_str(", which accept connections");
        }
        words
    }
}

impl Answer {
    pub(crate) fn of(data: &RData) -> Self {
        let plain =
            |text: String| Self { text: text.trim_end_matches('.').to_owned(), service: None };
        if let RData::SRV(service) = data {
            let host = service.target.to_string().trim_end_matches('.').to_owned();
            let text = format!("{host}:{}", service.port);
            let service = Some((service.priority, service.weight, host, service.port));
            return Self { text, service };
        }
        if let RData::TXT(text) = data {
            let parts: Vec<String> = text
                .txt_data
                .iter()
                .map(|part| String::from_utf8_lossy(part).into_owned())
                .collect();
            return plain(parts.concat());
        }
        if let RData::MX(mail) = data {
            return plain(mail.exchange.to_string());
        }
        plain(data.to_string())
    }

    fn is(&self, wanted: &str) -> bool {
        self.text.eq_ignore_ascii_case(wanted.trim_end_matches('.'))
    }
}

/// Finds the address of a name server that the guard admits.
async fn server_address(
    egress: &Egress,
    host: &str,
    port: u16,
    until: Instant,
) -> Result<IpAddr, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return egress.admit(Purpose::Probe, host, address).map(|()| address);
    }
    let found = tokio::time::timeout_at(until, egress.resolve(Purpose::Probe, host, port)).await;
    let found = found.map_err(|_elapsed| classify::lookup_timeout("", Duration::ZERO))??;
    let first = found.first().map(std::net::SocketAddr::ip);
    first.ok_or_else(|| {
        Error::new(Class::Transient, ReasonCode::DnsFailure, "", "the name server has no address")
    })
}

/// Looks a target up where its record came from, and connects to it.
async fn reach(
    resolver: &TokioResolver,
    egress: &Egress,
    host: &str,
    port: u16,
    until: Instant,
) -> Result<(), Error> {
    let found = tokio::time::timeout_at(until, resolver.lookup_ip(host)).await;
    let found = found.map_err(|_elapsed| classify::lookup_timeout("", Duration::ZERO))?;
    let found = found.map_err(|error| failure(&error))?;
    let mut last =
        Error::new(Class::Permanent, ReasonCode::DnsNxdomain, "", "the name leads to no address");
    for address in found.iter() {
        if let Err(error) = egress.admit(Purpose::Probe, host, address) {
            last = error;
            continue;
        }
        match egress.connect(Purpose::Probe, &address.to_string(), port, until).await {
            Ok(_connection) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add variants at any time")]
pub(crate) fn failure(error: &NetError) -> Error {
    let transient =
        |observed: String| Error::new(Class::Transient, ReasonCode::DnsFailure, "", observed);
    let permanent = |reason, observed: &str| Error::new(Class::Permanent, reason, "", observed);
    if matches!(error, NetError::Timeout) {
        return transient("nobody answered in time".to_owned());
    }
    let code = match error {
        NetError::Dns(DnsError::NoRecordsFound(nothing)) => Some(nothing.response_code),
        NetError::Dns(DnsError::ResponseCode(code)) => Some(*code),
        // Whatever else went wrong: there was no answer.
        _ => None,
    };
    if code == Some(ResponseCode::NXDomain) {
        permanent(ReasonCode::DnsNxdomain, "there is no such name (NXDOMAIN)")
    } else if code == Some(ResponseCode::NoError) {
        permanent(ReasonCode::Content, "the name has no such records (NOERROR)")
    } else if let Some(code) = code {
        transient(format!("the name server answered {code}"))
    } else {
        transient("the name server could not be asked".to_owned())
    }
}

/// Returns the variables of conditions: `printery_config::vocabulary::DNS`.
fn facts(answers: &[Answer], took: Duration) -> Map<String, Value> {
    let records: Vec<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
    let facts = [
        ("answers", json!(answers.len())),
        ("records", json!(records)),
        ("latency_ms", json!(milliseconds(took))),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn listed(answers: &[Answer]) -> String {
    let shown: Vec<String> = answers
        .iter()
        .take(MOST_ANSWERS)
        .map(|answer| answer.text.chars().take(MOST_BYTES).collect())
        .collect();
    let noun = if answers.len() == 1 { "answer" } else { "answers" };
    format!("{} {noun} ({})", answers.len(), shown.join(", "))
}
