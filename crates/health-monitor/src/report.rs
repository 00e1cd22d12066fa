//! The event that says what was found.
//!
//! Owns its rows and the sentence that people read in notifications. The handler calls it last; it
//! never decides anything.

use std::time::Duration;

use printery_events::payload::{HealthCheckCompleted, HealthResult, HealthStatus, ServiceHealth};

use crate::request::{Phase, Request};
use crate::rollback::Advice;
use crate::verdict::{Standing, Verdict};

/// So many services are written out in the summary; the rest is counted.
const WRITTEN_OUT: usize = 3;

/// Adds to a bad verdict what is known beyond its samples: that it was so before, and who is to blame.
pub(crate) fn explained(mut verdict: Verdict, request: &Request) -> Verdict {
    let bad = match verdict.standing {
        Standing::Healthy | Standing::Inconclusive => false,
        Standing::Degraded | Standing::Unhealthy => true,
    };
    if !bad {
        return verdict;
    }
    if let Some(cause) = request.upstream.get(&verdict.service) {
        verdict.reason += ", and ";
        verdict.reason += cause;
        verdict.reason += ", which it needs, is down";
    }
    if request.phase == Phase::Baseline {
        verdict.reason.push_str(", pre-existing: the deployment has not changed anything yet");
    }
    verdict
}

/// Returns the event that carries the verdicts.
pub(crate) fn completed(
    request: &Request,
    verdicts: &[Verdict],
    overall: Standing,
    advice: &Advice,
    took: Duration,
) -> HealthCheckCompleted {
    HealthCheckCompleted {
        deployment_id: request.deployment_id.clone(),
        phase: request.phase.name(),
        stage: request.phase.stage().map(ToOwned::to_owned),
        services: verdicts.iter().map(row).collect(),
        status: match overall {
            Standing::Healthy => HealthResult::Healthy,
            Standing::Inconclusive => HealthResult::Inconclusive,
            Standing::Degraded => HealthResult::Degraded,
            Standing::Unhealthy => HealthResult::Unhealthy,
        },
        rollback_requested: matches!(advice, Advice::Request(_)),
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        summary: summary(verdicts, overall, advice),
    }
}

fn row(verdict: &Verdict) -> ServiceHealth {
    ServiceHealth {
        service: verdict.service.clone(),
        status: match verdict.standing {
            Standing::Healthy => HealthStatus::Healthy,
            Standing::Inconclusive => HealthStatus::Inconclusive,
            Standing::Degraded => HealthStatus::Degraded,
            Standing::Unhealthy => HealthStatus::Unhealthy,
        },
        samples: verdict.samples,
        error_rate: verdict.error_rate,
        p50_ms: milliseconds(verdict.p50),
        p99_ms: milliseconds(verdict.p99),
        reason: verdict.reason.clone(),
    }
}

/// Returns milliseconds with microseconds behind the point; 0 where nothing passed.
fn milliseconds(time: Option<Duration>) -> f64 {
    (time.unwrap_or_default().as_secs_f64() * 1e6).round() / 1e3
}

/// Says how the deployment stands, the worst services first.
fn summary(verdicts: &[Verdict], overall: Standing, advice: &Advice) -> String {
    let (watched, unwatched): (Vec<&Verdict>, Vec<&Verdict>) =
        verdicts.iter().partition(|verdict| verdict.watched);
    let mut parts = vec![found(&watched, overall)];
    if !unwatched.is_empty() {
        parts.push(format!("not watched: {}", reasons(&unwatched)));
    }
    match advice {
        Advice::Stay => {}
        Advice::Suggest => parts.push("rolling back is advised".to_owned()),
        Advice::Withheld(why) => parts.push(format!("no rollback is requested: {why}")),
        Advice::Request(to) => parts.push(match &to.version {
            Some(version) => format!("a rollback to {version} was requested"),
            None => "a rollback was requested".to_owned(),
        }),
    }
    parts.join("; ")
}

fn found(watched: &[&Verdict], overall: Standing) -> String {
    let word = match overall {
        Standing::Healthy => return all_healthy(watched),
        Standing::Inconclusive if watched.is_empty() => {
            return "no service could be watched".to_owned();
        }
        Standing::Inconclusive => "inconclusive",
        Standing::Degraded => "degraded",
        Standing::Unhealthy => "unhealthy",
    };
    let worst: Vec<&Verdict> =
        watched.iter().copied().filter(|verdict| verdict.standing == overall).collect();
    let (count, all) = (worst.len(), services(watched.len()));
    format!("{count} of {all} {word}: {}", reasons(&worst))
}

fn all_healthy(watched: &[&Verdict]) -> String {
    let samples: u32 = watched.iter().map(|verdict| verdict.samples).sum();
    match watched {
        [one] => format!("the service is healthy: {}", one.reason),
        many => format!("all {} are healthy after {samples} samples", services(many.len())),
    }
}

fn reasons(verdicts: &[&Verdict]) -> String {
    let (written, rest) = verdicts.split_at(verdicts.len().min(WRITTEN_OUT));
    let reasons: Vec<&str> = written.iter().map(|verdict| verdict.reason.as_str()).collect();
    let written = reasons.join("; ");
    if rest.is_empty() { written } else { format!("{written}; and {} more", rest.len()) }
}

fn services(count: usize) -> String {
    if count == 1 { "1 service".to_owned() } else { format!("{count} services") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::Return;
    use std::collections::BTreeMap;

    fn verdict(service: &str, standing: Standing, why: &str) -> Verdict {
        Verdict {
            watched: true,
            standing,
            samples: 6,
            reason: format!("{service}: {why}"),
            ..Verdict::unwatched(service, why)
        }
    }

    fn request(phase: Phase) -> Request {
        Request {
            deployment_id: "d-1".to_owned(),
            phase,
            services: Vec::new(),
            upstream: BTreeMap::from([("api".to_owned(), "db".to_owned())]),
            environment: None,
            version: None,
        }
    }

    #[test]
    fn the_summary_names_the_worst() {
        let good = verdict("web", Standing::Healthy, "6 of 6 samples passed");
        let good_too = verdict("docs", Standing::Healthy, "6 of 6 samples passed");
        let bad = verdict("api", Standing::Unhealthy, "6 of 6 samples failed (HTTP 503)");
        let slow = verdict("relay", Standing::Degraded, "p99 1.42 s is not below 1 s");
        let blind = Verdict::unwatched("cron", "no health URL configured");
        let cases = [
            (vec![&good], "the service is healthy: web: 6 of 6 samples passed"),
            (vec![&good, &good_too], "all 2 services are healthy after 12 samples"),
            (
                vec![&good, &bad, &slow],
                "1 of 3 services unhealthy: api: 6 of 6 samples failed (HTTP 503)",
            ),
            (
                vec![&good, &slow, &blind],
                "1 of 2 services degraded: relay: p99 1.42 s is not below 1 s; \
                 not watched: cron: no health URL configured",
            ),
            (
                vec![&blind],
                "no service could be watched; not watched: cron: no health URL configured",
            ),
        ];
        for (verdicts, expected) in cases {
            let verdicts: Vec<Verdict> = verdicts.into_iter().cloned().collect();
            let overall = crate::verdict::overall(&verdicts);
            assert_eq!(summary(&verdicts, overall, &Advice::Stay), expected);
        }
        let back = Return { version: Some("1.1.0".to_owned()), stages: Vec::new() };
        let advised = [
            (Advice::Suggest, "; rolling back is advised"),
            (Advice::Withheld("db is down".to_owned()), "; no rollback is requested: db is down"),
            (Advice::Request(back), "; a rollback to 1.1.0 was requested"),
        ];
        for (advice, expected) in advised {
            let text = summary(std::slice::from_ref(&bad), Standing::Unhealthy, &advice);
            assert!(text.ends_with(expected), "{text}");
        }
    }

    #[test]
    fn trouble_before_the_deployment_is_called_pre_existing() {
        let bad = || verdict("web", Standing::Unhealthy, "3 of 3 samples failed");
        let before = explained(bad(), &request(Phase::Baseline));
        assert!(before.reason.contains("pre-existing"), "{}", before.reason);
        let after = explained(bad(), &request(Phase::PostStage(None)));
        assert_eq!(after.reason, "web: 3 of 3 samples failed");
        let good = verdict("web", Standing::Healthy, "3 of 3 samples passed");
        assert_eq!(explained(good.clone(), &request(Phase::Baseline)), good);
    }

    #[test]
    fn a_service_that_its_dependency_drags_along_says_so() {
        let bad = verdict("api", Standing::Unhealthy, "3 of 3 samples failed");
        let told = explained(bad, &request(Phase::PostStage(None)));
        assert_eq!(told.reason, "api: 3 of 3 samples failed, and db, which it needs, is down");
    }

    #[test]
    fn more_than_a_few_services_are_counted() {
        let bad: Vec<Verdict> =
            (0..5).map(|n| verdict(&format!("s{n}"), Standing::Unhealthy, "down")).collect();
        let text = summary(&bad, Standing::Unhealthy, &Advice::Stay);
        assert_eq!(text, "5 of 5 services unhealthy: s0: down; s1: down; s2: down; and 2 more");
    }
}
