//! Entries that are in two places at once: pending and delayed, in line and in the inbox.
//!
//! First numbers of eight bytes for everything that waits or runs, then, for numbers that occur
//! twice, the places by name, all looked at in one step.

use std::collections::{BTreeMap, BTreeSet};

use printery_streams::audit::{self, Place, Waits};
use printery_streams::browse::Pages;
use printery_streams::{EntryId, Error, History};

use crate::cli::audit::books::Book;
use crate::cli::audit::finding::{Findings, Kind, Mend};
use crate::cli::audit::pending::{Pending, origin};
use crate::cli::audit::scene::{Scene, words};
use crate::cli::audit::waiting::Waiting;

/// Entries that came through inboxes.
#[derive(Debug, Default)]
pub(crate) struct Inboxes {
    /// Where they were first read, as numbers, by worker: all that the inbox still has.
    pub(crate) seen: Vec<(&'static str, u64)>,
    /// Those that wait or run.
    open: Vec<(&'static str, u64, EntryId)>,
}

/// Reads every inbox.
pub(crate) async fn inboxes(
    scene: &mut Scene<'_>,
    books: &[Book],
    pending: &Pending,
) -> Result<Inboxes, Error> {
    let held: BTreeSet<(&str, EntryId)> = pending.inboxes.iter().copied().collect();
    let mut inboxes = Inboxes::default();
    for worker in scene.workers() {
        let (worker, key) = (worker.name, scene.keys().inbox(worker.name));
        let Some(book) = books.iter().find(|book| book.one.key == key) else { continue };
        if book.account.kind != "stream" {
            continue;
        }
        let stands = book.account.position.map(|position| position.last_delivered);
        let mut pages = Pages::new(&key, None);
        loop {
            let page = pages.next(&mut scene.session).await?;
            if page.is_empty() {
                break;
            }
            for entry in page {
                let Some(history) = History::open(entry.fields).0 else { continue };
                let number = origin(&history.origin_stream, history.origin_entry);
                inboxes.seen.push((worker, number));
                let waits = stands.is_none_or(|stands| entry.id > stands);
                if waits || held.contains(&(worker, entry.id)) {
                    inboxes.open.push((worker, number, entry.id));
                }
            }
        }
    }
    Ok(inboxes)
}

/// Finds entries that are in two places.
pub(crate) async fn find(
    scene: &mut Scene<'_>,
    pending: &Pending,
    waiting: &Waiting,
    inboxes: &Inboxes,
) -> Result<Findings, Error> {
    let open = inboxes.open.iter().map(|(worker, number, _)| (*worker, *number));
    let mut all: Vec<(&'static str, u64)> =
        pending.held.iter().chain(&waiting.origins).copied().chain(open).collect();
    all.sort_unstable();
    let twice = all.windows(2).filter_map(|pair| match pair {
        [a, b] if a == b => Some(*a),
        _ => None,
    });
    let twice: BTreeSet<(&'static str, u64)> = twice.collect();
    let mut findings = Findings::default();
    if twice.is_empty() {
        return Ok(findings);
    }
    for ((worker, _), places) in places(scene, &twice, inboxes).await? {
        let group = format!("printery-{worker}");
        let places: Vec<Place> = places.into_iter().take(32).collect();
        let there = audit::still_there(&mut scene.session, &group, &places).await?;
        let there: Vec<&Place> =
            places.iter().zip(there).filter_map(|(place, there)| there.then_some(place)).collect();
        if there.len() > 1 {
            findings.add(doubled(scene, worker, &there));
        }
    }
    Ok(findings)
}

/// The places of each suspect, by name. Ordered, so that the same fleet says the same twice.
async fn places(
    scene: &mut Scene<'_>,
    twice: &BTreeSet<(&'static str, u64)>,
    inboxes: &Inboxes,
) -> Result<BTreeMap<(&'static str, u64), BTreeSet<Place>>, Error> {
    let mut places: BTreeMap<(&'static str, u64), BTreeSet<Place>> = BTreeMap::new();
    for (worker, number, entry) in &inboxes.open {
        if twice.contains(&(*worker, *number)) {
            let stream = scene.keys().inbox(worker);
            let place = Place::Entry { stream, entry: *entry };
            places.entry((*worker, *number)).or_default().insert(place);
        }
    }
    for one in scene.subscriptions.clone() {
        let (worker, mut from) = (one.worker.name, EntryId::default());
        loop {
            let page = audit::rows(&mut scene.session, &one.key, &one.group, from).await?;
            let Some(last) = page.last() else { break };
            from = last.pending.entry.next();
            for row in &page {
                let entry = row.pending.entry;
                let suspect = (worker, origin(&one.key, entry));
                if twice.contains(&suspect) {
                    let place = Place::Entry { stream: one.key.clone(), entry };
                    places.entry(suspect).or_default().insert(place);
                }
            }
        }
    }
    let keys = scene.keys().clone();
    for worker in scene.workers() {
        for waits in [Waits::Due, Waits::InLine] {
            let key = waits.key(&keys, worker.name);
            let mut cursor = "0".to_owned();
            loop {
                let session = &mut scene.session;
                let (next, page) =
                    audit::parked(session, &keys, worker.name, waits, &cursor).await?;
                for one in page {
                    let Some((stream, entry)) = &one.origin else { continue };
                    let suspect = (worker.name, origin(stream, *entry));
                    if twice.contains(&suspect) {
                        let place = Place::Member { key: key.clone(), member: one.member };
                        places.entry(suspect).or_default().insert(place);
                    }
                }
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
    }
    Ok(places)
}

fn doubled(
    scene: &Scene<'_>,
    worker: &'static str,
    places: &[&Place],
) -> crate::cli::audit::finding::Finding {
    let name = |place: &Place| match place {
        Place::Entry { stream, entry } => format!("{entry} of {stream}"),
        Place::Member { key, member } => format!("{} of {key}", String::from_utf8_lossy(member)),
    };
    let all: Vec<String> = places.iter().map(|place| name(place)).collect();
    let text = format!(
        "one entry is in {} places: {}; the dedupe window settles one of them as a duplicate",
        places.len(),
        all.join(", ")
    );
    let delay = scene.keys().delay(worker);
    let copy = places.iter().find_map(|place| match place {
        Place::Member { key, member } if *key == delay => String::from_utf8(member.clone()).ok(),
        Place::Member { .. } | Place::Entry { .. } => None,
    });
    let (key, id, redis) = match places.first() {
        Some(Place::Entry { stream, entry }) => {
            let id = entry.to_string();
            (stream.clone(), id.clone(), words(["XRANGE", stream, &id, &id]))
        }
        Some(Place::Member { key, member }) => {
            let id = String::from_utf8_lossy(member).into_owned();
            (key.clone(), id.clone(), words(["ZSCORE", key, &id]))
        }
        None => (String::new(), String::new(), Vec::new()),
    };
    let mut finding = scene.finding(Kind::DoubledEntry, worker, &key, text);
    (finding.id, finding.redis) = (id, redis);
    finding.mend = copy.map(Mend::DropDelayed);
    finding
}
