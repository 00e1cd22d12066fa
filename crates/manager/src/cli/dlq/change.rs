//! The frame of a change to many dead letters: found, counted, agreed to, on record, then done.
//!
//! Used by `resolve`, `abandon`, `purge` and `redrive`. It makes sure that nothing is changed
//! before the operator log has it, and that what is told is what happened.

use clap::Args;
use printery_fleet::operator_log::Begun;
use serde_json::{Value, json};

use crate::cli::dlq::choice::{Choice, Chosen, place};
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::operator::{Actor, Consent};
use crate::cli::target::Target;

/// Ids that a dry run and an answer in JSON list; beyond them only the number is told.
pub(crate) const LISTED: usize = 1_000;

/// Which dead letters to change, who does it, and how: flags of every verb that changes any.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) choice: Choice,
    #[command(flatten)]
    pub(crate) actor: Actor,
    #[command(flatten)]
    consent: Consent,
    /// Only tell what would be done
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A change before it is made.
pub(crate) struct Change<'a> {
    /// How it is typed: `dlq purge`.
    pub(crate) action: &'static str,
    /// What would be done to them: `removed for good`.
    pub(crate) done_to: &'static str,
    /// Beyond the letters: how fast, in which steps.
    pub(crate) detail: String,
    /// What was typed.
    pub(crate) args: &'a ChangeArgs,
}

/// A change that is on record.
#[derive(Debug)]
pub(crate) struct Agreed {
    /// How many letters there are, by place.
    pub(crate) counts: Vec<u64>,
    /// Its beginning in the operator log.
    pub(crate) begun: Begun,
    /// Hears signals since before there was a beginning: each has an end from now on.
    pub(crate) interrupt: Interrupt,
}

impl Agreed {
    /// How many letters there are.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Change<'_> {
    /// Counts, asks and writes the beginning; none when there is nothing to do.
    ///
    /// # Errors
    /// It was not agreed to, or cannot be recorded; nothing was changed.
    pub(crate) async fn agree(
        &self,
        target: &mut Target,
        chosen: &Chosen,
    ) -> Result<Option<Agreed>, Failure> {
        if self.args.dry_run {
            self.tell(target, chosen).await?;
            return Ok(None);
        }
        let counts = chosen.count().await?;
        let total: u64 = counts.iter().sum();
        if total == 0 {
            self.nothing(target)?;
            return Ok(None);
        }
        let what = format!("{} would be {}", letters(total, &chosen.description), self.done_to);
        self.args.consent.ask(&what)?;
        let interrupt = Interrupt::listen()?;
        let (subject, detail) = (&chosen.description, self.detail.clone());
        let begun = self.args.actor.begins(target, self.action, subject, total, detail).await?;
        Ok(Some(Agreed { counts, begun, interrupt }))
    }

    /// Lists what would be changed, and changes nothing.
    async fn tell(&self, target: &mut Target, chosen: &Chosen) -> Result<(), Failure> {
        let (mut total, mut listed, mut queue) = (0_u64, Vec::new(), chosen.queue());
        while let Some(found) = queue.next(&chosen.sources).await? {
            total += 1;
            if listed.len() < LISTED {
                let worker = chosen.sources.get(found.source).map(|source| source.worker.name);
                let shown = place(&chosen.sources, &found);
                if !self.args.json {
                    target.out.line(format!("{shown} would be {}", self.done_to))?;
                }
                let partition = chosen.sources.get(found.source).and_then(|one| one.partition);
                listed.push(json!({
                    "worker": worker, "partition": partition, "entry": found.letter.entry,
                    "event_id": found.letter.event_id,
                }));
            }
        }
        if self.args.json {
            return Ok(target.out.json(&json!({
                "action": self.action, "dry_run": true, "matched": total, "letters": listed,
            }))?);
        }
        if total > u64::try_from(LISTED).unwrap_or(u64::MAX) {
            target.out.line(format!("… and so on; {LISTED} are listed"))?;
        }
        Ok(target.out.line(format!("{total} dead letters; nothing was changed"))?)
    }

    fn nothing(&self, target: &mut Target) -> Result<(), Failure> {
        if self.args.json {
            let told = json!({ "action": self.action, "matched": 0, "changed": 0, "letters": [] });
            return Ok(target.out.json(&told)?);
        }
        Ok(target.out.line("no such dead letters; nothing was changed")?)
    }
}

/// What happened to the letters of one change.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many were changed.
    pub(crate) changed: u64,
    /// How many somebody else took away meanwhile.
    pub(crate) gone: u64,
    /// The first of those that were changed, for JSON.
    pub(crate) letters: Vec<Value>,
}

impl Tally {
    /// Notes one that was changed.
    pub(crate) fn note(&mut self, letter: Value) {
        self.changed += 1;
        if self.letters.len() < LISTED {
            self.letters.push(letter);
        }
    }
}

/// Writes the end of a change; that it cannot is told and does not undo the change.
pub(crate) async fn end(
    target: &mut Target,
    begun: Begun,
    count: u64,
    outcome: &str,
    detail: &str,
) {
    let record = begun.id();
    let (session, keys) = (&mut target.session, &target.keys);
    if let Err(error) = begun.end(session, keys, count, outcome, detail).await {
        eprintln!("the operator log has no end of record {record}: {error}");
    }
}

/// `3 dead letters (validator)`.
pub(crate) fn letters(count: u64, whose: &str) -> String {
    let noun = if count == 1 { "dead letter" } else { "dead letters" };
    format!("{count} {noun} ({whose})")
}
