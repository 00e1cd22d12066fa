//! Where an entry is, seen from one of its readers.
//!
//! Follows the path of a delivery: waiting, pending, delayed, in line, in the inbox, dead, settled.
//! It asks Redis about streams and pending lists only; everything else has been gathered.

use std::collections::HashMap;
use std::sync::Arc;

use printery_events::topology::Worker;
use printery_streams::inspect::{self, GroupView, PendingEntry, StreamView};
use printery_streams::order::{self, Turn};
use printery_streams::{EntryId, Error, Session, browse, delay};

use crate::cli::explain::facts::{InboxEntry, Look, WorkerFacts};
use crate::cli::explain::place::{Body, Circumstances, Finding, Held, Line, Place};
use crate::cli::explain::search::Item;
use crate::cli::explain::traces::{Settlement, Token};

/// Entries before a waiting one that are counted.
const AHEAD: usize = 1_000;

/// Streams that have been looked at, by key.
#[derive(Debug, Default)]
pub(crate) struct Streams(HashMap<String, Option<StreamView>>);

impl Streams {
    /// A group of a stream; none where stream or group do not exist.
    async fn group(
        &mut self,
        session: &mut Session,
        stream: &str,
        group: &str,
    ) -> Result<Option<GroupView>, Error> {
        if !self.0.contains_key(stream) {
            let view = inspect::stream(session, stream).await?;
            self.0.insert(stream.to_owned(), view);
        }
        let view = self.0.get(stream).and_then(Option::as_ref);
        Ok(view.and_then(|view| view.groups.iter().find(|one| one.group == group)).cloned())
    }
}

/// Finds out what a worker has made of an entry.
pub(crate) async fn locate(
    look: &mut Look<'_>,
    item: &Item,
    worker: &'static Worker,
) -> Result<Finding, Error> {
    let empty = Finding::new(worker, item, Circumstances::of(look, worker));
    let Some(of_worker) = look.of(worker) else { return Ok(empty) };
    if let Some(place) = held(look, worker, (&item.stream, item.entry)).await? {
        // What was taken back before anybody had it is gone as well, but the log says so.
        let logged = of_worker.log.iter().find(|line| line.settles(&item.stream, item.entry));
        let place = match (place, logged) {
            (Place::Trimmed { .. }, Some(line)) => Place::Done(line.clone()),
            (place, _) => place,
        };
        return Ok(Finding { place, ..empty });
    }
    // It has left its stream: its latest way through the inbox comes first.
    let inbox = look.keys.inbox(worker.name);
    let again: Vec<&InboxEntry> =
        of_worker.inbox.iter().filter(|entry| came_from(entry, item)).collect();
    for entry in &again {
        if let Some(place) = held(look, worker, (&inbox, entry.entry)).await? {
            let history = entry.history.clone();
            let stream = inbox.clone();
            return Ok(Finding { stream, entry: entry.entry, history, place, ..empty });
        }
    }
    let mut deliveries = vec![(item.stream.as_str(), item.entry)];
    deliveries.extend(again.iter().map(|entry| (inbox.as_str(), entry.entry)));
    let history = again.first().and_then(|entry| entry.history.clone());
    let parked = parked(look, &of_worker, &deliveries, item).await?;
    if let Some((place, token)) = parked {
        let Look { session, keys, .. } = look;
        let latest = delay::history(session, keys, worker.name, &token).await?;
        return Ok(Finding { history: latest.or(history), place, ..empty });
    }
    let mut place = left(&of_worker, item, &deliveries, &inbox);
    if matches!(place, Place::Settled) && body(look, &item.stream, item.entry).await? == Body::Gone
    {
        place = Place::Trimmed { passed: true };
    }
    Ok(Finding { history, place, ..empty })
}

fn came_from(entry: &InboxEntry, item: &Item) -> bool {
    entry.history.as_ref().is_some_and(|history| {
        history.origin_stream == item.stream && history.origin_entry == item.entry
    })
}

/// Waiting or pending in a stream; none when it has left it.
async fn held(
    look: &mut Look<'_>,
    worker: &'static Worker,
    (stream, entry): (&str, EntryId),
) -> Result<Option<Place>, Error> {
    let group = worker.group();
    let Look { session, streams, .. } = look;
    let Some(view) = streams.group(session, stream, &group).await? else {
        return Ok(Some(Place::NoGroup));
    };
    if entry > view.last_delivered {
        let first = view.last_delivered.next();
        let before = browse::range(session, stream, first, Some(entry), AHEAD + 1).await?;
        let ahead = before.iter().filter(|other| other.id < entry).count();
        return Ok(Some(match body(look, stream, entry).await? {
            Body::There => Place::Waiting { ahead },
            Body::Gone => Place::Trimmed { passed: false },
        }));
    }
    let row = inspect::pending(session, stream, &group, entry, 1).await?;
    let Some(row) = row.into_iter().find(|row| row.entry == entry) else { return Ok(None) };
    let body = body(look, stream, entry).await?;
    let held = in_hands(look, row, body);
    let expired = held.idle_ms >= look.fleet.lease_ms;
    Ok(Some(if expired { Place::Expired(held) } else { Place::Running(held) }))
}

fn in_hands(look: &Look<'_>, row: PendingEntry, body: Body) -> Held {
    let instance = look.fleet.instance(&row.consumer);
    let now_ms = look.fleet.now_ms;
    Held {
        process: instance.map(|one| (one.host.clone(), one.pid, one.is_alive(now_ms))),
        owner: row.consumer,
        idle_ms: row.idle_ms,
        deliveries: row.deliveries,
        body,
    }
}

async fn body(look: &mut Look<'_>, stream: &str, entry: EntryId) -> Result<Body, Error> {
    let found = browse::range(&mut look.session, stream, entry, Some(entry), 1).await?;
    Ok(if found.is_empty() { Body::Gone } else { Body::There })
}

/// Delayed, or waiting behind another one; with the token that names its body.
async fn parked(
    look: &mut Look<'_>,
    worker: &Arc<WorkerFacts>,
    deliveries: &[(&str, EntryId)],
    item: &Item,
) -> Result<Option<(Place, String)>, Error> {
    let delayed = worker.delayed.iter().find(|(token, _)| token.is_of(deliveries));
    if let Some((token, due)) = delayed {
        let token = token.text.clone();
        return Ok(Some((Place::Delayed { token: token.clone(), due_ms: *due }, token)));
    }
    let mut waiting = worker.line.iter().find(|(token, _)| token.is_of(deliveries)).cloned();
    if let (None, Some(subject)) = (&waiting, item.subject()) {
        // Its line may be beyond what was gathered of all of them.
        let Look { session, keys, .. } = look;
        let name = worker.worker.name;
        let line = order::waiting_of(session, keys, name, subject, AHEAD).await?;
        let mut line = line.into_iter().map(|one| (Token::read(one.token.clone()), one));
        waiting = line.find(|(token, _)| token.is_of(deliveries));
    }
    let Some((token, waiting)) = waiting else { return Ok(None) };
    let line = behind(look, worker, &waiting.deployment, &token.text).await?;
    Ok(Some((Place::InLine(line), token.text)))
}

/// What stands before an entry in its deployment's line.
async fn behind(
    look: &mut Look<'_>,
    worker: &Arc<WorkerFacts>,
    subject: &str,
    token: &str,
) -> Result<Line, Error> {
    let name = worker.worker.name;
    let Look { session, keys, .. } = look;
    let line = order::waiting_of(session, keys, name, subject, AHEAD).await?;
    let ahead = line.iter().position(|one| one.token == token).unwrap_or(0);
    let head = match order::turn_of(session, keys, name, subject).await? {
        None => None,
        Some(Turn::At { stream, entry }) => {
            let place = held(look, worker.worker, (&stream, entry)).await?;
            place.map(|place| head(look, worker, (stream, entry), place))
        }
        Some(Turn::Delayed(text)) => {
            let due = worker.delayed.iter().find(|(token, _)| token.text == text);
            let due_ms = due.map_or(look.fleet.now_ms, |(_, due)| *due);
            let place = Place::Delayed { token: text.clone(), due_ms };
            let latest = delay::history(session, keys, name, &text).await?;
            Token::read(text).place.map(|at| {
                let found = head(look, worker, at, place);
                Finding { history: latest.or(found.history.clone()), ..found }
            })
        }
    };
    Ok(Line { subject: subject.to_owned(), ahead, head: head.map(Box::new) })
}

/// The head of a line as a finding of its own.
fn head(
    look: &Look<'_>,
    worker: &Arc<WorkerFacts>,
    (stream, entry): (String, EntryId),
    place: Place,
) -> Finding {
    let in_inbox = stream == look.keys.inbox(worker.worker.name);
    let again = worker.inbox.iter().find(|one| in_inbox && one.entry == entry);
    let history = again.and_then(|one| one.history.clone());
    let around = Circumstances::of(look, worker.worker);
    Finding { worker: worker.worker, stream, entry, history, place, around }
}

/// What became of an entry that nobody holds and that waits for nothing; pure.
fn left(worker: &WorkerFacts, item: &Item, deliveries: &[(&str, EntryId)], inbox: &str) -> Place {
    let is_its_own = |letter: &printery_fleet::dead_letters::DeadLetter| {
        letter.original_stream == item.stream && letter.original_entry == item.entry.to_string()
    };
    if let Some(letter) = worker.dead_letters.iter().find(|letter| is_its_own(letter)) {
        return Place::Dead(Box::new(letter.clone()));
    }
    let (id, kind) = (item.event_id.as_deref().unwrap_or_default(), item.event_type_name());
    // A way through the inbox may have been trimmed there; then the event's id tells whose it was.
    let known = |line: &Settlement| {
        line.entry.is_some_and(|entry| worker.inbox.iter().any(|one| one.entry == entry))
    };
    let its = |line: &&Settlement| {
        deliveries.iter().any(|(stream, entry)| line.settles(stream, *entry))
            || (line.stream == inbox && line.is_of_event(id, kind) && !known(line))
    };
    let settled = worker.log.iter().find(its);
    let away = worker.put_away.iter().find(|away| is_its_own(&away.letter));
    match (settled, away) {
        (Some(settled), away) if settled.outcome != "dead" || away.is_none() => {
            return Place::Done(settled.clone());
        }
        (_, Some(away)) => return Place::PutAway(Box::new(away.clone())),
        (Some(_) | None, None) => {}
    }
    match worker.log.iter().find(|line| line.is_of_event(id, kind)) {
        Some(twin) => Place::Duplicate(twin.clone()),
        None => Place::Settled,
    }
}
