//! Databases of the fleet file: how one is reached, what it must be, what must have been migrated.
//!
//! Owns the keys of `postgres` and `migrations`. The probes crate makes probes of them. Never connects.

use std::time::Duration;

use printery_expressions::{Condition, Vocabulary};
use serde::Serialize;

use crate::address::TargetUrl;
use crate::node::Value;
use crate::probe::{LatencyThresholds, Limits};
use crate::scalar;
use crate::shown;
use crate::table::Table;
use crate::template::Template;
use crate::vocabulary;

/// The schemes of a database's address.
const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// The tools whose books can be read.
pub const MIGRATION_ADAPTERS: [&str; 12] = [
    "sqlx",
    "flyway",
    "golang-migrate",
    "rails",
    "alembic",
    "django",
    "diesel",
    "prisma",
    "liquibase",
    "refinery",
    "seaorm",
    "goose",
];

/// Says what a database server must be in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PostgresRole {
    /// Takes writes.
    Primary,
    /// Follows a primary.
    Replica,
}

/// Describes a PostgreSQL that must let us in, and what it must be like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PostgresProbe {
    /// Where it is and how to sign in.
    pub dsn: TargetUrl,
    /// What it must be in its cluster.
    pub role: Option<PostgresRole>,
    /// The lowest version that will do, `14` or `14.3`.
    pub min_version: Option<String>,
    /// The highest version that will do; `16` holds 16.9 too.
    pub max_version: Option<String>,
    /// The share of connections that must be free, 0..=1.
    pub headroom: Option<f64>,
    /// How far a replica may be behind.
    #[serde(serialize_with = "shown::optional_duration")]
    pub max_lag: Option<Duration>,
    /// How old the oldest open transaction may be.
    #[serde(serialize_with = "shown::optional_duration")]
    pub max_transaction_age: Option<Duration>,
    /// How many sessions may wait for a lock.
    pub max_lock_waiters: Option<u64>,
    /// Conditions over [`vocabulary::POSTGRES`].
    pub conditions: Vec<Condition>,
    /// Response times that count as slow; `None` where the using worker has its own thresholds.
    pub latency: Option<LatencyThresholds>,
    /// Time and repetition.
    pub limits: Limits,
}

/// Describes a schema that must fit the version that is deployed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MigrationsCheck {
    /// Where the database is and how to sign in.
    pub dsn: TargetUrl,
    /// The tool that migrates it, one of [`MIGRATION_ADAPTERS`].
    pub adapter: &'static str,
    /// Another table than the tool's own, `table` or `schema.table`.
    pub table: Option<String>,
    /// Migrations that must have been applied.
    pub require: Vec<Template>,
    /// The newest migration that the artefact knows.
    pub max: Option<Template>,
    /// Time and repetition.
    pub limits: Limits,
}

impl PostgresProbe {
    /// Reads everything but the address, which its user names.
    pub(crate) fn read(
        table: &mut Table<'_, '_>,
        limits: Limits,
    ) -> impl FnOnce(TargetUrl) -> Self + use<> {
        let roles = [("primary", PostgresRole::Primary), ("replica", PostgresRole::Replica)];
        let role = table.word("role", &roles);
        let min_version = table.parse("min_version", version);
        let max_version = table.parse("max_version", version);
        let headroom = table.parse("headroom", scalar::share);
        let max_lag = table.duration("max_lag");
        let max_transaction_age = table.span("max_transaction_age");
        let max_lock_waiters = table.count("max_lock_waiters", 0);
        let names = Vocabulary::of(vocabulary::POSTGRES);
        let conditions = table.conditions("assert", &names).unwrap_or_default();
        let latency = LatencyThresholds::read(table, LatencyThresholds::default());
        let limits = Limits::read_with_ip(table, limits);
        move |dsn| Self {
            dsn,
            role,
            min_version,
            max_version,
            headroom,
            max_lag,
            max_transaction_age,
            max_lock_waiters,
            conditions,
            latency,
            limits,
        }
    }
}

impl MigrationsCheck {
    /// Reads its keys.
    pub(crate) fn read(table: &mut Table<'_, '_>, limits: Limits) -> Option<Self> {
        table.must("adapter");
        let words = MIGRATION_ADAPTERS.map(|adapter| (adapter, adapter));
        let adapter = table.word("adapter", &words);
        let dsn = address(table, "dsn");
        let read = Self {
            table: table.parse("table", identifier),
            require: requirements(table),
            max: table.template("max"),
            limits: Limits::read_with_ip(table, limits),
            adapter: adapter?,
            dsn: dsn?,
        };
        Some(read)
    }
}

/// Reads the address of a database.
pub(crate) fn address(table: &mut Table<'_, '_>, key: &'static str) -> Option<TargetUrl> {
    table.must(key);
    table.url(key, &SCHEMES)
}

/// Reads `require`, one migration or several.
fn requirements(table: &mut Table<'_, '_>) -> Vec<Template> {
    let Some(node) = table.get("require") else { return Vec::new() };
    match &node.value {
        Value::List(items) => {
            let what = table.name("require");
            items.iter().filter_map(|item| table.template_of(item, &what)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Table(_) => {
            table.template("require").into_iter().collect()
        }
    }
}

/// Accepts `14` and `14.3`.
pub(crate) fn version(text: &str) -> Result<String, String> {
    let mut parts = text.split('.');
    let number = |part: &str| part.parse::<u32>().is_ok();
    let known = parts.next().is_some_and(number)
        && parts.next().is_none_or(number)
        && parts.next().is_none();
    if known { Ok(text.to_owned()) } else { Err("must be a version such as `14` or `14.3`".into()) }
}

/// Accepts `table` and `schema.table`.
fn identifier(text: &str) -> Result<String, String> {
    let part = |part: &str| {
        let mut letters = part.chars();
        letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || "_$".contains(c))
    };
    if text.split('.').count() <= 2 && text.split('.').all(part) {
        Ok(text.to_owned())
    } else {
        Err("must be a table such as `schema_migrations` or `app.schema_migrations`".to_owned())
    }
}
