//! Names the entries that the books lack: passed by their group, settled by nobody, waiting nowhere.
//!
//! Asked only where an account does not balance, which is exact at every instant; so a busy fleet
//! that is well is never asked. What the log no longer reaches back to is counted and not named.

use printery_streams::audit::{self, Place};
use printery_streams::browse::{Entry, Pages};
use printery_streams::{EntryId, Error};

use crate::cli::audit::books::{Book, write_off};
use crate::cli::audit::copies::Inboxes;
use crate::cli::audit::finding::Mend;
use crate::cli::audit::finding::{Finding, Findings, Kind};
use crate::cli::audit::pending::{Pending, origin};
use crate::cli::audit::scene::{Scene, words};
use crate::cli::audit::waiting::Waiting;
use printery_streams::audit::Sieve;

/// Entries that are named at most; the rest of a greater loss is named by the next audit.
const NAMED: usize = 5_000;

/// Everything of one worker that is accounted for, as sorted numbers of eight bytes.
#[derive(Debug, Default)]
struct Known {
    entries: Vec<u64>,
    events: Vec<u64>,
    /// Entries added later than this are in the log if they were settled.
    log_from: EntryId,
}

impl Known {
    fn has_entry(&self, stream: &str, entry: EntryId) -> bool {
        self.entries.binary_search(&origin(stream, entry)).is_ok()
    }

    fn has_event(&self, event: &str) -> bool {
        self.events.binary_search(&Sieve::number(&[event.as_bytes()])).is_ok()
    }
}

/// Names what the books lack, stream by stream.
pub(crate) async fn find(
    scene: &mut Scene<'_>,
    books: &[Book],
    pending: &Pending,
    waiting: &Waiting,
    inboxes: &Inboxes,
) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    for book in books.iter().filter(|book| book.row.balance > 0) {
        let known = known(scene, book.row.worker, pending, waiting, inboxes).await?;
        let candidates = candidates(scene, book, &known).await?;
        let lacking = book.row.balance.unsigned_abs();
        // More than the books lack: some of them were settled and are not remembered. Then none is
        // certain, and it is the number that is reported.
        let fits = u64::try_from(candidates.len()).is_ok_and(|found| found <= lacking);
        let named = if fits { candidates } else { Vec::new() };
        let rest = lacking.saturating_sub(u64::try_from(named.len()).unwrap_or(u64::MAX));
        for entry in named {
            findings.add(passed_over(scene, book, entry));
        }
        if rest > 0 {
            findings.add(missing(scene, book, rest));
        }
    }
    Ok(findings)
}

async fn known(
    scene: &mut Scene<'_>,
    worker: &'static str,
    pending: &Pending,
    waiting: &Waiting,
    inboxes: &Inboxes,
) -> Result<Known, Error> {
    let mut known = Known::default();
    let all = [&pending.held, &waiting.origins, &waiting.deliveries, &inboxes.seen];
    let of_worker = all.into_iter().flatten().filter(|(of, _)| *of == worker);
    known.entries.extend(of_worker.map(|(_, number)| *number));
    let inbox = scene.keys().inbox(worker);
    let held = pending.inboxes.iter().filter(|(of, _)| *of == worker);
    known.entries.extend(held.map(|(_, entry)| origin(&inbox, *entry)));
    let mut letters = Pages::new(scene.keys().dead_letters(worker), None);
    loop {
        let page = letters.next(&mut scene.session).await?;
        if page.is_empty() {
            break;
        }
        for letter in &page {
            known.entries.extend(entry_of(letter, "original_stream", "original_entry"));
        }
    }
    let key = scene.keys().settlements(worker);
    let ledger = scene.keys().ledger(worker);
    let account = audit::account(&mut scene.session, &key, "", &ledger).await?;
    let mut log = Pages::new(&key, None);
    let mut first = None;
    loop {
        let page = log.next(&mut scene.session).await?;
        if page.is_empty() {
            break;
        }
        for line in &page {
            first.get_or_insert(line.id);
            known.entries.extend(entry_of(line, "stream", "entry"));
            let event = line.text("event_type").zip(line.text("event_id"));
            known.events.extend(event.map(|(of, id)| number_of(of, id)));
        }
    }
    // A log that was never cut off reaches back to the beginning.
    if account.added > account.length {
        known.log_from = first.unwrap_or(account.last_id);
    }
    known.entries.sort_unstable();
    known.events.sort_unstable();
    Ok(known)
}

fn number_of(event_type: &str, id: &str) -> u64 {
    Sieve::number(&[format!("{event_type}|{id}").as_bytes()])
}

fn entry_of(line: &Entry, stream: &str, entry: &str) -> Option<u64> {
    Some(origin(line.text(stream)?, line.text(entry)?.parse().ok()?))
}

/// Entries that their group has passed and that nothing accounts for.
async fn candidates(
    scene: &mut Scene<'_>,
    book: &Book,
    known: &Known,
) -> Result<Vec<EntryId>, Error> {
    let (account, key) = (&book.account, book.one.key.as_str());
    let Some(position) = account.position else { return Ok(Vec::new()) };
    let to = position.last_delivered.min(account.last_id);
    let (mut found, mut pages) = (Vec::new(), Pages::new(key, Some(to)));
    loop {
        let page = pages.next(&mut scene.session).await?;
        if page.is_empty() || found.len() >= NAMED {
            return Ok(found);
        }
        let mut open: Vec<(EntryId, Option<String>)> = Vec::new();
        for entry in &page {
            if entry.id.ms < known.log_from.ms || known.has_entry(key, entry.id) {
                continue;
            }
            let event = event_of(scene, key, entry);
            if !event.as_ref().is_some_and(|event| known.has_event(event)) {
                open.push((entry.id, event));
            }
        }
        found.extend(certain(scene, book, open).await?);
    }
}

/// What a worker remembers an event by: `<type>|<id>`.
fn event_of(scene: &Scene<'_>, key: &str, entry: &Entry) -> Option<String> {
    let id = entry.text("id").or_else(|| entry.text("event_id"))?;
    let typed = entry.text("type").or_else(|| entry.text("event_type"));
    let event_type = typed.or_else(|| scene.keys().event_type(key))?;
    Some(format!("{event_type}|{id}"))
}

/// Keeps those that are settled nowhere and that nobody works on.
async fn certain(
    scene: &mut Scene<'_>,
    book: &Book,
    open: Vec<(EntryId, Option<String>)>,
) -> Result<Vec<EntryId>, Error> {
    let mut kept = Vec::new();
    for chunk in open.chunks(64) {
        let keys = scene.keys().clone();
        let events: Vec<String> = chunk.iter().filter_map(|(_, event)| event.clone()).collect();
        let worker = book.row.worker;
        let remembered = audit::remembered(&mut scene.session, &keys, worker, &events).await?;
        let stream = book.one.key.clone();
        let places: Vec<Place> = chunk
            .iter()
            .map(|(entry, _)| Place::Entry { stream: stream.clone(), entry: *entry })
            .collect();
        let held = audit::still_there(&mut scene.session, &book.one.group, &places).await?;
        for ((entry, event), held) in chunk.iter().zip(held) {
            let mut known = events.iter().zip(&remembered);
            let settled = known.any(|(it, known)| *known && Some(it) == event.as_ref());
            if !held && !settled {
                kept.push(*entry);
            }
        }
    }
    Ok(kept)
}

fn passed_over(scene: &Scene<'_>, book: &Book, entry: EntryId) -> Finding {
    let (one, id) = (&book.one, entry.to_string());
    let text = format!(
        "{} has passed it, and nobody has settled it: it was acknowledged by hand, its consumer was \
         deleted, or the group was set ahead",
        one.group
    );
    let mut finding = scene.finding(Kind::PassedOver, book.row.worker, &one.key, text);
    finding.mend = Some(Mend::Requeue(entry));
    finding.redis = words(["XRANGE", &one.key, &id, &id]);
    finding.id = id;
    finding
}

fn missing(scene: &Scene<'_>, book: &Book, count: u64) -> Finding {
    let one = &book.one;
    let position = book.account.position.unwrap_or_default();
    let why = if book.account.deleted_id > position.last_delivered {
        "entries were deleted before they were read"
    } else {
        "they were trimmed, or deleted by hand, and the log does not reach back to them"
    };
    let text = format!("{count} entries were added and are in no book: {why}");
    let mut finding = scene.finding(Kind::MissingEntries, book.row.worker, &one.key, text);
    finding.count = count;
    finding.mend = Some(write_off(book, i64::try_from(count).unwrap_or(i64::MAX)));
    finding.redis = words(["XINFO", "STREAM", &one.key]);
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_found_by_stream_and_entry() {
        let mut entries = vec![origin("s", EntryId::at(1)), origin("t", EntryId::at(2))];
        entries.sort_unstable();
        let known = Known { entries, events: vec![number_of("a", "b")], ..Known::default() };
        assert!(known.has_entry("s", EntryId::at(1)) && !known.has_entry("s", EntryId::at(2)));
        assert!(known.has_event("a|b") && !known.has_event("a|c"));
    }
}
