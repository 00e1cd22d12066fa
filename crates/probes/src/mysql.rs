//! The MySQL probe: signs in, and looks at version, writes, room for connections and replication.
//!
//! Workers use it for MySQL and MariaDB, in builds with the feature `mysql`. It reads the server's own variables and nothing of
//! anybody's data. Nothing is encrypted: a server that insists on it is reported as such.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row, Value};
use printery_config as config;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::addresses::over;
use crate::classify::{connect_timeout, io_error};
use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::limits::Limits;
use crate::mysql_portrait::{Following, MysqlDemands, Portrait};
use crate::outcome::{Class, ReasonCode};
use crate::redact::{self, brief};
use crate::redis_target::decoded;
use crate::report::{Report, Timings};
use crate::retry::{About, with_retries};
use crate::tcp::shown;

/// The port of MySQL where none is given.
const DEFAULT_PORT: u16 = 3306;

/// One server and what is expected of it.
#[derive(Debug, Clone)]
pub struct MysqlProbe {
    target: MysqlTarget,
    demands: MysqlDemands,
    warn_after: Option<Duration>,
    fail_after: Option<Duration>,
}

/// Where a server is and how to sign in.
#[derive(Clone)]
struct MysqlTarget {
    host: String,
    port: u16,
    user: String,
    password: Option<SecretString>,
    database: Option<String>,
}

/// The target without its credentials.
impl fmt::Display for MysqlTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.database.as_deref().unwrap_or_default();
        write!(f, "mysql://{}/{database}", shown(&self.host, self.port))
    }
}

impl fmt::Debug for MysqlTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl MysqlTarget {
    fn parse(url: &Url) -> Result<Self, Error> {
        let wrong = |why: &str| {
            let attempted = "reading the address of a MySQL";
            Error::new(Class::Internal, ReasonCode::InvalidTarget, attempted, why)
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("it names no host"))?;
        if url.query().is_some() {
            return Err(wrong("its parameters mean nothing here; it is asked without encryption"));
        }
        if url.username().is_empty() {
            return Err(wrong("it names no user"));
        }
        let database = decoded(url.path().trim_start_matches('/'));
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(DEFAULT_PORT),
            user: decoded(url.username()),
            password: url.password().map(|password| decoded(password).into()),
            database: Some(database).filter(|name| !name.is_empty()),
        })
    }
}

impl MysqlProbe {
    /// Makes the probe of a server.
    ///
    /// # Errors
    /// Its address is not that of one server; the text does not repeat it.
    pub fn configured(said: &config::MysqlProbe) -> Result<Self, Error> {
        Ok(Self {
            target: MysqlTarget::parse(said.dsn.expose())?,
            demands: MysqlDemands {
                role: said.role,
                min_version: said.min_version.clone(),
                max_version: said.max_version.clone(),
                headroom: said.headroom,
                max_lag: said.max_lag,
            },
            warn_after: said.latency.map(|latency| latency.degraded),
            fail_after: said.latency.map(|latency| latency.unhealthy),
        })
    }

    /// Returns the same probe, whose right answers are judged by these thresholds.
    #[must_use]
    pub fn slow_from(self, latency: config::LatencyThresholds) -> Self {
        let config::LatencyThresholds { degraded, unhealthy } = latency;
        Self { warn_after: Some(degraded), fail_after: Some(unhealthy), ..self }
    }

    /// Asks, with retries, and judges the answers; names everything that is wrong at once.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connection.
    pub async fn run(&self, egress: &Egress, limits: &Limits) -> Report {
        let target = self.target.to_string();
        let attempted = format!("asking {target}");
        let about = About { attempted, target, expected: self.demands.words() };
        let (probe, about) = (self, &about);
        over(egress, &self.target.host, limits, about, |egress, limits| async move {
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
        let portrait = self.look(egress, reach, &mut timings).await;
        let took = started.elapsed();
        let report = match portrait {
            Ok(portrait) => {
                let facts = format!("{}, in {}", portrait.words(), brief(took));
                match self.demands.judge(&portrait) {
                    None => about.passed(facts).judged_by_latency(
                        took,
                        self.warn_after,
                        self.fail_after,
                    ),
                    Some((reason, wrong)) => {
                        let observed = format!("{wrong} ({facts})");
                        about.failed(Error::new(Class::Assertion, reason, "", observed))
                    }
                }
            }
            Err(error) => about.failed(error),
        };
        Report { timings, ..report }
    }

    async fn look(
        &self,
        egress: &Egress,
        reach: Instant,
        timings: &mut Timings,
    ) -> Result<Portrait, Error> {
        let MysqlTarget { host, port, user, password, database } = &self.target;
        let (addresses, resolve) = egress.addresses(Purpose::Probe, host, *port, reach).await?;
        timings.resolve = resolve;
        // The driver dials what the guard has admitted, and never looks the name up again.
        let options = OptsBuilder::default()
            .ip_or_hostname(host.as_str())
            .tcp_port(*port)
            .resolved_ips(Some(addresses.iter().map(std::net::SocketAddr::ip).collect::<Vec<_>>()))
            .user(Some(user))
            .pass(password.as_ref().map(|password| password.expose_secret().to_owned()))
            .db_name(database.as_ref())
            .prefer_socket(false);
        let connecting = Instant::now();
        let mut session = timeout_at(reach, Conn::new(options))
            .await
            .map_err(|_elapsed| connect_timeout("", connecting.elapsed()))?
            .map_err(|error| failure(&error))?;
        timings.connect = Some(connecting.elapsed());
        let asked = Instant::now();
        let portrait = self.interview(&mut session).await;
        timings.processing = Some(asked.elapsed());
        // What matters has been answered; how the goodbye ends does not.
        session.disconnect().await.unwrap_or_default();
        portrait
    }

    async fn interview(&self, session: &mut Conn) -> Result<Portrait, Error> {
        let said = "SELECT 1, VERSION(), @@GLOBAL.read_only, @@GLOBAL.max_connections";
        let row = first(session, said).await?.ok_or_else(strange)?;
        let (version, read_only, most) = (text(&row, 1), text(&row, 2), text(&row, 3));
        let row = first(session, "SHOW GLOBAL STATUS LIKE 'Threads_connected'").await?;
        let connections = row.and_then(|row| text(&row, 1));
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
        Ok(Portrait {
            version: version.ok_or_else(strange)?,
            read_only: read_only.as_deref() == Some("1"),
            most_connections: number(most).ok_or_else(strange)?,
            connections: number(connections).ok_or_else(strange)?,
            following: if self.demands.need_replication() {
                following(session).await?
            } else {
                Following::Unasked
            },
        })
    }
}

/// Asks whom the server follows, by the word of new servers, then by that of old ones.
async fn following(session: &mut Conn) -> Result<Following, Error> {
    /// `ER_PARSE_ERROR`: it does not know the word.
    const UNKNOWN_WORD: u16 = 1064;
    let row = match session.query_first::<Row, _>("SHOW REPLICA STATUS").await {
        Err(mysql_async::Error::Server(refused)) if refused.code == UNKNOWN_WORD => {
            first(session, "SHOW SLAVE STATUS").await?
        }
        answer => answer.map_err(|error| failure(&error))?,
    };
    let Some(row) = row else { return Ok(Following::Nobody) };
    let known = ["Seconds_Behind_Source", "Seconds_Behind_Master"];
    let columns = row.columns();
    let place = columns.iter().position(|column| known.contains(&&*column.name_str()));
    let lag = place.and_then(|place| text(&row, place)).and_then(|lag| lag.parse().ok());
    Ok(Following::Behind(lag))
}

async fn first(session: &mut Conn, query: &str) -> Result<Option<Row>, Error> {
    session.query_first(query).await.map_err(|error| failure(&error))
}

/// Returns a column as text: numbers come as text or as numbers.
fn text(row: &Row, column: usize) -> Option<String> {
    match row.as_ref(column)? {
        Value::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::NULL | Value::Float(_) | Value::Double(_) | Value::Date(..) | Value::Time(..) => {
            None
        }
    }
}

fn strange() -> Error {
    let observed = "answered its own variables in another way than MySQL does";
    Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
}

/// Turns the driver's error into our own; the server's text is evidence, never the message.
fn failure(error: &mysql_async::Error) -> Error {
    match error {
        mysql_async::Error::Server(refused) => {
            let (class, reason, said) = sorted(refused.code);
            let evidence = redact::evidence(refused.message.as_bytes());
            let observed = format!("{said} ({})", refused.code);
            Error::new(class, reason, "", observed).with_evidence(evidence)
        }
        // What is wrong inside a packet comes as an error of no kind.
        mysql_async::Error::Io(mysql_async::IoError::Io(io)) if io.kind() == ErrorKind::Other => {
            foreign()
        }
        mysql_async::Error::Io(mysql_async::IoError::Io(io)) => io_error(io, ""),
        mysql_async::Error::Driver(mysql_async::DriverError::ConnectionClosed) => {
            let observed = "closed the connection";
            Error::new(Class::Transient, ReasonCode::ConnectionClosed, "", observed)
        }
        mysql_async::Error::Driver(_)
        | mysql_async::Error::Other(_)
        | mysql_async::Error::Url(_) => foreign(),
    }
}

fn foreign() -> Error {
    let observed = "answered something that is not MySQL";
    Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
}

/// Sorts a server's error.
///
/// # Source
/// The server error references of MySQL 8.0 and MariaDB 10.11.
fn sorted(code: u16) -> (Class, ReasonCode, &'static str) {
    use Class::{Permanent, Transient};
    match code {
        1040 | 1203 | 1226 => (Transient, ReasonCode::Capacity, "has no connection left"),
        1053 => (Transient, ReasonCode::NotReady, "is shutting down"),
        1205 | 1213 => (Transient, ReasonCode::Locked, "is locked"),
        1969 | 3024 => (Transient, ReasonCode::Timeout, "did not finish the query in time"),
        1045 | 1698 => (Permanent, ReasonCode::Auth, "refused the sign-in"),
        1044 | 1142 | 1227 => (Permanent, ReasonCode::Auth, "does not let the user look"),
        1129 | 1130 => (Permanent, ReasonCode::Auth, "does not let this machine in"),
        3159 => (Permanent, ReasonCode::Tls, "wants an encrypted connection"),
        1049 => (Permanent, ReasonCode::Content, "has no such database"),
        _ => (Permanent, ReasonCode::Protocol, "refused the query"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_user_and_one_server_and_is_shown_without_secrets() {
        let parse = |text: &str| MysqlTarget::parse(&Url::parse(text).unwrap());
        let target = parse("mysql://ops:hunter%202@db/shop").unwrap();
        assert_eq!(target.to_string(), "mysql://db:3306/shop");
        assert_eq!(target.password.as_ref().unwrap().expose_secret(), "hunter 2");
        assert!(!format!("{target:?}").contains("hunter"));
        assert_eq!(parse("mysql://ops@[::1]:1/").unwrap().to_string(), "mysql://[::1]:1/");
        for wrong in ["mysql://db/shop", "mysql://ops@db/shop?ssl=1", "mysql:///shop"] {
            let why = parse(wrong).unwrap_err().to_string();
            assert!(!why.contains("db"), "{why}");
        }
    }
}
