//! The PostgreSQL probe: signs in, and looks at version, role, room for connections and what a change would wait for.
//!
//! Workers use it for databases. It reads the server's own views and nothing of anybody's data.

use std::time::Duration;

use printery_expressions::Condition;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_postgres::SimpleQueryRow;

use crate::addresses::over;
use crate::assertions;
use crate::egress::Egress;
use crate::error::Error;
use crate::facts::milliseconds;
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::postgres_session::{PostgresTarget, Session};
use crate::redact::brief;
use crate::report::{Report, Timings};
use crate::retry::{About, with_retries};

/// Everything that is asked of a server, in one row. Column by column as [`Portrait::read`] takes them.
///
/// A replica whose stream is broken counts from its last change, whatever it has received; one that has applied all it
/// received is not behind, however long nothing was written.
const PORTRAIT: &str = "
    SELECT current_setting('server_version_num'),
        pg_is_in_recovery(),
        current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int,
        (SELECT coalesce(sum(numbackends), 0) FROM pg_stat_database),
        (SELECT count(*) FROM pg_locks WHERE NOT granted),
        (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)
            FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'),
        CASE WHEN NOT pg_is_in_recovery() THEN NULL
            WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
                AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver) THEN 0
            ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END,
        (SELECT reset_val FROM pg_settings WHERE name = 'default_transaction_read_only')";

/// What a server may be in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresRole {
    /// Takes writes.
    Primary,
    /// Follows a primary.
    Replica,
}

/// What is expected of a server beyond letting us in.
#[derive(Debug, Clone, Default)]
pub struct PostgresDemands {
    /// What it must be.
    pub role: Option<PostgresRole>,
    /// The lowest version that will do, as in `14` or `14.3`.
    pub min_version: Option<String>,
    /// The highest, as in `16`, which holds 16.9 too.
    pub max_version: Option<String>,
    /// The share of connections that must be free, 0..=1.
    pub headroom: Option<f64>,
    /// How far a replica may be behind.
    pub max_lag: Option<Duration>,
    /// How old the oldest open transaction may be: a migration waits for it.
    pub max_transaction_age: Option<Duration>,
    /// How many sessions may be waiting for a lock.
    pub max_lock_waiters: Option<u64>,
}

/// One server and what is expected of it.
#[derive(Debug, Clone)]
pub struct PostgresProbe {
    /// The server.
    pub target: PostgresTarget,
    /// What is expected.
    pub demands: PostgresDemands,
    /// Conditions over what it says of itself.
    pub conditions: Vec<Condition>,
    /// Total time from which on a right answer is a warning.
    pub warn_after: Option<Duration>,
    /// Total time from which on a right answer is a failure.
    pub fail_after: Option<Duration>,
}

/// What a server says of itself.
#[derive(Debug, PartialEq)]
struct Portrait {
    /// As `150018` for 15.18.
    version: u32,
    is_replica: bool,
    most_connections: u64,
    connections: u64,
    lock_waiters: u64,
    /// Seconds.
    oldest_transaction: f64,
    /// Seconds; `None` for a primary, and for a replica that has never replayed a transaction.
    lag: Option<f64>,
    is_read_only: bool,
}

impl PostgresProbe {
    /// Makes a probe that expects to be let in.
    pub fn new(target: PostgresTarget) -> Self {
        let demands = PostgresDemands::default();
        Self { target, demands, conditions: Vec::new(), warn_after: None, fail_after: None }
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
        let portrait = match Session::open(&self.target, egress, reach, until, &mut timings).await {
            Ok(session) => {
                let asked = Instant::now();
                let row = session.rows(PORTRAIT).await;
                timings.processing = Some(asked.elapsed());
                row.and_then(|rows| Portrait::read(rows.first()))
            }
            Err(error) => Err(error),
        };
        let took = started.elapsed();
        let report = match portrait {
            Ok(portrait) => {
                let facts = format!("{}, in {}", portrait.words(), brief(took));
                match self.holds(&portrait, took, until).await {
                    Ok(()) => about.passed(facts).judged_by_latency(
                        took,
                        self.warn_after,
                        self.fail_after,
                    ),
                    Err(wrong) => {
                        let observed = format!("{} ({facts})", wrong.observed());
                        let (class, reason) = (wrong.class(), wrong.reason_code());
                        about.failed(Error::new(class, reason, "", observed))
                    }
                }
            }
            Err(error) => about.failed(error),
        };
        Report { timings, ..report }
    }

    async fn holds(
        &self,
        portrait: &Portrait,
        took: Duration,
        until: Instant,
    ) -> Result<(), Error> {
        if let Some((reason, wrong)) = self.demands.judge(portrait) {
            return Err(Error::new(Class::Assertion, reason, "", wrong));
        }
        assertions::check(&self.conditions, portrait.facts(took), until).await
    }
}

impl PostgresDemands {
    /// Returns the first reason and everything that is wrong.
    fn judge(&self, portrait: &Portrait) -> Option<(ReasonCode, String)> {
        let mut wrong: Vec<(ReasonCode, String)> = Vec::new();
        let mut say = |reason, text: String| wrong.push((reason, text));
        match self.role {
            Some(PostgresRole::Primary) if portrait.is_replica => {
                say(ReasonCode::Role, "it is a replica and takes no writes".to_owned());
            }
            Some(PostgresRole::Primary) if portrait.is_read_only => {
                say(ReasonCode::Role, "it takes no writes by default".to_owned());
            }
            Some(PostgresRole::Replica) if !portrait.is_replica => {
                say(ReasonCode::Role, "it is a primary".to_owned());
            }
            Some(PostgresRole::Primary | PostgresRole::Replica) | None => {}
        }
        if let Some(least) = &self.min_version
            && compare(portrait.version, least) == Some(std::cmp::Ordering::Less)
        {
            say(ReasonCode::Version, format!("it is older than version {least}"));
        }
        if let Some(most) = &self.max_version
            && compare(portrait.version, most) == Some(std::cmp::Ordering::Greater)
        {
            say(ReasonCode::Version, format!("it is newer than version {most}"));
        }
        if let Some(share) = self.headroom
            && portrait.free_share() < share
        {
            let wanted = share * 100.0;
            let text = format!("less than {wanted}% of its connections are free");
            say(ReasonCode::Capacity, text);
        }
        if let Some(most) = self.max_lag
            && portrait.is_replica
            && portrait.lag.is_none_or(|lag| lag > most.as_secs_f64())
        {
            say(ReasonCode::Lag, format!("it is more than {} behind", brief(most)));
        }
        if let Some(most) = self.max_transaction_age
            && portrait.oldest_transaction > most.as_secs_f64()
        {
            let text = format!("a transaction has been open for more than {}", brief(most));
            say(ReasonCode::Locked, text);
        }
        if let Some(most) = self.max_lock_waiters
            && portrait.lock_waiters > most
        {
            let text =
                format!("{} sessions wait for locks, at most {most} may", portrait.lock_waiters);
            say(ReasonCode::Locked, text);
        }
        let reason = wrong.first()?.0;
        let texts: Vec<String> = wrong.into_iter().map(|(_, text)| text).collect();
        Some((reason, texts.join("; ")))
    }

    fn words(&self) -> String {
        let mut words = vec!["a session".to_owned()];
        match self.role {
            Some(PostgresRole::Primary) => words.push("of a primary that takes writes".to_owned()),
            Some(PostgresRole::Replica) => words.push("of a replica".to_owned()),
            None => {}
        }
        words.extend(self.min_version.iter().map(|version| format!("version {version} or later")));
        words
            .extend(self.max_version.iter().map(|version| format!("version {version} or earlier")));
        words.extend(
            self.headroom.map(|share| format!("{}% of its connections free", share * 100.0)),
        );
        words.extend(self.max_lag.map(|lag| format!("at most {} behind", brief(lag))));
        let age = self.max_transaction_age;
        words.extend(age.map(|age| format!("no transaction older than {}", brief(age))));
        words.extend(self.max_lock_waiters.map(|most| format!("at most {most} waiting for locks")));
        words.join(", ")
    }
}

impl Portrait {
    fn read(row: Option<&SimpleQueryRow>) -> Result<Self, Error> {
        let text = |column: usize| row.and_then(|row| row.try_get(column).ok().flatten());
        let read = || {
            Some(Self {
                version: text(0)?.parse().ok()?,
                is_replica: text(1)? == "t",
                most_connections: text(2)?.parse().ok()?,
                connections: text(3)?.parse().ok()?,
                lock_waiters: text(4)?.parse().ok()?,
                oldest_transaction: text(5)?.parse().ok()?,
                lag: text(6).and_then(|lag| lag.parse().ok()),
                is_read_only: text(7)? == "on",
            })
        };
        read().ok_or_else(|| {
            let observed = "answered its own views in another way than PostgreSQL does";
            Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
        })
    }

    /// Returns the variables of conditions: `printery_config::vocabulary::POSTGRES`.
    fn facts(&self, took: Duration) -> Map<String, Value> {
        let role = if self.is_replica { "replica" } else { "primary" };
        let (major, minor) = (self.version / 10_000, self.version % 10_000);
        let facts = [
            ("role", json!(role)),
            ("in_recovery", json!(self.is_replica)),
            ("version", json!(format!("{major}.{minor}"))),
            ("connections_pct", json!((1.0 - self.free_share()) * 100.0)),
            ("lag_seconds", json!(self.lag)),
            ("lock_waiters", json!(self.lock_waiters)),
            ("oldest_transaction_seconds", json!(self.oldest_transaction)),
            ("latency_ms", json!(milliseconds(took))),
        ];
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "connections are counted in thousands")]
    fn free_share(&self) -> f64 {
        let free = self.most_connections.saturating_sub(self.connections);
        free as f64 / self.most_connections.max(1) as f64
    }

    fn words(&self) -> String {
        let role = match (self.is_replica, self.lag) {
            (true, Some(lag)) => format!("a replica {lag:.1}s behind"),
            (true, None) => "a replica that has replayed nothing yet".to_owned(),
            (false, _) => "a primary".to_owned(),
        };
        let (major, minor) = (self.version / 10_000, self.version % 10_000);
        let Self { connections, most_connections, oldest_transaction, lock_waiters, .. } = self;
        format!(
            "PostgreSQL {major}.{minor}, {role}, {connections} of {most_connections} connections, \
             oldest transaction {oldest_transaction:.0}s, {lock_waiters} waiting for locks"
        )
    }
}

/// Compares a server's number (150018) with a written version, as far as that is written.
fn compare(number: u32, written: &str) -> Option<std::cmp::Ordering> {
    let mut parts = written.split('.').map(str::parse::<u32>);
    let major = parts.next()?.ok()?;
    let by_major = (number / 10_000).cmp(&major);
    match parts.next() {
        Some(minor) => Some(by_major.then((number % 10_000).cmp(&minor.ok()?))),
        None => Some(by_major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portrait() -> Portrait {
        Portrait {
            version: 150_018,
            is_replica: false,
            most_connections: 100,
            connections: 95,
            lock_waiters: 2,
            oldest_transaction: 400.0,
            lag: None,
            is_read_only: false,
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named_and_the_first_gives_the_reason() {
        let demands = PostgresDemands {
            role: Some(PostgresRole::Replica),
            min_version: Some("16".into()),
            headroom: Some(0.1),
            max_transaction_age: Some(Duration::from_secs(300)),
            max_lock_waiters: Some(0),
            ..PostgresDemands::default()
        };
        let (reason, wrong) = demands.judge(&portrait()).unwrap();
        assert_eq!(reason, ReasonCode::Role);
        let expected = "it is a primary; it is older than version 16; less than 10% of its connections \
            are free; a transaction has been open for more than 300.0s; 2 sessions wait for locks, at most 0 may";
        assert_eq!(wrong, expected);
        assert_eq!(PostgresDemands::default().judge(&portrait()), None);
    }

    #[test]
    fn versions_are_compared_as_far_as_they_are_written() {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let cases =
            [("15", Equal), ("14", Greater), ("16", Less), ("15.18", Equal), ("15.19", Less)];
        for (written, expected) in cases {
            assert_eq!(compare(150_018, written), Some(expected), "{written}");
        }
    }

    #[test]
    fn a_replica_is_held_against_its_lag_and_a_primary_is_not() {
        let demands = PostgresDemands {
            max_lag: Some(Duration::from_secs(10)),
            ..PostgresDemands::default()
        };
        let replica = |lag| Portrait { is_replica: true, lag, ..portrait() };
        assert_eq!(demands.judge(&portrait()), None);
        assert_eq!(demands.judge(&replica(Some(9.0))), None);
        for lag in [Some(11.0), None] {
            assert_eq!(demands.judge(&replica(lag)).unwrap().0, ReasonCode::Lag, "{lag:?}");
        }
    }
}
