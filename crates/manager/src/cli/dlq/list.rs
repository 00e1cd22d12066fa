//! `dlq list`: what was given up, by whom and why.

use std::collections::VecDeque;

use clap::Args;
use printery_fleet::dead_letters::{DeadLetter, Filter, list as latest};
use printery_streams::{EntryId, inspect};
use serde_json::{Value, json};

use crate::cli::dlq::scope::{Scope, Source};
use crate::cli::failure::Failure;
use crate::cli::output::{Colour, Tone};
use crate::cli::table::{Cell, Table};
use crate::cli::target::{Target, worker_named};
use crate::cli::times::moment;

/// Characters of a reason that are listed; `dlq show` has all of it.
const REASON: usize = 60;

/// Letters of one place that are read at once.
const PAGE: usize = 64;

/// Which dead letters to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The worker; all of them by default
    #[arg(value_name = "WORKER")]
    on: Option<String>,
    /// At most so many, the youngest
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Go on where a list ended, with the cursor that it told
    #[arg(long, value_name = "CURSOR")]
    before: Option<String>,
    #[command(flatten)]
    pub(crate) scope: Scope,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub(crate) async fn list(target: &mut Target, args: &ListArgs) -> Result<(), Failure> {
    let worker = args.on.as_deref().map(worker_named).transpose()?;
    let sources = args.scope.sources(target, worker)?;
    let filter = args.scope.filter(target).await?;
    let cursor = args.before.as_deref().map(Cursor::read).transpose()?;
    let mut merge = Merge::begin(&sources, &filter, cursor.as_ref());
    let mut letters = Vec::new();
    while letters.len() < args.limit {
        let Some(next) = merge.next().await? else { break };
        letters.push(next);
    }
    if args.json {
        let shown: Vec<Value> =
            letters.iter().map(|(source, letter)| to_json(source, letter)).collect();
        return Ok(target.out.json(&shown)?);
    }
    if letters.is_empty() {
        let all = filter.is_all() && cursor.is_none();
        return Ok(target.out.line(if all {
            "no dead letters"
        } else {
            "no such dead letters"
        })?);
    }
    let table = table(&letters, target.out.colour());
    target.out.lines(table)?;
    more(target, &letters, &sources, merge.next().await?.is_some()).await
}

/// Says how many there are beyond what was listed, and how to see them.
async fn more(
    target: &mut Target,
    letters: &[(&Source, DeadLetter)],
    sources: &[Source],
    is_more: bool,
) -> Result<(), Failure> {
    let (true, Some((source, last))) = (is_more, letters.last()) else { return Ok(()) };
    let mut total = 0;
    for source in sources {
        let stream = source.keys().dead_letters(source.worker.name);
        total += inspect::length(&mut source.session(), &stream).await?;
    }
    let cursor = Cursor::of(source, last.id);
    let listed = letters.len();
    Ok(target.out.line(format!("{listed} of {total}; more with --before {cursor} or --limit"))?)
}

/// A letter, where it is, and where the list would go on behind it.
fn to_json(source: &Source, letter: &DeadLetter) -> Value {
    let mut shown = serde_json::to_value(letter).unwrap_or_default();
    if let Some(object) = shown.as_object_mut() {
        // What somebody added by hand does not say whose it is.
        object.insert("worker".to_owned(), json!(source.worker.name));
        object.insert("partition".to_owned(), json!(source.partition));
        object.insert("cursor".to_owned(), json!(Cursor::of(source, letter.id).to_string()));
    }
    shown
}

/// A place in the list: entries of two workers may have the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    id: EntryId,
    worker: String,
    partition: usize,
}

impl Cursor {
    fn of(source: &Source, id: EntryId) -> Self {
        let partition = source.partition.unwrap_or(0);
        Self { id, worker: source.worker.name.to_owned(), partition }
    }

    /// Reads `<entry>/<worker>/<partition>`, or an entry alone.
    fn read(said: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::usage(format!(
                "--before {said:?} is not a cursor such as 1732251600000-0/validator/0"
            ))
        };
        let mut parts = said.split('/');
        let id = parts.next().and_then(|id| id.parse().ok()).ok_or_else(wrong)?;
        let worker = parts.next().unwrap_or_default().to_owned();
        let partition = parts.next().map_or(Ok(0), |part| part.parse().map_err(|_not| wrong()))?;
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { id, worker, partition })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.id, self.worker, self.partition)
    }
}

/// The letters of all places in one order, youngest first; of equal ids the place that is named
/// first comes first.
struct Merge<'a> {
    lanes: Vec<Lane<'a>>,
    filter: &'a Filter,
}

/// The letters of one place.
struct Lane<'a> {
    source: &'a Source,
    ready: VecDeque<DeadLetter>,
    /// Where to read on, exclusive; none from the end.
    before: Option<EntryId>,
    exhausted: bool,
}

impl<'a> Merge<'a> {
    fn begin(sources: &'a [Source], filter: &'a Filter, cursor: Option<&Cursor>) -> Self {
        let at = cursor.and_then(|cursor| {
            sources.iter().position(|source| *cursor == Cursor::of(source, cursor.id))
        });
        let lane = |(index, source)| {
            // A place behind that of the cursor has not shown its entry of the same id yet.
            let before = cursor.map(|cursor| {
                if at.is_some_and(|at| index > at) { cursor.id.next() } else { cursor.id }
            });
            let latest = (filter.last().ms != u64::MAX).then(|| filter.last().next());
            let before = match (before, latest) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            Lane { source, ready: VecDeque::new(), before, exhausted: false }
        };
        Self { lanes: sources.iter().enumerate().map(lane).collect(), filter }
    }

    async fn next(&mut self) -> Result<Option<(&'a Source, DeadLetter)>, Failure> {
        for lane in &mut self.lanes {
            lane.fill(self.filter).await?;
        }
        let mut youngest: Option<(EntryId, &mut Lane<'a>)> = None;
        for lane in &mut self.lanes {
            let Some(id) = lane.ready.front().map(|letter| letter.id) else { continue };
            if youngest.as_ref().is_none_or(|(other, _)| id > *other) {
                youngest = Some((id, lane));
            }
        }
        Ok(youngest.and_then(|(_, lane)| lane.ready.pop_front().map(|next| (lane.source, next))))
    }
}

impl Lane<'_> {
    /// Reads on until there is a letter that is wanted, or none is left.
    async fn fill(&mut self, filter: &Filter) -> Result<(), Failure> {
        while self.ready.is_empty() && !self.exhausted {
            let (keys, worker) = (self.source.keys(), self.source.worker.name);
            let page = latest(&mut self.source.session(), keys, worker, self.before, PAGE).await?;
            self.before = page.last().map(|letter| letter.id);
            let past = self.before.is_none_or(|id| id < filter.first());
            self.exhausted = page.len() < PAGE || past;
            let wanted = page.into_iter().filter(|letter| filter.matches(letter));
            // The bytes are not listed.
            self.ready.extend(wanted.map(|letter| DeadLetter { original: None, ..letter }));
        }
        Ok(())
    }
}

fn table(letters: &[(&Source, DeadLetter)], colour: Colour) -> Vec<String> {
    let heading =
        ["WORKER", "ENTRY", "BURIED", "TYPE", "DEPLOYMENT", ">ATTEMPTS", ">REDRIVEN", "REASON"];
    let mut table = Table::new(&heading);
    for (source, letter) in letters {
        table.row([
            source.name().into(),
            letter.entry.as_str().into(),
            moment(letter.id.ms).into(),
            or_dash(&letter.event_type).into(),
            or_dash(&letter.deployment_id).into(),
            u64::from(letter.attempt_count).into(),
            u64::from(letter.replay_count).into(),
            Cell::new(Tone::Bad, shortened(&letter.failure_reason)),
        ]);
    }
    table.lines(colour)
}

/// A text, or what stands for none.
pub(crate) fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// A reason that fits a column.
pub(crate) fn shortened(reason: &str) -> String {
    match reason.char_indices().nth(REASON) {
        Some((end, _)) => format!("{}…", reason.get(..end).unwrap_or_default()),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_to_its_column() {
        assert_eq!(shortened("max_attempts"), "max_attempts");
        assert_eq!(shortened(&"é".repeat(100)).chars().count(), REASON + 1);
    }

    #[test]
    fn a_cursor_reads_as_it_prints() {
        let cursor = Cursor::read("5-1/validator/2").unwrap();
        assert_eq!(cursor.to_string(), "5-1/validator/2");
        assert_eq!(Cursor::read("5-1").unwrap().id, EntryId { ms: 5, seq: 1 });
        for wrong in ["", "5", "5-1/validator/x", "5-1/a/1/b"] {
            assert!(Cursor::read(wrong).is_err(), "{wrong}");
        }
    }
}
