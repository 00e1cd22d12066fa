//! Which rollbacks the fleet has asked for, so that it does not ask too often.
//!
//! The health-monitor writes a claim before it asks and reads the others'; people read it. Whether
//! a claim stands is the writer's decision: one that does not is withdrawn.

use std::collections::BTreeSet;
use std::time::Duration;

use printery_streams::append::append;
use printery_streams::browse;
use printery_streams::{EntryId, Error, Keys};

use crate::records::Records;

/// Claims that are kept, roughly; a fleet that asks for more has other worries.
const CAP: u64 = 10_000;

/// Most claims that are read back.
const MOST: usize = 5_000;

/// The place of a claim that is not in the log yet.
pub const NO_ENTRY: EntryId = EntryId::at(0);

/// Stands between the services of a claim.
const COMMA: &str = ",";

/// The right to ask for a rollback, as somebody has claimed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its place in the log; the earlier of two claims stands.
    pub entry: EntryId,
    /// The deployment that is to go back.
    pub deployment_id: String,
    /// The event whose handling claimed it.
    pub event_id: String,
    /// Where.
    pub environment: String,
    /// The services it is about.
    pub services: Vec<String>,
}

/// Writes a claim; its own place is left to the log.
///
/// # Errors
/// [`printery_streams::ErrorKind::Unknown`]: it may be there; read back before you claim again.
/// # Redis
/// One script call.
pub async fn claim(records: &Records, claim: &Claim) -> Result<EntryId, Error> {
    let services = claim.services.join(COMMA);
    let fields = [
        ("deployment_id", claim.deployment_id.as_str()),
        ("event_id", &claim.event_id),
        ("environment", &claim.environment),
        ("services", &services),
    ];
    append(&mut records.home_session(), &key(records.home_keys()), CAP, &fields).await
}

/// Takes a claim back: nothing was asked for.
///
/// # Redis
/// One script call.
pub async fn withdraw(records: &Records, claim: EntryId, why: &str) -> Result<(), Error> {
    let claim = claim.to_string();
    let fields = [("withdrawn", claim.as_str()), ("why", why)];
    append(&mut records.home_session(), &key(records.home_keys()), CAP, &fields).await.map(drop)
}

/// Reads the claims of the last time that were not withdrawn, oldest first.
///
/// # Shapes and units
/// `now_ms`: the server's time, milliseconds.
/// # Redis
/// `XRANGE`, at most 5,000 entries.
pub async fn standing(
    records: &Records,
    now_ms: u64,
    period: Duration,
) -> Result<Vec<Claim>, Error> {
    let period = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
    let from = EntryId::at(now_ms.saturating_sub(period));
    let key = key(records.home_keys());
    let entries = browse::range(&mut records.home_session(), &key, from, None, MOST).await?;
    let withdrawn: BTreeSet<&str> =
        entries.iter().filter_map(|entry| entry.text("withdrawn")).collect();
    let claims = entries.iter().filter_map(|entry| {
        let services = entry.text("services")?;
        Some(Claim {
            entry: entry.id,
            deployment_id: entry.text("deployment_id")?.to_owned(),
            event_id: entry.text("event_id")?.to_owned(),
            environment: entry.text("environment")?.to_owned(),
            services: services.split(COMMA).map(str::to_owned).collect(),
        })
    });
    Ok(claims.filter(|claim| !withdrawn.contains(claim.entry.to_string().as_str())).collect())
}

/// Stream of claims, capped; in the home partition. Written by the health-monitor.
fn key(keys: &Keys) -> String {
    format!("{}:printery:rollbacks", keys.prefix())
}
