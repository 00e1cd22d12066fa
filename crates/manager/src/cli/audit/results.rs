//! Results: each exists once, and each that the settlement log tells of exists.
//!
//! Every stream that workers publish to is read once. What occurs twice among millions is found
//! with a sieve of fixed size; a second reading, only of streams with suspects, clears or confirms.

use std::collections::{BTreeMap, BTreeSet};

use printery_events::topology::{WORKERS, Worker};
use printery_events::{EventType, Family};
use printery_streams::audit::{Sieve, Traces, Wanted};
use printery_streams::browse::{self, Entry, Pages};
use printery_streams::{EntryId, Error, inspect};

use crate::cli::audit::finding::{Findings, Kind};
use crate::cli::audit::scene::{Scene, words};

/// Suspects of one stream that are followed up: what is more than that is a stream published twice.
const SUSPECTS: usize = 50_000;

/// What the log of a worker says was published: id and how often, sorted by id.
#[derive(Debug, Default)]
struct Expected {
    /// Ids with the number of results that have it and of those that were found.
    ids: Vec<(EntryId, u16, u16)>,
}

impl Expected {
    fn new(mut ids: Vec<EntryId>) -> Self {
        ids.sort_unstable();
        let mut counted: Vec<(EntryId, u16, u16)> = Vec::with_capacity(ids.len());
        for id in ids {
            match counted.last_mut() {
                Some((last, count, _)) if *last == id => *count = count.saturating_add(1),
                Some(_) | None => counted.push((id, 1, 0)),
            }
        }
        Self { ids: counted }
    }

    fn tick(&mut self, id: EntryId) {
        if let Ok(at) = self.ids.binary_search_by_key(&id, |(id, ..)| *id)
            && let Some((_, _, found)) = self.ids.get_mut(at)
        {
            *found = found.saturating_add(1);
        }
    }

    /// Ids of which fewer were found than the log tells of.
    fn missing(&self) -> BTreeSet<EntryId> {
        let fewer = self.ids.iter().filter(|(_, expected, found)| found < expected);
        fewer.map(|(id, ..)| *id).collect()
    }
}

/// Finds doubled and missing results of the audited workers.
pub(crate) async fn find(scene: &mut Scene<'_>) -> Result<Findings, Error> {
    let mut findings = Findings::default();
    let workers = scene.workers();
    let mut expected = BTreeMap::new();
    for worker in &workers {
        expected.insert(worker.name, expected_of(scene, worker).await?);
    }
    let mut sieve = Sieve::default();
    let mut read = BTreeSet::new();
    for family in workers.iter().flat_map(|worker| worker.publishes) {
        if !read.insert(name_of(*family)) {
            continue;
        }
        let mut publishers: Vec<&mut Expected> = Vec::new();
        for (name, of) in &mut expected {
            let is_publisher =
                |worker: &&Worker| worker.name == *name && worker.publishes.contains(family);
            if workers.iter().any(is_publisher) {
                publishers.push(of);
            }
        }
        stream(scene, *family, &mut publishers, &mut sieve, &mut findings).await?;
    }
    for worker in workers {
        let Some(of) = expected.remove(worker.name) else { continue };
        missing(scene, worker, &of.missing(), &mut findings).await?;
    }
    Ok(findings)
}

fn name_of(family: Family) -> String {
    EventType::of(family).to_string()
}

/// Reads what a worker's log says it published.
async fn expected_of(scene: &mut Scene<'_>, worker: &Worker) -> Result<Expected, Error> {
    let mut pages = Pages::new(scene.keys().settlements(worker.name), None);
    let mut ids = Vec::new();
    loop {
        let page = pages.next(&mut scene.session).await?;
        if page.is_empty() {
            return Ok(Expected::new(ids));
        }
        for line in page {
            ids.extend(results_of(&line));
        }
    }
}

/// The results of a line of the log; none of a dead letter, which people take away.
fn results_of(line: &Entry) -> Vec<EntryId> {
    if line.text("outcome") != Some("done") {
        return Vec::new();
    }
    let results = line.text("results").unwrap_or_default().split(' ');
    results.filter_map(|id| id.parse().ok()).collect()
}

/// Of each result its id and its cause; what producers publish may repeat, and has neither here.
const WANTED: Wanted<'static, 2> =
    Wanted { guard: ("source", "/printery/"), names: ["id", "causationid"] };

/// What must not occur twice of an entry: its id, and for what is the result, its cause.
fn identities<'a>(
    [id, cause]: &'a [String; 2],
    event_type: &str,
) -> impl Iterator<Item = (u64, &'static str, &'a str)> {
    let derived = !cause.is_empty();
    let id = (derived && !id.is_empty()).then_some(("id", id.as_str()));
    let cause =
        (derived && event_type.ends_with(":completed")).then_some(("causationid", &**cause));
    let number = |(name, value): (&'static str, &'a str)| {
        (Sieve::number(&[name.as_bytes(), value.as_bytes()]), name, value)
    };
    id.into_iter().chain(cause).map(number)
}

async fn stream(
    scene: &mut Scene<'_>,
    family: Family,
    publishers: &mut [&mut Expected],
    sieve: &mut Sieve,
    findings: &mut Findings,
) -> Result<(), Error> {
    let event_type = &*name_of(family);
    let key = scene.keys().events(event_type);
    let length = inspect::length(&mut scene.session, &key).await?;
    // `*:started` is published once per attempt.
    let once = !event_type.ends_with(":started");
    let passes = if once { length.div_ceil(Sieve::CAPACITY / 2).max(1) } else { 1 };
    for pass in 0..passes {
        sieve.clear();
        let mut suspects = BTreeSet::new();
        let mut pages = Traces::new(&key, WANTED);
        loop {
            let page = pages.next(&mut scene.session).await?;
            if page.is_empty() {
                break;
            }
            for (entry, texts) in &page {
                if pass == 0 {
                    for expected in publishers.iter_mut() {
                        expected.tick(*entry);
                    }
                }
                if !once {
                    continue;
                }
                for (number, ..) in identities(texts, event_type) {
                    let mine = number % passes == pass;
                    if mine && sieve.insert(number) && suspects.len() < SUSPECTS {
                        suspects.insert(number);
                    }
                }
            }
        }
        if !suspects.is_empty() {
            confirm(scene, family, &key, &suspects, findings).await?;
        }
    }
    Ok(())
}

/// Reads a stream again for what may occur twice in it.
async fn confirm(
    scene: &mut Scene<'_>,
    family: Family,
    key: &str,
    suspects: &BTreeSet<u64>,
    findings: &mut Findings,
) -> Result<(), Error> {
    let event_type = &*name_of(family);
    let mut seen: BTreeMap<(&'static str, String), Vec<EntryId>> = BTreeMap::new();
    let mut pages = Traces::new(key, WANTED);
    loop {
        let page = pages.next(&mut scene.session).await?;
        if page.is_empty() {
            break;
        }
        for (entry, texts) in &page {
            for (number, name, value) in identities(texts, event_type) {
                if suspects.contains(&number) {
                    seen.entry((name, value.to_owned())).or_default().push(*entry);
                }
            }
        }
    }
    let publisher = WORKERS.iter().find(|worker| worker.publishes.contains(&family));
    let twice: BTreeMap<_, _> = seen.into_iter().filter(|(_, ids)| ids.len() > 1).collect();
    let mut told = BTreeSet::new();
    // In this order: two with one id have one cause as well, and are told of once.
    for ((name, value), ids) in twice.iter().rev() {
        let all: Vec<String> = ids.iter().map(EntryId::to_string).collect();
        let known = ids.iter().all(|id| told.contains(id));
        told.extend(ids.iter().copied());
        if known {
            continue;
        }
        let text = format!("entries {} have one {name}, {value}", all.join(", "));
        let worker = publisher.map_or("", |worker| worker.name);
        let mut finding = scene.finding(Kind::DoubledResult, worker, key, text);
        finding.count = u64::try_from(ids.len() - 1).unwrap_or(u64::MAX);
        let (first, last) = (all.first().cloned(), all.last().cloned());
        let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
        finding.redis = words(["XRANGE", key, &first, &last]);
        finding.id = last;
        findings.add(finding);
    }
    Ok(())
}

/// Judges results that were not found: reported where the streams still reach back to them.
async fn missing(
    scene: &mut Scene<'_>,
    worker: &'static Worker,
    ids: &BTreeSet<EntryId>,
    findings: &mut Findings,
) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut reach = EntryId::default();
    let mut streams = Vec::new();
    for family in worker.publishes {
        let key = scene.keys().events(EventType::of(*family).as_str());
        let first = browse::range(&mut scene.session, &key, EntryId::default(), None, 1).await?;
        let last = browse::last_id(&mut scene.session, &key).await?;
        // The log does not say which stream: only ids that all of them still reach back to count.
        reach = reach.max(match (first.first(), last) {
            (Some(first), _) => first.id,
            (None, Some(last)) => last.next(),
            (None, None) => EntryId::default(),
        });
        streams.push(key);
    }
    let mut pages = Pages::new(scene.keys().settlements(worker.name), None);
    loop {
        let page = pages.next(&mut scene.session).await?;
        if page.is_empty() {
            return Ok(());
        }
        for line in &page {
            let gone: Vec<EntryId> = results_of(line)
                .into_iter()
                .filter(|id| ids.contains(id) && *id >= reach)
                .collect();
            for id in gone {
                findings.add(gone_result(scene, worker, line, id, &streams));
            }
        }
    }
}

fn gone_result(
    scene: &Scene<'_>,
    worker: &'static Worker,
    line: &Entry,
    id: EntryId,
    streams: &[String],
) -> crate::cli::audit::finding::Finding {
    let text = |name: &str| line.text(name).unwrap_or_default().to_owned();
    let sentence = format!(
        "settlement {} of entry {} (event {}) published it, and it was deleted since; it cannot be \
         made again",
        line.id,
        text("entry"),
        text("event_id"),
    );
    let log = scene.keys().settlements(worker.name);
    let mut finding = scene.finding(Kind::MissingResult, worker.name, &log, sentence);
    finding.id = id.to_string();
    let stream = streams.last().map(String::as_str).unwrap_or_default();
    finding.redis = words(["XRANGE", stream, &finding.id, &finding.id]);
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_with_one_id_in_two_streams_are_two() {
        let id = EntryId::at;
        let mut expected = Expected::new(vec![id(2), id(1), id(2), id(3)]);
        for found in [id(1), id(2), id(9)] {
            expected.tick(found);
        }
        assert_eq!(expected.missing().into_iter().collect::<Vec<_>>(), [id(2), id(3)]);
        expected.tick(id(2));
        assert_eq!(expected.missing().into_iter().collect::<Vec<_>>(), [id(3)]);
    }

    #[test]
    fn a_result_is_told_by_its_id_and_the_last_one_by_its_cause() {
        let names = |id: &str, cause: &str, event_type| -> Vec<&'static str> {
            let texts = [id.to_owned(), cause.to_owned()];
            identities(&texts, event_type).map(|(_, name, _)| name).collect()
        };
        assert_eq!(names("r", "e", "validation:completed"), ["id", "causationid"]);
        assert_eq!(names("r", "e", "notification:sent"), ["id"]);
        assert_eq!(names("", "e", "validation:completed"), ["causationid"]);
        assert_eq!(names("r", "", "validation:completed"), [""; 0]);
    }
}
