//! The books: for each stream and group, whether what was added is what became of it.
//!
//! Reads each account at one instant, judges it, and tells by how many it does not balance; which
//! entries those are is found in `passed`.

use std::collections::BTreeMap;

use printery_streams::audit::{self, Account, Position};
use printery_streams::{EntryId, Error};
use serde::Serialize;

use crate::cli::audit::finding::{Findings, Kind, Mend};
use crate::cli::audit::scene::{Scene, words};
use crate::cli::times::span;
use crate::groups::Subscription;

/// The counter with which differences are written off.
pub(crate) const WRITTEN_OFF: &str = "written-off";
/// Counted where a result was taken back in the step that added it.
const UNDONE: &str = "undone";
/// How far an id may lie ahead of the server's clock, milliseconds. One minute: clocks are set.
const FUTURE_MS: u64 = 60_000;
/// How far ahead no clock will ever come while the fleet lives, milliseconds: ten years.
const EXHAUSTED_MS: u64 = 10 * 365 * 24 * 3_600_000;

/// What became of the entries of one stream, seen from one group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    /// The worker whose group it is.
    pub(crate) worker: &'static str,
    /// The event type, or the inbox.
    pub(crate) stream: String,
    /// The group.
    pub(crate) group: String,
    /// Entries ever added.
    pub(crate) added: u64,
    /// Settled: done, or acknowledged as a duplicate.
    pub(crate) settled: i64,
    /// Given to a consumer and not settled.
    pub(crate) pending: u64,
    /// Wait for their due time.
    pub(crate) delayed: u64,
    /// Wait in line.
    pub(crate) in_line: u64,
    /// Went on to the inbox, whose own row accounts for them.
    pub(crate) inbox: u64,
    /// Dead-lettered.
    pub(crate) dead: i64,
    /// Not given to the group yet.
    pub(crate) undelivered: u64,
    /// Not in the stream any more; they were settled before, or are missing.
    pub(crate) trimmed: u64,
    /// Written off by an earlier audit.
    pub(crate) written_off: i64,
    /// What was added less all of these but `trimmed`: 0 where every entry is accounted for.
    pub(crate) balance: i64,
}

/// An account that was read, and by how much it does not balance.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    /// Whose it is.
    pub(crate) one: Subscription,
    /// What was read.
    pub(crate) account: Account,
    /// How it is shown.
    pub(crate) row: Row,
}

/// Entries that wait beside the streams, by the stream whose delivery was put off.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aside {
    /// For their due time.
    pub(crate) delayed: u64,
    /// In line.
    pub(crate) in_line: u64,
}

/// Reads the books of every subscription.
pub(crate) async fn read(scene: &mut Scene<'_>) -> Result<Vec<Book>, Error> {
    let mut books = Vec::new();
    for one in scene.subscriptions.clone() {
        let mut book = take(scene, &one, Exact::No).await?;
        if book.row.balance != 0 {
            // The server's own lag may be plausible and wrong; and a result that was taken back is
            // counted by whoever published it, in another ledger.
            book = take(scene, &one, Exact::Yes).await?;
        }
        books.push(book);
    }
    Ok(books)
}

/// Whether what waits is counted one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exact {
    Yes,
    No,
}

async fn take(scene: &mut Scene<'_>, one: &Subscription, exact: Exact) -> Result<Book, Error> {
    let ledger = scene.keys().ledger(one.worker.name);
    let account = audit::account(&mut scene.session, &one.key, &one.group, &ledger).await?;
    let lag = account.plausible_lag().filter(|_| exact == Exact::No);
    let waiting = match lag {
        Some(lag) => lag,
        None => audit::undelivered(&mut scene.session, &one.key, &account).await?,
    };
    let mut undone = 0;
    if exact == Exact::Yes {
        for worker in printery_events::topology::WORKERS {
            let ledger = scene.keys().ledger(worker.name);
            let counts = audit::account(&mut scene.session, &one.key, "", &ledger).await?;
            undone += sum(&counts, &one.key, |outcome| outcome == UNDONE);
        }
    }
    let row = row(one, &account, waiting, undone);
    Ok(Book { one: one.clone(), account, row })
}

fn sum(account: &Account, stream: &str, of: impl Fn(&str) -> bool) -> i64 {
    account.outcomes(stream).filter(|(outcome, _)| of(outcome)).map(|(_, count)| count).sum()
}

fn row(one: &Subscription, account: &Account, waiting: u64, undone: i64) -> Row {
    let known = |outcome: &str| {
        matches!(outcome, "done" | "duplicate" | "dead" | "lost" | WRITTEN_OFF | UNDONE)
    };
    let of = |names: &[&str]| sum(account, &one.key, |outcome| names.contains(&outcome));
    let moved = sum(account, &one.key, |outcome| !known(outcome));
    let pending = account.position.map_or(0, |position| position.pending);
    let (settled, dead) = (of(&["done", "duplicate"]), of(&["dead", "lost"]));
    let written_off = of(&[WRITTEN_OFF]);
    let counted = settled + dead + moved + written_off + undone;
    let here = i64::try_from(pending.saturating_add(waiting)).unwrap_or(i64::MAX);
    let added = i64::try_from(account.added).unwrap_or(i64::MAX);
    Row {
        worker: one.worker.name,
        stream: one.label.clone(),
        group: one.group.clone(),
        added: account.added,
        settled,
        pending,
        delayed: 0,
        in_line: 0,
        inbox: u64::try_from(moved).unwrap_or(0),
        dead,
        undelivered: waiting,
        trimmed: account.added.saturating_sub(account.length),
        written_off,
        balance: added.saturating_sub(counted).saturating_sub(here),
    }
}

/// Shows what of the moved entries waits still, and what went on to the inbox.
pub(crate) fn complete(books: &mut [Book], aside: &BTreeMap<(&'static str, String), Aside>) {
    for book in books {
        let key = (book.row.worker, book.one.key.clone());
        let waits = aside.get(&key).cloned().unwrap_or_default();
        let moved = book.row.inbox;
        book.row.delayed = waits.delayed.min(moved);
        book.row.in_line = waits.in_line.min(moved - book.row.delayed);
        book.row.inbox = moved - book.row.delayed - book.row.in_line;
    }
}

/// Judges what does not need an entry to be looked at.
pub(crate) fn judge(scene: &Scene<'_>, books: &[Book]) -> Findings {
    let mut findings = Findings::default();
    let mut streams = Vec::new();
    for book in books {
        let (one, account) = (&book.one, &book.account);
        if !streams.contains(&one.key.as_str()) {
            streams.push(&one.key);
            stream(scene, one, account, &mut findings);
        }
        match &account.position {
            None if account.kind == "stream" || account.kind == "none" => {
                let text = format!("{} does not exist on {}", one.group, one.key);
                let mut finding = scene.finding(Kind::NoGroup, one.worker.name, &one.key, text);
                finding.mend = Some(Mend::EnsureGroup);
                finding.redis = words(["XINFO", "GROUPS", &one.key]);
                findings.add(finding);
            }
            None => {}
            Some(position) => place(scene, one, account, position, &mut findings),
        }
        if !matches!(account.ledger_kind.as_str(), "hash" | "none") {
            let key = scene.keys().ledger(one.worker.name);
            findings.add(wrong_type(scene, one, &key, &account.ledger_kind, "hash"));
        }
        if book.row.balance < 0 {
            findings.add(surplus(scene, book));
        }
    }
    findings
}

fn stream(scene: &Scene<'_>, one: &Subscription, account: &Account, findings: &mut Findings) {
    let key = one.key.as_str();
    if !matches!(account.kind.as_str(), "stream" | "none") {
        findings.add(wrong_type(scene, one, key, &account.kind, "stream"));
    }
    if let Some(ms) = account.expires_ms {
        let text = format!("{key} expires in {}, with every entry and group", span(ms));
        let mut finding = scene.finding(Kind::Expires, one.worker.name, key, text);
        finding.mend = Some(Mend::Persist);
        finding.redis = words(["PTTL", key]);
        findings.add(finding);
    }
    let ahead = account.last_id.ms.saturating_sub(scene.living.now_ms);
    if ahead > FUTURE_MS {
        let last = account.last_id.to_string();
        let (kind, text) = if ahead > EXHAUSTED_MS {
            let text = format!("the last id of {key}, {last}, leaves no room for further entries");
            (Kind::ExhaustedId, text)
        } else {
            let ahead = span(ahead);
            let text = format!("the last id of {key}, {last}, lies {ahead} in the server's future");
            (Kind::FutureId, text)
        };
        let mut finding = scene.finding(kind, one.worker.name, key, text);
        finding.id = last;
        finding.redis = words(["XINFO", "STREAM", key]);
        findings.add(finding);
    }
}

fn wrong_type(
    scene: &Scene<'_>,
    one: &Subscription,
    key: &str,
    found: &str,
    expected: &str,
) -> crate::cli::audit::finding::Finding {
    let text = format!("{key} is a {found}, not a {expected}; nobody can use it until it is gone");
    let mut finding = scene.finding(Kind::WrongType, one.worker.name, key, text);
    finding.redis = words(["TYPE", key]);
    finding
}

fn place(
    scene: &Scene<'_>,
    one: &Subscription,
    account: &Account,
    position: &Position,
    findings: &mut Findings,
) {
    let (key, stands) = (one.key.as_str(), position.last_delivered);
    let mut report = |kind, id: EntryId, text: String| {
        let mut finding = scene.finding(kind, one.worker.name, key, text);
        finding.id = id.to_string();
        finding.mend = Some(Mend::SetPosition { from: stands, to: id });
        finding.redis = words(["XINFO", "GROUPS", key]);
        findings.add(finding);
    };
    if stands > account.last_id {
        let last = account.last_id;
        let text = format!(
            "{} stands at {stands}, beyond the last id {last}: what is added below it is never \
             delivered",
            one.group
        );
        report(Kind::SetAhead, last, text);
    }
    if let Some(youngest) = position.youngest_pending.filter(|youngest| *youngest > stands) {
        let text = format!(
            "{} stands at {stands}, before its own pending {youngest}: entries are delivered twice",
            one.group
        );
        report(Kind::SetBack, youngest, text);
    }
}

fn surplus(scene: &Scene<'_>, book: &Book) -> crate::cli::audit::finding::Finding {
    let (key, more) = (book.one.key.as_str(), book.row.balance.unsigned_abs());
    let text = format!(
        "{more} more were settled than were added: the stream was deleted, or the group was set \
         back or made again"
    );
    let mut finding = scene.finding(Kind::Surplus, book.row.worker, key, text);
    finding.count = more;
    finding.mend = Some(write_off(book, book.row.balance));
    finding.redis = words(["HGETALL", &scene.keys().ledger(book.row.worker)]);
    finding
}

/// Adjusts the books of a stream, so that the next difference is seen.
pub(crate) fn write_off(book: &Book, by: i64) -> Mend {
    let counter = format!("{}|{WRITTEN_OFF}", book.one.key);
    let mut ledger = book.account.ledger.iter();
    let was = ledger.find(|(name, _)| *name == counter).map(|(_, count)| *count);
    Mend::WriteOff { counter, was, by }
}

#[cfg(test)]
#[path = "books_tests.rs"]
mod tests;
