//! Carries a plan out: publishes its events, waits for the verdicts, and shows what happens.
//!
//! `deploy` and the demo run it. It learns everything by following the event streams, its own
//! events included; it deploys nothing and decides only what the [`Plan`] says.

use std::time::Duration;

use jiff::Timestamp;
use printery_events::payload::{
    DependencyResult, HealthResult, RolloutPhase, StageCompleted, StageStatus, VerdictResult,
};
use printery_events::{Encoding, Event, EventType, Family, Payload};
use printery_streams::publish::{self, Published};
use printery_streams::{Keys, Session};
use tokio::time::Instant;

use crate::cli::deploy::plan::{Gate, Plan, Reality};
use crate::cli::failure::Failure;
use crate::cli::follower::Follower;
use crate::cli::output::Tone;
use crate::cli::sighting::{Sighting, event_types};
use crate::cli::target::Target;

/// Longest silence between two looks, so that a clock on the screen moves. 200 ms.
const TICK: Duration = Duration::from_millis(200);
/// Who the events are from.
const SOURCE: &str = "/printery-workers/deploy";

/// Who watches a rollout.
pub(crate) trait Audience {
    /// Sees an event of the deployment, `at` after its beginning.
    ///
    /// # Errors
    /// Nobody watches any more; the rollout ends there.
    fn sees(&mut self, at: Duration, sighting: &Sighting) -> Result<(), Failure>;

    /// Is told now and then that time passes.
    fn ticks(&mut self, _at: Duration) -> Result<(), Failure> {
        Ok(())
    }

    /// May act before a stage begins; the first is 0.
    fn before_stage(&mut self, _at: Duration, _index: usize) -> Result<(), Failure> {
        Ok(())
    }
}

/// How a rollout ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Every stage is completed.
    Completed,
    /// The validator forbids it; why.
    Refused {
        /// The validator's sentence.
        reason: String,
    },
    /// A stage failed, or what was found after it.
    Failed {
        /// The stage.
        stage: String,
        /// Why, one sentence.
        reason: String,
    },
}

impl Ended {
    /// The word and the reason, for programs.
    pub(crate) fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Completed => ("completed", None),
            Self::Refused { reason } => ("refused", Some(reason)),
            Self::Failed { reason, .. } => ("failed", Some(reason)),
        }
    }

    /// One line for people.
    pub(crate) fn line(&self, deployment: &str) -> (Tone, String) {
        match self {
            Self::Completed => (Tone::Good, format!("{deployment} is completed")),
            Self::Refused { reason } => {
                (Tone::Bad, format!("{deployment} is refused by the validator: {reason}"))
            }
            Self::Failed { stage, reason } => {
                (Tone::Bad, format!("{deployment} failed at {stage}: {reason}"))
            }
        }
    }
}

/// A deployment that is being told.
pub(crate) struct Rollout<'a> {
    plan: &'a Plan,
    session: Session,
    keys: Keys,
    encoding: Encoding,
    follower: Follower,
    began: Instant,
    /// The id of `deployment:started`, which every event of the story carries.
    correlation_id: String,
    seen: Vec<Sighting>,
    resumed: bool,
}

impl<'a> Rollout<'a> {
    /// Takes its place behind the last event of each stream; publishes nothing yet.
    pub(crate) async fn begin(target: &Target, plan: &'a Plan) -> Result<Self, Failure> {
        let mut stages = target.fleet.stages.clone();
        stages.extend(plan.stages.iter().filter(|it| !target.fleet.stages.contains(it)).cloned());
        let partition = target.partitions.of(&plan.deployment_id);
        let follower = Follower::from_now([partition], &event_types(&stages)).await?;
        Ok(Self {
            plan,
            session: partition.redis.session(),
            keys: partition.keys.clone(),
            encoding: target.settings.encoding,
            follower,
            began: Instant::now(),
            correlation_id: plan.event_id(&EventType::of(Family::DeploymentStarted)),
            seen: Vec::new(),
            resumed: false,
        })
    }

    /// Tells the deployment from its beginning to its end.
    ///
    /// # Errors
    /// Redis is away, a verdict did not come in time, or the audience has left.
    /// # Cancel safety
    /// Not cancel safe: a dropped rollout leaves a deployment without an end.
    pub(crate) async fn run(&mut self, audience: &mut dyn Audience) -> Result<Ended, Failure> {
        let plan = self.plan;
        let started = self.publish(plan.started()).await?;
        if started.deduplicated {
            // It was interrupted: what has been found meanwhile counts.
            self.resumed = true;
            self.follower.rewind(started.entry);
        }
        if let Some(reason) = self.validated(audience).await? {
            return Ok(Ended::Refused { reason });
        }
        if plan.gate == Gate::EveryStage {
            self.checked(None, audience).await?;
        }
        let mut completed = Vec::new();
        for (index, stage) in plan.stages.iter().enumerate() {
            audience.before_stage(self.began.elapsed(), index)?;
            let stage = self.stage(stage, audience).await?;
            let trouble = self.trouble(&stage, audience).await?;
            completed.push(stage.clone());
            if let Some(reason) = trouble {
                let failed = plan.failed(&stage.stage, &reason);
                self.publish(failed).await?;
                self.quiet_down(audience).await?;
                return Ok(Ended::Failed { stage: stage.stage, reason });
            }
        }
        self.publish(plan.completed(&completed, self.began.elapsed())).await?;
        self.quiet_down(audience).await?;
        Ok(Ended::Completed)
    }

    /// Whether the same deployment had been begun before and was gone on with.
    pub(crate) fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Everything that was seen so far.
    pub(crate) fn seen(&self) -> &[Sighting] {
        &self.seen
    }

    /// Goes on looking until `enough` says so, or for `within`; whether it was enough.
    pub(crate) async fn look_until(
        &mut self,
        within: Duration,
        audience: &mut dyn Audience,
        mut enough: impl FnMut(&[Sighting]) -> bool,
    ) -> Result<bool, Failure> {
        let until = Instant::now() + within;
        loop {
            if enough(&self.seen) {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.look(left.min(TICK), audience).await?;
        }
    }

    /// Waits for the validator; gives its reason when it refuses.
    async fn validated(&mut self, audience: &mut dyn Audience) -> Result<Option<String>, Failure> {
        let cause = self.correlation_id.clone();
        let payload = self
            .wait_for("validator", audience, |event| {
                let fits = matches!(event.payload, Payload::ValidationCompleted(_));
                fits && event.causation_id.as_deref() == Some(&cause)
            })
            .await?;
        let Payload::ValidationCompleted(verdict) = payload else { return Ok(None) };
        match verdict.result {
            VerdictResult::Passed | VerdictResult::Warnings => Ok(None),
            VerdictResult::Failed => {
                // The validator says itself that the deployment failed.
                self.quiet_down(audience).await?;
                Ok(Some(verdict.summary))
            }
        }
    }

    /// Publishes a stage with its pause in between.
    async fn stage(
        &mut self,
        stage: &str,
        audience: &mut dyn Audience,
    ) -> Result<StageCompleted, Failure> {
        let began = Instant::now();
        self.publish(self.plan.stage_started(stage)).await?;
        self.look_until(self.plan.pace, audience, |_| false).await?;
        let completed = self.plan.stage_completed(stage, began.elapsed());
        self.publish(Payload::StageCompleted(completed.clone())).await?;
        Ok(completed)
    }

    /// Why the deployment cannot go on after a stage.
    async fn trouble(
        &mut self,
        stage: &StageCompleted,
        audience: &mut dyn Audience,
    ) -> Result<Option<String>, Failure> {
        match (stage.status, self.plan.gate) {
            (StageStatus::Failure, _) => {
                Ok(Some(stage.error_message.clone().unwrap_or_else(|| "it failed".to_owned())))
            }
            (StageStatus::Success, Gate::Validation) => Ok(None),
            (StageStatus::Success, Gate::EveryStage) => {
                self.checked(Some(&stage.stage), audience).await
            }
        }
    }

    /// Waits for the checks after a stage, or before the first; gives what they found wrong.
    async fn checked(
        &mut self,
        stage: Option<&str>,
        audience: &mut dyn Audience,
    ) -> Result<Option<String>, Failure> {
        let of_stage = |found: Option<&str>, phase: RolloutPhase| match stage {
            Some(stage) => phase == RolloutPhase::PostStage && found == Some(stage),
            None => phase != RolloutPhase::PostStage,
        };
        let dependencies = self.wait_for("dependency-checker", audience, |event| {
            matches!(&event.payload, Payload::DependencyCheckCompleted(it)
                if of_stage(it.stage.as_deref(), it.phase))
        });
        let dependencies = dependencies.await?;
        let health = self.wait_for("health-monitor", audience, |event| {
            matches!(&event.payload, Payload::HealthCheckCompleted(it)
                if of_stage(it.stage.as_deref(), it.phase))
        });
        let health = health.await?;
        if let Payload::HealthCheckCompleted(health) = health
            && health.status == HealthResult::Unhealthy
        {
            return Ok(Some(health.summary));
        }
        if let Payload::DependencyCheckCompleted(dependencies) = dependencies
            && dependencies.result == DependencyResult::AllUnhealthy
        {
            return Ok(Some(dependencies.summary));
        }
        Ok(None)
    }

    /// Waits for a worker's verdict.
    async fn wait_for(
        &mut self,
        worker: &str,
        audience: &mut dyn Audience,
        fits: impl Fn(&Event) -> bool,
    ) -> Result<Payload, Failure> {
        let mut found = None;
        let within = self.plan.timeout;
        self.look_until(within, audience, |seen| {
            let events = seen.iter().filter_map(Sighting::event);
            found = events.rev().find(|event| fits(event)).map(|event| event.payload.clone());
            found.is_some()
        })
        .await?;
        found.ok_or_else(|| {
            let id = &self.plan.deployment_id;
            Failure::failed(format!(
                "no verdict of the {worker} about {id} within --timeout {within:?}; \
                 `printery-workers status` tells whether one runs, `printery-workers explain {id}` where it waits"
            ))
        })
    }

    /// Shows what was published last.
    async fn quiet_down(&mut self, audience: &mut dyn Audience) -> Result<(), Failure> {
        self.look(TICK, audience).await
    }

    /// One look at the streams.
    async fn look(&mut self, wait: Duration, audience: &mut dyn Audience) -> Result<(), Failure> {
        for sighting in self.follower.next(wait).await? {
            if sighting.subject() == Some(&self.plan.deployment_id) {
                audience.sees(self.began.elapsed(), &sighting)?;
                self.seen.push(sighting);
            }
        }
        audience.ticks(self.began.elapsed())
    }

    /// Publishes an event whose id is the same however often the same plan is carried out.
    async fn publish(&mut self, payload: Payload) -> Result<Published, Failure> {
        let id = self.plan.event_id(&payload.event_type());
        let mut event = Event::new(id, SOURCE, payload, Timestamp::now());
        event.correlation_id.clone_from(&self.correlation_id);
        event.dry_run = self.plan.reality == Reality::DryRun;
        let (event_type, fields) = (event.event_type.as_str(), event.encode(self.encoding));
        let (session, keys) = (&mut self.session, &self.keys);
        Ok(publish::publish(session, keys, event_type, &event.id, &fields).await?)
    }
}
