//! Running the checks of one deployment: in parallel, within one deadline, all of them.
//!
//! The handler calls it once per attempt. It is total: whatever happens to a check is a report, never an error.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use futures_util::stream;
use printery_config::Enforce;
use printery_probes::{Class, Error, Outcome, ReasonCode, Report};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::checks::{Check, Work};
use crate::fields::fields;
use crate::perform::{Scene, perform};
use crate::policy;

/// How the checks of one validation are run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Checks at once, at least 1.
    pub(crate) concurrency: usize,
    /// When the validation must have its reports.
    pub(crate) deadline: Instant,
    /// Whether checks that have not begun are left out once one has denied.
    pub(crate) after_deny: AfterDeny,
}

/// What a denial means for the checks that have not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterDeny {
    GoOn,
    Stop,
}

/// Runs the checks and returns each with its report, in the order given. Policies come last, since they may look at what the
/// others have found.
///
/// # Cancel safety
/// Cancel safe: dropping the future ends every probe.
pub(crate) async fn run(checks: Vec<Check>, scene: Scene<'_>, plan: Plan) -> Vec<(Check, Report)> {
    let denied = AtomicBool::new(false);
    let placed = checks.into_iter().enumerate();
    let (policies, others): (Vec<_>, Vec<_>) =
        placed.partition(|(_, check)| matches!(check.work, Work::Policy(_)));
    let mut done = run_some(others, scene, plan, &denied, &BTreeMap::new()).await;
    let results = done
        .iter()
        .map(|(_, check, report)| (check.name.clone(), policy::result(report)))
        .collect();
    done.extend(run_some(policies, scene, plan, &denied, &results).await);
    done.sort_by_key(|(place, _, _)| *place);
    done.into_iter().map(|(_, check, report)| (check, report)).collect()
}

/// A check, its place in the order given, and its report.
type Done = (usize, Check, Report);

async fn run_some(
    checks: Vec<(usize, Check)>,
    scene: Scene<'_>,
    plan: Plan,
    denied: &AtomicBool,
    results: &BTreeMap<String, Value>,
) -> Vec<Done> {
    let one = |(place, check): (usize, Check)| async move {
        if plan.after_deny == AfterDeny::Stop && denied.load(Ordering::Relaxed) {
            let report = Report::skipped(check.name.as_str(), "another check had already denied");
            return (place, check, report);
        }
        let report = within(&check, scene, results, plan.deadline).await;
        if check.enforce == Enforce::Deny && report.outcome == Outcome::Fail {
            denied.store(true, Ordering::Relaxed);
        }
        (place, check, report)
    };
    stream::iter(checks).map(one).buffer_unordered(plan.concurrency.max(1)).collect().await
}

async fn within(
    check: &Check,
    scene: Scene<'_>,
    results: &BTreeMap<String, Value>,
    deadline: Instant,
) -> Report {
    let started = Instant::now();
    let remaining = deadline.saturating_duration_since(started);
    let mut report = match timeout_at(deadline, perform(check, scene, results, remaining)).await {
        Ok(report) => report,
        Err(_elapsed) => {
            let attempted = format!("running the check {}", check.name);
            let observed = "it was not finished when the validation had to end";
            let error = Error::new(Class::Transient, ReasonCode::Timeout, attempted, observed);
            Report::of(&error, check.name.as_str(), "an answer in time")
        }
    };
    // A person wants to know what the check cost, not its last attempt alone.
    report.duration = started.elapsed();
    if let Some(message) = &check.message
        && !matches!(report.outcome, Outcome::Pass | Outcome::Skipped)
    {
        let service = check.services.first().map(String::as_str).unwrap_or_default();
        let filled = message.fill(|field| fields(scene.deployment, service, field));
        // A sentence with a gap is better than none.
        report.message = filled.unwrap_or_else(|_missing| message.to_string());
    }
    report
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use printery_config::Template;
    use printery_harness::fleet::approvals::Approval;
    use printery_probes::{Egress, EgressRules, HttpProbe, Limits, RedisProbe, TcpProbe};
    use printery_testkit::{Answer, HttpService, RedisServer};

    use super::*;
    use crate::kept::Kept;
    use crate::policy::Windows;

    fn egress() -> Egress {
        Egress::try_new(&EgressRules { allow: Vec::new(), allow_loopback: true }).unwrap()
    }

    async fn run_all(checks: Vec<Check>, plan: Plan) -> Vec<(Check, Report)> {
        let deployment = crate::fixtures::deployment(&["api"]);
        let (windows, approval) = (Windows::default(), Approval::default());
        let scene = Scene {
            deployment: &deployment,
            egress: &egress(),
            now: Timestamp::UNIX_EPOCH,
            windows: &windows,
            kept: &Kept::new(printery_config::CheckCache::default()),
            approval: &approval,
        };
        run(checks, scene, plan).await
    }

    fn plan(deadline: Duration) -> Plan {
        Plan { concurrency: 8, deadline: Instant::now() + deadline, after_deny: AfterDeny::GoOn }
    }

    fn check(name: &str, work: Work) -> Check {
        Check {
            name: name.to_owned(),
            kind: "http",
            enforce: Enforce::Deny,
            on_error: None,
            when: None,
            services: Vec::new(),
            message: None,
            suggestion: None,
            work,
        }
    }

    fn http(service: &HttpService, path: &str) -> Work {
        let probe = HttpProbe::try_new(&format!("{}{path}", service.url())).unwrap();
        Work::Http(Box::new(probe), Limits::default().once())
    }

    fn outcomes(reports: &[(Check, Report)]) -> Vec<(&str, Outcome)> {
        reports.iter().map(|(check, report)| (check.name.as_str(), report.outcome)).collect()
    }

    #[tokio::test]
    async fn all_problems_are_found_at_once_against_real_servers() {
        let redis = RedisServer::options().with_tcp().start().await;
        let api = HttpService::start().await;
        api.answer_at("/gone", Answer::Status(404));
        let refused = HttpService::start().await;
        let port = refused.addr().to_string();
        refused.stop();
        drop(refused);
        let once = Limits::default().once();
        let work = [
            ("redis", Work::Redis(Box::new(RedisProbe::try_new(&redis.url()).unwrap()), once)),
            ("tcp", Work::Tcp(Box::new(TcpProbe::try_new(&redis.tcp_addr()).unwrap()), once)),
            ("api", http(&api, "/health")),
            ("gone", http(&api, "/gone")),
            ("refused", Work::Tcp(Box::new(TcpProbe::try_new(&port).unwrap()), once)),
            ("later", Work::Skipped("LATER_URL is not set".into())),
        ];
        let checks = work.map(|(name, work)| check(name, work)).to_vec();
        let reports = run_all(checks, plan(Duration::from_secs(10))).await;
        let expected = [
            ("redis", Outcome::Pass),
            ("tcp", Outcome::Pass),
            ("api", Outcome::Pass),
            ("gone", Outcome::Fail),
            ("refused", Outcome::Error),
            ("later", Outcome::Skipped),
        ];
        assert_eq!(outcomes(&reports), expected, "{reports:?}");
    }

    #[tokio::test]
    async fn a_hanging_check_is_an_error_at_the_deadline_and_delays_nobody() {
        let service = HttpService::start().await;
        service.answer_at("/hang", Answer::Hang);
        let checks =
            vec![check("hang", http(&service, "/hang")), check("ok", http(&service, "/ok"))];
        let started = Instant::now();
        let reports = run_all(checks, plan(Duration::from_millis(300))).await;
        assert_eq!(outcomes(&reports), [("hang", Outcome::Error), ("ok", Outcome::Pass)]);
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn a_configured_message_replaces_the_probes_own_only_when_the_check_does_not_pass() {
        let service = HttpService::start().await;
        service.answer_at("/gone", Answer::Status(404));
        let mut gone = check("gone", http(&service, "/gone"));
        let mut ok = check("ok", http(&service, "/ok"));
        gone.message = Some(Template::parse("${event.version}: ask the platform team").unwrap());
        ok.message.clone_from(&gone.message);
        let reports = run_all(vec![gone, ok], plan(Duration::from_secs(10))).await;
        let messages: Vec<&str> = reports.iter().map(|(_, r)| r.message.as_str()).collect();
        assert_eq!(messages[0], "1.2.0: ask the platform team");
        assert!(messages[1].starts_with("GET "), "{messages:?}");
    }

    #[tokio::test]
    async fn after_a_denial_nothing_is_begun_when_that_is_asked_for() {
        let service = HttpService::start().await;
        service.answer(Answer::Status(404));
        let checks =
            ["a", "b", "c"].map(|name| check(name, http(&service, &format!("/{name}")))).to_vec();
        let plan =
            Plan { concurrency: 1, after_deny: AfterDeny::Stop, ..plan(Duration::from_secs(10)) };
        let reports = run_all(checks, plan).await;
        let expected = [("a", Outcome::Fail), ("b", Outcome::Skipped), ("c", Outcome::Skipped)];
        assert_eq!(outcomes(&reports), expected);
        assert_eq!(service.requests().len(), 1);
    }
}
