//! The worker's own part of the job: one dependency check in, one health check out.
//!
//! Owns the order of things: what is asked for, the samples, the verdicts, what follows from them.
//! The harness calls it once per attempt; it never keeps anything from one event to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{Either, join, join_all, select};
use jiff::Timestamp;
use printery_config::{self as config, FREEZE, Fleet};
use printery_events::{Event, Payload};
use printery_harness::fleet::versions::{self, Proven};
use printery_harness::{Context, Effects, Handler, Outcome, Refusal};
use printery_probes::{Egress, Error};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::appeal::{Appeal, NO_ENVIRONMENT};
use crate::baseline;
use crate::board::Board;
use crate::comparison::Before;
use crate::journal::{Journal, Pen, known};
use crate::measured::values;
use crate::progress::Teller;
use crate::report::{completed, explained};
use crate::request::{Phase, Request};
use crate::rollback::{Advice, initiated};
use crate::tally::Tally;
use crate::time::Time;
use crate::verdict::{Standing, Verdict, is_enough, overall};
use crate::watch::{Watch, Watches, watches};
use crate::watcher::{Came, Watcher};
use crate::window::Window;

/// What is left of an attempt for judging and committing once the window is over.
const RESERVE: Duration = Duration::from_millis(500);

/// How soon a window that is longer than an attempt is taken up again.
const NEXT_ATTEMPT: Duration = Duration::from_millis(100);

/// Watches the services of an event over a window.
#[derive(Debug)]
pub(crate) struct HealthMonitor {
    egress: Egress,
    watches: Watches,
    /// Looks that may be under way at once, over all windows.
    looks: Semaphore,
    report_every: Duration,
    /// All stages of the fleet, in their order.
    stages: Vec<String>,
    /// When nothing goes back by itself.
    freeze: Option<config::Window>,
}

/// One attempt at the window of an event.
#[derive(Debug)]
struct Attempt<'a> {
    request: Request,
    services: Vec<String>,
    board: Board,
    /// How the services did before the deployment; empty before it.
    before: BTreeMap<String, Before>,
    time: Time,
    /// When the attempt has to end.
    until: Instant,
    worker: &'a HealthMonitor,
}

impl HealthMonitor {
    /// Takes from the fleet file where every service is watched, and how strictly.
    ///
    /// # Errors
    /// The egress rules cannot be read.
    pub(crate) fn try_new(fleet: &Fleet) -> Result<Self, Error> {
        Ok(Self {
            egress: Egress::try_new(&fleet.egress)?,
            watches: watches(fleet),
            looks: Semaphore::new(usize::try_from(fleet.health_monitor.concurrency).unwrap_or(1)),
            report_every: fleet.health_monitor.report_every,
            stages: fleet.stages.clone(),
            freeze: fleet.windows.get(FREEZE).cloned(),
        })
    }

    /// Returns the services to watch: those of the event, or all when it names none.
    fn services(&self, request: &Request) -> Vec<String> {
        if request.services.is_empty() {
            self.watches.keys().cloned().collect()
        } else {
            request.services.clone()
        }
    }

    /// Returns how a service is watched, or why it cannot be.
    fn watch_of(&self, service: &str) -> Result<&Watch, &str> {
        match self.watches.get(service) {
            Some(Ok(watch)) => Ok(watch),
            Some(Err(why)) => Err(why),
            None => Err("no health URL configured, it is not in the fleet file"),
        }
    }

    /// Returns how long the longest of the windows is.
    fn longest(&self, services: &[String], phase: &Phase) -> Duration {
        let watches = services.iter().filter_map(|service| self.watch_of(service).ok());
        let lengths = watches.map(|watch| Window::of(&watch.monitor, phase, 0).length());
        lengths.max().unwrap_or_default()
    }

    /// Tells whether the window in which nothing goes back by itself is open.
    fn is_frozen(&self, now_ms: u64) -> bool {
        let now = i64::try_from(now_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let freeze = self.freeze.as_ref();
        now.is_some_and(|now| freeze.is_some_and(|freeze| freeze.holds(now)))
    }
}

impl Attempt<'_> {
    /// Watches every service until its window is over or the attempt is.
    async fn watch(&self, pen: Pen) -> Came {
        let watcher = Watcher {
            egress: &self.worker.egress,
            looks: &self.worker.looks,
            board: &self.board,
            pen,
            time: self.time,
            until: self.until,
        };
        let services = self.services.iter().filter_map(|service| {
            let watch = self.worker.watch_of(service).ok()?;
            let window = Window::of(&watch.monitor, &self.request.phase, self.time.began_ms);
            let enough = move || self.has_enough(service, watch, &window);
            let watcher = &watcher;
            Some(async move { watcher.watch(service, watch, &window, enough).await })
        });
        let came = join_all(services).await;
        let all = came.into_iter().all(|came| came == Came::ToTheEnd);
        if all { Came::ToTheEnd } else { Came::ToItsDeadline }
    }

    /// A baseline is there to be compared with, and so it is always taken whole.
    fn has_enough(&self, service: &str, watch: &Watch, window: &Window) -> bool {
        let Phase::PostStage(_) = self.request.phase else { return false };
        let planned = watch.planned(window);
        self.board.read(service, |seen| is_enough(seen, planned, &watch.monitor))
    }

    /// Says how every service stands by what was seen until now.
    fn verdicts(&self) -> Vec<Verdict> {
        self.services.iter().map(|service| self.verdict(service)).collect()
    }

    fn verdict(&self, service: &str) -> Verdict {
        let watch = match self.worker.watch_of(service) {
            Ok(watch) => watch,
            Err(why) => return Verdict::unwatched(service, why),
        };
        let window = Window::of(&watch.monitor, &self.request.phase, self.time.began_ms);
        let planned = watch.planned(&window);
        let (plan, before) = ((planned, self.time.began_ms), self.before.get(service));
        let verdict = self
            .board
            .read(service, |seen| Verdict::of(service, seen, plan, &watch.monitor, before));
        explained(verdict, &self.request)
    }

    /// Returns how the watched services did, for the windows after the stages.
    fn baseline(&self) -> BTreeMap<String, Before> {
        let watched = self.services.iter().filter_map(|service| {
            let watch = self.worker.watch_of(service).ok()?;
            let verdict = self.verdict(service);
            let latency = &watch.monitor.latency;
            let tally = self.board.read(service, |seen| Tally::of(&seen.samples, latency));
            let metrics = self.board.read(service, |seen| values(seen, &watch.monitor));
            Some((service.clone(), Before::of(&verdict, &tally, metrics)))
        });
        watched.collect()
    }

    /// Returns how much of the longest window is over, 0..=1.
    fn share(&self) -> f64 {
        let longest = self.worker.longest(&self.services, &self.request.phase).as_secs_f64();
        if longest > 0.0 { self.time.now().as_secs_f64() / longest } else { 1.0 }
    }

    /// Says what follows from the verdicts; where going back is asked for, it is claimed.
    async fn advice(
        &self,
        event: &Event,
        context: &Context,
        verdicts: &[Verdict],
    ) -> Result<Advice, Refusal> {
        let now_ms = self.time.now_ms();
        let appeal = Appeal {
            request: &self.request,
            event,
            context,
            stages: &self.worker.stages,
            frozen: self.worker.is_frozen(now_ms),
            now_ms,
        };
        let decided = appeal.decide(verdicts, |service| {
            self.worker.watch_of(service).ok().map(|watch| &watch.monitor.rollback)
        });
        decided.await
    }

    /// Keeps which version the services do well with, for deployments that have to go back to it.
    async fn prove(&self, event: &Event, context: &Context, verdicts: &[Verdict]) {
        let (Phase::PostStage(_), Some(version)) = (&self.request.phase, &self.request.version)
        else {
            return;
        };
        let well = verdicts.iter().filter(|it| it.watched && it.standing == Standing::Healthy);
        let services: Vec<String> = well.map(|verdict| verdict.service.clone()).collect();
        let environment = self.request.environment.as_deref().unwrap_or(NO_ENVIRONMENT);
        let proven = Proven {
            version: version.clone(),
            deployment_id: self.request.deployment_id.clone(),
            at_ms: self.time.now_ms(),
        };
        if !event.dry_run {
            // Without it a later deployment knows less; this one's verdict is worth telling anyway.
            let kept = versions::prove(&context.records, environment, &services, &proven);
            let _unproven = kept.await.is_err();
        }
    }

    /// Judges what was seen and says what follows.
    async fn conclude(&self, event: &Event, context: &Context) -> Outcome {
        let verdicts = self.verdicts();
        let overall = overall(&verdicts);
        let advice = self.advice(event, context, &verdicts).await?;
        self.prove(event, context, &verdicts).await;
        let took = self.time.now();
        let completed = completed(&self.request, &verdicts, overall, &advice, took);
        let rollback = match &advice {
            Advice::Stay | Advice::Suggest | Advice::Withheld(_) => None,
            Advice::Request(to) => Some(initiated(&self.request, to, &completed.summary)),
        };
        let effects = Effects::publish(Payload::HealthCheckCompleted(completed));
        Ok(match rollback {
            Some(rollback) => effects.and(Payload::RollbackInitiated(rollback)),
            None => effects,
        })
    }
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
        let services = self.services(&request);
        let longest = self.longest(&services, &request.phase);
        let before = match request.phase {
            Phase::Baseline => BTreeMap::new(),
            Phase::PostStage(_) => baseline::read(&request, context).await?,
        };
        let (journal, pen, found) = Box::pin(Journal::open(event, context, longest)).await?;
        let attempt = Attempt {
            request,
            services,
            board: Board::new(known(&found.sights)),
            before,
            time: Time::of(&found, began, context),
            until: context.deadline.checked_sub(RESERVE).unwrap_or(began),
            worker: self,
        };
        let teller = Teller {
            records: &context.records,
            deployment_id: &attempt.request.deployment_id,
            event_id: &event.id,
            every: self.report_every,
        };
        let telling = Box::pin(teller.tell(|| (attempt.share(), attempt.verdicts())));
        let watching = Box::pin(join(attempt.watch(pen), journal.keep()));
        let (came, mut window) = match select(watching, telling).await {
            Either::Left((watched, _)) => watched,
            Either::Right((never, _)) => match never {},
        };
        if came == Came::ToItsDeadline {
            let sentence = "the window is longer than an attempt may be; another one continues it";
            return Err(Refusal::retry_after("window_open", sentence, NEXT_ATTEMPT));
        }
        if attempt.request.phase == Phase::Baseline {
            let did = attempt.baseline();
            baseline::keep(&attempt.request, context, &did, attempt.time.now_ms()).await?;
        }
        let effects = Box::pin(attempt.conclude(event, context)).await?;
        // Should this fail, a redrive finds the old window for a while; the verdict stands anyway.
        let _kept_longer = Box::pin(window.close(attempt.time.now_ms())).await.is_err();
        Ok(effects)
    }
}

#[cfg(test)]
mod going_back;
#[cfg(test)]
mod measuring;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod taking_over;
#[cfg(test)]
mod tests;
