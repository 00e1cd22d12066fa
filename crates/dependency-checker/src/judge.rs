//! What the answers mean: a state for every edge and one result.
//!
//! Owns the thresholds and the three results. The handler calls it with the plan and what every
//! dependency answered; it never asks anything itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use printery_config::Criticality;
use printery_config::needs::{Blame, Edge, Plan, blame};
use printery_events::payload::{DependencyResult, DependencyState, DependencyStatus};
use printery_probes::Outcome;

/// What came of asking one dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was asked.
    Asked {
        /// How it does.
        state: DependencyState,
        /// Where it was asked, without secrets.
        endpoint: String,
        /// How long the last attempt took.
        took: Duration,
        /// What was wrong, in one sentence.
        error: Option<String>,
    },
    /// It was not asked, because there is nothing to ask; why, as a clause.
    Skipped(String),
}

/// What every dependency of a plan answered, by name.
pub(crate) type Answers = BTreeMap<String, Answer>;

/// What the answers mean for the services of a plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judgement {
    /// One row for every edge whose dependency was asked, in the plan's order.
    pub statuses: Vec<DependencyStatus>,
    /// Causes and consequences.
    pub blame: Blame,
    /// The verdict.
    pub result: DependencyResult,
}

/// Tells how a dependency does from how its probe ended; slowness is part of that.
pub(crate) fn state(outcome: Outcome) -> DependencyState {
    match outcome {
        Outcome::Pass | Outcome::Skipped => DependencyState::Healthy,
        Outcome::Warn => DependencyState::Degraded,
        // Nobody can rely on what did not answer, whoever's fault that is.
        Outcome::Fail | Outcome::Error | Outcome::Inconclusive => DependencyState::Unhealthy,
    }
}

/// Judges a plan by the answers.
///
/// A soft dependency that is down only degrades the service that wants it. An edge whose
/// dependency was not asked has no state and counts for nothing.
pub(crate) fn judge(plan: &Plan, answers: &Answers) -> Judgement {
    let statuses: Vec<DependencyStatus> =
        plan.edges.iter().filter_map(|edge| status(edge, answers)).collect();
    let down: BTreeSet<&str> = answers
        .iter()
        .filter(|(_, answer)| {
            matches!(answer, Answer::Asked { state: DependencyState::Unhealthy, .. })
        })
        .map(|(name, _)| name.as_str())
        .collect();
    let result = result(&plan.services, &statuses);
    Judgement { blame: blame(&plan.edges, &down), statuses, result }
}

fn status(edge: &Edge, answers: &Answers) -> Option<DependencyStatus> {
    let Some(Answer::Asked { state, endpoint, took, error }) = answers.get(&edge.dependency) else {
        return None;
    };
    let status = match edge.criticality {
        Criticality::Hard => *state,
        Criticality::Soft => (*state).min(DependencyState::Degraded),
    };
    Some(DependencyStatus {
        service: edge.service.clone(),
        dependency: edge.dependency.clone(),
        status,
        endpoint: endpoint.clone(),
        response_time_ms: milliseconds(*took),
        error_message: error.clone(),
    })
}

/// Joins the edges: all well, every service hit, or something in between.
fn result(services: &[String], statuses: &[DependencyStatus]) -> DependencyResult {
    if statuses.iter().all(|row| row.status == DependencyState::Healthy) {
        return DependencyResult::AllHealthy;
    }
    let hit = |service: &String| {
        statuses
            .iter()
            .any(|row| row.service == *service && row.status == DependencyState::Unhealthy)
    };
    if services.iter().all(hit) {
        DependencyResult::AllUnhealthy
    } else {
        DependencyResult::SomeDegraded
    }
}

/// Returns milliseconds with microseconds behind the point.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads `"api>db web>ads?"` as a plan about the given services.
    pub(crate) fn plan(services: &str, edges: &str) -> Plan {
        let edges: Vec<Edge> = edges
            .split_whitespace()
            .map(|pair| {
                let (service, dependency) = pair.split_once('>').expect("an edge is written a>b");
                let criticality =
                    if dependency.ends_with('?') { Criticality::Soft } else { Criticality::Hard };
                let dependency = dependency.trim_end_matches('?').to_owned();
                Edge { service: service.to_owned(), dependency, criticality }
            })
            .collect();
        Plan {
            services: services.split_whitespace().map(str::to_owned).collect(),
            targets: edges.iter().map(|edge| edge.dependency.clone()).collect(),
            edges,
            ..Plan::default()
        }
    }

    /// Answers `"db:down ads:slow"` for a plan; what is not named is up, `skip` was not asked.
    pub(crate) fn answers(plan: &Plan, states: &str) -> Answers {
        let named: BTreeMap<&str, &str> =
            states.split_whitespace().filter_map(|pair| pair.split_once(':')).collect();
        let answer = |name: &String| match named.get(name.as_str()).copied() {
            Some("down") => asked(DependencyState::Unhealthy, 3, Some("connection refused")),
            Some("slow") => asked(DependencyState::Degraded, 1_420, None),
            Some("skip") => Answer::Skipped("it has no address".to_owned()),
            _ => asked(DependencyState::Healthy, 2, None),
        };
        plan.targets.iter().map(|name| (name.clone(), answer(name))).collect()
    }

    fn asked(state: DependencyState, took: u64, error: Option<&str>) -> Answer {
        Answer::Asked {
            state,
            endpoint: "tcp://127.0.0.1:1".to_owned(),
            took: Duration::from_millis(took),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn only_an_answer_as_expected_is_healthy() {
        for outcome in Outcome::ALL {
            let healthy = matches!(outcome, Outcome::Pass | Outcome::Skipped);
            assert_eq!(state(outcome) == DependencyState::Healthy, healthy, "{outcome}");
        }
        assert_eq!(state(Outcome::Warn), DependencyState::Degraded);
    }

    #[test]
    fn the_edges_make_the_result() {
        use DependencyResult::{AllHealthy, AllUnhealthy, SomeDegraded};
        let cases = [
            // services, edges, states, result
            ("docs", "", "", AllHealthy),
            ("", "", "", AllHealthy),
            ("api", "api>db", "", AllHealthy),
            ("api", "api>db", "db:skip", AllHealthy),
            ("api", "api>db", "db:slow", SomeDegraded),
            ("api", "api>db", "db:down", AllUnhealthy),
            ("api", "api>db api>cache", "db:down", AllUnhealthy),
            ("api web", "api>db web>cdn", "db:down", SomeDegraded),
            ("api web", "api>db web>cdn", "db:down cdn:slow", SomeDegraded),
            ("api web", "api>db web>cdn", "db:down cdn:down", AllUnhealthy),
            ("api docs", "api>db", "db:down", SomeDegraded),
            ("web", "web>ads?", "ads:down", SomeDegraded),
            // What a dependency stands on is its own trouble.
            ("web", "web>api api>db", "db:down", SomeDegraded),
        ];
        for (services, edges, states, expected) in cases {
            let plan = plan(services, edges);
            let judgement = judge(&plan, &answers(&plan, states));
            assert_eq!(judgement.result, expected, "{services} by {edges} with {states}");
        }
    }

    #[test]
    fn a_soft_dependency_that_is_down_degrades_and_is_named() {
        let plan = plan("web", "web>ads?");
        let judgement = judge(&plan, &answers(&plan, "ads:down"));
        let [row] = judgement.statuses.as_slice() else { panic!("one edge, one row") };
        assert_eq!(row.status, DependencyState::Degraded);
        assert_eq!(row.error_message.as_deref(), Some("connection refused"));
        assert_eq!(judgement.blame.root_causes, ["ads"]);
        assert!(judgement.blame.impaired.is_empty());
    }

    #[test]
    fn a_probe_that_serves_two_services_makes_two_rows() {
        let plan = plan("api web", "api>db web>db");
        let judgement = judge(&plan, &answers(&plan, "db:slow"));
        let rows: Vec<_> = judgement
            .statuses
            .iter()
            .map(|row| (row.service.as_str(), row.dependency.as_str(), row.response_time_ms))
            .collect();
        assert_eq!(rows, [("api", "db", 1_420.0), ("web", "db", 1_420.0)]);
    }

    proptest! {
        #[test]
        fn the_result_agrees_with_the_rows(
            raw in prop::collection::btree_set((0_u8..4, 4_u8..9), 0..12),
            states in prop::collection::vec(0_u8..4, 5),
        ) {
            let edges: Vec<String> = raw.iter().map(|(from, to)| format!("s{from}>d{to}")).collect();
            let plan = plan("s0 s1 s2 s3", &edges.join(" "));
            let words = ["up", "slow", "down", "skip"];
            let states: Vec<String> = (4..)
                .zip(&states)
                .map(|(to, state)| format!("d{to}:{}", words[usize::from(*state)]))
                .collect();
            let judgement = judge(&plan, &answers(&plan, &states.join(" ")));

            let bad = judgement.statuses.iter().any(|row| row.status != DependencyState::Healthy);
            prop_assert_eq!(judgement.result == DependencyResult::AllHealthy, !bad);
            let down = judgement.statuses.iter().filter(|row| row.status == DependencyState::Unhealthy);
            let hit: BTreeSet<&str> = down.map(|row| row.service.as_str()).collect();
            prop_assert_eq!(judgement.result == DependencyResult::AllUnhealthy, hit.len() == 4);
            prop_assert!(judgement.statuses.len() <= plan.edges.len());
        }
    }
}
