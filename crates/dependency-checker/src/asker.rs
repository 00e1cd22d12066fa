//! Asks dependencies: many at once, each one once.
//!
//! Owns the limits on how many probes run at a time, and that checks which ask for the same thing
//! at the same moment share one probe. The handler calls it with names; it never judges a service.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use printery_config::Fleet;
use printery_events::payload::DependencyState;
use printery_probes::{Egress, Error, Probe, Report, Target, targets};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::judge::{Answer, Answers, state};

/// Every dependency of the fleet, and how many may be asked at once.
#[derive(Debug)]
pub(crate) struct Asker {
    egress: Egress,
    slots: Semaphore,
    known: BTreeMap<String, Known>,
}

/// One dependency of the fleet.
#[derive(Debug)]
struct Known {
    target: Target,
    /// Shared by all targets on one machine.
    host_slots: Arc<Semaphore>,
    /// The last answer and when it came; whoever holds the lock is asking.
    last: Mutex<Option<(Instant, Answer)>>,
}

impl Asker {
    /// Prepares a probe for everything in the fleet file.
    ///
    /// # Errors
    /// The egress rules cannot be read.
    pub(crate) fn try_new(fleet: &Fleet) -> Result<Self, Error> {
        let concurrency = fleet.dependency_checker.concurrency;
        let mut hosts: BTreeMap<String, Arc<Semaphore>> = BTreeMap::new();
        let mut known = BTreeMap::new();
        for target in targets(fleet) {
            let slots = hosts
                .entry(target.host.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(concurrency.per_host)));
            let host_slots = Arc::clone(slots);
            let name = target.name.clone();
            known.insert(name, Known { target, host_slots, last: Mutex::default() });
        }
        let slots = Semaphore::new(concurrency.global);
        Ok(Self { egress: Egress::try_new(&fleet.egress)?, slots, known })
    }

    /// Asks all of these at once and returns what each answered until then.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future ends its probes; whoever waits for one asks anew.
    pub(crate) async fn ask_all(&self, names: &[String], until: Instant) -> Answers {
        let asked =
            names.iter().map(|name| async move { (name.clone(), self.ask(name, until).await) });
        join_all(asked).await.into_iter().collect()
    }

    async fn ask(&self, name: &str, until: Instant) -> Answer {
        let Some(known) = self.known.get(name) else {
            return Answer::Skipped("it is not in the fleet file".to_owned());
        };
        if let Probe::Nothing(why) = &known.target.probe {
            return Answer::Skipped(why.clone());
        }
        let began = Instant::now();
        match timeout_at(until, self.ask_shared(known, began, until)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Answer::Asked {
                state: DependencyState::Unhealthy,
                endpoint: known.target.shown.clone(),
                took: began.elapsed(),
                error: Some("no answer before the time for the check was over".to_owned()),
            },
        }
    }

    /// Takes an answer that came while waiting for the turn, and asks if there is none.
    ///
    /// An answer from before `began` is never taken: it may be from before whatever the deployment
    /// just did.
    async fn ask_shared(&self, known: &Known, began: Instant, until: Instant) -> Answer {
        let mut last = known.last.lock().await;
        if let Some((came, answer)) = &*last
            && *came >= began
        {
            return answer.clone();
        }
        // Both semaphores live as long as the asker and are never closed.
        let _host_slot = known.host_slots.acquire().await;
        let _slot = self.slots.acquire().await;
        let remaining = until.saturating_duration_since(Instant::now());
        let report = known.target.ask(&self.egress, remaining).await;
        let answer = answer(report, &known.target);
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

fn answer(report: Report, target: &Target) -> Answer {
    let state = state(report.outcome);
    let error = match state {
        DependencyState::Healthy => None,
        DependencyState::Degraded | DependencyState::Unhealthy => Some(report.observed),
    };
    Answer::Asked { state, endpoint: target.shown.clone(), took: report.duration, error }
}
