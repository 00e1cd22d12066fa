//! Why a deployment failed: the stage, the checks, the services and the dead letters to blame.
//!
//! Pure, made of a [`Story`]. It repeats what events say and judges nothing anew.

use printery_events::Payload;
use printery_events::payload::{CheckOutcome, StageStatus, VerdictResult};
use printery_events::status::Standing;
use serde::Serialize;

use crate::cli::gist::findings;
use crate::history::Story;

/// What is wrong with a deployment, as far as its events say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Analysis {
    /// The stage at which it failed.
    pub(crate) failing_stage: Option<String>,
    /// Checks of the validator that failed or could not be made.
    pub(crate) failed_checks: Vec<String>,
    /// What verdicts found wrong, one line each.
    pub(crate) findings: Vec<String>,
    /// Dead letters: `validator 1732251600000-0`.
    pub(crate) dead_letters: Vec<String>,
    /// All of it in a sentence.
    pub(crate) sentence: String,
}

impl Analysis {
    /// Draws it from what is known.
    pub(crate) fn of(story: &Story) -> Self {
        let mut analysis = Self::default();
        for event in story.events.iter().filter_map(|sighting| sighting.event()) {
            analysis.note(&event.payload);
            for finding in findings(&event.payload) {
                let line = format!("{}: {finding}", event.event_type);
                if !analysis.findings.contains(&line) {
                    analysis.findings.push(line);
                }
            }
        }
        let letter = |one: &printery_fleet::dead_letters::DeadLetter| {
            format!("{} {}: {}", one.worker, one.entry, one.failure_reason)
        };
        analysis.dead_letters = story.dead_letters.iter().map(letter).collect();
        analysis.sentence = analysis.in_words(story);
        analysis
    }

    fn note(&mut self, payload: &Payload) {
        if let Payload::StageCompleted(data) = payload
            && data.status == StageStatus::Failure
        {
            self.failing_stage.get_or_insert_with(|| data.stage.clone());
        }
        if let Payload::DeploymentFailed(data) = payload {
            self.failing_stage.get_or_insert_with(|| data.failed_stage.clone());
        }
        if let Payload::ValidationCompleted(data) = payload
            && data.result == VerdictResult::Failed
        {
            let bad = data.checks.iter().filter(|check| match check.outcome {
                CheckOutcome::Fail | CheckOutcome::Error => true,
                CheckOutcome::Pass
                | CheckOutcome::Warn
                | CheckOutcome::Inconclusive
                | CheckOutcome::Skipped => false,
            });
            self.failed_checks.extend(bad.map(|check| check.name.clone()));
        }
    }

    fn in_words(&self, story: &Story) -> String {
        let record = &story.record;
        let mut parts = Vec::new();
        match record.status {
            Standing::Failure | Standing::RolledBack => parts.push(record.message.clone()),
            Standing::Pending | Standing::Running | Standing::Success | Standing::Cancelled => {}
        }
        if let Some(stage) = &self.failing_stage {
            parts.push(format!("it failed at {stage}"));
        }
        if !self.failed_checks.is_empty() {
            parts.push(format!("failed checks: {}", self.failed_checks.join(", ")));
        }
        if !self.dead_letters.is_empty() {
            parts.push(format!("dead letters: {}", self.dead_letters.len()));
        }
        if parts.is_empty() { "nothing failed".to_owned() } else { parts.join("; ") }
    }
}
