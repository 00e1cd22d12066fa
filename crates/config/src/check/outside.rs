//! Checks that ask somebody outside in a way no other section does: `dns`, `service_discovery`, `credential`, `expect_down`.
//!
//! Owns their keys. The probes crate makes probes of them. Never asks anybody.

use std::time::Duration;

use printery_expressions::{Condition, Vocabulary};
use serde::Serialize;

use crate::address::{HostPort, TargetUrl};
use crate::probe::{self, Limits, StatusSet};
use crate::problem::Code;
use crate::request::{HttpParts, HttpProbe};
use crate::secret::Secret;
use crate::shown;
use crate::table::Table;
use crate::vocabulary;

/// Names what is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordKind {
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
    /// Host and port of a service (RFC 2782).
    Srv,
    /// Text.
    Txt,
}

/// The words of `record`.
const RECORDS: [(&str, RecordKind); 7] = [
    ("A", RecordKind::A),
    ("AAAA", RecordKind::Aaaa),
    ("CNAME", RecordKind::Cname),
    ("MX", RecordKind::Mx),
    ("NS", RecordKind::Ns),
    ("SRV", RecordKind::Srv),
    ("TXT", RecordKind::Txt),
];

/// Describes a name that must be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DnsCheck {
    /// The name.
    pub name: String,
    /// What is looked up.
    pub record: RecordKind,
    /// How many answers there must be.
    pub min_answers: usize,
    /// Answers that must be among them.
    pub expect: Vec<String>,
    /// Who is asked; `None`: whom this machine asks.
    pub nameserver: Option<HostPort>,
    /// Whether what the answers name must accept a connection (SRV only).
    pub connect: bool,
    /// Conditions over [`vocabulary::DNS`](crate::vocabulary::DNS).
    pub conditions: Vec<Condition>,
    /// Time and repetition.
    pub limits: Limits,
}

/// Describes an address that nobody must answer at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DownCheck {
    /// What is dialled.
    pub address: HostPort,
    /// Time and repetition.
    pub limits: Limits,
}

/// Describes a credential that must be valid, now and for a while.
#[derive(Clone, Debug, Serialize)]
pub struct CredentialCheck {
    /// What it is.
    pub credential: Credential,
    /// How long it must still be valid.
    #[serde(serialize_with = "shown::duration")]
    pub min_ttl: Duration,
    /// Time and repetition.
    pub limits: Limits,
}

/// Says how a credential is tried.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Credential {
    /// A token whose own `exp` is read.
    Jwt(Secret),
    /// A client that must be given a token.
    OAuth2(OAuth2Client),
    /// A request that must be let through.
    Request(Box<HttpProbe>),
}

/// Names a client of a token server.
#[derive(Clone, Debug, Serialize)]
pub struct OAuth2Client {
    /// Where tokens are given.
    pub token_url: TargetUrl,
    /// Who asks.
    pub client_id: String,
    /// With what.
    pub client_secret: Secret,
    /// For what.
    pub scope: Option<String>,
}

impl DnsCheck {
    /// Reads its keys; a discovery looks for services that can be connected to.
    pub(super) fn read(table: &mut Table<'_, '_>, limits: Limits, discovery: bool) -> Option<Self> {
        table.must("name");
        let name = table.parse("name", host_name);
        let usual = if discovery { RecordKind::Srv } else { RecordKind::A };
        let record = table.word("record", &RECORDS).unwrap_or(usual);
        let min_answers =
            table.count("min_answers", 1).and_then(|least| usize::try_from(least).ok());
        let expect = table.texts("expect").unwrap_or_default();
        let nameserver = probe::host_port(table, "nameserver");
        let connect = table.flag("connect");
        if connect == Some(true) && record != RecordKind::Srv {
            let text = format!("{} needs `record: SRV`", table.name("connect"));
            table.reader.report(Code::Conflict, table.at, text);
        }
        let names = Vocabulary::of(vocabulary::DNS);
        let conditions = table.conditions("assert", &names).unwrap_or_default();
        let limits = Limits::read(table, limits);
        Some(Self {
            name: name?,
            record,
            min_answers: min_answers.unwrap_or(1),
            expect: expect.into_iter().map(|(answer, _)| answer).collect(),
            nameserver,
            connect: connect.unwrap_or(discovery && record == RecordKind::Srv),
            conditions,
            limits,
        })
    }
}

/// Accepts names with the underscores of services.
pub(crate) fn host_name(text: &str) -> Result<String, String> {
    let part = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_*".contains(c);
        !part.is_empty() && part.len() <= 63 && part.chars().all(fits)
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() <= 253 && name.split('.').all(part) {
        Ok(text.to_owned())
    } else {
        Err("must be a name such as `_http._tcp.shop.internal`".to_owned())
    }
}

impl DownCheck {
    /// Reads its keys.
    pub(super) fn read(table: &mut Table<'_, '_>, limits: Limits) -> Option<Self> {
        table.must("address");
        let address = probe::host_port(table, "address");
        let limits = Limits::read(table, limits);
        address.map(|address| Self { address, limits })
    }
}

impl CredentialCheck {
    /// Reads its keys.
    pub(super) fn read(table: &mut Table<'_, '_>, limits: Limits) -> Option<Self> {
        let given = ["jwt", "oauth2", "request"].iter().filter(|key| table.has_any(&[key])).count();
        if given != 1 {
            let what = table.name("kind");
            let text =
                format!("{what} `credential` needs exactly one of `jwt`, `oauth2`, `request`");
            table.reader.report(Code::MissingKey, table.at, text);
        }
        let jwt = table.secret("jwt").map(Credential::Jwt);
        let oauth2 = table.table("oauth2").and_then(OAuth2Client::read).map(Credential::OAuth2);
        let request = table.table("request").and_then(|inner| request(inner, limits));
        let min_ttl = table.duration("min_ttl").unwrap_or_default();
        let limits = Limits::read(table, limits);
        let credential =
            jwt.or(oauth2).or(request.map(|probe| Credential::Request(Box::new(probe))));
        credential.map(|credential| Self { credential, min_ttl, limits })
    }
}

impl OAuth2Client {
    pub(crate) fn read(mut table: Table<'_, '_>) -> Option<Self> {
        for key in ["token_url", "client_id", "client_secret"] {
            table.must(key);
        }
        let token_url = table.url("token_url", &probe::HTTP);
        let client_id = table.text("client_id");
        let client_secret = table.secret("client_secret");
        let scope = table.text("scope");
        table.close();
        Some(Self {
            token_url: token_url?,
            client_id: client_id?,
            client_secret: client_secret?,
            scope,
        })
    }
}

fn request(mut table: Table<'_, '_>, limits: Limits) -> Option<HttpProbe> {
    table.must("url");
    let url = table.url("url", &probe::HTTP);
    let mut http = HttpParts::new(StatusSet::success(), limits);
    http.read_request(&mut table);
    http.read_expectation(&mut table);
    table.close();
    url.map(|url| http.to(url))
}
