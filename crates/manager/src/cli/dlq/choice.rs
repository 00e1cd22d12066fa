//! Which dead letters a change is about: some that are named, or all that are like this.
//!
//! Made from what was typed, once, before anything is asked or changed; what is buried after that
//! is not chosen. It reads, and decides nothing about what happens to them.

use clap::Args;
use printery_events::topology::{Worker, every};
use printery_fleet::dead_letters::{DeadLetter, Filter, Pages};
use printery_streams::EntryId;
use printery_streams::browse::{self, Entry};

use crate::cli::dlq::queue::Queue;
use crate::cli::dlq::scope::{Scope, Source};
use crate::cli::failure::Failure;
use crate::cli::target::Target;

/// Ids that a description repeats.
const NAMED: usize = 20;

/// Words and flags that choose dead letters.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Choice {
    /// The worker that gave them up, and ids: their entries as `dlq list` shows them, or event ids
    #[arg(value_name = "[WORKER] [ID]...")]
    words: Vec<String>,
    /// All of them, or all of the worker
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pub(crate) scope: Scope,
}

/// A dead letter and where it is.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The place, counted in [`Chosen::sources`].
    pub(crate) source: usize,
    /// Its bytes.
    pub(crate) entry: Entry,
    /// What they say.
    pub(crate) letter: DeadLetter,
}

impl Found {
    /// Reads a letter of the place `source`.
    pub(crate) fn read(source: usize, entry: Entry) -> Self {
        let letter = DeadLetter::read(&entry);
        Self { source, entry, letter }
    }
}

/// What was chosen.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// Where the letters are.
    pub(crate) sources: Vec<Source>,
    /// How people call the choice, for questions and the operator log.
    pub(crate) description: String,
    /// The letters themselves where they were named.
    named: Option<Vec<Found>>,
    /// Otherwise what they are like, and the pages they are on, one for each place.
    filter: Filter,
    pages: Vec<Pages>,
}

impl Choice {
    /// Finds what was typed; with nothing typed, refuses.
    ///
    /// # Errors
    /// Nothing or too much was typed; an id that is not there, or there more than once.
    pub(crate) async fn find(&self, target: &mut Target) -> Result<Chosen, Failure> {
        let (worker, ids) = split(&self.words);
        let filtered = self.all || self.scope.narrows();
        match (ids.is_empty(), filtered) {
            (false, true) => Err(Failure::usage(
                "ids together with --all or a filter: name the one or the other",
            )),
            (true, false) => Err(Failure::usage(
                "which dead letters? Name ids, a filter such as --fingerprint F, or --all",
            )),
            (false, false) => {
                let sources = self.scope.sources(target, worker)?;
                Chosen::named(sources, worker, ids).await
            }
            (true, true) => self.matching(target).await,
        }
    }

    /// Finds what was typed; with nothing typed, all of them.
    ///
    /// # Errors
    /// As [`Choice::find`].
    pub(crate) async fn find_or_all(&self, target: &mut Target) -> Result<Chosen, Failure> {
        let (_, ids) = split(&self.words);
        if ids.is_empty() { self.matching(target).await } else { self.find(target).await }
    }

    async fn matching(&self, target: &mut Target) -> Result<Chosen, Failure> {
        let (worker, _) = split(&self.words);
        let sources = self.scope.sources(target, worker)?;
        let filter = self.scope.filter(target).await?;
        let mut pages = Vec::with_capacity(sources.len());
        for source in &sources {
            let (keys, name) = (source.keys(), source.worker.name);
            pages.push(Pages::begin(&mut source.session(), keys, name, &filter).await?);
        }
        let whose = whose(&sources);
        let like = if filter.is_all() { String::new() } else { format!(" with {filter}") };
        Ok(Chosen { sources, description: format!("{whose}{like}"), named: None, filter, pages })
    }
}

impl Chosen {
    async fn named(
        sources: Vec<Source>,
        worker: Option<&Worker>,
        mut ids: Vec<&str>,
    ) -> Result<Self, Failure> {
        let mut seen = std::collections::HashSet::new();
        ids.retain(|id| seen.insert(*id));
        let mut hits: Vec<(&str, Vec<Found>)> = Vec::with_capacity(ids.len());
        for id in ids {
            hits.push((id, entries_named(&sources, id).await?));
        }
        events_named(&sources, &mut hits).await?;
        let mut named = Vec::with_capacity(hits.len());
        for (id, mut found) in hits {
            match (found.pop(), found.is_empty()) {
                (Some(one), true) => named.push(one),
                (Some(one), false) => {
                    found.push(one);
                    return Err(ambiguous(id, &sources, &found));
                }
                (None, _) => return Err(missing(worker, id)),
            }
        }
        // The same letter by its entry and by its event.
        named.dedup_by_key(|found| (found.source, found.entry.id));
        let mut places: Vec<String> =
            named.iter().take(NAMED).map(|found| place(&sources, found)).collect();
        if named.len() > NAMED {
            places.push(format!("and {} more", named.len() - NAMED));
        }
        let description = places.join(", ");
        Ok(Self {
            sources,
            description,
            named: Some(named),
            filter: Filter::default(),
            pages: Vec::new(),
        })
    }

    /// Whether the letters were named one by one.
    pub(crate) fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// The letters, one after the other: worker by worker, the oldest first.
    pub(crate) fn queue(&self) -> Queue {
        match &self.named {
            Some(named) => Queue::of(named.clone()),
            None => Queue::over(self.pages.clone(), self.filter.clone()),
        }
    }

    /// How many there are, and whose.
    pub(crate) async fn count(&self) -> Result<Vec<u64>, Failure> {
        let mut counts = vec![0; self.sources.len()];
        let mut queue = self.queue();
        while let Some(found) = queue.next(&self.sources).await? {
            if let Some(count) = counts.get_mut(found.source) {
                *count += 1;
            }
        }
        Ok(counts)
    }
}

/// The worker among the words, which stands first, and the rest.
fn split(words: &[String]) -> (Option<&'static Worker>, Vec<&str>) {
    let worker = words.first().and_then(|word| Worker::find(word));
    let ids = words.iter().skip(usize::from(worker.is_some())).map(String::as_str).collect();
    (worker, ids)
}

/// The letters with this entry id.
async fn entries_named(sources: &[Source], id: &str) -> Result<Vec<Found>, Failure> {
    let Ok(entry) = id.parse::<EntryId>() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let stream = source.keys().dead_letters(source.worker.name);
        let entries = browse::range(&mut source.session(), &stream, entry, Some(entry), 1).await?;
        found.extend(entries.into_iter().map(|entry| Found::read(index, entry)));
    }
    Ok(found)
}

/// Looks through all letters for the events of those that were not found as entries.
async fn events_named(sources: &[Source], hits: &mut [(&str, Vec<Found>)]) -> Result<(), Failure> {
    let unknown: Vec<usize> = (0..hits.len())
        .filter(|index| hits.get(*index).is_some_and(|(_, found)| found.is_empty()))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let everything = Filter::default();
    let mut pages = Vec::with_capacity(sources.len());
    for source in sources {
        let (keys, name) = (source.keys(), source.worker.name);
        pages.push(Pages::begin(&mut source.session(), keys, name, &everything).await?);
    }
    let mut queue = Queue::over(pages, everything);
    while let Some(letter) = queue.next(sources).await? {
        for index in &unknown {
            if let Some((id, found)) = hits.get_mut(*index)
                && letter.letter.event_id == *id
                // More than are needed to say that there are several would be kept for nothing.
                && found.len() < NAMED
            {
                found.push(letter.clone());
            }
        }
    }
    Ok(())
}

fn whose(sources: &[Source]) -> String {
    let mut workers: Vec<&str> = sources.iter().map(|source| source.worker.name).collect();
    workers.dedup();
    let mut partitions: Vec<usize> = sources.iter().filter_map(|source| source.partition).collect();
    partitions.sort_unstable();
    partitions.dedup();
    let of = if workers.len() == every().count() {
        "all workers".to_owned()
    } else {
        workers.join(", ")
    };
    match partitions.as_slice() {
        [one] => format!("{of} (partition {one})"),
        _ => of,
    }
}

/// A letter as it is named in a sentence.
pub(crate) fn place(sources: &[Source], found: &Found) -> String {
    let source = sources.get(found.source).map(Source::name).unwrap_or_default();
    format!("{source} {}", found.entry.id)
}

fn ambiguous(id: &str, sources: &[Source], found: &[Found]) -> Failure {
    let places: Vec<String> = found.iter().map(|one| place(sources, one)).collect();
    Failure::failed(format!(
        "{id:?} is the name of {} dead letters: {}; name a worker, a --partition or entries",
        found.len(),
        places.join(", ")
    ))
}

fn missing(worker: Option<&Worker>, id: &str) -> Failure {
    let (whose, list) = match worker {
        Some(worker) => (format!("{} has no", worker.name), format!(" {}", worker.name)),
        None => ("there is no".to_owned(), String::new()),
    };
    Failure::failed(format!(
        "{whose} dead letter {id:?}, neither as an entry nor as an event; \
         `printery-workers dlq list{list}` lists what there is"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_stands_first_or_not_at_all() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let name = |text: &str| {
            let words = words(text);
            let (worker, ids) = split(&words);
            (worker.map(|worker| worker.name), ids.join(" "))
        };
        assert_eq!(name("health 5-1 6-1"), (Some("health-monitor"), "5-1 6-1".to_owned()));
        assert_eq!(name("5-1 validator"), (None, "5-1 validator".to_owned()));
        assert_eq!(name("validator"), (Some("validator"), String::new()));
        assert_eq!(split(&[]).1.len(), 0);
    }
}
