//! Which version of a service was last seen to do well, and where.
//!
//! The health-monitor writes it with a good verdict and reads it when a deployment has to go back.
//! Nothing here is a fact about what runs now: others may have deployed since.

use std::collections::BTreeMap;

use printery_streams::{Error, ErrorKind, Keys};
use redis::{Value, cmd};
use serde::{Deserialize, Serialize};

use crate::records::Records;

/// A version of a service that did well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The version.
    pub version: String,
    /// The deployment that brought it.
    pub deployment_id: String,
    /// When it was seen to do well, the server's milliseconds.
    pub at_ms: u64,
}

/// What is kept of a service: the last deployment that did well, and the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    last: Proven,
    #[serde(default)]
    before: Option<Proven>,
}

/// Keeps that these services do well with what a deployment brought.
///
/// # Errors
/// Those of any command; some of it may be kept. Kept again, it stands once.
/// # Redis
/// `HMGET` and `HSET`, not in one step: of two deployments of one service in the same moment either
/// may stand.
pub async fn prove(
    records: &Records,
    environment: &str,
    services: &[String],
    proven: &Proven,
) -> Result<(), Error> {
    if services.is_empty() {
        return Ok(());
    }
    let known = read(records, environment, services).await?;
    let key = key(records.home_keys());
    let mut command = cmd("HSET");
    command.arg(&key);
    for service in services {
        let before = match known.get(service) {
            // The same deployment again: what was before it is still what was before it.
            Some(kept) if kept.last.deployment_id == proven.deployment_id => kept.before.clone(),
            Some(kept) => Some(kept.last.clone()),
            None => None,
        };
        let kept = Kept { last: proven.clone(), before };
        let record = serde_json::to_string(&kept).map_err(|error| {
            Error::new(ErrorKind::Malformed, "keep a version", &key, error.to_string())
        })?;
        command.arg(field(environment, service)).arg(record);
    }
    records.home_session().query("keep a version", &key, &command).await.map(drop)
}

/// Reads what each service did well with before a deployment; one that is not known is left out.
///
/// # Redis
/// `HMGET`.
pub async fn before(
    records: &Records,
    environment: &str,
    services: &[String],
    deployment_id: &str,
) -> Result<BTreeMap<String, Proven>, Error> {
    let known = read(records, environment, services).await?;
    let earlier = known.into_iter().filter_map(|(service, kept)| {
        let own = kept.last.deployment_id == deployment_id;
        let proven = if own { kept.before } else { Some(kept.last) };
        proven.map(|proven| (service, proven))
    });
    Ok(earlier.collect())
}

async fn read(
    records: &Records,
    environment: &str,
    services: &[String],
) -> Result<BTreeMap<String, Kept>, Error> {
    if services.is_empty() {
        return Ok(BTreeMap::new());
    }
    let key = key(records.home_keys());
    let mut command = cmd("HMGET");
    command.arg(&key);
    for service in services {
        command.arg(field(environment, service));
    }
    let reply: Value = records.home_session().query("read versions", &key, &command).await?;
    let rows: Vec<Option<Vec<u8>>> = redis::from_redis_value(reply).map_err(|_shape| {
        Error::new(ErrorKind::Malformed, "read versions", &key, "not one answer per service")
    })?;
    let rows = services.iter().zip(rows);
    Ok(rows
        .filter_map(|(service, row)| Some((service.clone(), serde_json::from_slice(&row?).ok()?)))
        .collect())
}

fn field(environment: &str, service: &str) -> String {
    format!("{environment}/{service}")
}

/// Hash of versions that did well, by `<environment>/<service>`; in the home partition. Written by
/// the health-monitor, kept for as long as the prefix lives.
fn key(keys: &Keys) -> String {
    format!("{}:printery:versions", keys.prefix())
}
