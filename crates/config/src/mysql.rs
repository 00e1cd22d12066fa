//! MySQL and MariaDB servers of the fleet file: how one is reached and what it must be.
//!
//! Owns the keys of `mysql` of endpoints and checks. The probes crate makes probes of them. Never connects.

use std::time::Duration;

use serde::Serialize;

use crate::address::TargetUrl;
use crate::postgres::version;
use crate::probe::{LatencyThresholds, Limits};
use crate::scalar;
use crate::shown;
use crate::table::Table;

/// Says what a server must be among its replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MysqlRole {
    /// Takes writes.
    Primary,
    /// Follows a primary.
    Replica,
}

/// Describes a MySQL that must let us in, and what it must be like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MysqlProbe {
    /// Where it is and how to sign in.
    pub dsn: TargetUrl,
    /// What it must be among its replicas.
    pub role: Option<MysqlRole>,
    /// The lowest version that will do, `8.0` or `10.11`.
    pub min_version: Option<String>,
    /// The highest version that will do; `8.0` holds 8.0.36 too.
    pub max_version: Option<String>,
    /// The share of connections that must be free, 0..=1.
    pub headroom: Option<f64>,
    /// How far a replica may be behind.
    #[serde(serialize_with = "shown::optional_duration")]
    pub max_lag: Option<Duration>,
    /// Response times that count as slow; `None` where the using worker has its own thresholds.
    pub latency: Option<LatencyThresholds>,
    /// Time and repetition.
    pub limits: Limits,
}

impl MysqlProbe {
    /// Reads everything but the address, which its user names.
    pub(crate) fn read(
        table: &mut Table<'_, '_>,
        limits: Limits,
    ) -> impl FnOnce(TargetUrl) -> Self + use<> {
        let roles = [("primary", MysqlRole::Primary), ("replica", MysqlRole::Replica)];
        let role = table.word("role", &roles);
        let min_version = table.parse("min_version", version);
        let max_version = table.parse("max_version", version);
        let headroom = table.parse("headroom", scalar::share);
        let max_lag = table.duration("max_lag");
        let latency = LatencyThresholds::read(table, LatencyThresholds::default());
        let limits = Limits::read_with_ip(table, limits);
        move |dsn| Self { dsn, role, min_version, max_version, headroom, max_lag, latency, limits }
    }
}

/// Reads the address of a server.
pub(crate) fn address(table: &mut Table<'_, '_>, key: &'static str) -> Option<TargetUrl> {
    table.must(key);
    table.url(key, &["mysql"])
}
