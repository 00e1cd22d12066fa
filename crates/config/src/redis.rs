//! Probes of Redis servers: what one must be besides there.
//!
//! Owns the keys of `redis` of endpoints and checks. The probes crate makes probes of them. Never connects.

use printery_expressions::{Condition, Vocabulary};
use serde::Serialize;

use crate::address::RedisUrl;
use crate::probe::{LatencyThresholds, Limits};
use crate::table::Table;
use crate::vocabulary;

/// Says what a server must be among its replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RedisRole {
    /// Takes writes.
    Master,
    /// Follows a master.
    Replica,
}

/// Describes a Redis that must answer `PING`, and what it must be like.
#[derive(Clone, Debug, Serialize)]
pub struct RedisProbe {
    /// What is asked.
    pub url: RedisUrl,
    /// What it must be among its replicas.
    pub role: Option<RedisRole>,
    /// The lowest version that will do, `6.2`.
    pub min_version: Option<String>,
    /// What it must do when its memory is full, such as `noeviction`.
    pub maxmemory_policy: Option<String>,
    /// A key that must not be there: where it is, somebody is at work on the server.
    pub maintenance_key: Option<String>,
    /// Conditions over [`vocabulary::REDIS`].
    pub conditions: Vec<Condition>,
    /// Response times that count as slow; `None` where the using worker has its own thresholds.
    pub latency: Option<LatencyThresholds>,
    /// Time and repetition.
    pub limits: Limits,
}

/// What a server may do when its memory is full.
///
/// # Source
/// `maxmemory-policy` in `redis.conf` of Redis 7.
const POLICIES: [&str; 8] = [
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

impl RedisProbe {
    /// Reads everything but the address, which its user names.
    pub(crate) fn read(
        table: &mut Table<'_, '_>,
        limits: Limits,
    ) -> impl FnOnce(RedisUrl) -> Self + use<> {
        let roles = [
            ("master", RedisRole::Master),
            ("primary", RedisRole::Master),
            ("replica", RedisRole::Replica),
            ("slave", RedisRole::Replica),
        ];
        let role = table.word("role", &roles);
        let min_version = table.parse("min_version", version);
        let policy = table.word("maxmemory_policy", &POLICIES.map(|policy| (policy, policy)));
        let maintenance_key = table.text("maintenance_key");
        let names = Vocabulary::of(vocabulary::REDIS);
        let conditions = table.conditions("assert", &names).unwrap_or_default();
        let latency = LatencyThresholds::read(table, LatencyThresholds::default());
        let limits = Limits::read_with_ip(table, limits);
        move |url| Self {
            url,
            role,
            min_version,
            maxmemory_policy: policy.map(str::to_owned),
            maintenance_key,
            conditions,
            latency,
            limits,
        }
    }
}

/// Accepts `7`, `6.2` and `7.0.15`.
fn version(text: &str) -> Result<String, String> {
    let number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    if text.split('.').count() <= 3 && text.split('.').all(number) {
        Ok(text.to_owned())
    } else {
        Err("must be a version such as \"6.2\", in quotes".to_owned())
    }
}
