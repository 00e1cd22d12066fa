//! How services did before a deployment changed anything.
//!
//! Whoever watches before a deployment keeps it here, whoever watches after one of its stages
//! compares with it. What is kept of a service is the watcher's own matter.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_streams::browse;
use printery_streams::{Error, Keys};
use redis::pipe;

use crate::records::Records;

/// Field of an entry that names the service.
const SERVICE: &str = "service";
/// Field of an entry that says how it did.
const DID: &str = "did";

/// How long a baseline is kept: as long as a deployment's status. 24 h.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps how services did; kept again, the later one stands.
///
/// # Shapes and units
/// `did`: by service, as the watcher writes it. `now_ms`: the server's time, milliseconds.
/// # Errors
/// Those of any command; some of it may be kept.
/// # Redis
/// One `XADD` each and a `PEXPIREAT`, in one round trip.
pub async fn keep(
    records: &Records,
    deployment_id: &str,
    did: &BTreeMap<String, String>,
    now_ms: u64,
) -> Result<(), Error> {
    if did.is_empty() {
        return Ok(());
    }
    let key = key(records.keys(), deployment_id);
    let mut all = pipe();
    for (service, did) in did {
        all.cmd("XADD").arg(&key).arg("*").arg(SERVICE).arg(service).arg(DID).arg(did);
    }
    let keep = u64::try_from(KEEP.as_millis()).unwrap_or(u64::MAX);
    all.cmd("PEXPIREAT").arg(&key).arg(now_ms.saturating_add(keep));
    records.session().pipeline("keep a baseline", &key, &all).await.map(drop)
}

/// Reads how the services of a deployment did before it.
///
/// # Redis
/// `XRANGE` in pages.
pub async fn read(
    records: &Records,
    deployment_id: &str,
) -> Result<BTreeMap<String, String>, Error> {
    let mut session = records.session();
    let mut pages = browse::Pages::new(key(records.keys(), deployment_id), None);
    let mut did = BTreeMap::new();
    loop {
        let page = pages.next(&mut session).await?;
        if page.is_empty() {
            return Ok(did);
        }
        for entry in page {
            if let (Some(service), Some(how)) = (entry.text(SERVICE), entry.text(DID)) {
                did.insert(service.to_owned(), how.to_owned());
            }
        }
    }
}

/// Stream of how services did before a deployment. Written by the health-monitor; expires.
fn key(keys: &Keys, deployment_id: &str) -> String {
    format!("{}:printery:baseline:{deployment_id}", keys.prefix())
}
