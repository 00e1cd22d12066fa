//! What happens in the fleet, as it happens: one short record for each change worth telling.
//!
//! Processes, managers and commands write it; the activity feed of the API and of the command line
//! reads it, and whoever follows it may resume after any record. It is a capped log in the home
//! partition, and nothing is decided by it.

use printery_streams::append::append;
use printery_streams::browse::{self, Entry as Row};
use printery_streams::{EntryId, Error, Keys, Session};
use serde::{Deserialize, Serialize};

/// Records that are kept, roughly: what a screen full of feeds looks back on, under 1 MB.
pub(crate) const CAP: u64 = 2_000;

/// Something that happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Happening {
    /// What, as subscribers filter by it: `worker:zombie`, `job:started`.
    pub kind: String,
    /// To whom: an instance, a worker, a job, a deployment.
    pub subject: String,
    /// One sentence for people.
    pub sentence: String,
    /// The facts, one map; null where the sentence says all.
    pub detail: serde_json::Value,
}

/// A happening as it is read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Its own id, by which readers resume; its milliseconds are the server's.
    pub id: String,
    /// When it was written, the server's milliseconds.
    pub at_ms: u64,
    /// What happened.
    pub kind: String,
    /// To whom.
    pub subject: String,
    /// One sentence for people.
    pub sentence: String,
    /// The facts.
    pub detail: serde_json::Value,
}

/// Tells that something happened; `keys` are those of the home partition.
///
/// # Errors
/// Those of any command; nobody has to repeat it.
/// # Redis
/// One script call.
pub async fn tell(
    session: &mut Session,
    keys: &Keys,
    happening: &Happening,
) -> Result<EntryId, Error> {
    let detail = happening.detail.to_string();
    let fields = [
        ("kind", happening.kind.as_str()),
        ("subject", &happening.subject),
        ("sentence", &happening.sentence),
        ("detail", &detail),
    ];
    append(session, &keys.activity(), CAP, &fields).await
}

/// Reads what happened after a record, oldest first, at most `count`.
///
/// # Redis
/// `XRANGE`.
pub async fn since(
    session: &mut Session,
    keys: &Keys,
    after: EntryId,
    count: usize,
) -> Result<Vec<Activity>, Error> {
    let rows = browse::range(session, &keys.activity(), after.next(), None, count).await?;
    Ok(rows.iter().map(Activity::read).collect())
}

/// Reads what happened last, youngest first, at most `count`, beginning below `before`.
///
/// # Redis
/// `XREVRANGE`.
pub async fn latest(
    session: &mut Session,
    keys: &Keys,
    before: Option<EntryId>,
    count: usize,
) -> Result<Vec<Activity>, Error> {
    let rows = browse::latest(session, &keys.activity(), before, count).await?;
    Ok(rows.iter().map(Activity::read).collect())
}

impl Activity {
    /// Reads a record back; what it lacks is empty.
    fn read(row: &Row) -> Self {
        let text = |name: &str| row.text(name).unwrap_or_default().to_owned();
        Self {
            id: row.id.to_string(),
            at_ms: row.id.ms,
            kind: text("kind"),
            subject: text("subject"),
            sentence: text("sentence"),
            detail: serde_json::from_str(&text("detail")).unwrap_or_default(),
        }
    }
}
