//! The fleet file's say in how deliveries are handled.
//!
//! Owns the `engine:` section and reads `bus:` beside it. The harness merges it: flag, environment, this file,
//! default. Never holds a default itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::address::RedisUrl;
use crate::bus::{self, BusDurability, RedisTls};
use crate::shown;
use crate::table::Table;

/// Holds the file's layer of the engine's settings; `None` is "the file does not say".
#[derive(Clone, Debug, Default, Serialize)]
pub struct Engine {
    /// The Redis the fleet lives on.
    pub redis_url: Option<RedisUrl>,
    /// What every key starts with.
    pub prefix: Option<String>,
    /// How many partitions the fleet has; none is a fleet under the plain prefix.
    pub partitions: Option<u16>,
    /// The files for TLS to Redis.
    pub redis_tls: RedisTls,
    /// How far a write must have come before it counts as confirmed.
    pub durability: Option<BusDurability>,
    /// How long an entry is safe without renewal.
    #[serde(serialize_with = "shown::optional_duration")]
    pub lease: Option<Duration>,
    /// How often leases are renewed.
    #[serde(serialize_with = "shown::optional_duration")]
    pub renew_every: Option<Duration>,
    /// How often abandoned entries are looked for.
    #[serde(serialize_with = "shown::optional_duration")]
    pub sweep_every: Option<Duration>,
    /// Attempts before an entry is buried.
    pub max_attempts: Option<u32>,
    /// How long a settled event id is remembered; zero is not at all.
    #[serde(serialize_with = "shown::optional_duration")]
    pub dedupe_window: Option<Duration>,
    /// How long one handler may run.
    #[serde(serialize_with = "shown::optional_duration")]
    pub handler_timeout: Option<Duration>,
    /// Entries younger than this are kept.
    #[serde(serialize_with = "shown::optional_duration")]
    pub retention_age: Option<Duration>,
    /// This many entries are kept whatever their age.
    pub retention_entries: Option<u64>,
    /// How `data` is written.
    pub encoding: Option<Encoding>,
    /// The first wait before a retry.
    #[serde(serialize_with = "shown::optional_duration")]
    pub backoff_base: Option<Duration>,
    /// The longest wait before a retry.
    #[serde(serialize_with = "shown::optional_duration")]
    pub backoff_cap: Option<Duration>,
    /// Handlers at once, by worker name.
    pub concurrency: BTreeMap<String, usize>,
}

/// Partitions that a fleet may have: each costs every process a handful of connections.
pub const MOST_PARTITIONS: u16 = 64;

/// Says how `data` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Encoding {
    /// `application/msgpack`.
    #[serde(rename = "msgpack")]
    MessagePack,
    /// `application/json`.
    #[serde(rename = "json")]
    Json,
}

/// The words of `encoding`.
const ENCODING: [(&str, Encoding); 2] =
    [("msgpack", Encoding::MessagePack), ("json", Encoding::Json)];

/// The workers `concurrency` may name.
const WORKERS: [&str; 4] = ["validator", "dependency-checker", "health-monitor", "notifier"];

impl Engine {
    /// Reads the `bus:` and `engine:` sections.
    pub(crate) fn read(top: &mut Table<'_, '_>) -> Self {
        // It may stand at the top as well: it is the fleet's shape more than the bus' address.
        let partitions = top.partitions("partitions");
        let mut read = Self { partitions, ..Self::default() };
        if let Some(mut table) = top.table("bus") {
            bus::read(&mut table, &mut read);
            table.close();
        }
        let Some(mut table) = top.table("engine") else { return read };
        read.lease = table.span("lease");
        read.renew_every = table.span("renew_every");
        read.sweep_every = table.span("sweep_every");
        read.max_attempts = table.small("max_attempts");
        read.dedupe_window = table.duration("dedupe_window");
        read.handler_timeout = table.span("handler_timeout");
        read.encoding = table.word("encoding", &ENCODING);
        if let Some(mut backoff) = table.table("backoff") {
            read.backoff_base = backoff.span("base");
            read.backoff_cap = backoff.span("cap");
            backoff.close();
        }
        if let Some(mut retention) = table.table("retention") {
            read.retention_age = retention.duration("age");
            read.retention_entries = retention.count("entries", 0);
            retention.close();
        }
        if let Some(mut concurrency) = table.table("concurrency") {
            for worker in WORKERS {
                if let Some(count) = concurrency.small(worker) {
                    read.concurrency.insert(worker.to_owned(), count as usize);
                }
            }
            concurrency.close();
        }
        table.close();
        read
    }
}

/// Accepts a key prefix: no white space, at most 64 characters.
///
/// # Errors
/// The rule, one clause.
pub fn key_prefix(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-:{}".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(fits) {
        return Err("must be 1 to 64 of A-Z a-z 0-9 _ . - : { }".to_owned());
    }
    Ok(text.to_owned())
}
