//! What a redrive did, as far as it came.
//!
//! Kept while it goes on, told at its end whatever that is; pure but for the printing.

use serde_json::{Value, json};

use crate::cli::dlq::change::Tally;
use crate::cli::dlq::redrive::run::Finish;
use crate::cli::failure::Failure;
use crate::cli::target::Target;

/// Letters that stay, each with why; beyond them only the number is told.
const STAYING: usize = 100;

/// Letters that are listed in text when they were put back; a long list says less than its number.
const SHOWN: usize = 20;

/// One step of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// How many it was to put back.
    pub(crate) size: u64,
    /// How many it did.
    pub(crate) put_back: u64,
    /// How many of them are settled.
    pub(crate) done: u64,
    /// How many of them are dead letters again.
    pub(crate) failed: u64,
}

impl Step {
    /// How many were put back and are not settled.
    fn open(&self) -> u64 {
        self.put_back.saturating_sub(self.done + self.failed)
    }
}

/// What it did.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How many letters there were when it began.
    matched: u64,
    /// Whether outcomes were waited for.
    watched: bool,
    /// The steps that were begun.
    pub(crate) steps: Vec<Step>,
    /// How many somebody else took away.
    pub(crate) gone: u64,
    /// Those that were put back.
    tally: Tally,
    /// How many cannot be put back, and why the first of them.
    staying: u64,
    reasons: Vec<(String, String)>,
}

impl Report {
    /// The report of one that has done nothing yet.
    pub(crate) fn of(matched: u64, watched: bool) -> Self {
        Self { matched, watched, ..Self::default() }
    }

    /// One was put back.
    pub(crate) fn back(&mut self, letter: Value) {
        self.tally.note(letter);
        if let Some(step) = self.steps.last_mut() {
            step.put_back += 1;
        }
    }

    /// One cannot be put back.
    pub(crate) fn stays(&mut self, name: String, why: String) {
        self.staying += 1;
        if self.reasons.len() < STAYING {
            self.reasons.push((name, why));
        }
    }

    /// How many were put back.
    pub(crate) fn put_back(&self) -> u64 {
        self.tally.changed
    }

    /// Whether each letter that was meant was put back.
    pub(crate) fn is_whole(&self) -> bool {
        self.staying == 0
    }

    /// How many were not touched.
    fn left(&self) -> u64 {
        self.matched.saturating_sub(self.tally.changed + self.gone + self.staying)
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> String {
        let back = format!("{} of {} put back", self.put_back(), self.matched);
        match self.steps.last().filter(|_| self.watched) {
            Some(step) => format!(
                "{back}; step {}: {} done, {} failed, {} at work",
                self.steps.len(),
                step.done,
                step.failed,
                step.open()
            ),
            None => back,
        }
    }

    /// A sentence for the operator log.
    pub(crate) fn summary(&self) -> String {
        let (done, failed) = self.outcomes();
        let mut parts = vec![format!("{} of {} put back", self.put_back(), self.matched)];
        if self.watched {
            parts.push(format!("{done} settled, {failed} failed again"));
        }
        let rest = [
            (self.staying, "cannot be"),
            (self.gone, "taken away by somebody else"),
            (self.left(), "not touched"),
        ];
        let some = rest.into_iter().filter(|(count, _)| *count > 0);
        parts.extend(some.map(|(count, what)| format!("{count} {what}")));
        parts.join(", ")
    }

    fn outcomes(&self) -> (u64, u64) {
        let sum = |of: fn(&Step) -> u64| self.steps.iter().map(of).sum();
        (sum(|step| step.done), sum(|step| step.failed))
    }

    /// Prints it as text.
    pub(crate) fn tell(&self, target: &mut Target, finish: Option<Finish>) -> Result<(), Failure> {
        let out = &mut target.out;
        for letter in self.tally.letters.iter().take(SHOWN) {
            let text = |name: &str| letter.get(name).and_then(Value::as_str).unwrap_or_default();
            let (worker, entry, inbox) = (text("worker"), text("entry"), text("inbox_entry"));
            out.line(format!("{worker} {entry} is in the inbox as {inbox}"))?;
        }
        let more = self.put_back().saturating_sub(u64::try_from(SHOWN).unwrap_or(0));
        if more > 0 {
            out.line(format!("… and {more} more"))?;
        }
        for (name, why) in &self.reasons {
            out.line(format!("{name} stays: {why}"))?;
        }
        if self.watched {
            for (index, step) in self.steps.iter().enumerate() {
                let Step { put_back, done, failed, .. } = step;
                let (number, open) = (index + 1, step.open());
                out.line(format!(
                    "step {number}: {put_back} put back, {done} settled, {failed} failed again, \
                     {open} not settled"
                ))?;
            }
        }
        let why = match finish {
            Some(Finish::Complete) => "",
            Some(Finish::Cancelled) => "stopped: ",
            Some(Finish::TooManyFailed) => "stopped because too many failed again: ",
            Some(Finish::Unsettled) => "stopped because a step was not settled in time: ",
            None => "stopped by an error: ",
        };
        Ok(out.line(format!("{why}{}", self.summary()))?)
    }

    /// Everything for programs.
    pub(crate) fn to_json(&self, outcome: &str) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                let settled = self.watched.then_some((step.done, step.failed));
                json!({
                    "size": step.size, "put_back": step.put_back,
                    "done": settled.map(|(done, _)| done),
                    "failed": settled.map(|(_, failed)| failed),
                })
            })
            .collect();
        let staying: Vec<Value> =
            self.reasons.iter().map(|(name, why)| json!({ "letter": name, "why": why })).collect();
        json!({
            "action": "dlq redrive", "outcome": outcome, "matched": self.matched,
            "changed": self.put_back(), "gone": self.gone, "cannot": self.staying,
            "left": self.left(), "steps": steps, "letters": self.tally.letters,
            "staying": staying,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_accounted_for_once() {
        let mut report = Report::of(10, true);
        report.steps.push(Step { size: 5, ..Step::default() });
        for _ in 0..4 {
            report.back(json!({}));
        }
        report.stays("validator 5-1".into(), "no body".into());
        report.gone = 2;
        report.steps[0].done = 3;
        report.steps[0].failed = 1;
        assert_eq!(
            report.summary(),
            "4 of 10 put back, 3 settled, 1 failed again, 1 cannot be, 2 taken away by somebody \
             else, 3 not touched"
        );
        let json = report.to_json("stopped");
        let parts: u64 = ["changed", "gone", "cannot", "left"]
            .iter()
            .map(|name| json[*name].as_u64().unwrap())
            .sum();
        assert_eq!(parts, 10);
    }
}
