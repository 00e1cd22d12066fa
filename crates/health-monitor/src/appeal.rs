//! Asks for going back, where everything allows it.
//!
//! Owns the order of reading, deciding and claiming. The handler calls it once, with the verdicts;
//! the conditions themselves are `rollback`'s, and the asking is an event of the commit.

use std::time::Duration;

use printery_config::{RollbackMode, RollbackRules};
use printery_events::Event;
use printery_events::payload::DeploymentStarted;
use printery_harness::fleet::rollbacks::{self, Claim};
use printery_harness::{Context, Refusal};

use crate::history::{Wanted, beginning, previous_version, stages_done};
use crate::request::Request;
use crate::rollback::{Advice, Candidate, Facts, Return, candidates, sifted};
use crate::verdict::Verdict;

/// How far back claims are read at least: what a deployment asked for a day ago, it has asked for.
const LEAST: Duration = Duration::from_secs(24 * 60 * 60);

/// What stands for an environment that nobody named.
pub(crate) const NO_ENVIRONMENT: &str = "unknown";

/// What an appeal is about.
#[derive(Debug)]
pub(crate) struct Appeal<'a> {
    pub request: &'a Request,
    pub event: &'a Event,
    pub context: &'a Context,
    /// All stages of the fleet, in their order.
    pub stages: &'a [String],
    /// Whether the fleet's freeze window is open.
    pub frozen: bool,
    /// The server's time, milliseconds.
    pub now_ms: u64,
}

impl Appeal<'_> {
    /// Says what follows from the verdicts; where it is to ask, the right to ask is claimed.
    ///
    /// # Errors
    /// Redis cannot be reached: asking waits, because nothing of it is decided from memory.
    pub(crate) async fn decide<'v>(
        &'v self,
        verdicts: &'v [Verdict],
        rules: impl Fn(&str) -> Option<&'v RollbackRules>,
    ) -> Result<Advice, Refusal> {
        let candidates = candidates(self.request, verdicts, rules);
        if candidates.is_empty() {
            return Ok(Advice::Stay);
        }
        let began = beginning(&self.context.records, &self.request.deployment_id).await?;
        let facts = Facts { irreversible: is_irreversible(began.as_ref()), frozen: self.frozen };
        let (free, objections) = sifted(candidates, |candidate| candidate.forbidden(facts));
        match free.iter().map(|candidate| candidate.rules.mode).max() {
            None => Ok(Advice::Withheld(objections)),
            Some(RollbackMode::Off | RollbackMode::Suggest) => Ok(Advice::Suggest),
            Some(RollbackMode::Auto) if self.event.dry_run => Ok(Advice::Suggest),
            Some(RollbackMode::Auto) => {
                let auto = |candidate: &Candidate<'_>| candidate.rules.mode == RollbackMode::Auto;
                self.ask(free.into_iter().filter(auto).collect(), began.as_ref()).await
            }
        }
    }

    async fn ask(
        &self,
        asking: Vec<Candidate<'_>>,
        began: Option<&DeploymentStarted>,
    ) -> Result<Advice, Refusal> {
        let said = self.request.environment.as_deref();
        let environment = said.or(began.map(|began| began.environment.as_str()));
        let environment = environment.unwrap_or(NO_ENVIRONMENT);
        let (records, deployment_id) = (&self.context.records, &self.request.deployment_id);
        let services = names(&asking);
        let wanted = Wanted { deployment_id, environment, services: &services };
        let version = previous_version(records, wanted, began).await?;
        let (asking, unknown) = sifted(asking, |candidate| {
            let lacking = candidate.rules.require_previous_version && version.is_none();
            lacking.then(|| "no earlier version to return to is known".to_owned())
        });
        if asking.is_empty() {
            return Ok(Advice::Withheld(unknown));
        }
        if let Some(objections) = self.claim(asking, environment).await? {
            return Ok(Advice::Withheld(objections));
        }
        let mut stages = stages_done(records, self.stages, deployment_id).await?;
        let own = self.request.phase.stage().map(ToOwned::to_owned);
        stages.extend(own.filter(|own| !stages.contains(own)));
        Ok(Advice::Request(Return { version, stages }))
    }

    /// Claims the right to ask; says why it is not had.
    async fn claim(
        &self,
        asking: Vec<Candidate<'_>>,
        environment: &str,
    ) -> Result<Option<String>, Refusal> {
        let longest = asking
            .iter()
            .map(|candidate| candidate.rules.cooldown.max(candidate.rules.max_per_service.period));
        let period = longest.max().unwrap_or_default().max(LEAST);
        let standing = self.standing(period).await?;
        // This very event has claimed it before its owner died: the claim is ours.
        if standing.iter().any(|claim| self.is_own(claim)) {
            return Ok(None);
        }
        let (asking, objections) = self.judged(asking, &standing, environment);
        if asking.is_empty() {
            return Ok(Some(objections));
        }
        let claim = Claim {
            entry: rollbacks::NO_ENTRY,
            deployment_id: self.request.deployment_id.clone(),
            event_id: self.event.id.clone(),
            environment: environment.to_owned(),
            services: names(&asking),
        };
        let own = rollbacks::claim(&self.context.records, &claim).await.map_err(refusal)?;
        // Somebody may have claimed in the same moment: of two claims the earlier stands.
        let mut standing = self.standing(period).await?;
        standing.retain(|claim| claim.entry < own && !self.is_own(claim));
        let (asking, objections) = self.judged(asking, &standing, environment);
        if !asking.is_empty() {
            return Ok(None);
        }
        rollbacks::withdraw(&self.context.records, own, &objections).await.map_err(refusal)?;
        Ok(Some(objections))
    }

    fn judged<'c>(
        &self,
        asking: Vec<Candidate<'c>>,
        standing: &[Claim],
        environment: &str,
    ) -> (Vec<Candidate<'c>>, String) {
        if standing.iter().any(|claim| claim.deployment_id == self.request.deployment_id) {
            let why = "a rollback of this deployment was requested before";
            return (Vec::new(), why.to_owned());
        }
        sifted(asking, |candidate| candidate.too_often(standing, environment, self.now_ms))
    }

    fn is_own(&self, claim: &Claim) -> bool {
        claim.event_id == self.event.id && claim.deployment_id == self.request.deployment_id
    }

    async fn standing(&self, period: Duration) -> Result<Vec<Claim>, Refusal> {
        rollbacks::standing(&self.context.records, self.now_ms, period).await.map_err(refusal)
    }
}

fn is_irreversible(began: Option<&DeploymentStarted>) -> bool {
    let migrations = began.and_then(|began| began.migrations);
    migrations.is_some_and(|migrations| migrations.required && !migrations.reversible)
}

fn names(candidates: &[Candidate<'_>]) -> Vec<String> {
    candidates.iter().map(|candidate| candidate.verdict.service.clone()).collect()
}

fn refusal(error: impl std::fmt::Display) -> Refusal {
    Refusal::without_redis(format!("a rollback cannot be claimed: {error}"))
}
