//! The validator: one `deployment:started` in, one `validation:completed` out, and `deployment:failed` when it must be.
//!
//! The harness calls it once per attempt. It never blocks a deployment by an error of its own kind: a check that
//! fails is a result, and only an event of the wrong type is refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use printery_config::{Enforce, Fleet, GateCheck};
use printery_events::payload::{
    Check as Reported, CheckOutcome, Counts, DeploymentFailed, DeploymentStarted, RolloutPhase,
    Severity, ValidationCompleted, ValidationStarted, VerdictResult,
};
use printery_events::{Event, Payload};
use printery_harness::fleet::approvals::{self, Approval};
use printery_harness::{Context, Effects, Handler, Outcome, Problems, Refusal};
use printery_probes::{self as probes, Egress, Report, Timings};
use tokio::time::Instant;

use crate::checks::{Check, Checks, Work};
use crate::gate::{self, Stand};
use crate::kept::Kept;
use crate::perform::Scene;
use crate::policy::Windows;
use crate::run::{AfterDeny, Plan, run};
use crate::verdict::{Verdict, judge};

/// Time kept back from an attempt for judging and publishing, as scrapers keep back their timeout's end.
const RESERVE: Duration = Duration::from_millis(500);

/// The stage that a refused deployment failed in.
const STAGE: &str = "validation";

/// Checks a deployment before anything is changed.
#[derive(Debug)]
pub(crate) struct Validator {
    fleet: Arc<Fleet>,
    digest: String,
    checks: Checks,
    windows: Windows,
    kept: Kept,
    egress: Egress,
}

impl Validator {
    /// Makes the validator of a fleet.
    ///
    /// # Errors
    /// Everything that cannot be done as the fleet file says it, all at once.
    pub(crate) fn try_new(fleet: Arc<Fleet>) -> Result<Self, Problems> {
        let egress = Egress::try_new(&fleet.egress);
        match (egress, Checks::of(&fleet)) {
            (Ok(egress), Ok(checks)) => {
                let windows = Arc::new(fleet.windows.clone());
                let kept = Kept::new(fleet.validator.cache);
                Ok(Self { digest: fleet.digest(), checks, windows, kept, egress, fleet })
            }
            (egress, checks) => {
                let mut problems = checks.err().unwrap_or_default();
                problems.extend(egress.err().map(|error| error.to_string()));
                Err(Problems(problems))
            }
        }
    }

    /// Runs the checks as far as the deployment's gate lets them; a refusal is a wait, which holds nothing and uses no attempt.
    async fn validate(
        &self,
        event: &Event,
        deployment: &DeploymentStarted,
        context: &Context,
    ) -> Result<Vec<(Check, Report)>, Refusal> {
        let checks = self.checks.for_deployment(deployment);
        let now = i64::try_from(context.started_ms).ok();
        let now = now.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or_default();
        let nothing = Approval::default();
        let scene = Scene {
            deployment,
            egress: &self.egress,
            now,
            windows: &self.windows,
            kept: &self.kept,
            approval: &nothing,
        };
        let gates = gates(&checks, scene).await;
        if gates.is_empty() || event.dry_run {
            return Ok(run(checks, scene, self.plan(context)).await);
        }
        let approval = approvals::read(&context.records, &event.subject).await;
        let approval = approval.map_err(|error| unavailable(&error))?;
        let scene = Scene { approval: &approval, ..scene };
        match gate::stand(gates.iter(), &approval, context.started_ms) {
            Stand::Settled => Ok(run(checks, scene, self.plan(context)).await),
            Stand::Waiting(wait) => Err(waiting(&event.subject, wait)),
            Stand::NotAsked => {
                let reports = run(checks, scene, self.plan(context)).await;
                let on_error = self.fleet.validator.on_error;
                let others: Vec<_> =
                    reports.iter().filter(|(check, _)| !is_gate(check)).cloned().collect();
                // Nobody is asked about a deployment that is refused anyhow.
                if judge(&others, on_error).result == VerdictResult::Failed {
                    return Ok(reports);
                }
                let asked = approvals::ask(&context.records, &event.subject).await;
                asked.map_err(|error| unavailable(&error))?;
                Err(waiting(&event.subject, gate::SHORTEST))
            }
        }
    }

    fn plan(&self, context: &Context) -> Plan {
        let settings = &self.fleet.validator;
        let cut_off = context.deadline.checked_sub(RESERVE).unwrap_or(context.deadline);
        Plan {
            concurrency: settings.concurrency,
            deadline: cut_off.min(Instant::now() + settings.deadline),
            after_deny: if settings.stop_on_first_deny { AfterDeny::Stop } else { AfterDeny::GoOn },
        }
    }
}

impl Handler for Validator {
    const PROMPT: bool = true;

    fn announce(&self, event: &Event, attempt: u32) -> Option<Payload> {
        let deployment = started(event)?;
        let checks = self.checks.for_deployment(deployment);
        Some(Payload::ValidationStarted(ValidationStarted {
            deployment_id: event.subject.clone(),
            version: deployment.version.clone(),
            environment: deployment.environment.clone(),
            checks: checks.into_iter().map(|check| check.name).collect(),
            attempt,
        }))
    }

    async fn handle(&self, event: &Event, context: &Context) -> Outcome {
        let Some(deployment) = started(event) else {
            let sentence =
                format!("the validator reads deployment:started, not {}", event.event_type);
            return Err(Refusal::reject("unexpected_event", sentence));
        };
        let began = Instant::now();
        let reports = self.validate(event, deployment, context).await?;
        let verdict = judge(&reports, self.fleet.validator.on_error);
        let completed = ValidationCompleted {
            deployment_id: event.subject.clone(),
            version: deployment.version.clone(),
            environment: deployment.environment.clone(),
            services: deployment.services.clone(),
            phase: RolloutPhase::PreDeploy,
            result: verdict.result,
            counts: counts(&reports),
            checks: reports.iter().map(reported).collect(),
            duration_ms: milliseconds(began.elapsed()),
            config_digest: self.digest.clone(),
            summary: verdict.summary.clone(),
        };
        let effects = Effects::publish(Payload::ValidationCompleted(completed));
        Ok(match verdict.result {
            VerdictResult::Passed | VerdictResult::Warnings => effects,
            VerdictResult::Failed => effects.and(Payload::DeploymentFailed(failed(event, verdict))),
        })
    }
}

/// Returns the gates that this deployment has to pass.
async fn gates(checks: &[Check], scene: Scene<'_>) -> Vec<GateCheck> {
    let mut gates = Vec::new();
    for check in checks {
        let Work::Gate(gate) = &check.work else { continue };
        // A condition that cannot be judged is reported when the gate is; until then it counts.
        let applies = match &check.when {
            Some(when) => scene.facts(&check.services).hold(when).await.unwrap_or(true),
            None => true,
        };
        if applies {
            gates.push(gate.clone());
        }
    }
    gates
}

fn is_gate(check: &Check) -> bool {
    matches!(check.work, Work::Gate(_))
}

fn waiting(deployment_id: &str, wait: Duration) -> Refusal {
    let sentence = format!("waiting for somebody to approve {deployment_id}");
    Refusal::retry_after("awaiting_approval", sentence, wait)
}

fn unavailable(error: &impl std::fmt::Display) -> Refusal {
    Refusal::without_redis(format!("cannot read what was decided: {error}"))
}

fn started(event: &Event) -> Option<&DeploymentStarted> {
    if let Payload::DeploymentStarted(deployment) = &event.payload {
        Some(deployment)
    } else {
        None
    }
}

fn failed(event: &Event, verdict: Verdict) -> DeploymentFailed {
    DeploymentFailed {
        deployment_id: event.subject.clone(),
        reason: verdict.reason.unwrap_or_else(|| verdict.summary.clone()),
        failed_stage: STAGE.to_owned(),
        error_details: Some(verdict.summary),
        recovery_suggestions: verdict.suggestions,
    }
}

/// A report in the contract's words.
fn reported((check, report): &(Check, Report)) -> Reported {
    Reported {
        name: check.name.clone(),
        kind: check.kind.to_owned(),
        outcome: match report.outcome {
            probes::Outcome::Pass => CheckOutcome::Pass,
            probes::Outcome::Warn => CheckOutcome::Warn,
            probes::Outcome::Fail => CheckOutcome::Fail,
            probes::Outcome::Error => CheckOutcome::Error,
            probes::Outcome::Inconclusive => CheckOutcome::Inconclusive,
            probes::Outcome::Skipped => CheckOutcome::Skipped,
        },
        severity: match check.enforce {
            Enforce::Deny => Severity::Critical,
            Enforce::Warn => Severity::Warning,
            Enforce::Audit => Severity::Info,
        },
        target: report.target.clone(),
        expected: report.expected.clone(),
        observed: report.observed.clone(),
        message: report.message.clone(),
        duration_ms: milliseconds(report.duration),
        attempts: report.attempts,
        class: report.class.map(|class| class.to_string()),
        reason_code: Some(report.reason_code.to_string()),
        timings: timings(report.timings),
        evidence: report.evidence.clone(),
    }
}

fn timings(timings: Timings) -> BTreeMap<String, u64> {
    let Timings { resolve, connect, tls, processing, transfer } = timings;
    let phases = [
        ("resolve", resolve),
        ("connect", connect),
        ("tls", tls),
        ("processing", processing),
        ("transfer", transfer),
    ];
    let taken = phases.into_iter().filter_map(|(phase, took)| Some((phase, took?)));
    taken.map(|(phase, took)| (phase.to_owned(), milliseconds(took))).collect()
}

fn counts(reports: &[(Check, Report)]) -> Counts {
    let mut counts = Counts::default();
    for (_, report) in reports {
        let count = match report.outcome {
            probes::Outcome::Pass => &mut counts.pass,
            probes::Outcome::Warn => &mut counts.warn,
            probes::Outcome::Fail => &mut counts.fail,
            probes::Outcome::Error => &mut counts.error,
            probes::Outcome::Inconclusive => &mut counts.inconclusive,
            probes::Outcome::Skipped => &mut counts.skipped,
        };
        *count += 1;
    }
    counts
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
