//! Conditions and windows: what a deployment says of itself, judged by the fleet file's rules.
//!
//! The runner asks for `when`, `policy` and `window`. It asks nobody outside; the time is the caller's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use printery_config::{PolicyCheck, Scene, Window, WindowCheck, speaks_of_one_service};
use printery_events::payload::DeploymentStarted;
use printery_expressions::Condition;
use printery_probes::{Class, Error, Outcome, ReasonCode, Report};
use serde_json::{Value, json};

use crate::together::together;

/// How long one condition may take; its steps are bounded anyhow. 2 s.
const LIMIT: Duration = Duration::from_secs(2);

/// The windows of a fleet, by name.
pub(crate) type Windows = Arc<BTreeMap<String, Window>>;

/// What conditions are judged over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) deployment: &'a DeploymentStarted,
    pub(crate) services: &'a [String],
    pub(crate) windows: &'a Windows,
    pub(crate) now: Timestamp,
}

impl Facts<'_> {
    /// Tells whether a check is to be made; the error says why that cannot be told.
    pub(crate) async fn hold(&self, when: &Condition) -> Result<bool, Error> {
        let service = self.services.first().map(String::as_str).unwrap_or_default();
        let variables = self.variables(service, &BTreeMap::new());
        self.evaluate(when, variables).await
    }

    /// Judges a policy, once for each service if it speaks of one.
    pub(crate) async fn judge(
        &self,
        policy: &PolicyCheck,
        results: &BTreeMap<String, Value>,
    ) -> Report {
        let first = self.services.first().map(String::as_str).unwrap_or_default();
        if !speaks_of_one_service(&policy.expr) || self.services.len() < 2 {
            return self.judge_one(policy, first, results).await;
        }
        let mut reports = Vec::new();
        for service in self.services {
            reports.push((service.clone(), self.judge_one(policy, service, results).await));
        }
        together(reports)
    }

    async fn judge_one(
        &self,
        policy: &PolicyCheck,
        service: &str,
        results: &BTreeMap<String, Value>,
    ) -> Report {
        let mut variables = self.variables(service, &policy.vars);
        if let Value::Object(map) = &mut variables {
            map.insert("results".to_owned(), json!(results));
        }
        let target = self.deployment.deployment_id.as_str();
        let expected = policy.expr.as_str();
        match self.evaluate(&policy.expr, variables).await {
            Ok(true) => Report {
                observed: "it holds".to_owned(),
                message: format!("the condition holds: {expected}"),
                ..Report::pass(target, expected)
            },
            Ok(false) => {
                let observed = "the condition does not hold";
                let error = Error::new(
                    Class::Assertion,
                    ReasonCode::Policy,
                    "judging the deployment",
                    observed,
                );
                Report::of(&error, target, expected)
            }
            Err(error) => Report::of(&error, target, expected),
        }
    }

    /// Says whether the deployment may begin now.
    pub(crate) fn judge_windows(&self, check: &WindowCheck) -> Report {
        let open = |name: &String| self.windows.get(name).is_some_and(|it| it.holds(self.now));
        let now = self.now.strftime("%Y-%m-%d %H:%M UTC").to_string();
        let expected = words(check);
        let report = Report::pass(self.deployment.deployment_id.as_str(), expected.as_str());
        let closed: Vec<&String> = check.outside.iter().filter(|name| open(name)).collect();
        let wrong = if let Some(name) = closed.first() {
            let until = self.windows.get(*name).and_then(|window| window.closes(self.now));
            let until =
                until.map(|end| format!(", until {}", end.strftime("%a %Y-%m-%d %H:%M %Q")));
            Some(format!("it is the time of {name}{}", until.unwrap_or_default()))
        } else if !check.inside.is_empty() && !check.inside.iter().any(open) {
            Some(format!("it is not the time of {}", check.inside.join(" or ")))
        } else {
            None
        };
        let Some(wrong) = wrong else {
            let message = format!("the deployment may begin at {now}");
            return Report { observed: now, message, ..report };
        };
        let message = format!("the deployment may not begin at {now}: {wrong}");
        Report { observed: wrong, message, ..report }.judged(Outcome::Fail, ReasonCode::Window)
    }

    async fn evaluate(&self, condition: &Condition, variables: Value) -> Result<bool, Error> {
        let functions = self.scene(&Value::Null).functions();
        condition.holds_within(LIMIT, variables, functions).await.map_err(|why| {
            let observed = format!("the condition {why}");
            Error::new(Class::Internal, ReasonCode::Policy, "judging the deployment", observed)
        })
    }

    fn variables(&self, service: &str, vars: &BTreeMap<String, String>) -> Value {
        let deployment = serde_json::to_value(self.deployment).unwrap_or_default();
        self.scene(&deployment).variables(service, vars)
    }

    fn scene<'s>(&'s self, deployment: &'s Value) -> Scene<'s> {
        Scene { deployment, windows: self.windows, now: self.now }
    }
}

/// Returns what a policy sees of a check that was made.
pub(crate) fn result(report: &Report) -> Value {
    json!({
        "outcome": report.outcome.as_str(),
        "reason_code": report.reason_code.as_str(),
        "observed": report.observed,
    })
}

fn words(check: &WindowCheck) -> String {
    let mut words = Vec::new();
    if !check.inside.is_empty() {
        words.push(format!("within {}", check.inside.join(" or ")));
    }
    if !check.outside.is_empty() {
        words.push(format!("not within {}", check.outside.join(", ")));
    }
    words.join(" and ")
}

#[cfg(test)]
mod tests {
    use printery_config::CheckSpec;

    use super::*;
    use crate::fixtures::{deployment, fleet};

    const FREEZE: &str = "
        windows:
          freeze: { zone: Europe/Berlin, times: [{ days: [fri], from: '15:00', to: '24:00' }, { days: [sat, sun] }] }
        ";

    /// Friday, 17:00 in Berlin.
    const FRIDAY: &str = "2026-11-20T16:00:00Z";
    /// Thursday.
    const THURSDAY: &str = "2026-11-19T16:00:00Z";

    async fn judged(check: &str, at: &str, change: impl FnOnce(&mut DeploymentStarted)) -> Report {
        let text = format!(
            "
        version: 1
        fleet: shop
        vars: {{ registry: registry.local }}
        validator: {{ checks: [it] }}
        checks:
          it: {check}
        {FREEZE}"
        );
        let fleet = fleet(&text);
        let mut deployment = deployment(&["api", "web"]);
        change(&mut deployment);
        let windows = Arc::new(fleet.windows.clone());
        let services = deployment.services.clone();
        let now = at.parse().unwrap();
        let facts = Facts { deployment: &deployment, services: &services, windows: &windows, now };
        let results = [("image".to_owned(), json!({ "outcome": "pass" }))].into();
        let spec = &fleet.checks["it"].spec;
        if let CheckSpec::Policy(policy) = spec {
            return facts.judge(policy, &results).await;
        }
        let CheckSpec::Window(window) = spec else { panic!("{spec:?}") };
        facts.judge_windows(window)
    }

    fn policy(expr: &str) -> String {
        format!("{{ kind: policy, expr: \"{expr}\" }}")
    }

    #[tokio::test]
    async fn a_policy_is_judged_over_everything_a_deployment_says() {
        let cases = [
            ("version == '1.2.0' && environment == 'staging'", Outcome::Pass),
            ("semver(version) >= semver(previous_version)", Outcome::Pass),
            ("semver(event.version) >= semver(previous.version)", Outcome::Pass),
            ("semver(version) > semver('1.10.0')", Outcome::Fail),
            ("'hotfix' in labels", Outcome::Pass),
            ("images.all(s, images[s].startsWith(vars.registry + '/'))", Outcome::Pass),
            ("results.image.outcome == 'pass'", Outcome::Pass),
            ("results.nothing.outcome == 'pass'", Outcome::Error),
            ("services.size() < 2", Outcome::Fail),
            ("service in ['api', 'web']", Outcome::Pass),
            ("service == 'api'", Outcome::Fail),
            ("size(version + service) > 0 && 1 / 0 > 0", Outcome::Error),
        ];
        for (expr, outcome) in cases {
            let report = judged(&policy(expr), THURSDAY, |deployment| {
                deployment.previous_version = Some("1.1.9".to_owned());
                deployment.labels = vec!["hotfix".to_owned()];
                let image = "registry.local/api:1".to_owned();
                deployment.images = [("api".to_owned(), image)].into();
            })
            .await;
            assert_eq!(report.outcome, outcome, "{expr}: {report:?}");
        }
    }

    #[tokio::test]
    async fn a_freeze_ends_by_itself_or_by_a_label() {
        let expr = policy("!inWindow('freeze') || 'hotfix' in labels");
        let hotfix = |deployment: &mut DeploymentStarted| deployment.labels = vec!["hotfix".into()];
        assert_eq!(judged(&expr, FRIDAY, |_| ()).await.outcome, Outcome::Fail);
        assert_eq!(judged(&expr, FRIDAY, hotfix).await.outcome, Outcome::Pass);
        assert_eq!(judged(&expr, THURSDAY, |_| ()).await.outcome, Outcome::Pass);
        let method = policy("!now.inWindow('freeze')");
        assert_eq!(judged(&method, FRIDAY, |_| ()).await.outcome, Outcome::Fail);
    }

    #[tokio::test]
    async fn a_window_says_until_when_it_is_closed() {
        let outside = "{ kind: window, outside: [freeze] }";
        let report = judged(outside, FRIDAY, |_| ()).await;
        assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Window));
        assert_eq!(
            report.observed,
            "it is the time of freeze, until Mon 2026-11-23 00:00 Europe/Berlin"
        );
        assert_eq!(judged(outside, THURSDAY, |_| ()).await.outcome, Outcome::Pass);
        let inside = "{ kind: window, inside: [freeze] }";
        assert_eq!(judged(inside, FRIDAY, |_| ()).await.outcome, Outcome::Pass);
        assert_eq!(judged(inside, THURSDAY, |_| ()).await.outcome, Outcome::Fail);
    }
}
