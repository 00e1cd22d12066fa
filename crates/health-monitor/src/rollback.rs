//! Whether a bad deployment is asked to go back.
//!
//! Owns the conditions: what triggers it and every guard. The appeal calls it with what it has read;
//! it never waits, never publishes and never rolls anything back itself.

use std::collections::BTreeSet;
use std::time::Duration;

use printery_config::{Obstacle, RollbackMode, RollbackRules, Trigger};
use printery_events::payload::RollbackInitiated;
use printery_harness::fleet::rollbacks::Claim;

use crate::request::{Phase, Request};
use crate::sentence::span;
use crate::verdict::{Standing, Verdict};

/// What stands for the version to return to when nobody knows it.
const UNKNOWN_VERSION: &str = "unknown";

/// Who asks, in the event.
const REQUESTED_BY: &str = "health-monitor";

/// What follows from a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Nothing.
    Stay,
    /// It would be asked for, were it not for this.
    Withheld(String),
    /// A person is told that going back is advised.
    Suggest,
    /// Going back is asked for.
    Request(Return),
}

/// Where to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Return {
    /// The version to return to, where it is known.
    pub version: Option<String>,
    /// The stages to undo.
    pub stages: Vec<String>,
}

/// A service whose verdict asks for going back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub verdict: &'a Verdict,
    pub rules: &'a RollbackRules,
    /// What is down that it needs.
    pub upstream: Option<&'a str>,
}

/// What is known of the deployment and the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Its migration cannot be undone.
    pub irreversible: bool,
    /// The fleet's freeze window is open.
    pub frozen: bool,
}

/// Returns the services that ask for going back; a baseline has nothing to go back from.
pub(crate) fn candidates<'a>(
    request: &'a Request,
    verdicts: &'a [Verdict],
    rules: impl Fn(&str) -> Option<&'a RollbackRules>,
) -> Vec<Candidate<'a>> {
    let Phase::PostStage(_) = request.phase else { return Vec::new() };
    let candidate = |verdict: &'a Verdict| {
        let rules = rules(&verdict.service)?;
        let trigger = match verdict.standing {
            Standing::Healthy | Standing::Inconclusive => return None,
            Standing::Degraded => Trigger::Degraded,
            Standing::Unhealthy => Trigger::Unhealthy,
        };
        let asks = rules.mode != RollbackMode::Off && rules.trigger.contains(&trigger);
        let upstream = request.upstream.get(&verdict.service).map(String::as_str);
        asks.then_some(Candidate { verdict, rules, upstream })
    };
    verdicts.iter().filter_map(candidate).collect()
}

impl Candidate<'_> {
    /// Says what forbids to go back because of this service; none for nothing.
    pub(crate) fn forbidden(&self, facts: Facts) -> Option<String> {
        let service = &self.verdict.service;
        let applies = |obstacle| self.rules.not_if.contains(&obstacle);
        if let Some(upstream) = self.upstream.filter(|_| applies(Obstacle::UpstreamRootCause)) {
            return Some(format!("{upstream}, which {service} needs, is down"));
        }
        if self.verdict.pre_existing && applies(Obstacle::PreExisting) {
            return Some(format!("{service} was unhealthy before the deployment"));
        }
        if facts.irreversible && applies(Obstacle::IrreversibleMigration) {
            return Some("the deployment's migration cannot be undone".to_owned());
        }
        if facts.frozen && applies(Obstacle::Frozen) {
            return Some("the window freeze is open".to_owned());
        }
        None
    }

    /// Says why this service has had its share of rollbacks; none for not yet.
    ///
    /// `claims`: those of other deployments that stand; `now_ms`: the server's milliseconds.
    pub(crate) fn too_often(
        &self,
        claims: &[Claim],
        environment: &str,
        now_ms: u64,
    ) -> Option<String> {
        let service = &self.verdict.service;
        let of_it = claims
            .iter()
            .filter(|claim| claim.environment == environment && claim.services.contains(service));
        let ages = of_it.map(|claim| Duration::from_millis(now_ms.saturating_sub(claim.entry.ms)));
        let ages: Vec<Duration> = ages.collect();
        let cooldown = self.rules.cooldown;
        if ages.iter().any(|age| *age < cooldown) {
            return Some(format!(
                "a rollback of {service} was requested within the last {}",
                span(cooldown)
            ));
        }
        let most = self.rules.max_per_service;
        let times = ages.iter().filter(|age| **age < most.period).count();
        if u32::try_from(times).unwrap_or(u32::MAX) >= most.times.get() {
            let period = span(most.period);
            return Some(format!("{service} was rolled back {times} times within {period}"));
        }
        None
    }
}

/// Splits candidates into those that nothing speaks against, and what speaks against the others.
pub(crate) fn sifted<'a>(
    candidates: Vec<Candidate<'a>>,
    objection: impl Fn(&Candidate<'a>) -> Option<String>,
) -> (Vec<Candidate<'a>>, String) {
    let mut free = Vec::new();
    let mut objections: BTreeSet<String> = BTreeSet::new();
    for candidate in candidates {
        match objection(&candidate) {
            Some(why) => drop(objections.insert(why)),
            None => free.push(candidate),
        }
    }
    (free, objections.into_iter().collect::<Vec<_>>().join(", "))
}

/// Returns the event that asks to go back, with the verdict's sentence as its reason.
pub(crate) fn initiated(request: &Request, to: &Return, reason: &str) -> RollbackInitiated {
    RollbackInitiated {
        deployment_id: request.deployment_id.clone(),
        previous_version: to.version.clone().unwrap_or_else(|| UNKNOWN_VERSION.to_owned()),
        reason: reason.to_owned(),
        stages_to_rollback: to.stages.clone(),
        requested_by: Some(REQUESTED_BY.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use printery_config::PerPeriod;
    use std::collections::BTreeMap;
    use std::num::NonZeroU32;

    fn verdict(standing: Standing) -> Verdict {
        Verdict { standing, watched: true, ..Verdict::unwatched("api", "") }
    }

    fn request(phase: Phase) -> Request {
        Request {
            deployment_id: "d-1".to_owned(),
            phase,
            services: Vec::new(),
            upstream: BTreeMap::new(),
            environment: None,
            version: None,
        }
    }

    fn rules(mode: RollbackMode) -> RollbackRules {
        RollbackRules { mode, ..RollbackRules::default() }
    }

    #[test]
    fn only_what_the_fleet_file_names_asks_for_going_back() {
        use RollbackMode::{Auto, Off, Suggest};
        let stage = || Phase::PostStage(Some("vercel".to_owned()));
        let both = RollbackRules {
            trigger: BTreeSet::from([Trigger::Unhealthy, Trigger::Degraded]),
            ..rules(Auto)
        };
        let cases = [
            (stage(), Standing::Unhealthy, rules(Auto), true),
            (stage(), Standing::Unhealthy, rules(Suggest), true),
            (stage(), Standing::Unhealthy, rules(Off), false),
            (stage(), Standing::Degraded, rules(Auto), false),
            (stage(), Standing::Degraded, both.clone(), true),
            (stage(), Standing::Inconclusive, both.clone(), false),
            (stage(), Standing::Healthy, both.clone(), false),
            (Phase::Baseline, Standing::Unhealthy, both, false),
            (Phase::PostStage(None), Standing::Unhealthy, rules(Auto), true),
        ];
        for (phase, standing, rules, expected) in cases {
            let (request, verdicts) = (request(phase), [verdict(standing)]);
            let found = candidates(&request, &verdicts, |_| Some(&rules));
            assert_eq!(found.len() == 1, expected, "{standing:?} {rules:?}");
            assert!(candidates(&request, &verdicts, |_| None).is_empty());
        }
    }

    #[test]
    fn every_guard_forbids_and_can_be_taken_away() {
        let ill = Verdict { pre_existing: true, ..verdict(Standing::Degraded) };
        let bad = verdict(Standing::Unhealthy);
        let all = [
            Obstacle::UpstreamRootCause,
            Obstacle::PreExisting,
            Obstacle::IrreversibleMigration,
            Obstacle::Frozen,
        ];
        let guarded = RollbackRules { not_if: all.into(), ..rules(RollbackMode::Auto) };
        let open = RollbackRules { not_if: BTreeSet::new(), ..rules(RollbackMode::Auto) };
        let nothing = Facts::default();
        let irreversible = Facts { irreversible: true, ..nothing };
        let frozen = Facts { frozen: true, ..nothing };
        let cases = [
            (&bad, None, nothing, None),
            (&bad, Some("db"), nothing, Some("db, which api needs, is down")),
            (&ill, None, nothing, Some("api was unhealthy before the deployment")),
            (&bad, None, irreversible, Some("the deployment's migration cannot be undone")),
            (&bad, None, frozen, Some("the window freeze is open")),
        ];
        for (verdict, upstream, facts, expected) in cases {
            let candidate = Candidate { verdict, rules: &guarded, upstream };
            assert_eq!(candidate.forbidden(facts).as_deref(), expected);
            let candidate = Candidate { verdict, rules: &open, upstream };
            assert_eq!(candidate.forbidden(facts), None, "{expected:?} was switched off");
        }
        let usual = rules(RollbackMode::Auto);
        let candidate = Candidate { verdict: &bad, rules: &usual, upstream: None };
        assert_eq!(candidate.forbidden(frozen), None, "only where it is asked for");
    }

    #[test]
    fn a_service_is_not_rolled_back_again_and_again() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let usual = RollbackRules {
            cooldown: minutes(30),
            max_per_service: PerPeriod {
                times: NonZeroU32::new(2).unwrap(),
                period: minutes(24 * 60),
            },
            ..rules(RollbackMode::Auto)
        };
        let now_ms = 100_000_000_000;
        let claim = |service: &str, environment: &str, age: Duration| Claim {
            entry: format!("{}-0", now_ms - u64::try_from(age.as_millis()).unwrap())
                .parse()
                .unwrap(),
            deployment_id: "d-0".to_owned(),
            event_id: "e-0".to_owned(),
            environment: environment.to_owned(),
            services: vec!["web".to_owned(), service.to_owned()],
        };
        let recent = "a rollback of api was requested within the last 30 m";
        let often = "api was rolled back 2 times within 24 h";
        let api = |age| claim("api", "production", age);
        let cases = [
            (vec![], None),
            (vec![api(minutes(29))], Some(recent)),
            (vec![api(minutes(31))], None),
            (vec![api(minutes(31)), api(minutes(600))], Some(often)),
            (vec![api(minutes(31)), api(minutes(1_441))], None),
            (vec![claim("relay", "production", minutes(1))], None),
            (vec![claim("api", "staging", minutes(1))], None),
        ];
        let bad = verdict(Standing::Unhealthy);
        let candidate = Candidate { verdict: &bad, rules: &usual, upstream: None };
        for (claims, expected) in cases {
            let found = candidate.too_often(&claims, "production", now_ms);
            assert_eq!(found.as_deref(), expected, "{claims:?}");
        }
    }
}
