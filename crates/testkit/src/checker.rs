//! Whether a run kept what the fleet promises, judged from its history alone.
//!
//! Owns the verdict: Jepsen's total queue over producers' acknowledgements, unique results, Kafka's "unseen", one owner at a
//! time, and the order within a subject. Called by tests and by the soak; it never asks Redis and never looks at a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::history::{Fact, History, Settlement};

/// How far the server's time as an instance reckons it may be off, ms: attempts that overlap by less need not have.
const RECKONING: u64 = 100;

/// How many offenders of each kind a verdict shows.
const SHOWN: usize = 8;

/// What a run may end with, beyond what always holds.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Events that must be dead letters in the end, and may be nothing else.
    pub dead: BTreeSet<String>,
    /// Reasons for which any event may be a dead letter as well: what is killed at random may happen to die three times.
    pub forgiven: BTreeSet<String>,
    /// Whether events of one subject are handled one at a time, oldest first.
    pub ordered: bool,
    /// Whether the server's clock stepped, so that nothing can be told from the times of attempts.
    pub untimed: bool,
}

/// What came of every event of a history. Every list is empty when all is well, but `recovered`, which is no fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Events that a producer tried to publish.
    pub attempted: usize,
    /// Events that Redis said it has.
    pub acknowledged: usize,
    /// Attempted events with an outcome: a result or a dead letter.
    pub ok: usize,
    /// Events without an acknowledgement that have an outcome all the same: the reply was lost, the event was not.
    pub recovered: usize,
    /// Acknowledged events without an outcome.
    pub lost: Vec<String>,
    /// Those among the lost that no handler was ever started for.
    pub unseen: Vec<String>,
    /// Outcomes of events that nobody attempted.
    pub unexpected: Vec<String>,
    /// Events with more than one outcome.
    pub duplicated: Vec<String>,
    /// Result ids that occur more than once.
    pub repeated: Vec<String>,
    /// Dead letters of events that had done nothing wrong, and results of those that should be dead.
    pub misjudged: Vec<String>,
    /// Entries that were settled twice, and events that two instances settled with attempts that overlap.
    pub shared: Vec<String>,
    /// Events that were handled beside or before an older one of the same subject.
    pub disordered: Vec<String>,
}

impl Verdict {
    /// Tells whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.faults().iter().all(|(_, offenders)| offenders.is_empty())
    }

    /// Returns each kind of broken promise with those who show it.
    pub fn faults(&self) -> [(&'static str, &[String]); 8] {
        [
            ("lost", &self.lost),
            ("unseen", &self.unseen),
            ("unexpected", &self.unexpected),
            ("duplicated", &self.duplicated),
            ("repeated ids", &self.repeated),
            ("misjudged", &self.misjudged),
            ("shared", &self.shared),
            ("disordered", &self.disordered),
        ]
    }

    /// Panics with the verdict, and keeps the history in a file, unless it is clean.
    pub fn assert_clean(&self, history: &History) {
        let kept = || history.keep().display().to_string();
        assert!(self.is_clean(), "a promise was broken; history: {}\n{self}", kept());
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in [
            ("attempted", self.attempted),
            ("acknowledged", self.acknowledged),
            ("ok", self.ok),
            ("recovered", self.recovered),
        ] {
            writeln!(f, "  {name:<14}{count:>8}")?;
        }
        for (name, offenders) in self.faults() {
            let shown = offenders.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
            writeln!(f, "  {name:<14}{:>8}  {shown}", offenders.len())?;
        }
        Ok(())
    }
}

/// What is known of one event.
#[derive(Debug, Default)]
struct Event<'a> {
    attempted: bool,
    subject: &'a str,
    /// Where its first acknowledgement says that it is.
    entry: Option<&'a str>,
    delivered: bool,
    results: usize,
    /// Why it was put away, each time it was.
    burials: Vec<&'a str>,
    /// With the place of each line in the log, which is the order in which Redis settled them.
    settlements: Vec<(usize, &'a Settlement)>,
}

impl Event<'_> {
    fn outcomes(&self) -> usize {
        self.results + self.burials.len()
    }
}

/// Judges a history that ended with a drain: whatever has no outcome by then never gets one.
///
/// # Source
/// Jepsen's `total-queue` and `unique-ids` checkers, and the `unseen` of its Kafka checker.
pub fn check(facts: &[(Duration, Fact)], rules: &Rules) -> Verdict {
    let events = by_event(facts);
    let named = |is: &dyn Fn(&str, &Event<'_>) -> bool| -> Vec<String> {
        events.iter().filter(|(id, event)| is(id, event)).map(|(id, _)| (*id).to_owned()).collect()
    };
    let count = |is: &dyn Fn(&Event<'_>) -> bool| events.values().filter(|event| is(event)).count();
    let lost = |event: &Event<'_>| event.entry.is_some() && event.outcomes() == 0;
    let seen = |event: &Event<'_>| event.delivered || !event.settlements.is_empty();
    Verdict {
        attempted: count(&|event| event.attempted),
        acknowledged: count(&|event| event.entry.is_some()),
        ok: count(&|event| event.attempted && event.outcomes() > 0),
        recovered: count(&|event| event.attempted && event.entry.is_none() && event.outcomes() > 0),
        lost: named(&|_, event| lost(event)),
        unseen: named(&|_, event| lost(event) && !seen(event)),
        unexpected: named(&|_, event| !event.attempted && event.outcomes() > 0),
        duplicated: named(&|_, event| event.outcomes() > 1),
        repeated: repeated_ids(facts),
        misjudged: misjudged(&events, rules),
        shared: shared(&events, rules),
        disordered: if rules.ordered { disordered(&events, rules) } else { Vec::new() },
    }
}

fn by_event(facts: &[(Duration, Fact)]) -> BTreeMap<&str, Event<'_>> {
    let mut events: BTreeMap<&str, Event<'_>> = BTreeMap::new();
    for (place, (_, fact)) in facts.iter().enumerate() {
        match fact {
            Fact::Attempted { event, subject } => {
                let event = events.entry(event).or_default();
                event.attempted = true;
                event.subject = subject;
            }
            Fact::Acknowledged { event, entry } => {
                // A producer that repeats itself has the event where it was first.
                events.entry(event).or_default().entry.get_or_insert(entry);
            }
            Fact::Delivered { event } => events.entry(event).or_default().delivered = true,
            Fact::Result { cause, .. } => events.entry(cause).or_default().results += 1,
            Fact::Buried { event, reason } => {
                events.entry(event).or_default().burials.push(reason);
            }
            Fact::Settled(line) => {
                events.entry(&line.event).or_default().settlements.push((place, line));
            }
            Fact::Fault(_) => {}
        }
    }
    events
}

fn repeated_ids(facts: &[(Duration, Fact)]) -> Vec<String> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, fact) in facts {
        if let Fact::Result { id, .. } = fact {
            *times.entry(id).or_default() += 1;
        }
    }
    times.into_iter().filter(|(_, times)| *times > 1).map(|(id, _)| id.to_owned()).collect()
}

fn misjudged(events: &BTreeMap<&str, Event<'_>>, rules: &Rules) -> Vec<String> {
    let wrong = events.iter().filter_map(|(id, event)| {
        let should_be_dead = rules.dead.contains(*id);
        if should_be_dead && event.results > 0 {
            Some(format!("{id} (has a result)"))
        } else if !should_be_dead && event.burials.iter().any(|why| !rules.forgiven.contains(*why))
        {
            Some(format!("{id} ({})", event.burials.join(", ")))
        } else {
            None
        }
    });
    wrong.collect()
}

fn shared(events: &BTreeMap<&str, Event<'_>>, rules: &Rules) -> Vec<String> {
    let mut found = BTreeSet::new();
    for (id, event) in events {
        for (n, (_, one)) in event.settlements.iter().enumerate() {
            for (_, other) in event.settlements.iter().skip(n + 1) {
                let entry = (&one.stream, &one.entry) == (&other.stream, &other.entry);
                let apart = rules.untimed || one.instance == other.instance;
                if entry || (!apart && overlap(one, other)) {
                    found.insert(format!("{id} ({} and {})", one.instance, other.instance));
                }
            }
        }
    }
    found.into_iter().collect()
}

/// Tells whether both attempts ran at one moment.
fn overlap(one: &Settlement, other: &Settlement) -> bool {
    begins_within(one, other) && begins_within(other, one)
}

/// Tells whether `one` began before `other` was settled. The end is the server's own time, the beginning is reckoned.
fn begins_within(one: &Settlement, other: &Settlement) -> bool {
    one.started + RECKONING < other.finished
}

/// Where an event is in its stream, its id, and how it was settled: in which place of the log, and by which line.
type Handled<'a> = ((u64, u64), &'a str, (usize, &'a Settlement));

fn disordered(events: &BTreeMap<&str, Event<'_>>, rules: &Rules) -> Vec<String> {
    let mut subjects: BTreeMap<&str, Vec<Handled<'_>>> = BTreeMap::new();
    for (id, event) in events {
        let Some(place) = event.entry.map(position) else { continue };
        for line in &event.settlements {
            subjects.entry(event.subject).or_default().push((place, id, *line));
        }
    }
    let mut found = Vec::new();
    for lines in subjects.values_mut() {
        lines.sort_by_key(|(place, _, _)| *place);
        for pair in lines.windows(2) {
            if let [(_, older, before), (_, younger, after)] = pair
                && (after.0 < before.0 || (!rules.untimed && begins_within(after.1, before.1)))
            {
                found.push(format!("{younger} (beside or before {older})"));
            }
        }
    }
    found
}

/// Reads `<ms>-<seq>`, which does not sort as text.
fn position(entry: &str) -> (u64, u64) {
    let (ms, seq) = entry.split_once('-').unwrap_or((entry, "0"));
    (ms.parse().unwrap_or_default(), seq.parse().unwrap_or_default())
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
