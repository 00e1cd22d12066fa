//! The fleet file's say in where Redis is, whom it trusts and what it must confirm.
//!
//! Owns the `bus:` section; read by [`crate::Engine`]. Opens no file that it names: whoever connects
//! judges those. Never holds a default itself.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::engine::{Engine, key_prefix};
use crate::shown;
use crate::table::Table;

/// Names the files that TLS to Redis needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RedisTls {
    /// The authorities that may have signed the server's certificate.
    pub ca: Option<PathBuf>,
    /// The client's certificate.
    pub certificate: Option<PathBuf>,
    /// The key of the client's certificate.
    pub key: Option<PathBuf>,
    /// Whether any certificate is taken for the server's.
    pub insecure: bool,
}

/// Says how far a write must have come before it counts as confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BusDurability {
    /// Replicas that must have it; none said is none, unless nothing else is asked for either.
    pub replicas: Option<u32>,
    /// Whether it must be on the disk.
    pub fsync: bool,
    /// How long to wait for it.
    #[serde(serialize_with = "shown::optional_duration")]
    pub timeout: Option<Duration>,
}

/// Reads the `bus:` section into the engine's layer.
pub(crate) fn read(bus: &mut Table<'_, '_>, into: &mut Engine) {
    into.redis_url = bus.redis_url("redis");
    into.prefix = bus.parse("prefix", key_prefix);
    into.partitions = bus.partitions("partitions").or(into.partitions);
    if let Some(mut tls) = bus.table("tls") {
        into.redis_tls = RedisTls {
            ca: tls.text("ca").map(PathBuf::from),
            certificate: tls.text("certificate").map(PathBuf::from),
            key: tls.text("key").map(PathBuf::from),
            insecure: tls.flag("insecure").unwrap_or(false),
        };
        tls.close();
    }
    if let Some(mut durability) = bus.table("durability") {
        into.durability = Some(BusDurability {
            replicas: durability.count("replicas", 0).and_then(|count| u32::try_from(count).ok()),
            fsync: durability.flag("fsync").unwrap_or(false),
            timeout: durability.span("timeout"),
        });
        durability.close();
    }
}
