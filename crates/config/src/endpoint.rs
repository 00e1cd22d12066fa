//! Things the services need and this fleet does not deploy.
//!
//! Owns the `endpoints:` section. The dependency-checker probes them; the graph has a node for
//! each. Never dials one.

use std::collections::BTreeMap;

use printery_expressions::Vocabulary;
use serde::Serialize;

use crate::address::HostPort;
use crate::check::{DnsCheck, RecordKind, host_name};
use crate::condition;
use crate::grpc::GrpcProbe;
use crate::mysql::{self, MysqlProbe};
use crate::node::Value;
use crate::postgres::{self, PostgresProbe};
use crate::probe::{self, Limits, StatusSet};
use crate::problem::Code;
use crate::redis::RedisProbe;
use crate::request::{HttpParts, HttpProbe};
use crate::service;
use crate::socket::{TcpProbe, TlsProbe};
use crate::table::Table;
use crate::vocabulary;

/// Describes one named endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Endpoint {
    /// The name services use in `requires`.
    pub name: String,
    /// How it is probed.
    pub spec: EndpointSpec,
    /// Who is asked when it is down.
    pub owner: Option<String>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
}

/// Holds what an endpoint of each kind needs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum EndpointSpec {
    /// A request whose answer must meet the expectation.
    Http(Box<HttpProbe>),
    /// A port that must accept a connection.
    Tcp(Box<TcpProbe>),
    /// A port whose certificate is looked at.
    Tls(Box<TlsProbe>),
    /// A gRPC server that must say that it serves.
    Grpc(Box<GrpcProbe>),
    /// A name that must be known.
    Dns(Box<DnsCheck>),
    /// A PostgreSQL that must let us in.
    Postgres(Box<PostgresProbe>),
    /// A MySQL that must let us in.
    Mysql(Box<MysqlProbe>),
    /// A Redis that must answer.
    Redis(Box<RedisProbe>),
    /// An endpoint that is not configured here: it is not probed and judged by nobody.
    Skipped {
        /// The kind it would be, such as `http`.
        of: &'static str,
        /// Why, as a clause: `DATABASE_URL is not set`.
        reason: String,
    },
}

/// The kinds this version knows.
const KINDS: [&str; 8] = ["http", "tcp", "tls", "grpc", "dns", "postgres", "mysql", "redis"];

/// The keys of `dns`.
const RECORDS: [(&str, RecordKind); 7] = [
    ("a", RecordKind::A),
    ("aaaa", RecordKind::Aaaa),
    ("cname", RecordKind::Cname),
    ("mx", RecordKind::Mx),
    ("ns", RecordKind::Ns),
    ("srv", RecordKind::Srv),
    ("txt", RecordKind::Txt),
];

impl Endpoint {
    /// Reads one entry of `endpoints:`.
    pub(crate) fn read(
        name: &str,
        mut table: Table<'_, '_>,
        limits: Limits,
        owner: Option<&String>,
    ) -> Option<Self> {
        let skipped = condition::unless_env(&mut table);
        let given: Vec<&'static str> =
            KINDS.into_iter().filter(|kind| table.get(kind).is_some()).collect();
        let owner = table.text("owner").or_else(|| owner.cloned());
        let labels = service::labels(&mut table);
        let kind = match given.as_slice() {
            [kind] => Some(*kind),
            [] | [..] => None,
        };
        let spec = match (kind, skipped) {
            (Some(kind), Some(reason)) => {
                let reader = table.reader;
                reader.skipping(|| EndpointSpec::read(kind, &mut table, limits));
                Some(EndpointSpec::Skipped { of: kind, reason })
            }
            (Some(kind), None) => EndpointSpec::read(kind, &mut table, limits),
            (None, _) => {
                let listed = KINDS.map(|kind| format!("`{kind}`")).join(", ");
                let text = format!("endpoint `{name}` must have exactly one of {listed}");
                table.reader.report(Code::MissingKey, table.at, text);
                return None;
            }
        };
        table.close();
        Some(Self { name: name.to_owned(), spec: spec?, owner, labels })
    }
}

impl EndpointSpec {
    fn read(kind: &'static str, table: &mut Table<'_, '_>, limits: Limits) -> Option<Self> {
        match kind {
            "tcp" => {
                let address = short_or_long(table, "tcp", "address", probe::host_port);
                let probe = TcpProbe::read(table, limits);
                address.map(|address| Self::Tcp(Box::new(probe(address))))
            }
            "tls" => {
                let address = tls_address(table);
                let probe = TlsProbe::read(table, limits);
                address.map(|address| Self::Tls(Box::new(probe(address))))
            }
            "grpc" => GrpcProbe::read(table, limits).map(|grpc| Self::Grpc(Box::new(grpc))),
            "redis" => {
                let url = short_or_long(table, "redis", "url", Table::redis_url);
                let probe = RedisProbe::read(table, limits);
                url.map(|url| Self::Redis(Box::new(probe(url))))
            }
            "postgres" => {
                let dsn = short_or_long(table, "postgres", "dsn", postgres::address);
                let probe = PostgresProbe::read(table, limits);
                dsn.map(|dsn| Self::Postgres(Box::new(probe(dsn))))
            }
            "mysql" => {
                let dsn = short_or_long(table, "mysql", "dsn", mysql::address);
                let probe = MysqlProbe::read(table, limits);
                dsn.map(|dsn| Self::Mysql(Box::new(probe(dsn))))
            }
            "dns" => dns(table, limits).map(|name| Self::Dns(Box::new(name))),
            _ => http(table, limits),
        }
    }
}

/// Reads `tcp: host:port` or `tcp: { address: host:port }`.
fn short_or_long<'r, 'a, T>(
    table: &mut Table<'r, 'a>,
    kind: &'static str,
    key: &'static str,
    read: impl Fn(&mut Table<'r, 'a>, &'static str) -> Option<T>,
) -> Option<T> {
    if !matches!(table.get(kind)?.value, Value::Table(_)) {
        return read(table, kind);
    }
    let mut long = table.table(kind)?;
    long.must(key);
    let value = read(&mut long, key);
    long.close();
    value
}

/// Reads `tls: host`, `tls: host:port` or `tls: { host: …, port: … }`.
fn tls_address(table: &mut Table<'_, '_>) -> Option<HostPort> {
    let https = |text: &str| {
        let with_port = text.parse::<HostPort>();
        with_port.or_else(|_| format!("{text}:443").parse()).map_err(str::to_owned)
    };
    if !matches!(table.get("tls")?.value, Value::Table(_)) {
        return table.parse("tls", https);
    }
    let mut long = table.table("tls")?;
    long.must("host");
    let address = long.parse("host", https);
    let at = long.get("port").map_or(long.at, |node| node.at);
    let port = long.count("port", 1).map(u16::try_from);
    long.close();
    match port {
        None => address,
        Some(Ok(port)) => address.map(|address| HostPort { port, ..address }),
        Some(Err(_)) => {
            let text = "`port` must be at most 65535".to_owned();
            table.reader.report(Code::BadValue, at, text);
            None
        }
    }
}

/// Reads `dns: name` or `dns: { srv: name, nameserver: host:port }`, with what must be found beside it.
fn dns(table: &mut Table<'_, '_>, limits: Limits) -> Option<DnsCheck> {
    let (name, record, nameserver) = if matches!(table.get("dns")?.value, Value::Table(_)) {
        let mut long = table.table("dns")?;
        let named = RECORDS.map(|(key, record)| (long.parse(key, host_name), record));
        let nameserver = probe::host_port(&mut long, "nameserver");
        let mut named = named.into_iter().filter_map(|(name, record)| Some((name?, record)));
        let first = named.next();
        if first.is_none() || named.next().is_some() {
            let listed = RECORDS.map(|(key, _)| format!("`{key}`")).join(", ");
            let text = format!("{} must have exactly one of {listed}", long.name("dns"));
            long.reader.report(Code::MissingKey, long.at, text);
            return None;
        }
        long.close();
        let (name, record) = first?;
        (name, record, nameserver)
    } else {
        (table.parse("dns", host_name)?, RecordKind::A, None)
    };
    let least = table.count("min_answers", 1).and_then(|least| usize::try_from(least).ok());
    let expect = table.texts("expect").unwrap_or_default();
    let connect = table.flag("connect").unwrap_or_default();
    if connect && record != RecordKind::Srv {
        let text = format!("{} needs a service, `dns: {{ srv: … }}`", table.name("connect"));
        table.reader.report(Code::Conflict, table.at, text);
    }
    let conditions =
        table.conditions("assert", &Vocabulary::of(vocabulary::DNS)).unwrap_or_default();
    let limits = Limits::read(table, limits);
    Some(DnsCheck {
        name,
        record,
        min_answers: least.unwrap_or(1),
        expect: expect.into_iter().map(|(answer, _)| answer).collect(),
        nameserver,
        connect,
        conditions,
        limits,
    })
}

/// Reads `http: https://…` or `http: { url: https://…, auth: … }`, with what is expected beside it.
fn http(table: &mut Table<'_, '_>, limits: Limits) -> Option<EndpointSpec> {
    let mut parts = HttpParts::new(StatusSet::success(), limits);
    let url = if matches!(table.get("http")?.value, Value::Table(_)) {
        let mut request = table.table("http")?;
        request.must("url");
        let url = request.url("url", &probe::HTTP);
        parts.read_request(&mut request);
        request.close();
        url
    } else {
        parts.read_request(table);
        table.url("http", &probe::HTTP)
    };
    parts.read_expectation(table);
    url.map(|url| EndpointSpec::Http(Box::new(parts.to(url))))
}
