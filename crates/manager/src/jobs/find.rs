//! Finding jobs: a page of a worker's, or one by its name.
//!
//! Reads the youngest entries of the streams that the worker reads and of its inbox, and asks
//! `explain`'s eyes where each of them is. Bounded: see [`LOOKED_AT`].

use printery_events::EventType;
use printery_events::topology::Worker;
use printery_streams::browse::{self, Entry};
use printery_streams::{EntryId, Partition, inspect};

use crate::cli::explain::facts::{FleetFacts, Look};
use crate::cli::explain::locate::locate;
use crate::cli::explain::search::{self, Item};
use crate::cli::failure::Failure;
use crate::cli::sighting::Sighting;
use crate::cli::target::Target;
use crate::jobs::name::JobName;
use crate::jobs::{Job, Status};

/// Entries of each stream that are looked at where a status is asked for, the youngest. What is
/// older is nearly always done, and each costs a question or two.
pub(crate) const LOOKED_AT: usize = 500;

/// Which part of the list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// Only those that stand so.
    pub(crate) status: Option<Status>,
    /// So many.
    pub(crate) limit: usize,
    /// After so many.
    pub(crate) offset: usize,
}

/// A part of the list.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The jobs, the youngest first.
    pub(crate) jobs: Vec<Job>,
    /// How many there are in all; of a status, among those that were looked at.
    pub(crate) total: u64,
    /// Whether there are more behind these.
    pub(crate) has_more: bool,
}

/// Lists a worker's jobs, the youngest first.
pub(crate) async fn list(
    target: &mut Target,
    worker: &'static Worker,
    page: Page,
) -> Result<Listed, Failure> {
    let fleet = FleetFacts::gather(target).await?;
    let needed = page.offset.saturating_add(page.limit).saturating_add(1);
    let most = if page.status.is_some() { LOOKED_AT } else { needed.min(LOOKED_AT) };
    let (mut jobs, mut total, mut waiting) = (Vec::new(), 0, Vec::new());
    let partitions: Vec<Partition> = target.partitions.all().cloned().collect();
    let mut looks = Vec::with_capacity(partitions.len());
    for partition in &partitions {
        let mut look = Look::at(partition, &fleet, &target.fleet.stages, &[worker]).await?;
        let items = youngest(&mut look, worker, most, &mut total).await?;
        waiting.extend(items.into_iter().map(|item| (looks.len(), item)));
        looks.push(look);
    }
    waiting.sort_by_key(|(_, item)| std::cmp::Reverse(item.entry));
    if page.status.is_none() {
        let has_more = waiting.len() > page.offset + page.limit;
        for (at, item) in waiting.into_iter().skip(page.offset).take(page.limit) {
            let Some(look) = looks.get_mut(at) else { continue };
            let finding = locate(look, &item, worker).await?;
            jobs.push(Job::new(item, finding));
        }
        return Ok(Listed { jobs, total, has_more });
    }
    for (at, item) in waiting {
        let Some(look) = looks.get_mut(at) else { continue };
        let finding = locate(look, &item, worker).await?;
        let job = Job::new(item, finding);
        if page.status == Some(job.status) {
            jobs.push(job);
        }
    }
    let total = u64::try_from(jobs.len()).unwrap_or(u64::MAX);
    let has_more = jobs.len() > page.offset + page.limit;
    let jobs = jobs.into_iter().skip(page.offset).take(page.limit).collect();
    Ok(Listed { jobs, total, has_more })
}

/// Finds one by its name.
pub(crate) async fn get(target: &mut Target, id: &str) -> Result<Option<Job>, Failure> {
    let Some(name) = JobName::parse(id) else { return Ok(None) };
    let (JobName::Manual { worker, .. } | JobName::Event { worker, .. }) = &name;
    let Some(worker) = Worker::find(worker) else { return Ok(None) };
    let fleet = FleetFacts::gather(target).await?;
    let partitions: Vec<Partition> = match &name {
        JobName::Event { deployment, .. } => vec![target.partitions.of(deployment).clone()],
        JobName::Manual { .. } => target.partitions.all().cloned().collect(),
    };
    for partition in &partitions {
        let mut look = Look::at(partition, &fleet, &target.fleet.stages, &[worker]).await?;
        let item = match &name {
            JobName::Manual { event_id, .. } => manual(&look, worker, event_id),
            JobName::Event { deployment, entry, .. } => {
                let found = search::items(&mut look, &entry.to_string()).await?;
                let its = |item: &Item| {
                    item.entry == *entry
                        && item.subject().unwrap_or_default() == deployment
                        && item.readers.iter().any(|reader| reader.name == worker.name)
                };
                found.into_iter().find(its)
            }
        };
        if let Some(item) = item {
            let finding = locate(&mut look, &item, worker).await?;
            return Ok(Some(Job::new(item, finding)));
        }
    }
    Ok(None)
}

/// The youngest entries that are for a worker: of each of its streams, and triggers in its inbox.
async fn youngest(
    look: &mut Look<'_>,
    worker: &'static Worker,
    most: usize,
    total: &mut u64,
) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    for event_type in worker.streams(look.stages) {
        let stream = look.keys.events(event_type.as_str());
        *total += inspect::length(&mut look.session, &stream).await?;
        let entries = browse::latest(&mut look.session, &stream, None, most).await?;
        let of = |entry: &Entry| item(&stream, worker, Sighting::read(&event_type, entry));
        items.extend(entries.iter().map(of));
    }
    let triggers = triggers(look, worker);
    *total += u64::try_from(triggers.len()).unwrap_or(u64::MAX);
    items.extend(triggers);
    Ok(items)
}

/// Entries of the inbox that came from nowhere else.
fn triggers(look: &Look<'_>, worker: &'static Worker) -> Vec<Item> {
    let Some(facts) = look.of(worker) else { return Vec::new() };
    let inbox = look.keys.inbox(worker.name);
    let plain = facts.inbox.iter().filter(|entry| entry.history.is_none());
    plain
        .filter_map(|found| {
            let entry = Entry { id: found.entry, fields: found.fields.clone() };
            let event_type = EventType::parse(entry.text("type")?).ok()?;
            Some(item(&inbox, worker, Sighting::read(&event_type, &entry)))
        })
        .collect()
}

/// The trigger of this name: in the inbox, or what it left behind.
fn manual(look: &Look<'_>, worker: &'static Worker, event_id: &str) -> Option<Item> {
    let mut found = triggers(look, worker);
    found.retain(|item| item.event_id.as_deref() == Some(event_id));
    if let Some(item) = found.pop() {
        return Some(item);
    }
    // Its entry is gone; what it left behind tells which one it was.
    let inbox = look.keys.inbox(worker.name);
    let facts = look.of(worker)?;
    let line = facts.log.iter().find(|line| line.event_id == event_id && line.stream == inbox);
    let letter = facts.dead_letters.iter().find(|letter| letter.event_id == event_id);
    let entry: Option<EntryId> = line
        .and_then(|line| line.entry)
        .or_else(|| letter.and_then(|letter| letter.original_entry.parse().ok()));
    entry.map(|entry| Item {
        stream: inbox,
        entry,
        event_type: None,
        event_id: Some(event_id.to_owned()),
        sighting: None,
        readers: vec![worker],
    })
}

fn item(stream: &str, worker: &'static Worker, sighting: Sighting) -> Item {
    Item {
        stream: stream.to_owned(),
        entry: sighting.entry,
        event_type: Some(sighting.event_type.clone()),
        event_id: sighting.event_id().map(ToOwned::to_owned),
        sighting: Some(sighting),
        readers: vec![worker],
    }
}
