//! The worker's own part of the job: one dependency check in, one health check out.
//!
//! Owns the order of things: what is asked for, the samples, the verdicts, what follows from them.
//! The harness calls it once per attempt; it never keeps anything from one event to the next.

use std::time::Duration;

use futures_util::future::join_all;
use printery_config::{Fleet, RollbackMode};
use printery_events::{Event, Payload};
use printery_harness::{Context, Effects, Handler, Outcome};
use printery_probes::{Egress, Error};
use tokio::time::Instant;

use crate::report::{completed, explained};
use crate::request::Request;
use crate::rollback::{Advice, DryRun, advise, initiated};
use crate::sampler::samples;
use crate::verdict::{Standing, Verdict, overall};
use crate::watch::{Watches, watches};
use crate::window::Window;

/// What is left of an attempt for judging and committing once the window is over.
const RESERVE: Duration = Duration::from_millis(500);

/// Watches the services of an event over a window.
#[derive(Debug)]
pub(crate) struct HealthMonitor {
    egress: Egress,
    watches: Watches,
}

impl HealthMonitor {
    /// Takes from the fleet file where every service is watched, and how strictly.
    ///
    /// # Errors
    /// The egress rules cannot be read.
    pub(crate) fn try_new(fleet: &Fleet) -> Result<Self, Error> {
        Ok(Self { egress: Egress::try_new(&fleet.egress)?, watches: watches(fleet) })
    }

    /// Returns the services to watch: those of the event, or all when it names none.
    fn services(&self, request: &Request) -> Vec<String> {
        if request.services.is_empty() {
            self.watches.keys().cloned().collect()
        } else {
            request.services.clone()
        }
    }

    /// Watches one service and says how it stands.
    async fn watch(&self, service: &str, request: &Request, times: &Times) -> Verdict {
        let watch = match self.watches.get(service) {
            Some(Ok(watch)) => watch,
            Some(Err(why)) => return Verdict::unwatched(service, why),
            None => {
                let why = "no health URL configured, it is not in the fleet file";
                return Verdict::unwatched(service, why);
            }
        };
        let window = Window::of(&watch.monitor, &request.phase);
        let samples = samples(&self.egress, watch, &window, times.began, times.until).await;
        let addresses = u32::try_from(watch.addresses.len()).unwrap_or(u32::MAX);
        let planned = window.samples().saturating_mul(addresses);
        let verdict = Verdict::of(service, &samples, planned, &watch.monitor, times.began_ms);
        explained(verdict, request)
    }

    fn advice(&self, request: &Request, event: &Event, verdicts: &[Verdict]) -> Advice {
        let dry_run = if event.dry_run { DryRun::Yes } else { DryRun::No };
        let unhealthy = verdicts.iter().filter(|verdict| verdict.standing == Standing::Unhealthy);
        let modes = unhealthy.filter_map(|verdict| self.rollback_mode(&verdict.service));
        advise(&request.phase, overall(verdicts), dry_run, modes)
    }

    fn rollback_mode(&self, service: &str) -> Option<RollbackMode> {
        self.watches.get(service)?.as_ref().ok().map(|watch| watch.monitor.rollback)
    }
}

/// When an attempt at a window begins and by when it has to end.
#[derive(Debug, Clone, Copy)]
struct Times {
    began: Instant,
    /// The same moment by the server's clock, milliseconds since the epoch.
    began_ms: u64,
    until: Instant,
}

impl Handler for HealthMonitor {
    fn announce(&self, event: &Event, attempt: u32) -> Option<Payload> {
        let request = Request::of(event)?;
        let services = self.services(&request);
        Some(Payload::HealthCheckStarted(request.started(services, attempt)))
    }

    async fn handle(&self, event: &Event, context: &Context) -> Outcome {
        let Some(request) = Request::of(event) else {
            return Ok(Effects::none());
        };
        let began = Instant::now();
        let until = context.deadline.checked_sub(RESERVE).unwrap_or(began);
        let times = Times { began, began_ms: context.started_ms, until };
        let services = self.services(&request);
        let watched = services.iter().map(|service| self.watch(service, &request, &times));
        let verdicts = join_all(watched).await;

        let overall = overall(&verdicts);
        let advice = self.advice(&request, event, &verdicts);
        let completed = completed(&request, &verdicts, overall, &advice, began.elapsed());
        let rollback = match advice {
            Advice::Stay | Advice::Suggest => None,
            Advice::Request => Some(initiated(&request, &completed.summary)),
        };
        let effects = Effects::publish(Payload::HealthCheckCompleted(completed));
        Ok(match rollback {
            Some(rollback) => effects.and(Payload::RollbackInitiated(rollback)),
            None => effects,
        })
    }
}

#[cfg(test)]
mod tests;
