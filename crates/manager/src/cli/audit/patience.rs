//! A second look, some moments later, at what may just have been moving.
//!
//! Whoever takes an entry over does so in one step: what is stuck is where it was, untouched.

use std::time::Duration;

use printery_streams::audit::{self, Place};
use printery_streams::{EntryId, Error, browse, inspect};

use crate::cli::audit::books::Book;
use crate::cli::audit::finding::{Finding, Findings, Kind, Mend};
use crate::cli::audit::scene::{Living, Scene, words};
use crate::cli::times::span;

/// How long between the two looks. 2 s: longer than any blocked read, several promotions.
const BETWEEN: Duration = Duration::from_secs(2);

/// How long entries may wait while all workers are idle, at least; milliseconds. One minute.
const UNREAD_MS: u64 = 60_000;

/// What is to be looked at again.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// Pending entries of silent owners.
    pub(crate) pending: Vec<Finding>,
    /// Delayed entries that are overdue.
    pub(crate) overdue: Vec<(Finding, Place)>,
    /// Streams whose entries wait while all workers are idle, and where the group stood.
    pub(crate) unread: Vec<(Finding, EntryId)>,
}

/// Finds streams whose entries wait while all workers are idle.
pub(crate) async fn unread(
    scene: &mut Scene<'_>,
    books: &[Book],
) -> Result<Vec<(Finding, EntryId)>, Error> {
    let mut suspects = Vec::new();
    for book in books.iter().filter(|book| book.row.undelivered > 0) {
        let (worker, Some(position)) = (book.row.worker, book.account.position) else { continue };
        let readers = scene.living.readers(worker);
        if readers.count == 0 || readers.held || readers.in_flight > 0 {
            continue;
        }
        let (key, stands) = (book.one.key.as_str(), position.last_delivered);
        let first = browse::range(&mut scene.session, key, stands.next(), None, 1).await?;
        let Some(first) = first.first().map(|entry| entry.id) else { continue };
        let age = scene.living.now_ms.saturating_sub(first.ms);
        if age <= UNREAD_MS.max(scene.living.patience_ms) {
            continue;
        }
        let (waiting, age) = (book.row.undelivered, span(age));
        let text = format!(
            "{waiting} entries wait, the oldest for {age}, while every {worker} is idle: start one \
             again"
        );
        let mut finding = scene.finding(Kind::Unread, worker, key, text);
        finding.count = waiting;
        finding.id = first.to_string();
        finding.redis = words(["XINFO", "GROUPS", key]);
        suspects.push((finding, stands));
    }
    Ok(suspects)
}

/// Looks again; `living` is asked anew by the caller after [`pause`].
pub(crate) async fn confirm(
    scene: &mut Scene<'_>,
    suspects: Suspects,
    later: &Living,
) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    for mut finding in suspects.pending {
        let Ok(entry) = finding.id.parse::<EntryId>() else { continue };
        let group = format!("printery-{}", finding.worker);
        let rows = inspect::pending(&mut scene.session, &finding.key, &group, entry, 1).await?;
        let Some(now) = rows.into_iter().find(|row| row.entry == entry) else { continue };
        let (patience, beats) = (later.patience_for(now.deliveries), later.beats(&now.consumer));
        if now.idle_ms <= patience || later.readers(finding.worker).held {
            continue;
        }
        // The owner may have changed; its fence is what is handed over.
        finding.mend = (!beats).then_some(Mend::HandOver(now));
        findings.add(finding);
    }
    for chunk in suspects.overdue.chunks(32) {
        let places: Vec<Place> = chunk.iter().map(|(_, place)| place.clone()).collect();
        let there = audit::still_there(&mut scene.session, "", &places).await?;
        for ((finding, _), there) in chunk.iter().zip(there) {
            if there && later.readers(finding.worker).count > 0 {
                findings.add(finding.clone());
            }
        }
    }
    for (finding, stood) in suspects.unread {
        let readers = later.readers(finding.worker);
        let group = format!("printery-{}", finding.worker);
        let view = inspect::stream(&mut scene.session, &finding.key).await?;
        let groups = view.map(|view| view.groups).unwrap_or_default();
        let stands = groups.into_iter().find(|one| one.group == group);
        let same = stands.is_some_and(|one| one.last_delivered == stood);
        if same && readers.count > 0 && readers.in_flight == 0 && !readers.held {
            findings.add(finding);
        }
    }
    Ok(findings)
}

impl Suspects {
    /// Whether there is nothing to look at again.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.overdue.is_empty() && self.unread.is_empty()
    }
}

/// Lets a fleet that is well move on.
pub(crate) async fn pause() {
    tokio::time::sleep(BETWEEN).await;
}
