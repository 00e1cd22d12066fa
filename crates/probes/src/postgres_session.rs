//! One session with a PostgreSQL server: reached through the guard, over TLS where it is asked for, read-only.
//!
//! The database probes open one for each attempt. It never writes, never waits long for a lock, and leaves the server's own
//! words out of what it says.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, SimpleQueryRow};
use tokio_rustls::TlsConnector;

use crate::classify::{connect_timeout, io_error};
use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::outcome::{Class, ReasonCode};
use crate::redact;
use crate::report::Timings;
use crate::tls;

/// How sessions are named in `pg_stat_activity`.
const APPLICATION: &str = "printery/validator";

/// The port of PostgreSQL when none is written.
const DEFAULT_PORT: u16 = 5432;

/// What a client sends to ask for TLS: its length, 8, and the code of `SSLRequest`.
///
/// # Source
/// PostgreSQL's frontend/backend protocol, `SSLRequest`.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A database and how to sign in there.
#[derive(Clone)]
pub struct PostgresTarget {
    config: Config,
    place: Place,
    tls: Tls,
    /// A file of certificates to trust in place of the machine's.
    roots: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// Whether a session is encrypted. Where it is, the certificate is always verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Never,
    IfOffered,
    Always,
}

impl std::fmt::Debug for PostgresTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The target without its credentials.
impl std::fmt::Display for PostgresTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let database = self.config.get_dbname().unwrap_or_default();
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => {
                write!(f, "postgres://[{host}]:{port}/{database}")
            }
            Place::Tcp { host, port } => write!(f, "postgres://{host}:{port}/{database}"),
            Place::Unix(path) => write!(f, "postgres+unix:{}/{database}", path.display()),
        }
    }
}

impl PostgresTarget {
    /// Returns the name or address that is dialled; empty for a socket.
    pub(crate) fn host(&self) -> &str {
        match &self.place {
            Place::Tcp { host, .. } => host,
            Place::Unix(_) => "",
        }
    }

    /// Reads `postgres://user:password@host[:port]/database[?sslmode=…&sslrootcert=…]`; a host that is a path (with `%2F`) is a
    /// socket's folder.
    ///
    /// # Errors
    /// It is not the URL of one server; the text does not repeat it.
    pub fn parse(url: &Url) -> Result<Self, Error> {
        let wrong = |why: &str| {
            let attempted = "reading the address of a PostgreSQL";
            Error::new(Class::Internal, ReasonCode::InvalidTarget, attempted, why)
        };
        let mut kept = url.clone();
        let ours = |name: &str| name == "sslmode" || name == "sslrootcert";
        let others: Vec<(String, String)> =
            url.query_pairs().filter(|(name, _)| !ours(name)).map(owned).collect();
        kept.set_query(None);
        if !others.is_empty() {
            kept.query_pairs_mut().extend_pairs(others);
        }
        let value = |wanted: &str| {
            url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        let tls = match value("sslmode").as_deref() {
            Some("disable") => Tls::Never,
            None | Some("allow" | "prefer") => Tls::IfOffered,
            Some("require" | "verify-ca" | "verify-full") => Tls::Always,
            Some(_) => return Err(wrong("its sslmode is none of PostgreSQL's")),
        };
        let mut config = Config::from_str(kept.as_str())
            .map_err(|_quotes| wrong("it must be postgres://host/database"))?;
        config.application_name(APPLICATION).ssl_mode(SslMode::Disable);
        let port = config.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
        let place = match config.get_hosts() {
            [Host::Tcp(host)] => {
                Place::Tcp { host: host.trim_matches(['[', ']']).to_owned(), port }
            }
            [Host::Unix(folder)] => Place::Unix(folder.join(format!(".s.PGSQL.{port}"))),
            [] => return Err(wrong("it names no host")),
            _ => return Err(wrong("it names several hosts; a probe asks one")),
        };
        if config.get_dbname().is_none()
            && let Some(user) = config.get_user().map(str::to_owned)
        {
            config.dbname(user);
        }
        Ok(Self { config, place, tls, roots: value("sslrootcert").map(PathBuf::from) })
    }
}

fn owned(
    (name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>),
) -> (String, String) {
    (name.into_owned(), value.into_owned())
}

/// Whatever carries the bytes.
trait Carrier: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Carrier for T {}

/// An open session; dropping it closes the connection.
pub(crate) struct Session {
    client: Client,
    /// Moves the bytes of the session; aborted with it.
    _mover: JoinSet<()>,
}

impl Session {
    /// Connects, signs in, and makes the session harmless.
    pub(crate) async fn open(
        target: &PostgresTarget,
        egress: &Egress,
        reach: Instant,
        until: Instant,
        timings: &mut Timings,
    ) -> Result<Self, Error> {
        let carrier = reach_server(target, egress, reach, timings).await?;
        let connected = target.config.connect_raw(carrier, NoTls).await;
        let (client, connection) = connected.map_err(|error| failure(&error))?;
        let mut mover = JoinSet::new();
        mover.spawn(async move {
            // How a session ends is said by the query that did not get its answer.
            connection.await.unwrap_or_default();
        });
        let session = Self { client, _mover: mover };
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let harmless = format!(
            "SET default_transaction_read_only = on; SET statement_timeout = {0}; \
             SET idle_in_transaction_session_timeout = {0}; SET lock_timeout = '1s'",
            left.as_millis()
        );
        session.client.batch_execute(&harmless).await.map_err(|error| failure(&error))?;
        Ok(session)
    }

    /// Runs one statement and returns its rows.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<SimpleQueryRow>, Error> {
        let messages = self.client.simple_query(sql).await.map_err(|error| failure(&error))?;
        let mut rows = Vec::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                rows.push(row);
            }
        }
        Ok(rows)
    }
}

async fn reach_server(
    target: &PostgresTarget,
    egress: &Egress,
    deadline: Instant,
    timings: &mut Timings,
) -> Result<Box<dyn Carrier>, Error> {
    let (host, port) = match &target.place {
        Place::Unix(path) => {
            egress.admit_unix_socket()?;
            let opened = timeout_at(deadline, UnixStream::connect(path)).await;
            let opened = opened.map_err(|_elapsed| connect_timeout("", Duration::ZERO))?;
            return match opened {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(io_error(&error, "")),
            };
        }
        Place::Tcp { host, port } => (host, *port),
    };
    let connection = egress.connect(Purpose::Probe, host, port, deadline).await?;
    timings.resolve = connection.resolve;
    timings.connect = Some(connection.connect);
    let mut stream = connection.stream;
    if target.tls == Tls::Never {
        return Ok(Box::new(stream));
    }
    let started = Instant::now();
    let mut answer = [0];
    stream.write_all(&SSL_REQUEST).await.map_err(|error| io_error(&error, ""))?;
    stream.read_exact(&mut answer).await.map_err(|error| io_error(&error, ""))?;
    match (answer, target.tls) {
        ([b'S'], _) => {}
        ([b'N'], Tls::IfOffered) => return Ok(Box::new(stream)),
        ([b'N'], _) => return Err(permanent(ReasonCode::Tls, "does not offer TLS")),
        _ => {
            return Err(permanent(
                ReasonCode::Protocol,
                "answered something that is not PostgreSQL",
            ));
        }
    }
    let name = ServerName::try_from(host.clone())
        .map_err(|_invalid| permanent(ReasonCode::Tls, "its host is no name for a certificate"))?;
    let connector = TlsConnector::from(Arc::new(trusting(target.roots.as_deref())?));
    let encrypted = connector.connect(name, stream).await.map_err(|error| io_error(&error, ""))?;
    timings.tls = Some(started.elapsed());
    Ok(Box::new(encrypted))
}

/// Trusts the machine's certificates, or those of a file in their place.
fn trusting(roots: Option<&Path>) -> Result<ClientConfig, Error> {
    let Some(path) = roots else { return tls::plain() };
    let unusable = |why: String| {
        let observed = format!("the certificates of sslrootcert cannot be used: {why}");
        Error::new(Class::Internal, ReasonCode::Tls, "", observed)
    };
    let mut store = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
    for certificate in found {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        store.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(store).with_no_client_auth())
        .map_err(|error| unusable(error.to_string()))
}

/// Sorts what a server refuses by its five-character code; its sentence may quote values and is kept as evidence only.
///
/// # Source
/// PostgreSQL's documentation, appendix A, "PostgreSQL Error Codes".
fn failure(error: &tokio_postgres::Error) -> Error {
    if let Some(refusal) = error.as_db_error() {
        let code = refusal.code();
        let (class, reason, said) = sorted(code);
        let observed = format!("{said} ({})", code.code());
        let evidence = redact::evidence(refusal.message().as_bytes());
        return Error::new(class, reason, "", observed).with_evidence(evidence);
    }
    let cause = std::error::Error::source(error);
    if let Some(io) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
        return io_error(io, "");
    }
    if error.is_closed() {
        let observed = "closed the connection";
        return Error::new(Class::Transient, ReasonCode::ConnectionClosed, "", observed);
    }
    let text = cause.map(ToString::to_string).unwrap_or_default();
    if text.contains("password") {
        return permanent(ReasonCode::Auth, "wants a password, and none is configured");
    }
    permanent(ReasonCode::Protocol, "answered something that is not PostgreSQL")
}

fn sorted(code: &SqlState) -> (Class, ReasonCode, &'static str) {
    use Class::{Permanent, Transient};
    match code.code() {
        "57P03" => (Transient, ReasonCode::NotReady, "is starting up or shutting down"),
        "57P01" | "57P02" => (Transient, ReasonCode::NotReady, "is shutting down"),
        "53300" => (Transient, ReasonCode::Capacity, "has no connection left"),
        "55P03" => (Transient, ReasonCode::Locked, "is locked"),
        "57014" => (Transient, ReasonCode::Timeout, "did not finish the query in time"),
        "28P01" | "28000" => (Permanent, ReasonCode::Auth, "refused the sign-in"),
        "42501" => (Permanent, ReasonCode::Auth, "does not let the user look"),
        "3D000" => (Permanent, ReasonCode::Content, "has no such database"),
        "42P01" | "3F000" => (Permanent, ReasonCode::NoSuchTable, "has no such table"),
        "42703" => (Permanent, ReasonCode::Content, "has a table with other columns"),
        "42883" | "42704" => (Permanent, ReasonCode::Unsupported, "is older than version 10"),
        code if code.starts_with("08") || code.starts_with("53") => {
            (Transient, ReasonCode::NotReady, "is not ready")
        }
        _ => (Permanent, ReasonCode::Protocol, "refused the query"),
    }
}

fn permanent(reason: ReasonCode, observed: &str) -> Error {
    Error::new(Class::Permanent, reason, "", observed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<PostgresTarget, Error> {
        PostgresTarget::parse(&Url::parse(url).unwrap())
    }

    #[test]
    fn an_address_is_read_and_shown_without_its_password() {
        let cases = [
            (
                "postgres://ada:hunter2@db.local/shop",
                "postgres://db.local:5432/shop",
                Tls::IfOffered,
            ),
            ("postgresql://ada@[::1]:6432", "postgres://[::1]:6432/ada", Tls::IfOffered),
            (
                "postgres://ada:hunter2@db:1/shop?sslmode=verify-full&connect_timeout=3",
                "postgres://db:1/shop",
                Tls::Always,
            ),
            ("postgres://ada@db/shop?sslmode=disable", "postgres://db:5432/shop", Tls::Never),
            (
                "postgres://ada@%2Frun%2Fpg:5433/shop",
                "postgres+unix:/run/pg/.s.PGSQL.5433/shop",
                Tls::IfOffered,
            ),
        ];
        for (url, shown, tls) in cases {
            let read = target(url).unwrap();
            assert_eq!((read.to_string().as_str(), read.tls), (shown, tls), "{url}");
            assert!(!format!("{read:?}").contains("hunter"), "{read:?}");
        }
        for url in ["postgres:///shop", "postgres://db/shop?sslmode=maybe", "mysql://db/shop"] {
            assert!(target(url).is_err(), "{url}");
        }
    }

    #[test]
    fn refusals_are_sorted_by_their_code() {
        let cases = [
            (SqlState::CANNOT_CONNECT_NOW, Class::Transient, ReasonCode::NotReady),
            (SqlState::TOO_MANY_CONNECTIONS, Class::Transient, ReasonCode::Capacity),
            (SqlState::CONNECTION_FAILURE, Class::Transient, ReasonCode::NotReady),
            (SqlState::LOCK_NOT_AVAILABLE, Class::Transient, ReasonCode::Locked),
            (SqlState::INVALID_PASSWORD, Class::Permanent, ReasonCode::Auth),
            (SqlState::INVALID_CATALOG_NAME, Class::Permanent, ReasonCode::Content),
            (SqlState::UNDEFINED_TABLE, Class::Permanent, ReasonCode::NoSuchTable),
        ];
        for (code, class, reason) in cases {
            let (sorted_class, sorted_reason, _) = sorted(&code);
            assert_eq!((sorted_class, sorted_reason), (class, reason), "{code:?}");
        }
    }
}
