//! How far long work has come, while it is still going on.
//!
//! Workers write it for dashboards and for people who wait; it is a capped log, and nothing is
//! decided by it. What is finished is told by events, never here.

use printery_streams::append::append;
use printery_streams::browse;
use printery_streams::{EntryId, Error, Keys};
use serde::Serialize;

use crate::records::Records;

/// Records that are kept, roughly: several days of a busy fleet's, and less than 1 MB.
const CAP: u64 = 2_000;

/// How far one piece of work has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The worker kind.
    pub worker: String,
    /// The deployment.
    pub deployment_id: String,
    /// The event that is worked on.
    pub event_id: String,
    /// How much is done, 0..=100.
    pub percent: u8,
    /// How it looks so far, in a word such as `healthy`.
    pub standing: String,
    /// One sentence for people.
    pub sentence: String,
}

/// A record as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reported {
    /// Its own id; its milliseconds are the server's.
    pub entry: String,
    /// What it says.
    #[serde(flatten)]
    pub progress: Progress,
}

/// Says how far work has come.
///
/// # Errors
/// Those of any command; nobody has to repeat it.
/// # Redis
/// One script call.
pub async fn report(records: &Records, progress: &Progress) -> Result<EntryId, Error> {
    let percent = progress.percent.to_string();
    let fields = [
        ("worker", progress.worker.as_str()),
        ("deployment_id", &progress.deployment_id),
        ("event_id", &progress.event_id),
        ("percent", &percent),
        ("standing", &progress.standing),
        ("sentence", &progress.sentence),
    ];
    append(&mut records.session(), &key(records.keys()), CAP, &fields).await
}

/// Reads what was reported after a record, oldest first, at most `count`.
///
/// # Redis
/// `XRANGE`.
pub async fn since(
    records: &Records,
    after: Option<EntryId>,
    count: usize,
) -> Result<Vec<Reported>, Error> {
    let from = after.map_or_else(EntryId::default, EntryId::next);
    let key = key(records.keys());
    let entries = browse::range(&mut records.session(), &key, from, None, count).await?;
    let text = |entry: &browse::Entry, name| entry.text(name).unwrap_or_default().to_owned();
    Ok(entries
        .iter()
        .map(|entry| Reported {
            entry: entry.id.to_string(),
            progress: Progress {
                worker: text(entry, "worker"),
                deployment_id: text(entry, "deployment_id"),
                event_id: text(entry, "event_id"),
                percent: text(entry, "percent").parse().unwrap_or_default(),
                standing: text(entry, "standing"),
                sentence: text(entry, "sentence"),
            },
        })
        .collect())
}

/// Stream of progress, capped. Written by workers, read by people and dashboards.
fn key(keys: &Keys) -> String {
    format!("{}:printery:progress", keys.prefix())
}
