//! The worker's own part of the job: one event in, one dependency check out.
//!
//! Owns the order of things: what is asked for, the plan, the answers, the judgement. The harness
//! calls it once per attempt; it never keeps anything from one event to the next.

use std::sync::Arc;
use std::time::Duration;

use printery_config::needs::{Depth, Plan};
use printery_config::{Fleet, Graph};
use printery_events::payload::{DependencyCheckCompleted, Impaired};
use printery_events::{Event, Payload};
use printery_harness::{Context, Effects, Handler, Outcome};
use printery_probes::Error;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::asker::Asker;
use crate::blast_radius::BlastRadius;
use crate::judge::{Answers, judge};
use crate::request::Request;
use crate::summary::summary;
use crate::watcher::watch;

/// What is left of an attempt for judging and committing once the asking ends. Probe deadlines nest
/// inside the attempt's by this much.
const RESERVE: Duration = Duration::from_millis(500);

/// Checks what the services of an event depend on.
#[derive(Debug)]
pub(crate) struct DependencyChecker {
    graph: Graph,
    depth: Depth,
    asker: Arc<Asker>,
    /// What asks without an event; ends with the worker.
    _background: JoinSet<()>,
}

impl DependencyChecker {
    /// Takes from the fleet file who needs whom and where everything is asked.
    ///
    /// # Errors
    /// The egress rules cannot be read.
    pub(crate) fn try_new(fleet: &Fleet) -> Result<Self, Error> {
        let asker = Arc::new(Asker::try_new(fleet)?);
        let background = fleet.dependency_checker.background;
        let background = background.map(|how| watch(&asker, how)).unwrap_or_default();
        let depth = fleet.dependency_checker.depth;
        Ok(Self { graph: fleet.graph.clone(), depth, asker, _background: background })
    }

    /// Names the services in the result: those of the event, or those that were looked at instead.
    fn services(request: &Request, plan: &Plan) -> Vec<String> {
        if request.services.is_empty() { plan.services.clone() } else { request.services.clone() }
    }
}

impl Handler for DependencyChecker {
    fn announce(&self, event: &Event, attempt: u32) -> Option<Payload> {
        let request = Request::of(event)?;
        let plan = Plan::of(&request.services, &self.graph, self.depth);
        let services = Self::services(&request, &plan);
        Some(Payload::DependencyCheckStarted(request.started(services, attempt)))
    }

    async fn handle(&self, event: &Event, context: &Context) -> Outcome {
        let Some(request) = Request::of(event) else {
            return Ok(Effects::none());
        };
        let began = Instant::now();
        let plan = Plan::of(&request.services, &self.graph, self.depth);
        let until = context.deadline.checked_sub(RESERVE).unwrap_or(began);
        let services = Self::services(&request, &plan);
        let answers = self.asker.ask_all(&plan.targets, &services, until).await;
        let took = began.elapsed();
        let completed = completed(request, services, &self.graph, &plan, (&answers, took));
        Ok(Effects::publish(Payload::DependencyCheckCompleted(completed)))
    }
}

fn completed(
    request: Request,
    services: Vec<String>,
    graph: &Graph,
    plan: &Plan,
    (answers, took): (&Answers, Duration),
) -> DependencyCheckCompleted {
    let judgement = judge(plan, answers);
    let radius = BlastRadius::of(graph, plan, &judgement.blame);
    let summary = summary(plan, answers, &judgement.blame, &radius);
    let Request { deployment_id, phase, stage, services: _, environment, version } = request;
    let impaired = judgement.blame.impaired.into_iter();
    DependencyCheckCompleted {
        deployment_id,
        phase,
        stage,
        services,
        environment,
        version,
        result: judgement.result,
        statuses: judgement.statuses,
        root_causes: judgement.blame.root_causes,
        impaired: impaired.map(|(name, by)| Impaired { name, by }).collect(),
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        summary,
    }
}

#[cfg(test)]
mod sharing_tests;
#[cfg(test)]
mod tests;
