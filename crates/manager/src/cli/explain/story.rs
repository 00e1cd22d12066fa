//! An event with what each of its readers has made of it, as people see it.
//!
//! Made for each event that an id means. It asks nothing by itself: see `locate`.

use jiff::Timestamp;
use printery_streams::Error;
use serde_json::{Value, json};

use crate::cli::explain::Standing;
use crate::cli::explain::facts::Look;
use crate::cli::explain::locate::locate;
use crate::cli::explain::place::Finding;
use crate::cli::explain::reason::Reason;
use crate::cli::explain::search::Item;
use crate::cli::explain::words::Explained;
use crate::cli::gist::{Gist, findings};
use crate::cli::output::{Colour, Tone, clean};
use crate::cli::redis_cli::RedisCli;
use crate::cli::sighting::Sighting;
use crate::cli::times::moment;

/// An event with what each of its readers has made of it.
#[derive(Debug)]
pub(crate) struct Story {
    item: Item,
    findings: Vec<Finding>,
}

impl Story {
    /// Finds out what each reader has made of it.
    pub(crate) async fn of(look: &mut Look<'_>, item: Item) -> Result<Self, Error> {
        let mut findings = Vec::with_capacity(item.readers.len());
        for worker in &item.readers {
            findings.push(locate(look, &item, worker).await?);
        }
        Ok(Self { item, findings })
    }

    /// What to sort by.
    pub(crate) fn order(&self) -> (u64, Option<Timestamp>, u64) {
        self.item.order()
    }

    /// How many readers have something to do with it still.
    pub(crate) fn open(&self) -> usize {
        self.findings.iter().filter(|finding| finding.is_open()).count()
    }

    /// Adds what is open and what failed of it.
    pub(crate) fn stand(&self, standing: &mut Standing) {
        let name = self.item.name();
        for finding in &self.findings {
            let line = format!("{name} at {}: {}", finding.worker.name, finding.reason().as_str());
            if finding.reason() == Reason::Dead {
                standing.failed.push(line);
            } else if finding.is_open() {
                standing.open.push(line);
            }
        }
        let event = self.item.sighting.as_ref().and_then(Sighting::event);
        if let Some(gist) = event.map(Gist::of).filter(|gist| gist.tone == Tone::Bad) {
            standing.failed.push(format!("{name}: {} {}", gist.word, gist.detail));
        }
    }

    /// What it is, then a line or a block for each reader.
    pub(crate) fn lines(&self, whole: bool, colour: Colour, cli: &RedisCli) -> Vec<String> {
        let mut lines = self.heading(colour);
        if whole && self.item.readers.is_empty() {
            lines.push("    no worker reads this type".to_owned());
        }
        for finding in &self.findings {
            lines.extend(block(finding, whole || finding.is_open(), colour, cli));
        }
        lines
    }

    fn heading(&self, colour: Colour) -> Vec<String> {
        let item = &self.item;
        let time = colour.paint(Tone::Dim, &moment(item.entry.ms));
        let name = clean(item.name()).into_owned();
        let mut lines = Vec::new();
        match item.sighting.as_ref().map(|sighting| &sighting.content) {
            Some(Ok(event)) => {
                let gist = Gist::of(event);
                let word = colour.paint(gist.tone, &gist.word);
                lines.push(format!("{time}  {name}  {word}  {}", gist.detail));
                lines.extend(findings(&event.payload).into_iter().map(|it| format!("    {it}")));
            }
            Some(Err(unreadable)) => {
                let word = colour.paint(Tone::Bad, "invalid");
                let why = unreadable.why.to_string();
                lines.push(format!("{time}  {name}  {word}  {}", clean(&why)));
            }
            None => lines.push(format!("{time}  {name}  its entry is not in its stream any more")),
        }
        let id = clean(item.event_id.as_deref().unwrap_or("-")).into_owned();
        lines.push(colour.paint(Tone::Dim, &format!("    entry {}, event {id}", item.entry)));
        lines
    }

    /// For programs; see `shape`.
    pub(crate) fn to_json(&self) -> Value {
        let readers: Vec<Value> = self.findings.iter().map(Finding::to_json).collect();
        json!({
            "stream": self.item.stream,
            "entry": self.item.entry.to_string(),
            "event_id": self.item.event_id,
            "event": self.item.sighting.as_ref().map(Sighting::to_json),
            "readers": readers,
        })
    }
}

fn block(finding: &Finding, whole: bool, colour: Colour, cli: &RedisCli) -> Vec<String> {
    let Explained { state, tone, why, next, command, look, change } = finding.explain();
    let first = format!("    {:<20}  {}", finding.worker.name, colour.paint(tone, &state));
    if !whole {
        return vec![format!("{first}  {}", colour.paint(Tone::Dim, &clean(&why)))];
    }
    let line = |words: &[String]| cli.line(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let mut lines = vec![first];
    let mut say = |name: &str, text: &str| lines.push(format!("      {name:<9}{}", clean(text)));
    say("why", &why);
    say("next", &next);
    if let Some(command) = &command {
        say("change", command);
    }
    if let Some(change) = &change {
        say("by hand", &line(change));
    }
    say("look", &line(&look));
    lines
}
