//! The validator's checks as the fleet file describes them.
//!
//! Owns the `checks:` section. The validator runs them in the order the file lists them. Never
//! runs one.

mod environment;
mod image;
mod judgement;
mod outside;

use printery_expressions::Condition;
use serde::Serialize;

pub use self::environment::{EnvCheck, EnvRule, EnvSource, ManifestSource, Requirement};
pub use self::image::{ImageCheck, ImageRequirements, RegistryLogin};
pub use self::judgement::{DEPLOYMENT, GateCheck, IN_WINDOW, PolicyCheck, WindowCheck};
pub(crate) use self::outside::host_name;
pub use self::outside::{
    Credential, CredentialCheck, DnsCheck, DownCheck, OAuth2Client, RecordKind,
};
use crate::condition;
use crate::grpc::GrpcProbe;
use crate::mysql::{self, MysqlProbe};
use crate::postgres::{self, MigrationsCheck, PostgresProbe};
use crate::probe::{self, Limits, StatusSet};
use crate::problem::Code;
use crate::redis::RedisProbe;
use crate::request::{HttpParts, HttpProbe};
use crate::socket::{TcpProbe, TlsProbe};
use crate::table::Table;
use crate::template::Template;
use crate::validator::OnError;

/// Says what a check that does not pass means for the whole validation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforce {
    /// The validation fails.
    #[default]
    Deny,
    /// The validation passes with warnings.
    Warn,
    /// The outcome is recorded and changes nothing.
    Audit,
}

impl Enforce {
    /// The words of `enforce`.
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("deny", Self::Deny), ("warn", Self::Warn), ("audit", Self::Audit)];
}

/// Describes one named check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// The stable name, unique in the file.
    pub name: String,
    /// What a failure means.
    pub enforce: Enforce,
    /// What it means when the check cannot be made; `None` where the validator's own rule is to hold.
    pub on_error: Option<OnError>,
    /// On which deployments it is made; `None`: on all.
    pub when: Option<Condition>,
    /// The sentence shown instead of the probe's own when the check does not pass.
    pub message: Option<Template>,
    /// What the reader of a failure can do about it.
    pub suggestion: Option<String>,
    /// What is checked.
    pub spec: CheckSpec,
}

/// Holds what a check of each kind needs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum CheckSpec {
    /// Variables that must be set.
    Env(EnvCheck),
    /// A Redis that must answer.
    Redis(Box<RedisProbe>),
    /// A request whose answer must meet the expectation.
    Http(Box<HttpProbe>),
    /// A port that must accept a connection.
    Tcp(TcpProbe),
    /// A port whose certificate must be good for a while.
    Tls(Box<TlsProbe>),
    /// A gRPC server that must say that it serves.
    Grpc(Box<GrpcProbe>),
    /// An image that a registry must have.
    #[serde(rename = "oci_image")]
    Image(Box<ImageCheck>),
    /// A PostgreSQL that must let us in.
    Postgres(Box<PostgresProbe>),
    /// A MySQL that must let us in.
    Mysql(Box<MysqlProbe>),
    /// A schema that must fit.
    Migrations(Box<MigrationsCheck>),
    /// A name that must be known.
    Dns(DnsCheck),
    /// Services that must be found by name, and be there.
    #[serde(rename = "service_discovery")]
    Discovery(DnsCheck),
    /// A credential that must be valid.
    Credential(Box<CredentialCheck>),
    /// A condition that the deployment must meet.
    Policy(PolicyCheck),
    /// Times at which it may begin.
    Window(WindowCheck),
    /// Somebody's approval.
    Gate(GateCheck),
    /// An address that nobody must answer at.
    #[serde(rename = "expect_down")]
    Down(DownCheck),
    /// A check that is not configured here: reported as `skipped`, never as failed.
    Skipped {
        /// The kind it would be.
        of: &'static str,
        /// Why, as a clause: `REGISTRY_URL is not set`.
        reason: String,
    },
}

impl CheckSpec {
    /// Returns the kind as the result events name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Env(_) => "env",
            Self::Redis(_) => "redis",
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Tls(_) => "tls",
            Self::Grpc(_) => "grpc",
            Self::Image(_) => "oci_image",
            Self::Postgres(_) => "postgres",
            Self::Mysql(_) => "mysql",
            Self::Migrations(_) => "migrations",
            Self::Dns(_) => "dns",
            Self::Discovery(_) => "service_discovery",
            Self::Credential(_) => "credential",
            Self::Policy(_) => "policy",
            Self::Window(_) => "window",
            Self::Gate(_) => "gate",
            Self::Down(_) => "expect_down",
            Self::Skipped { of, .. } => of,
        }
    }
}

/// The kinds this version knows.
const KINDS: [&str; 17] = [
    "env",
    "redis",
    "http",
    "tcp",
    "tls",
    "grpc",
    "oci_image",
    "postgres",
    "mysql",
    "migrations",
    "dns",
    "service_discovery",
    "credential",
    "policy",
    "window",
    "gate",
    "expect_down",
];

impl Check {
    /// Reads one entry of `checks:`.
    pub(crate) fn read(name: &str, mut table: Table<'_, '_>, limits: Limits) -> Option<Self> {
        let enforce = table.word("enforce", &Enforce::WORDS).unwrap_or_default();
        let on_error = table.word("on_error", &OnError::WORDS);
        let message = table.template("message");
        let suggestion = table.text("suggestion");
        let when = judgement::when(&mut table);
        let skipped = condition::unless_env(&mut table);
        let kind = kind(&mut table)?;
        let spec = match skipped {
            Some(reason) => {
                let reader = table.reader;
                reader.skipping(|| CheckSpec::read(kind, &mut table, limits));
                Some(CheckSpec::Skipped { of: kind, reason })
            }
            None => CheckSpec::read(kind, &mut table, limits),
        };
        table.close();
        Some(Self {
            name: name.to_owned(),
            enforce,
            on_error,
            when,
            message,
            suggestion,
            spec: spec?,
        })
    }
}

/// Reads `kind`. Without one nothing else of the check can be understood.
fn kind(table: &mut Table<'_, '_>) -> Option<&'static str> {
    table.one_of("kind", KINDS.into_iter());
    let node = table.must("kind")?;
    let written = table.text("kind")?;
    let known = KINDS.iter().find(|kind| **kind == written);
    if known.is_none() {
        let near = crate::suggest::nearest(&written, KINDS);
        let hint = near.map_or_else(
            || format!("the kinds are {}", KINDS.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let text = format!("unknown check kind `{written}`");
        table.reader.hint(Code::UnknownName, node.at, text, hint);
    }
    known.copied()
}

impl CheckSpec {
    fn read(kind: &'static str, table: &mut Table<'_, '_>, limits: Limits) -> Option<Self> {
        match kind {
            "env" => EnvCheck::read(table).map(Self::Env),
            "oci_image" => {
                ImageCheck::read(table, limits).map(|image| Self::Image(Box::new(image)))
            }
            "tls" => {
                table.must("address");
                let address = probe::host_port(table, "address");
                let probe = TlsProbe::read(table, limits);
                address.map(|address| Self::Tls(Box::new(probe(address))))
            }
            "grpc" => {
                table.must("grpc");
                GrpcProbe::read(table, limits).map(|probe| Self::Grpc(Box::new(probe)))
            }
            "postgres" => {
                let dsn = postgres::address(table, "dsn");
                let probe = PostgresProbe::read(table, limits);
                dsn.map(|dsn| Self::Postgres(Box::new(probe(dsn))))
            }
            "mysql" => {
                let dsn = mysql::address(table, "dsn");
                let probe = MysqlProbe::read(table, limits);
                dsn.map(|dsn| Self::Mysql(Box::new(probe(dsn))))
            }
            "migrations" => {
                let check = MigrationsCheck::read(table, limits);
                check.map(|check| Self::Migrations(Box::new(check)))
            }
            "dns" => DnsCheck::read(table, limits, false).map(Self::Dns),
            "service_discovery" => DnsCheck::read(table, limits, true).map(Self::Discovery),
            "credential" => {
                let check = CredentialCheck::read(table, limits);
                check.map(|check| Self::Credential(Box::new(check)))
            }
            "policy" => PolicyCheck::read(table).map(Self::Policy),
            "window" => WindowCheck::read(table).map(Self::Window),
            "gate" => Some(Self::Gate(GateCheck::read(table))),
            "expect_down" => DownCheck::read(table, limits).map(Self::Down),
            "redis" => {
                table.must("url");
                let url = table.redis_url("url");
                let probe = RedisProbe::read(table, limits);
                url.map(|url| Self::Redis(Box::new(probe(url))))
            }
            "tcp" => {
                table.must("address");
                let address = probe::host_port(table, "address");
                let probe = TcpProbe::read(table, limits);
                address.map(|address| Self::Tcp(probe(address)))
            }
            _ => {
                table.must("url");
                let url = table.url("url", &probe::HTTP);
                let mut http = HttpParts::new(StatusSet::success(), limits);
                http.read_request(table);
                http.read_expectation(table);
                url.map(|url| Self::Http(Box::new(http.to(url))))
            }
        }
    }
}
