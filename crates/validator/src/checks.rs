//! The checks of the fleet file, ready to run, and which of them apply to a deployment.
//!
//! The handler makes them once at start and asks for each event; the runner runs them. Pure: nothing is asked here.

use std::collections::{BTreeMap, BTreeSet};

use printery_config::{
    Check as Configured, CheckSpec, CredentialCheck, Enforce, EnvCheck, Fleet, GateCheck,
    MigrationsCheck, OnError, PolicyCheck, Template, WindowCheck,
};
use printery_events::payload::DeploymentStarted;
use printery_expressions::Condition;
use printery_probes::{
    DnsProbe, Error, GrpcProbe, HttpProbe, Limits, MigrationsProbe, MysqlProbe, PostgresProbe,
    RedisProbe, TcpProbe, TlsProbe,
};

use crate::images::Images;

/// The name and kind of the one check that every deployment gets without being configured.
pub(crate) const SERVICES: &str = "services";

/// One check as the fleet file describes it.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) enforce: Enforce,
    /// What it means when it cannot be made, where the fleet file says so of this check.
    pub(crate) on_error: Option<OnError>,
    /// On which deployments it is made.
    pub(crate) when: Option<Condition>,
    /// The deployed services that it is made for.
    pub(crate) services: Vec<String>,
    /// Said instead of the probe's own sentence when the check does not pass.
    pub(crate) message: Option<Template>,
    /// What a person can do when the check does not pass.
    pub(crate) suggestion: Option<String>,
    pub(crate) work: Work,
}

/// What there is to do for a check.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Env(EnvCheck),
    Http(Box<HttpProbe>, Limits),
    Redis(Box<RedisProbe>, Limits),
    Tcp(Box<TcpProbe>, Limits),
    Tls(Box<TlsProbe>, Limits),
    Grpc(Box<GrpcProbe>, Limits),
    Images(Box<Images>),
    Postgres(Box<PostgresProbe>, Limits),
    Mysql(Box<MysqlProbe>, Limits),
    Migrations(Box<MigrationsProbe>, Box<MigrationsCheck>),
    Dns(Box<DnsProbe>, Limits),
    Down(Box<TcpProbe>, Limits),
    Credential(Box<CredentialCheck>),
    Policy(PolicyCheck),
    Window(WindowCheck),
    Gate(GateCheck),
    /// Services that are deployed and those among them that the fleet file does not name.
    Services {
        deployed: Vec<String>,
        unknown: Vec<String>,
    },
    /// Not checked, and why.
    Skipped(String),
}

impl Work {
    /// Tells whether its report is the same for every deployment, so that one may do for several.
    pub(crate) fn is_of_the_fleet(&self) -> bool {
        match self {
            Self::Http(..)
            | Self::Redis(..)
            | Self::Tcp(..)
            | Self::Tls(..)
            | Self::Grpc(..)
            | Self::Postgres(..)
            | Self::Mysql(..)
            | Self::Dns(..)
            | Self::Credential(_) => true,
            Self::Env(_)
            | Self::Images(_)
            | Self::Migrations(..)
            | Self::Down(..)
            | Self::Policy(_)
            | Self::Window(_)
            | Self::Gate(_)
            | Self::Services { .. }
            | Self::Skipped(_) => false,
        }
    }
}

/// Every configured check by its name, and who wants it.
#[derive(Debug)]
pub(crate) struct Checks {
    by_name: BTreeMap<String, Check>,
    for_all: Vec<String>,
    for_service: BTreeMap<String, Vec<String>>,
    unknown_service: Enforce,
}

impl Checks {
    /// Makes the fleet file's checks ready to run.
    ///
    /// # Errors
    /// Each check that cannot be made as it is written, one sentence each.
    pub(crate) fn of(fleet: &Fleet) -> Result<Self, Vec<String>> {
        let mut by_name = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, check) in &fleet.checks {
            match work(&check.spec, fleet) {
                Ok(work) => by_name.insert(name.clone(), ready(check, work)),
                Err(error) => {
                    problems.push(format!("check `{name}`: {error}"));
                    continue;
                }
            };
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let for_service =
            fleet.services.iter().map(|(name, service)| (name.clone(), service.checks.clone()));
        Ok(Self {
            by_name,
            for_all: fleet.validator.checks.clone(),
            for_service: for_service.collect(),
            unknown_service: fleet.validator.unknown_service,
        })
    }

    /// Returns the checks of one deployment: its services being known, the fleet's, then each service's own; each once.
    pub(crate) fn for_deployment(&self, deployment: &DeploymentStarted) -> Vec<Check> {
        let deployed = &deployment.services;
        let of_services = deployed.iter().filter_map(|name| self.for_service.get(name)).flatten();
        let mut seen = BTreeSet::new();
        let named = self
            .for_all
            .iter()
            .chain(of_services)
            .filter(|name| seen.insert(name.as_str()))
            .filter_map(|name| self.by_name.get(name))
            .map(|check| Check { services: self.wanting(&check.name, deployed), ..check.clone() });
        std::iter::once(self.services(deployed)).chain(named).collect()
    }

    /// Returns the deployed services that a check is made for: all, where the fleet wants it for every deployment.
    fn wanting(&self, check: &String, deployed: &[String]) -> Vec<String> {
        let for_all = self.for_all.contains(check);
        let wants = |name: &&String| {
            for_all || self.for_service.get(*name).is_some_and(|checks| checks.contains(check))
        };
        deployed.iter().filter(wants).cloned().collect()
    }

    fn services(&self, deployed: &[String]) -> Check {
        let unknown: Vec<String> =
            deployed.iter().filter(|name| !self.for_service.contains_key(*name)).cloned().collect();
        let work = if self.for_service.is_empty() {
            Work::Skipped("the fleet file names no services".to_owned())
        } else {
            Work::Services { deployed: deployed.to_vec(), unknown }
        };
        Check {
            name: SERVICES.to_owned(),
            kind: SERVICES,
            enforce: self.unknown_service,
            on_error: None,
            when: None,
            services: deployed.to_vec(),
            message: None,
            suggestion: Some(
                "Correct the service's name, or add it to `services` in the fleet file.".to_owned(),
            ),
            work,
        }
    }
}

fn ready(check: &Configured, work: Work) -> Check {
    Check {
        name: check.name.clone(),
        kind: check.spec.kind(),
        enforce: check.enforce,
        on_error: check.on_error,
        when: check.when.clone(),
        services: Vec::new(),
        message: check.message.clone(),
        suggestion: check.suggestion.clone(),
        work,
    }
}

fn work(spec: &CheckSpec, fleet: &Fleet) -> Result<Work, Error> {
    Ok(match spec {
        CheckSpec::Env(check) => Work::Env(check.clone()),
        CheckSpec::Image(check) => Work::Images(Box::new(Images::of(check, fleet))),
        CheckSpec::Tls(probe) => {
            Work::Tls(Box::new(TlsProbe::configured(probe)?), Limits::configured(probe.limits))
        }
        CheckSpec::Grpc(probe) => {
            Work::Grpc(Box::new(GrpcProbe::configured(probe)?), Limits::configured(probe.limits))
        }
        CheckSpec::Postgres(probe) => Work::Postgres(
            Box::new(PostgresProbe::configured(probe)?),
            Limits::configured(probe.limits),
        ),
        CheckSpec::Mysql(probe) => {
            Work::Mysql(Box::new(MysqlProbe::configured(probe)?), Limits::configured(probe.limits))
        }
        CheckSpec::Migrations(check) => {
            Work::Migrations(Box::new(MigrationsProbe::configured(check)?), check.clone())
        }
        CheckSpec::Dns(check) | CheckSpec::Discovery(check) => {
            Work::Dns(Box::new(DnsProbe::configured(check)), Limits::configured(check.limits))
        }
        CheckSpec::Down(check) => {
            let probe = TcpProbe::new(check.address.host.as_str(), check.address.port);
            Work::Down(Box::new(probe), Limits::configured(check.limits))
        }
        CheckSpec::Credential(check) => Work::Credential(check.clone()),
        CheckSpec::Policy(check) => Work::Policy(check.clone()),
        CheckSpec::Window(check) => Work::Window(check.clone()),
        CheckSpec::Gate(check) => Work::Gate(check.clone()),
        CheckSpec::Skipped { reason, .. } => Work::Skipped(reason.clone()),
        CheckSpec::Tcp(probe) => {
            Work::Tcp(Box::new(TcpProbe::configured(probe)?), Limits::configured(probe.limits))
        }
        CheckSpec::Http(probe) => {
            Work::Http(Box::new(HttpProbe::configured(probe)?), Limits::configured(probe.limits))
        }
        CheckSpec::Redis(probe) => {
            Work::Redis(Box::new(RedisProbe::configured(probe)?), Limits::configured(probe.limits))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{deployment, fleet};

    fn names(checks: &[Check]) -> Vec<&str> {
        checks.iter().map(|check| check.name.as_str()).collect()
    }

    #[test]
    fn a_deployment_gets_the_fleets_checks_and_its_services_own_each_once() {
        let fleet = fleet(
            "
            version: 1
            fleet: shop
            validator: { checks: [cache, shared] }
            checks:
              cache: { kind: tcp, address: 'cache:6379' }
              shared: { kind: tcp, address: 'shared:1' }
              own: { kind: tcp, address: 'own:1' }
            services:
              api: { checks: [own, shared] }
              web: {}
            ",
        );
        let checks = Checks::of(&fleet).unwrap();
        let cases: [(&[&str], &[&str]); 3] = [
            (&["api"], &["services", "cache", "shared", "own"]),
            (&["web"], &["services", "cache", "shared"]),
            (&["web", "api", "nobody"], &["services", "cache", "shared", "own"]),
        ];
        for (services, expected) in cases {
            assert_eq!(names(&checks.for_deployment(&deployment(services))), expected);
        }
    }

    #[test]
    fn an_unknown_service_is_named_unless_the_fleet_names_none() {
        let known =
            Checks::of(&fleet("{ version: 1, fleet: shop, services: { api: {} } }")).unwrap();
        let services = &known.for_deployment(&deployment(&["api", "apo"]))[0];
        assert!(
            matches!(&services.work, Work::Services { unknown, .. } if unknown == &["apo"]),
            "{services:?}"
        );
        let empty = Checks::of(&fleet("{ version: 1, fleet: shop }")).unwrap();
        let services = &empty.for_deployment(&deployment(&["api"]))[0];
        assert!(matches!(services.work, Work::Skipped(_)), "{services:?}");
    }

    #[test]
    fn every_check_that_cannot_be_made_is_named_at_once() {
        let fleet = fleet(
            "
            version: 1
            fleet: shop
            validator: { checks: [a, b, c] }
            checks:
              a: { kind: redis, url: 'redis+cluster://,' }
              b: { kind: redis, url: 'redis://b:99999' }
              c: { kind: tcp, address: 'c:1' }
            ",
        );
        let problems = Checks::of(&fleet).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("check `a`: "), "{problems:?}");
    }
}
