//! Probes of ports: what is said, what must come back, and how the connection is encrypted.
//!
//! Owns `tcp` and `tls` of endpoints and checks. The probes crate makes probes of them. Never dials one.

use printery_expressions::{Condition, Pattern, Vocabulary};
use serde::Serialize;

use crate::address::HostPort;
use crate::authorities::Authorities;
use crate::expectation;
use crate::probe::{LatencyThresholds, Limits};
use crate::problem::Code;
use crate::table::Table;
use crate::vocabulary;

/// Names the protocols that encrypt a connection after it has begun in clear text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StartTls {
    /// `EHLO`, `STARTTLS` (RFC 3207).
    Smtp,
    /// `STARTTLS` (RFC 9051).
    Imap,
    /// `STLS` (RFC 2595).
    Pop3,
    /// `AUTH TLS` (RFC 4217).
    Ftp,
    /// `SSLRequest` of PostgreSQL.
    Postgres,
}

/// Names the versions of TLS that can be asked for; older ones are never spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum TlsVersion {
    /// 1.2.
    #[serde(rename = "1.2")]
    V1_2,
    /// 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// Describes a connection that must be accepted, and what must come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TcpProbe {
    /// What is dialled.
    pub address: HostPort,
    /// What is said once connected.
    pub send: Option<String>,
    /// What must be found in the first 64 KiB that come back.
    pub expect: Option<Pattern>,
    /// How the connection is encrypted before anything is said.
    pub starttls: Option<StartTls>,
    /// Whose certificates are believed.
    pub authorities: Authorities,
    /// Conditions over [`vocabulary::CONNECTION`] and [`vocabulary::TCP`].
    pub conditions: Vec<Condition>,
    /// Response times that count as slow; `None` where the using worker has its own thresholds.
    pub latency: Option<LatencyThresholds>,
    /// Time and repetition.
    pub limits: Limits,
}

/// Describes a port whose certificate is looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TlsProbe {
    /// What is dialled.
    pub address: HostPort,
    /// The name that the certificate must be for; the host, if none is given.
    pub server_name: Option<String>,
    /// How the connection is encrypted, if not at once.
    pub starttls: Option<StartTls>,
    /// Whose certificates are believed.
    pub authorities: Authorities,
    /// What the certificate must be good for.
    pub certificate: CertificateRules,
    /// Conditions over [`vocabulary::CONNECTION`].
    pub conditions: Vec<Condition>,
    /// Response times that count as slow; `None` where the using worker has its own thresholds.
    pub latency: Option<LatencyThresholds>,
    /// Time and repetition.
    pub limits: Limits,
}

/// Says how much of its lifetime a certificate must have left, as shares of 1, and what TLS must be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CertificateRules {
    /// Below this it is a warning.
    pub warn_life_left: f64,
    /// Below this it is a failure.
    pub fail_life_left: f64,
    /// The oldest version that will do.
    pub min_version: TlsVersion,
}

impl Default for CertificateRules {
    /// Renewal begins with a third left by custom: at a fifth it is overdue, at a twentieth it is urgent.
    fn default() -> Self {
        Self { warn_life_left: 0.2, fail_life_left: 0.05, min_version: TlsVersion::V1_2 }
    }
}

const START_TLS: [(&str, StartTls); 5] = [
    ("smtp", StartTls::Smtp),
    ("imap", StartTls::Imap),
    ("pop3", StartTls::Pop3),
    ("ftp", StartTls::Ftp),
    ("postgres", StartTls::Postgres),
];

impl TcpProbe {
    /// Reads everything but the address, which stands elsewhere: `send`, `expect`, `starttls`, whom to believe, `assert`, limits.
    pub(crate) fn read(
        table: &mut Table<'_, '_>,
        limits: Limits,
    ) -> impl FnOnce(HostPort) -> Self + use<> {
        let send = table.text("send");
        let what = table.name("expect");
        let expect = table.get("expect");
        let expect = expect.and_then(|node| expectation::pattern(table.reader, node, &what));
        let starttls = table.word("starttls", &START_TLS);
        let authorities = Authorities::read(table);
        let names = vocabulary::CONNECTION.into_iter().chain(vocabulary::TCP);
        let conditions = table.conditions("assert", &Vocabulary::of(names)).unwrap_or_default();
        let latency = LatencyThresholds::read(table, LatencyThresholds::default());
        let limits = Limits::read_with_ip(table, limits);
        move |address| Self {
            address,
            send,
            expect,
            starttls,
            authorities,
            conditions,
            latency,
            limits,
        }
    }
}

impl TlsProbe {
    /// Reads everything but the address: `server_name`, `starttls`, whom to believe, `cert`, `assert`, limits.
    pub(crate) fn read(
        table: &mut Table<'_, '_>,
        limits: Limits,
    ) -> impl FnOnce(HostPort) -> Self + use<> {
        let server_name = table.text("server_name");
        let starttls = table.word("starttls", &START_TLS);
        let authorities = Authorities::read(table);
        let certificate = CertificateRules::read(table);
        let names = vocabulary::CONNECTION;
        let conditions = table.conditions("assert", &Vocabulary::of(names)).unwrap_or_default();
        let latency = LatencyThresholds::read(table, LatencyThresholds::default());
        let limits = Limits::read_with_ip(table, limits);
        move |address| Self {
            address,
            server_name,
            starttls,
            authorities,
            certificate,
            conditions,
            latency,
            limits,
        }
    }
}

impl CertificateRules {
    /// Reads `cert: { warn_life_left: 33%, fail_life_left: 10%, min_version: "1.2" }`.
    fn read(table: &mut Table<'_, '_>) -> Self {
        let mut read = Self::default();
        let Some(mut cert) = table.table("cert") else { return read };
        let warn = cert.parse("warn_life_left", crate::scalar::share);
        let fail = cert.parse("fail_life_left", crate::scalar::share);
        // One that is given alone moves the other's default out of its way.
        read.warn_life_left = warn.unwrap_or(read.warn_life_left.max(fail.unwrap_or_default()));
        read.fail_life_left = fail.unwrap_or(read.fail_life_left.min(read.warn_life_left));
        if read.fail_life_left > read.warn_life_left {
            let text = format!("{} is above `warn_life_left`", cert.name("fail_life_left"));
            cert.reader.report(Code::Conflict, cert.at, text);
        }
        let versions = [("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)];
        read.min_version = cert.word("min_version", &versions).unwrap_or(read.min_version);
        cert.close();
        read
    }
}
