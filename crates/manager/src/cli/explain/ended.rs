//! What is over in words: dead, done, deduplicated, trimmed.
//!
//! The other half of `words`, which calls it; pure.

use printery_fleet::dead_letters::DeadLetter;

use crate::cli::explain::place::Finding;
use crate::cli::explain::traces::{PutAway, Settlement};
use crate::cli::explain::words::{Explained, words};
use crate::cli::output::Tone;
use crate::cli::times::{moment, span};

/// What happens to what is over.
const NOTHING: &str = "nothing";

impl Finding {
    pub(crate) fn dead(&self, letter: &DeadLetter) -> Explained {
        let DeadLetter { entry, fingerprint, .. } = letter;
        let (worker, stream) = (self.worker.name, self.around.keys.dead_letters(self.worker.name));
        Explained {
            state: "dead".to_owned(),
            tone: Tone::Bad,
            why: format!("{}; fingerprint {fingerprint}", failure(letter)),
            next: "nothing, until somebody decides".to_owned(),
            command: Some(format!("printery-workers dlq redrive {worker} {entry}")),
            look: words(["XRANGE", &stream, entry, entry]),
            change: None,
        }
    }

    pub(crate) fn put_away(&self, away: &PutAway) -> Explained {
        let PutAway { id, letter, status, actor, notes } = away;
        let notes = if notes.is_empty() { String::new() } else { format!(": {notes}") };
        let id_text = id.to_string();
        Explained {
            state: format!("dead, {status}"),
            tone: Tone::Dim,
            why: format!("{}; {status} by {actor} at {}{notes}", failure(letter), moment(id.ms)),
            next: NOTHING.to_owned(),
            command: None,
            look: words(["XRANGE", &self.around.keys.dead_letters_processed(), &id_text, &id_text]),
            change: None,
        }
    }

    pub(crate) fn was_dead(&self, line: &Settlement) -> Explained {
        let reason = line.reason.as_deref().unwrap_or("it failed");
        let at = moment(line.finished_ms);
        let why = format!("{reason}, at {at}; its dead letter has been taken away since");
        over("was dead", Tone::Warn, why, self.log_line(line))
    }

    pub(crate) fn done(&self, line: &Settlement) -> Explained {
        if line.outcome == "cancelled" {
            let why = format!("{} took it back at {}", line.instance, moment(line.finished_ms));
            return over("cancelled", Tone::Dim, why, self.log_line(line));
        }
        let took = span(line.finished_ms.saturating_sub(line.started_ms));
        let at = moment(line.finished_ms);
        let results = match line.results {
            1 => "1 result".to_owned(),
            count => format!("{count} results"),
        };
        let Settlement { attempts, instance, .. } = line;
        let why = format!("attempt {attempts} by {instance} took {took} until {at}; {results}");
        over("done", Tone::Good, why, self.log_line(line))
    }

    pub(crate) fn duplicate(&self, line: &Settlement) -> Explained {
        let of =
            line.entry.map_or_else(|| "another entry".to_owned(), |entry| format!("entry {entry}"));
        let why = format!("its event was settled as {of} at {}", moment(line.finished_ms));
        over("deduplicated", Tone::Dim, why, self.log_line(line))
    }

    pub(crate) fn settled(&self) -> Explained {
        let why = "it is not pending any more, and the settlement log does not reach back to it";
        over("done", Tone::Dim, why.to_owned(), self.pending_row())
    }

    pub(crate) fn trimmed(&self, passed: bool) -> Explained {
        let worker = self.worker.name;
        let why = if passed {
            format!(
                "its entry is not retained any more, and {worker}'s settlement log does not reach back to it; the fleet trims only what every group has settled"
            )
        } else {
            format!("somebody deleted it before any {worker} had read it")
        };
        let entry = self.entry.to_string();
        let tone = if passed { Tone::Dim } else { Tone::Bad };
        over("trimmed", tone, why, words(["XRANGE", &self.stream, &entry, &entry]))
    }

    fn log_line(&self, line: &Settlement) -> Vec<String> {
        let id = line.id.to_string();
        words(["XRANGE", &self.around.keys.settlements(self.worker.name), &id, &id])
    }
}

/// What is over in words: nothing happens to it, and nothing changes it.
fn over(state: &str, tone: Tone, why: String, look: Vec<String>) -> Explained {
    let next = NOTHING.to_owned();
    Explained { state: state.to_owned(), tone, why, next, command: None, look, change: None }
}

/// Why a dead letter was written.
fn failure(letter: &DeadLetter) -> String {
    let DeadLetter { failure_reason: reason, failure_detail: detail, .. } = letter;
    let detail =
        if reason.ends_with(detail.as_str()) { String::new() } else { format!(" ({detail})") };
    match letter.attempt_count {
        0 => format!("{reason}{detail}, before any attempt"),
        1 => format!("{reason}{detail}, after 1 attempt"),
        count => format!("{reason}{detail}, after {count} attempts"),
    }
}
