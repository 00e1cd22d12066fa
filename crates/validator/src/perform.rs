//! Making one check: what each kind of work asks, and what becomes of its answer.
//!
//! The runner calls it within the check's deadline. Every kind of check has one arm here; what it knows stands in its own file.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use printery_config::{Credential, CredentialCheck, IpFamily, MigrationsCheck};
use printery_events::payload::DeploymentStarted;
use printery_harness::fleet::approvals::Approval;
use printery_probes::{
    Class, Egress, Error, HttpProbe, Limits, MigrationsProbe, OAuth2Probe, Outcome, ReasonCode,
    Report, TcpProbe, judge_jwt,
};
use serde_json::Value;

use crate::checks::{Check, Work};
use crate::environment;
use crate::fields::fields;
use crate::gate;
use crate::images;
use crate::kept::Kept;
use crate::policy::{Facts, Windows};

/// What the checks are made of beside themselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    /// The deployment that is validated.
    pub(crate) deployment: &'a DeploymentStarted,
    /// The only way out.
    pub(crate) egress: &'a Egress,
    /// When the attempt began, by Redis.
    pub(crate) now: Timestamp,
    /// The fleet's windows.
    pub(crate) windows: &'a Windows,
    /// Reports that are still good.
    pub(crate) kept: &'a Kept,
    /// What has happened at the deployment's gate.
    pub(crate) approval: &'a Approval,
}

impl<'a> Scene<'a> {
    /// Returns what conditions see of a check's services.
    pub(crate) fn facts(&self, services: &'a [String]) -> Facts<'a> {
        let Self { deployment, now, windows, .. } = *self;
        Facts { deployment, services, windows, now }
    }
}

/// Makes one check; `results` are those of the checks before it, for policies.
pub(crate) async fn perform(
    check: &Check,
    scene: Scene<'_>,
    results: &BTreeMap<String, Value>,
    remaining: Duration,
) -> Report {
    if let Some(when) = &check.when {
        match scene.facts(&check.services).hold(when).await {
            Ok(true) => {}
            Ok(false) => {
                let why = format!("not for this deployment: {} does not hold", when.as_str());
                return Report::skipped("", why);
            }
            Err(error) => return Report::of(&error, "", when.as_str()),
        }
    }
    if !check.work.is_of_the_fleet() {
        return make(check, scene, results, remaining).await;
    }
    if let Some(report) = scene.kept.get(&check.name) {
        return report;
    }
    let report = make(check, scene, results, remaining).await;
    scene.kept.keep(&check.name, &report);
    report
}

async fn make(
    check: &Check,
    scene: Scene<'_>,
    results: &BTreeMap<String, Value>,
    remaining: Duration,
) -> Report {
    let Scene { deployment, egress, now, approval, .. } = scene;
    match &check.work {
        Work::Env(said) => environment::check(said, deployment, &check.services).await,
        Work::Http(probe, limits) => probe.run(egress, &limits.within(remaining)).await,
        Work::Redis(probe, limits) => probe.run(egress, &limits.within(remaining)).await,
        Work::Tcp(probe, limits) => probe.run(egress, &limits.within(remaining)).await,
        Work::Tls(probe, limits) => probe.run(egress, &limits.within(remaining)).await,
        Work::Grpc(probe, limits) => probe.run(egress, &limits.within(remaining)).await,
        Work::Images(images) => {
            let wanted = images.wanted(deployment, &check.services, now);
            let limits = wanted.limits().within(remaining);
            images::check(&wanted, egress, limits).await
        }
        Work::Postgres(probe, limits) => probe.run(egress, &limits.within(remaining)).await,
        Work::Mysql(probe, limits) => probe.run(egress, &limits.within(remaining)).await,
        Work::Migrations(probe, said) => {
            let limits = Limits::configured(said.limits).within(remaining);
            match filled(probe, said, deployment, &check.services) {
                Ok(probe) => probe.run(egress, &limits).await,
                Err(error) => Report::of(&error, probe.target.to_string(), "a schema that fits"),
            }
        }
        Work::Dns(probe, limits) => probe.run(egress, &limits.within(remaining)).await,
        Work::Down(probe, limits) => {
            // Whichever address still answers, somebody does.
            let limits = Limits { ip: IpFamily::Any, ..limits.within(remaining).once() };
            inverted(probe, probe.run(egress, &limits).await)
        }
        Work::Credential(said) => credential(said, egress, now, remaining).await,
        Work::Policy(policy) => scene.facts(&check.services).judge(policy, results).await,
        Work::Window(window) => scene.facts(&check.services).judge_windows(window),
        Work::Gate(gate) => gate::report(gate, approval, &deployment.deployment_id),
        Work::Services { deployed, unknown } => services(deployed, unknown),
        Work::Skipped(why) => Report::skipped("", why.as_str()),
    }
}

/// Fills in which migrations this deployment must find.
fn filled(
    probe: &MigrationsProbe,
    said: &MigrationsCheck,
    deployment: &DeploymentStarted,
    services: &[String],
) -> Result<MigrationsProbe, Error> {
    let service = services.first().map(String::as_str).unwrap_or_default();
    let look_up = |field: &str| fields(deployment, service, field);
    let missing = |field: String| {
        let observed = format!("the event does not say {field}");
        Error::new(Class::Internal, ReasonCode::InvalidTarget, "choosing the migrations", observed)
    };
    let require = said.require.iter().map(|wanted| wanted.fill(look_up).map_err(missing));
    Ok(MigrationsProbe {
        require: require.collect::<Result<_, _>>()?,
        max: said.max.as_ref().map(|max| max.fill(look_up).map_err(missing)).transpose()?,
        ..probe.clone()
    })
}

/// Turns the report of a connection around: nobody must answer.
fn inverted(probe: &TcpProbe, report: Report) -> Report {
    let expected = "nobody answers";
    let attempted = format!("seeing that nobody answers at {}", report.target);
    if report.outcome == Outcome::Pass || report.outcome == Outcome::Warn {
        let observed = format!("something accepts connections at port {}", probe.port);
        let error = Error::new(Class::Assertion, ReasonCode::StillUp, attempted, observed);
        return Report { timings: report.timings, ..Report::of(&error, report.target, expected) };
    }
    // Refused is an answer; that a name or network is unknown leaves open whether somebody is there.
    if matches!(report.reason_code, ReasonCode::ConnectRefused | ReasonCode::DnsNxdomain) {
        let message = format!("{attempted}: {}", report.observed);
        let observed = report.observed;
        return Report { observed, message, ..Report::pass(report.target, expected) };
    }
    Report { expected: expected.to_owned(), outcome: Outcome::Error, ..report }
}

async fn credential(
    said: &CredentialCheck,
    egress: &Egress,
    now: Timestamp,
    remaining: Duration,
) -> Report {
    let limits = Limits::configured(said.limits).within(remaining);
    match &said.credential {
        Credential::Jwt(token) => judge_jwt(&token.expose().to_owned().into(), said.min_ttl, now),
        Credential::OAuth2(client) => {
            OAuth2Probe::configured(client, said.min_ttl).run(egress, &limits).await
        }
        Credential::Request(probe) => match HttpProbe::configured(probe) {
            Ok(probe) => {
                let report = probe.run(egress, &limits).await;
                match report.status {
                    Some(401 | 403) => Report { reason_code: ReasonCode::Auth, ..report },
                    Some(_) | None => report,
                }
            }
            Err(error) => {
                Report::of(&error, probe.url.to_string(), "a request that is let through")
            }
        },
    }
}

fn services(deployed: &[String], unknown: &[String]) -> Report {
    let report = Report::pass(deployed.join(", "), "every service is named in the fleet file");
    if unknown.is_empty() {
        let observed = "all of them are known".to_owned();
        let message = format!("the fleet file names every deployed service ({})", deployed.len());
        return Report { observed, message, ..report };
    }
    let unknown = unknown.join(", ");
    let message = format!("the fleet file does not name {unknown}");
    let observed = format!("unknown: {unknown}");
    Report { observed, message, ..report }.judged(Outcome::Fail, ReasonCode::Value)
}
