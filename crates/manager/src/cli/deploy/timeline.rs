//! A deployment on the screen: a line for each event, and on a terminal a line that moves.
//!
//! Owns the look of the timeline. The rollout calls it for every event; it never asks anything.

use std::time::Duration;

use printery_events::{Event, Payload};

use crate::cli::deploy::plan::Plan;
use crate::cli::deploy::rollout::Audience;
use crate::cli::failure::Failure;
use crate::cli::gist::{Gist, findings, phased};
use crate::cli::output::{Colour, Output, Tone, clean};
use crate::cli::sighting::Sighting;
use crate::cli::times::elapsed;

/// Widths of the columns: time, word, subject.
const TIME: usize = 8;
const WORD: usize = 13;
const SUBJECT: usize = 28;

/// Prints a deployment as it goes.
pub(crate) struct Timeline<'a> {
    out: &'a mut Output,
    board: Board,
}

impl<'a> Timeline<'a> {
    /// Prints to `out`.
    pub(crate) fn new(out: &'a mut Output, plan: &Plan) -> Self {
        Self { out, board: Board::new(plan) }
    }

    /// Prints a line about something that is no event.
    pub(crate) fn note(
        &mut self,
        at: Duration,
        tone: Tone,
        word: &str,
        [subject, detail]: [&str; 2],
    ) -> Result<(), Failure> {
        let colour = self.out.colour();
        let time = colour.paint(Tone::Dim, &format!("{:>TIME$}", elapsed(at)));
        let word = colour.paint(tone, &format!("{word:<WORD$}"));
        Ok(self.out.line(format!("{time}  {word}  {subject:<SUBJECT$}  {detail}"))?)
    }
}

impl Audience for Timeline<'_> {
    fn sees(&mut self, at: Duration, sighting: &Sighting) -> Result<(), Failure> {
        self.board.see(sighting);
        self.out.lines(lines(at, sighting, self.out.colour()))?;
        Ok(())
    }

    fn ticks(&mut self, at: Duration) -> Result<(), Failure> {
        Ok(self.out.live(&format!("{:>TIME$}  {}", elapsed(at), self.board.line()))?)
    }
}

/// The lines of one event: its gist, and what it found wrong.
fn lines(at: Duration, sighting: &Sighting, colour: Colour) -> Vec<String> {
    let time = colour.paint(Tone::Dim, &format!("{:>TIME$}", elapsed(at)));
    let (gist, findings) = match &sighting.content {
        Ok(event) => (Gist::of(event), findings(&event.payload)),
        Err(unreadable) => {
            let gist = Gist {
                tone: Tone::Bad,
                word: "invalid".to_owned(),
                subject: sighting.event_type.to_string(),
                detail: clean(&unreadable.why.to_string()).into_owned(),
            };
            (gist, Vec::new())
        }
    };
    let word = colour.paint(gist.tone, &format!("{:<WORD$}", gist.word));
    let first = format!("{time}  {word}  {:<SUBJECT$}  {}", gist.subject, gist.detail);
    let indent = " ".repeat(TIME + WORD + SUBJECT + 6);
    let more =
        findings.into_iter().map(|finding| colour.paint(Tone::Warn, &format!("{indent}{finding}")));
    std::iter::once(first.trim_end().to_owned()).chain(more).collect()
}

/// Where a step of the deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Waiting,
    Running,
    Done,
}

/// The steps of a deployment and where each stands: what waits, what runs, what is done.
#[derive(Debug)]
pub(crate) struct Board {
    steps: Vec<(String, Standing)>,
    told: usize,
}

impl Board {
    /// All steps of a plan, waiting.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut names: Vec<String> =
            ["validation", "dependencies before", "health baseline"].map(ToOwned::to_owned).into();
        for stage in &plan.stages {
            names.push(format!("stage {stage}"));
            names.push(format!("dependencies after {stage}"));
            names.push(format!("health after {stage}"));
        }
        let steps = names.into_iter().map(|name| (name, Standing::Waiting)).collect();
        Self { steps, told: 0 }
    }

    /// Takes note of an event.
    pub(crate) fn see(&mut self, sighting: &Sighting) {
        let Some(event) = sighting.event() else { return };
        if matches!(event.payload, Payload::NotificationSent(_)) {
            self.told += 1;
        }
        let Some((name, standing)) = step(event) else { return };
        for (step, now) in &mut self.steps {
            // A `started` event of a repeated attempt does not undo a verdict.
            if *step == name && *now != Standing::Done {
                *now = standing;
            }
        }
    }

    /// One line: what runs, what waits, and how much is done.
    pub(crate) fn line(&self) -> String {
        let of = |wanted: Standing| -> Vec<&str> {
            let steps = self.steps.iter().filter(|(_, standing)| *standing == wanted);
            steps.map(|(name, _)| name.as_str()).collect()
        };
        let running = of(Standing::Running);
        let running = if running.is_empty() { "nothing".to_owned() } else { running.join(", ") };
        format!(
            "running: {running} · done {} · waiting {} · told {}",
            of(Standing::Done).len(),
            of(Standing::Waiting).len(),
            self.told
        )
    }
}

/// The step that an event is about, and how it stands now.
fn step(event: &Event) -> Option<(String, Standing)> {
    use Standing::{Done, Running};
    Some(match &event.payload {
        Payload::ValidationStarted(_) => ("validation".to_owned(), Running),
        Payload::ValidationCompleted(_) => ("validation".to_owned(), Done),
        Payload::DependencyCheckStarted(it) => {
            (phased("dependencies", it.phase, it.stage.as_deref()), Running)
        }
        Payload::DependencyCheckCompleted(it) => {
            (phased("dependencies", it.phase, it.stage.as_deref()), Done)
        }
        Payload::HealthCheckStarted(it) => {
            (phased("health", it.phase, it.stage.as_deref()), Running)
        }
        Payload::HealthCheckCompleted(it) => {
            (phased("health", it.phase, it.stage.as_deref()), Done)
        }
        Payload::StageStarted(it) => (format!("stage {}", it.stage), Running),
        Payload::StageCompleted(it) => (format!("stage {}", it.stage), Done),
        Payload::DeploymentStarted(_)
        | Payload::DeploymentCompleted(_)
        | Payload::DeploymentFailed(_)
        | Payload::RollbackInitiated(_)
        | Payload::RollbackCompleted(_)
        | Payload::NotificationSent(_)
        | Payload::NotificationFailed(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use printery_events::payload::{StageCompleted, StageStatus};
    use printery_streams::EntryId;

    use super::*;
    use crate::cli::deploy::plan::tests::plan;

    fn seen(payload: Payload) -> Sighting {
        let event = Event::new("e-1", "/test", payload, Timestamp::UNIX_EPOCH);
        let event_type = event.event_type.clone();
        Sighting { entry: EntryId::at(1), event_type, content: Ok(event) }
    }

    #[test]
    fn the_board_tells_waiting_running_and_done_apart() {
        let plan = plan();
        let mut board = Board::new(&plan);
        assert_eq!(board.line(), "running: nothing · done 0 · waiting 9 · told 0");
        board.see(&seen(plan.stage_started("vercel")));
        assert_eq!(board.line(), "running: stage vercel · done 0 · waiting 8 · told 0");
        let completed = plan.stage_completed("vercel", Duration::ZERO);
        board.see(&seen(Payload::StageCompleted(completed)));
        board.see(&seen(plan.stage_started("vercel")));
        assert_eq!(board.line(), "running: nothing · done 1 · waiting 8 · told 0");
    }

    #[test]
    fn an_event_is_a_line_of_aligned_columns() {
        let stage = StageCompleted {
            status: StageStatus::Failure,
            error_message: Some("no room".to_owned()),
            ..plan().stage_completed("vercel", Duration::ZERO)
        };
        let sighting = seen(Payload::StageCompleted(stage));
        assert_eq!(
            lines(Duration::from_millis(12_340), &sighting, Colour::Off),
            ["  12.3 s  failure        stage vercel                  no room"]
        );
    }
}
