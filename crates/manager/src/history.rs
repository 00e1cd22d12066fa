//! What the streams still know of deployments: their events, how they stand, and why one failed.
//!
//! The API and the command line ask it. It reads Redis within bounds, needs no shield listener, and
//! writes nothing; what has been trimmed it does not know.

pub(crate) mod analysis;

use std::collections::BTreeMap;

use jiff::Timestamp;
use printery_events::status::Record;
use printery_events::{EventType, Family};
use printery_fleet::dead_letters::{DeadLetter, Filter, Pages};
use printery_streams::browse::{self, Entry};
use printery_streams::{Error, Partition, Partitions, Session};

use crate::cli::sighting::{Sighting, event_types};
use crate::cli::times::timestamp;

/// Entries read at once.
const PAGE: usize = 500;
/// Pages of one stream that are looked through for one deployment: 10,000 entries, the retention.
const PAGES: usize = 20;
/// Entries of each stream that a list of deployments is made from. 2,000: a day of most fleets.
const LISTED: usize = 2_000;

/// Everything that is known of one deployment.
#[derive(Debug)]
pub(crate) struct Story {
    /// Its events, oldest first.
    pub(crate) events: Vec<Sighting>,
    /// How it stands.
    pub(crate) record: Record,
    /// What workers gave up of it.
    pub(crate) dead_letters: Vec<DeadLetter>,
}

/// Reads everything about one deployment.
///
/// # Redis
/// `XREVRANGE` of at most 10,000 entries of each event stream of its partition, in pages of 500,
/// and the dead letters of its workers.
pub(crate) async fn story(
    partitions: &Partitions,
    stages: &[String],
    deployment: &str,
) -> Result<Story, Error> {
    let Partition { keys, redis } = partitions.of(deployment);
    let mut session = redis.session();
    let mut events = Vec::new();
    for event_type in event_types(stages) {
        let stream = keys.events(event_type.as_str());
        let mut before = None;
        for _ in 0..PAGES {
            let page = browse::latest(&mut session, &stream, before, PAGE).await?;
            before = page.last().map(|entry| entry.id);
            let read = page.iter().map(|entry| Sighting::read(&event_type, entry));
            events.extend(read.filter(|sighting| sighting.subject() == Some(deployment)));
            if page.len() < PAGE {
                break;
            }
        }
    }
    events.sort_by_key(Sighting::order);
    let dead_letters = dead_letters(&mut session, partitions.of(deployment), deployment).await?;
    let mut record = Record::new(deployment);
    for sighting in &events {
        note(&mut record, sighting, stages);
    }
    Ok(Story { events, record, dead_letters })
}

/// How the latest deployments of all partitions stand, the one that was heard of last first.
///
/// # Redis
/// `XREVRANGE` of at most 2,000 entries of each stream that says how a deployment stands.
pub(crate) async fn recent(
    partitions: &Partitions,
    stages: &[String],
) -> Result<Vec<Record>, Error> {
    let mut records: BTreeMap<String, Record> = BTreeMap::new();
    for Partition { keys, redis } in partitions.all() {
        let mut session = redis.session();
        for event_type in event_types(stages).iter().filter(|it| tells_standing(it)) {
            let stream = keys.events(event_type.as_str());
            for entry in latest(&mut session, &stream).await? {
                let sighting = Sighting::read(event_type, &entry);
                let Some(subject) = sighting.subject() else { continue };
                let record = records.entry(subject.to_owned());
                note(record.or_insert_with(|| Record::new(subject)), &sighting, stages);
            }
        }
    }
    let mut records: Vec<Record> =
        records.into_values().filter(|record| record.updated_at.is_some()).collect();
    records.sort_by(|a, b| {
        b.updated_at.cmp(&a.updated_at).then_with(|| a.deployment_id.cmp(&b.deployment_id))
    });
    Ok(records)
}

/// Whether a list of deployments is made from events of this type.
fn tells_standing(event_type: &EventType) -> bool {
    match event_type.family() {
        Family::DeploymentStarted
        | Family::StageStarted
        | Family::StageCompleted
        | Family::DeploymentCompleted
        | Family::DeploymentFailed
        | Family::RollbackInitiated
        | Family::RollbackCompleted
        | Family::ValidationCompleted
        | Family::DependencyCheckCompleted
        | Family::HealthCheckCompleted => true,
        Family::ValidationStarted
        | Family::DependencyCheckStarted
        | Family::HealthCheckStarted
        | Family::NotificationSent
        | Family::NotificationFailed => false,
    }
}

async fn latest(session: &mut Session, stream: &str) -> Result<Vec<Entry>, Error> {
    let mut all = Vec::new();
    let mut before = None;
    while all.len() < LISTED {
        let page = browse::latest(session, stream, before, PAGE).await?;
        before = page.last().map(|entry| entry.id);
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            break;
        }
    }
    Ok(all)
}

fn note(record: &mut Record, sighting: &Sighting, stages: &[String]) {
    if let Some(event) = sighting.event() {
        // An event that names no time happened when Redis was given it.
        let at = timestamp(sighting.entry.ms).unwrap_or(Timestamp::UNIX_EPOCH);
        record.apply(event, at, stages);
    }
}

async fn dead_letters(
    session: &mut Session,
    partition: &Partition,
    deployment: &str,
) -> Result<Vec<DeadLetter>, Error> {
    let filter = Filter { deployment: Some(deployment.to_owned()), ..Filter::default() };
    let mut found = Vec::new();
    for worker in printery_events::topology::every() {
        let mut pages = Pages::begin(session, &partition.keys, worker.name, &filter).await?;
        loop {
            let page = pages.next(session).await?;
            if page.is_empty() {
                break;
            }
            found.extend(page.iter().map(DeadLetter::read).filter(|one| filter.matches(one)));
        }
    }
    Ok(found)
}
