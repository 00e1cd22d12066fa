//! Putting letters back, step by step, and waiting for what becomes of each step.
//!
//! One letter is one step in Redis; between two of them it can always be stopped, and what it
//! tells then is what was done. How fast and how far is [`super::pace`]'s.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use printery_fleet::dead_letters::{Following, Redriven, revive};
use printery_streams::{ErrorKind, Session};
use serde_json::json;

use crate::cli::dlq::choice::{Chosen, Found, place};
use crate::cli::dlq::queue::Queue;
use crate::cli::dlq::redrive::pace::{Rate, Share};
use crate::cli::dlq::redrive::report::{Report, Step};
use crate::cli::failure::Failure;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::Output;

/// How often the outcomes of a step are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Why a redrive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// All steps are over.
    Complete,
    /// A person stopped it.
    Cancelled,
    /// Too many of a step failed again.
    TooManyFailed,
    /// A step was not settled in time.
    Unsettled,
}

/// How it is to go about it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How large each step is.
    pub(crate) sizes: Vec<u64>,
    /// How fast; none = as fast as it can.
    pub(crate) rate: Option<Rate>,
    /// What is waited for after each step; none = nothing.
    pub(crate) watch: Option<Watch>,
}

/// What is expected of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    /// The largest share of it that may fail again.
    pub(crate) most_failures: Share,
    /// How long it may take to be settled.
    pub(crate) within: Duration,
}

/// A redrive on its way.
pub(crate) struct Run<'a> {
    chosen: &'a Chosen,
    plan: &'a Plan,
    queue: Queue,
    interrupt: Interrupt,
    /// When the next letter may be put back.
    due: Instant,
    /// The connection to the place that is being worked on.
    session: Option<(usize, Session)>,
    /// What was put back and is not settled, by place.
    following: BTreeMap<usize, Following>,
}

impl<'a> Run<'a> {
    /// Prepares; a signal stops it between two letters.
    pub(crate) fn new(chosen: &'a Chosen, plan: &'a Plan, interrupt: Interrupt) -> Self {
        Self {
            chosen,
            plan,
            queue: chosen.queue(),
            interrupt,
            due: Instant::now(),
            session: None,
            following: BTreeMap::new(),
        }
    }

    /// Puts them back; the report is true at every moment.
    ///
    /// # Errors
    /// Redis does not answer; what is in the report was done.
    pub(crate) async fn all(
        &mut self,
        report: &mut Report,
        out: &mut Output,
    ) -> Result<Finish, Failure> {
        for size in &self.plan.sizes {
            report.steps.push(Step { size: *size, ..Step::default() });
            if let Some(finish) = self.put_back(*size, report, out).await? {
                return Ok(finish);
            }
            if let Some(finish) = self.settle(report, out).await? {
                return Ok(finish);
            }
        }
        Ok(Finish::Complete)
    }

    /// Puts the letters of one step back; ends early when it must.
    async fn put_back(
        &mut self,
        size: u64,
        report: &mut Report,
        out: &mut Output,
    ) -> Result<Option<Finish>, Failure> {
        let mut looked = Instant::now();
        for _ in 0..size {
            if self.pause().await {
                return Ok(Some(Finish::Cancelled));
            }
            let Some(found) = self.queue.next(&self.chosen.sources).await? else { return Ok(None) };
            self.one(&found, report).await?;
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                out.live(&report.progress())?;
                if self.look(report, size).await? {
                    return Ok(Some(Finish::TooManyFailed));
                }
            }
        }
        Ok(None)
    }

    /// Waits as the rate wants it; tells whether it was stopped.
    async fn pause(&mut self) -> bool {
        let Some(rate) = self.plan.rate else { return self.interrupt.is_raised() };
        let now = Instant::now();
        let wait = self.due.saturating_duration_since(now);
        // What was late is not made up for: a rate is a promise to whoever has the load.
        self.due = self.due.max(now) + rate.interval;
        self.interrupt.within(wait).await
    }

    async fn one(&mut self, found: &Found, report: &mut Report) -> Result<(), Failure> {
        let Some(source) = self.chosen.sources.get(found.source) else { return Ok(()) };
        let (keys, worker) = (source.keys(), source.worker.name);
        if self.session.as_ref().is_none_or(|(of, _)| *of != found.source) {
            self.session = Some((found.source, source.session()));
        }
        let Some((_, session)) = &mut self.session else { return Ok(()) };
        if self.plan.watch.is_some() && !self.following.contains_key(&found.source) {
            let begun = Following::begin(session, keys, worker).await?;
            self.following.insert(found.source, begun);
        }
        let name = || place(&self.chosen.sources, found);
        let redriven = revive(session, keys, worker, &found.letter).await.map_err(|error| {
            let unknown = error.kind == ErrorKind::Unknown;
            let failure = Failure::from(error);
            let so = if unknown { " (it is either back or still a dead letter)" } else { "" };
            let text = format!("{}{so}: {}", name(), failure.text);
            Failure { text, ..failure }
        })?;
        match redriven {
            Redriven::Inbox(inbox) => {
                if let Some(following) = self.following.get_mut(&found.source) {
                    following.add(inbox, &found.letter);
                }
                report.back(json!({
                    "worker": worker, "partition": source.partition, "entry": found.letter.entry,
                    "event_id": found.letter.event_id, "inbox_entry": inbox.to_string(),
                }));
            }
            Redriven::Gone => report.gone += 1,
            Redriven::Bodiless => report.stays(
                name(),
                "its body was gone before it was buried; there is nothing to run".to_owned(),
            ),
            Redriven::TooWide(fields) => report.stays(
                name(),
                format!(
                    "it has {fields} fields: more than Redis lets a script pass on, and more than \
                     the 1,000 that an event may have"
                ),
            ),
        }
        Ok(())
    }

    /// Waits until what this step put back is settled.
    async fn settle(
        &mut self,
        report: &mut Report,
        out: &mut Output,
    ) -> Result<Option<Finish>, Failure> {
        let Some(watch) = self.plan.watch else { return Ok(None) };
        let until = Instant::now() + watch.within;
        // What could not be put back does not make the failures of the rest any fewer.
        let size = report.steps.last().map_or(0, |step| step.put_back);
        loop {
            if self.look(report, size).await? {
                return Ok(Some(Finish::TooManyFailed));
            }
            if self.following.values().all(|following| following.open() == 0) {
                return Ok(None);
            }
            if Instant::now() >= until {
                return Ok(Some(Finish::Unsettled));
            }
            out.live(&report.progress())?;
            if self.interrupt.within(LOOK_EVERY).await {
                return Ok(Some(Finish::Cancelled));
            }
        }
    }

    /// Looks for outcomes; tells whether too many of this step, which has `size`, failed.
    async fn look(&mut self, report: &mut Report, size: u64) -> Result<bool, Failure> {
        let Some(watch) = self.plan.watch else { return Ok(false) };
        for (index, following) in &mut self.following {
            let Some(source) = self.chosen.sources.get(*index) else { continue };
            let verdicts = following.look(&mut source.session(), source.keys()).await?;
            if let Some(step) = report.steps.last_mut() {
                step.done += verdicts.done;
                step.failed += verdicts.failed;
            }
        }
        Ok(report.steps.last().is_some_and(|step| {
            watch.most_failures.is_passed(step.failed, step.done + step.failed, size)
        }))
    }
}
