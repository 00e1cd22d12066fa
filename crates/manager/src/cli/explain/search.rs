//! Which events an id means, in one partition.
//!
//! Looks in the event streams, and where an event leaves traces after its entry is gone. Bounded:
//! it never reads a whole stream of a million entries.

use jiff::Timestamp;
use printery_events::EventType;
use printery_events::topology::{WORKERS, Worker};
use printery_streams::browse::{self, Entry};
use printery_streams::{EntryId, Error, Fields, delay, inspect};

use crate::cli::explain::facts::{self, Look};
use crate::cli::explain::traces::Token;
use crate::cli::sighting::{Sighting, event_types};

/// Events of one id that are explained, the latest.
pub(crate) const MOST: usize = 200;
/// Entries read at once.
const PAGE: usize = 500;
/// Pages of each stream that are looked through: 10,000 entries, the retention.
const PAGES: usize = 20;

/// What is looked at, in a sentence.
pub(crate) fn bounds() -> String {
    format!(
        "the latest {} entries of each event stream; of each worker the latest {} of its inbox, {} dead letters and {} settlements, {} delayed entries and {} in line",
        PAGE * PAGES,
        facts::INBOX,
        facts::DEAD_LETTERS,
        facts::LOG,
        facts::DELAYED,
        facts::IN_LINE
    )
}

/// An entry that is to be explained.
#[derive(Debug)]
pub(crate) struct Item {
    /// The stream that it was first added to.
    pub(crate) stream: String,
    /// Its id there.
    pub(crate) entry: EntryId,
    /// The event's type; none for an entry that somebody put into an inbox.
    pub(crate) event_type: Option<EventType>,
    /// The event's id.
    pub(crate) event_id: Option<String>,
    /// Its content, while it is still known.
    pub(crate) sighting: Option<Sighting>,
    /// The workers that it is for.
    pub(crate) readers: Vec<&'static Worker>,
}

impl Item {
    /// What to sort by.
    pub(crate) fn order(&self) -> (u64, Option<Timestamp>, u64) {
        let EntryId { ms, seq } = self.entry;
        self.sighting.as_ref().map_or((ms, None, seq), Sighting::order)
    }

    /// The event's type, or the stream's key.
    pub(crate) fn name(&self) -> &str {
        self.event_type_name().unwrap_or(&self.stream)
    }

    /// The event's type.
    pub(crate) fn event_type_name(&self) -> Option<&str> {
        self.event_type.as_ref().map(EventType::as_str)
    }

    /// The deployment.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.sighting.as_ref().and_then(Sighting::subject)
    }
}

/// Finds every entry that the id means.
pub(crate) async fn items(look: &mut Look<'_>, id: &str) -> Result<Vec<Item>, Error> {
    let mut found = Found { items: Vec::new() };
    if let Ok(entry) = id.parse::<EntryId>() {
        by_entry(look, entry, &mut found).await?;
    }
    if found.items.is_empty() {
        by_text(look, id, &mut found).await?;
    }
    traces(look, id, &mut found);
    if found.items.is_empty() {
        parked(look, id, &mut found).await?;
    }
    found.items.sort_by_key(Item::order);
    Ok(found.items)
}

/// The event streams that no longer retain what they had at an id, by type.
pub(crate) async fn trimmed_beyond(
    look: &mut Look<'_>,
    id: EntryId,
) -> Result<Vec<EventType>, Error> {
    let mut beyond = Vec::new();
    for event_type in event_types(look.stages) {
        let stream = look.keys.events(event_type.as_str());
        let session = &mut look.session;
        let first = browse::range(session, &stream, EntryId::default(), None, 1).await?;
        let last = browse::last_id(session, &stream).await?;
        let passed = last.is_some_and(|last| last != EntryId::default() && id <= last);
        if passed && first.first().is_none_or(|first| id < first.id) {
            beyond.push(event_type);
        }
    }
    Ok(beyond)
}

/// Items, each once.
struct Found {
    items: Vec<Item>,
}

impl Found {
    fn has(&self, stream: &str, entry: EntryId) -> bool {
        self.items.iter().any(|item| item.stream == stream && item.entry == entry)
    }

    fn add(&mut self, look: &Look<'_>, stream: String, sighting: Sighting) {
        if self.has(&stream, sighting.entry) {
            return;
        }
        let event_type = sighting.event_type.clone();
        self.items.push(Item {
            stream,
            entry: sighting.entry,
            event_id: sighting.event_id().map(ToOwned::to_owned),
            readers: readers(&event_type, look.stages),
            event_type: Some(event_type),
            sighting: Some(sighting),
        });
    }

    /// Adds an entry of which only traces are left, or whose body stands elsewhere.
    fn add_trace(
        &mut self,
        look: &Look<'_>,
        (stream, entry): (&str, EntryId),
        event_id: &str,
        body: Option<&Fields>,
    ) {
        let event_type = look.keys.event_type(stream).map(EventType::parse);
        let Some(Ok(event_type)) = event_type else { return };
        if self.has(stream, entry) {
            return;
        }
        let seen = |fields: &Fields| {
            Sighting::read(&event_type, &Entry { id: entry, fields: fields.clone() })
        };
        self.items.push(Item {
            stream: stream.to_owned(),
            entry,
            event_id: Some(event_id.to_owned()).filter(|id| !id.is_empty()),
            readers: readers(&event_type, look.stages),
            sighting: body.map(seen),
            event_type: Some(event_type),
        });
    }
}

/// The workers that read a type, in the order of the topology.
pub(crate) fn readers(event_type: &EventType, stages: &[String]) -> Vec<&'static Worker> {
    let reads = |worker: &&'static Worker| worker.streams(stages).contains(event_type);
    WORKERS.into_iter().filter(reads).collect()
}

/// Looks for an entry id in every stream there is, and in their pending lists.
async fn by_entry(look: &mut Look<'_>, id: EntryId, found: &mut Found) -> Result<(), Error> {
    for event_type in event_types(look.stages) {
        let stream = look.keys.events(event_type.as_str());
        let entries = browse::range(&mut look.session, &stream, id, Some(id), 1).await?;
        if let Some(entry) = entries.first() {
            found.add(look, stream, Sighting::read(&event_type, entry));
            continue;
        }
        for worker in readers(&event_type, look.stages) {
            let session = &mut look.session;
            let rows = inspect::pending(session, &stream, &worker.group(), id, 1).await?;
            if rows.first().is_some_and(|row| row.entry == id) {
                // Somebody deleted it while it was pending.
                found.add_trace(look, (&stream, id), "", None);
            }
        }
    }
    for worker in look.workers.clone() {
        let Some(entry) = worker.inbox.iter().find(|entry| entry.entry == id) else { continue };
        match &entry.history {
            Some(history) => {
                let place = (history.origin_stream.as_str(), history.origin_entry);
                found.add_trace(look, place, &history.event_id, Some(&entry.fields));
            }
            None => found.items.push(Item {
                stream: look.keys.inbox(worker.worker.name),
                entry: id,
                event_type: None,
                event_id: None,
                sighting: None,
                readers: vec![worker.worker],
            }),
        }
    }
    Ok(())
}

/// Looks through the event streams for an event's or a deployment's id.
async fn by_text(look: &mut Look<'_>, id: &str, found: &mut Found) -> Result<(), Error> {
    for event_type in event_types(look.stages) {
        let stream = look.keys.events(event_type.as_str());
        let mut before = None;
        for _ in 0..PAGES {
            let page = browse::latest(&mut look.session, &stream, before, PAGE).await?;
            before = page.last().map(|entry| entry.id);
            for entry in &page {
                let sighting = Sighting::read(&event_type, entry);
                if sighting.event_id() == Some(id) || sighting.subject() == Some(id) {
                    found.add(look, stream.clone(), sighting);
                }
            }
            if page.len() < PAGE {
                break;
            }
        }
    }
    Ok(())
}

/// Adds what has been trimmed from its stream and is still known elsewhere.
fn traces(look: &Look<'_>, id: &str, found: &mut Found) {
    for worker in &look.workers {
        let away = worker.put_away.iter().map(|away| (&away.letter, away.id.to_string()));
        let letters = worker.dead_letters.iter().map(|letter| (letter, letter.entry.clone()));
        for (letter, own) in letters.chain(away) {
            let means = [
                &own,
                &letter.entry,
                &letter.original_entry,
                &letter.event_id,
                &letter.deployment_id,
            ];
            if let (true, Ok(entry)) =
                (means.into_iter().any(|text| text == id), letter.original_entry.parse())
            {
                let place = (letter.original_stream.as_str(), entry);
                found.add_trace(look, place, &letter.event_id, letter.original.as_ref());
            }
        }
        for entry in &worker.inbox {
            let Some(history) = &entry.history else { continue };
            let (stream, origin) = (history.origin_stream.as_str(), history.origin_entry);
            let event_type = look.keys.event_type(stream).map(EventType::parse);
            let body = Entry { id: origin, fields: entry.fields.clone() };
            let of_deployment = event_type
                .and_then(Result::ok)
                .is_some_and(|event_type| Sighting::read(&event_type, &body).subject() == Some(id));
            if of_deployment || history.event_id == id || origin.to_string() == id {
                found.add_trace(look, (stream, origin), &history.event_id, Some(&entry.fields));
            }
        }
        for line in &worker.log {
            let Some(entry) = line.entry else { continue };
            if line.event_id == id || entry.to_string() == id {
                found.add_trace(look, (&line.stream, entry), &line.event_id, None);
            }
        }
    }
}

/// Looks into the bodies of entries that wait outside of any stream; the last resort, because each
/// of them is asked for.
async fn parked(look: &mut Look<'_>, id: &str, found: &mut Found) -> Result<(), Error> {
    for worker in look.workers.clone() {
        let delayed = worker.delayed.iter().map(|(token, _)| token);
        let tokens: Vec<&Token> =
            delayed.chain(worker.line.iter().map(|(token, _)| token)).collect();
        for token in tokens {
            let Look { session, keys, .. } = look;
            let history = delay::history(session, keys, worker.worker.name, &token.text).await?;
            let Some(history) = history else { continue };
            let delivery = token.place.as_ref().map(|(_, entry)| entry.to_string());
            let origin = history.origin_entry;
            if history.event_id == id || origin.to_string() == id || delivery.as_deref() == Some(id)
            {
                let place = (history.origin_stream.as_str(), origin);
                found.add_trace(look, place, &history.event_id, None);
            }
        }
    }
    Ok(())
}
