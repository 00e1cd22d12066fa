//! Asks dependencies: many at once, each one once.
//!
//! Owns the limits on how many probes run at a time, and that checks which ask for the same thing
//! at the same moment share one probe. The handler calls it with names, the watcher without an
//! event; it never judges a service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use printery_config::Fleet;
use printery_events::payload::DependencyState;
use printery_probes::{Egress, Error, Probe, Report, Target, targets};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::judge::{Answer, Answers, state};
use crate::standing::{Change, Rules, Standing, Wanted};

/// Every dependency of the fleet, and how many may be asked at once.
#[derive(Debug)]
pub(crate) struct Asker {
    egress: Egress,
    slots: Semaphore,
    rules: Rules,
    known: BTreeMap<String, Known>,
}

/// One dependency of the fleet.
#[derive(Debug)]
struct Known {
    target: Target,
    /// Whom to ask when it is down.
    owner: Option<String>,
    /// Shared by all targets on one machine.
    host_slots: Arc<Semaphore>,
    /// What it answered last; whoever holds the lock is asking.
    standing: Mutex<Standing>,
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
            let service = fleet.services.get(&name).and_then(|service| service.owner.clone());
            let endpoint = fleet.endpoints.get(&name).and_then(|endpoint| endpoint.owner.clone());
            let (owner, standing) = (service.or(endpoint), Mutex::default());
            known.insert(name, Known { target, owner, host_slots, standing });
        }
        let slots = Semaphore::new(concurrency.global);
        let checker = &fleet.dependency_checker;
        let rules = Rules::of(checker.cache, checker.background);
        Ok(Self { egress: Egress::try_new(&fleet.egress)?, slots, rules, known })
    }

    /// Asks all of these at once and returns what each answered until then; what is `deployed` is asked anew.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future ends its probes; whoever waits for one asks anew.
    pub(crate) async fn ask_all(
        &self,
        names: &[String],
        deployed: &[String],
        until: Instant,
    ) -> Answers {
        let asked = names.iter().map(|name| async move {
            let wanted = if deployed.contains(name) { Wanted::Fresh } else { Wanted::Recent };
            (name.clone(), self.ask(name, wanted, until).await)
        });
        join_all(asked).await.into_iter().collect()
    }

    /// Lists everything that can be asked.
    pub(crate) fn askable(&self) -> impl Iterator<Item = &str> {
        let askable = |known: &&Known| !matches!(known.target.probe, Probe::Nothing(_));
        self.known.values().filter(askable).map(|known| known.target.name.as_str())
    }

    /// Asks one dependency without an event; returns whether it counts as down.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future ends its probe.
    pub(crate) async fn look(&self, name: &str, within: Duration) -> bool {
        let Some(known) = self.known.get(name) else { return false };
        let began = Instant::now();
        let until = began + within.max(known.target.limits.check);
        // What is not answered until then is noted by nobody; the next look will.
        timeout_at(until, self.ask_shared(known, Wanted::Fresh, began, until))
            .await
            .is_ok_and(|(_, down_since)| down_since.is_some())
    }

    /// Tells whether something counts as down, once nobody is asking it.
    #[cfg(test)]
    pub(crate) async fn is_down(&self, name: &str) -> bool {
        match self.known.get(name) {
            Some(known) => known.standing.lock().await.down_since().is_some(),
            None => false,
        }
    }

    async fn ask(&self, name: &str, wanted: Wanted, until: Instant) -> Answer {
        let Some(known) = self.known.get(name) else {
            return Answer::Skipped("it is not in the fleet file".to_owned());
        };
        if let Probe::Nothing(why) = &known.target.probe {
            return Answer::Skipped(why.clone());
        }
        let began = Instant::now();
        match timeout_at(until, self.ask_shared(known, wanted, began, until)).await {
            Ok((answer, down_since)) => dated(answer, down_since, began),
            Err(_elapsed) => Answer::Asked {
                state: DependencyState::Unhealthy,
                endpoint: known.target.shown.clone(),
                took: began.elapsed(),
                error: Some("no answer before the time for the check was over".to_owned()),
            },
        }
    }

    /// Takes an answer that serves, and asks if there is none; returns since when it counts as down.
    async fn ask_shared(
        &self,
        known: &Known,
        wanted: Wanted,
        began: Instant,
        until: Instant,
    ) -> (Answer, Option<Instant>) {
        let mut standing = known.standing.lock().await;
        let now = Instant::now();
        if let Some(answer) = standing.reusable(&self.rules, wanted, began, now) {
            return (answer.clone(), standing.down_since());
        }
        // Both semaphores live as long as the asker and are never closed.
        let _host_slot = known.host_slots.acquire().await;
        let _slot = self.slots.acquire().await;
        let remaining = until.saturating_duration_since(Instant::now());
        let report = known.target.ask(&self.egress, remaining).await;
        let seen = report.observed.clone();
        let answer = answer(report, known);
        match standing.note(&self.rules, answer.clone(), Instant::now()) {
            Some(Change::WentDown) => {
                tracing::warn!(dependency = %known.target.name, "it is down: {seen}");
            }
            Some(Change::CameUp(after)) => {
                let after = after.as_secs();
                tracing::info!(dependency = %known.target.name, "it is up again, after {after} s");
            }
            None => {}
        }
        (answer, standing.down_since())
    }
}

/// Adds to what is wrong for how long it has been so, when that is longer than this check.
fn dated(answer: Answer, down_since: Option<Instant>, began: Instant) -> Answer {
    let Answer::Asked { state, endpoint, took, error: Some(error) } = answer else { return answer };
    let down_for = down_since.and_then(|since| began.checked_duration_since(since));
    let error = match down_for {
        Some(down_for) if down_for >= Duration::from_secs(1) => {
            format!("{error}; down for {} s already", down_for.as_secs())
        }
        Some(_) | None => error,
    };
    Answer::Asked { state, endpoint, took, error: Some(error) }
}

fn answer(report: Report, known: &Known) -> Answer {
    let state = state(report.outcome);
    let error = match state {
        DependencyState::Healthy => None,
        DependencyState::Degraded | DependencyState::Unhealthy => Some(match &known.owner {
            Some(owner) => format!("{}; owned by {owner}", report.observed),
            None => report.observed,
        }),
    };
    Answer::Asked { state, endpoint: known.target.shown.clone(), took: report.duration, error }
}
