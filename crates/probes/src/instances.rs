//! The probe of a service with several instances: each is asked, and so many must work.
//!
//! The dependency-checker uses it for services that say where their instances are. It asks every instance as the service itself
//! would be asked; how their answers become one is pure.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::dns::DnsProbe;
use crate::egress::Egress;
use crate::grpc::GrpcProbe;
use crate::http::HttpProbe;
use crate::limits::Limits;
use crate::outcome::{Class, Outcome, ReasonCode};
use crate::report::Report;
use crate::retry::About;
use crate::tcp::{TcpProbe, shown};

/// Instances that are asked at the same time.
const AT_ONCE: usize = 4;

/// One service, its instances, and how many of them must work.
#[derive(Debug, Clone)]
pub struct InstancesProbe {
    /// How the service is asked.
    pub way: Way,
    /// Where the instances are.
    pub places: Places,
    /// The share of them that must work, 0..=1.
    pub quorum: f64,
}

/// How every instance is asked.
#[derive(Debug, Clone)]
pub enum Way {
    /// By a request to the service's URL, whose connection leads to the instance.
    Http(Box<HttpProbe>),
    /// By a call of its health service.
    Grpc(Box<GrpcProbe>),
    /// By a connection.
    Tcp(Box<TcpProbe>),
}

/// Where instances are.
#[derive(Debug, Clone)]
pub enum Places {
    /// At these hosts and ports.
    Listed(Vec<(String, u16)>),
    /// Where SRV records say.
    Srv(Box<DnsProbe>),
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    /// What people call it.
    pub(crate) shown: String,
    /// What is dialled.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl InstancesProbe {
    /// Asks every instance, each with its retries, and judges their number.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connections.
    pub async fn run(&self, egress: &Egress, limits: &Limits) -> Report {
        let until = Instant::now() + limits.check;
        let about = self.about();
        let instances = match self.instances(egress, limits, &about).await {
            Ok(instances) => instances,
            Err(report) => return *report,
        };
        let mut reports = Vec::with_capacity(instances.len());
        for some in instances.chunks(AT_ONCE) {
            let limits = limits.within(until.saturating_duration_since(Instant::now()));
            let asked = some.iter().map(|instance| self.ask(instance, egress, limits));
            reports.extend(some.iter().map(|it| it.shown.clone()).zip(join_all(asked).await));
        }
        judged(&about, reports, self.quorum)
    }

    fn about(&self) -> About {
        let target = match &self.way {
            Way::Http(probe) => crate::redact::url(&probe.url),
            Way::Grpc(probe) => format!("grpc://{}", shown(&probe.host, probe.port)),
            Way::Tcp(probe) => format!("tcp://{}", shown(&probe.host, probe.port)),
        };
        let expected = format!("{:.0}% of its instances work", self.quorum * 100.0);
        About { attempted: format!("asking the instances of {target}"), target, expected }
    }

    async fn instances(
        &self,
        egress: &Egress,
        limits: &Limits,
        about: &About,
    ) -> Result<Vec<Instance>, Box<Report>> {
        match &self.places {
            Places::Listed(places) => {
                let instance = |(host, port): &(String, u16)| {
                    let (host, port) = (host.clone(), *port);
                    Instance { shown: shown(&host, port), host, port }
                };
                Ok(places.iter().map(instance).collect())
            }
            Places::Srv(dns) => dns.instances(egress, limits, about).await,
        }
    }

    async fn ask(&self, instance: &Instance, egress: &Egress, limits: Limits) -> Report {
        let Instance { host, port, .. } = instance;
        match &self.way {
            Way::Http(probe) => {
                let dial = Some((host.clone(), *port));
                HttpProbe { dial, ..(**probe).clone() }.run(egress, &limits).await
            }
            Way::Grpc(probe) => {
                let probe = GrpcProbe { host: host.clone(), port: *port, ..(**probe).clone() };
                probe.run(egress, &limits).await
            }
            Way::Tcp(probe) => {
                let probe = TcpProbe { host: host.clone(), port: *port, ..(**probe).clone() };
                probe.run(egress, &limits).await
            }
        }
    }
}

/// Makes one report of those of all instances: below the quorum it fails, with some missing it warns.
fn judged(about: &About, reports: Vec<(String, Report)>, quorum: f64) -> Report {
    let all = reports.len();
    let works = |report: &Report| matches!(report.outcome, Outcome::Pass | Outcome::Warn);
    let good = reports.iter().filter(|(_, report)| works(report)).count();
    let comfortable = reports.iter().all(|(_, report)| report.outcome == Outcome::Pass);
    let said = |(name, report): &(String, Report)| {
        let uncomfortable = report.outcome != Outcome::Pass;
        uncomfortable.then(|| format!("{name}: {}", report.observed))
    };
    let wrong: Vec<String> = reports.iter().filter_map(said).collect();
    let duration: Duration = reports.iter().map(|(_, it)| it.duration).max().unwrap_or_default();
    let attempts = reports.iter().map(|(_, it)| it.attempts).max().unwrap_or(1);
    let mut observed = format!("{good} of {all} instances work");
    if !wrong.is_empty() {
        observed = format!("{observed}; {}", wrong.join("; "));
    }
    let worst = reports.into_iter().map(|(_, report)| report).max_by_key(|it| it.outcome);
    let passed = Report { duration, attempts, ..about.passed(observed) };
    if holds(good, all, quorum) {
        let reason = worst.map_or(ReasonCode::Ok, |worst| worst.reason_code);
        return if comfortable { passed } else { passed.judged(Outcome::Warn, reason) };
    }
    let Some(worst) = worst else {
        return passed.judged(Outcome::Fail, ReasonCode::NoAddress);
    };
    // Nothing but passing trouble is passing trouble; anything else has broken the expectation.
    let class = worst.class.unwrap_or(Class::Assertion);
    Report { class: Some(class), outcome: worst.outcome, reason_code: worst.reason_code, ..passed }
}

/// Tells whether enough of them work.
#[expect(clippy::cast_precision_loss, reason = "instances are counted in hundreds")]
fn holds(good: usize, all: usize, quorum: f64) -> bool {
    all > 0 && good as f64 >= quorum * all as f64 - f64::EPSILON * all as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn enough_instances_are_a_service_and_a_missing_one_is_said() {
        let about =
            || About { attempted: "asking x".into(), target: "x".into(), expected: "y".into() };
        let good = || about().passed("answered 200 OK");
        let slow = || good().judged(Outcome::Warn, ReasonCode::Slow);
        let down = || {
            let refused = ReasonCode::ConnectRefused;
            about().failed(Error::new(Class::Transient, refused, "", "connection refused"))
        };
        let named = |reports: Vec<Report>| {
            let name = |(n, report)| (format!("i{n}"), report);
            reports.into_iter().enumerate().map(name).collect::<Vec<_>>()
        };
        let (ok, refused) = (ReasonCode::Ok, ReasonCode::ConnectRefused);
        for (reports, quorum, outcome, reason) in [
            (vec![good(), good()], 1.0, Outcome::Pass, ok),
            (vec![good(), slow()], 1.0, Outcome::Warn, ReasonCode::Slow),
            (vec![good(), down()], 1.0, Outcome::Error, refused),
            (vec![good(), down()], 0.5, Outcome::Warn, refused),
            (vec![good(), down(), down()], 0.5, Outcome::Error, refused),
            (vec![good(), good(), good(), good(), down()], 0.8, Outcome::Warn, refused),
            (vec![down()], 0.0, Outcome::Warn, refused),
            (vec![], 0.5, Outcome::Fail, ReasonCode::NoAddress),
        ] {
            let report = judged(&about(), named(reports), quorum);
            let seen = (report.outcome, report.reason_code);
            assert_eq!(seen, (outcome, reason), "{quorum}: {report:?}");
        }
        let report = judged(&about(), named(vec![good(), down()]), 0.5);
        let said = "asking x: 1 of 2 instances work; i1: connection refused";
        assert_eq!(report.message, said);
    }
}
