//! What is asked where: every node of the fleet's graph as a probe.
//!
//! Owns the choice of a probe and its thresholds for each endpoint and service. The asker builds
//! its targets from it at boot; it never dials anything.

use std::time::Duration;

use printery_config::{self as config, Endpoint, EndpointSpec, Fleet, LatencyThresholds, Service};
use printery_probes::{Egress, HttpProbe, Limits, RedisProbe, Report, TcpProbe};

/// A dependency that can be asked, or the reason why it cannot.
#[derive(Debug)]
pub(crate) struct Target {
    /// The service's or endpoint's name.
    pub name: String,
    /// Where it is asked, without secrets.
    pub shown: String,
    /// The machine (of a Redis: the server) that is asked; its probes share a limit.
    pub host: String,
    /// How it is asked, and from when on it is slow.
    pub probe: Probe,
}

/// How a dependency is asked.
#[derive(Debug)]
pub(crate) enum Probe {
    /// By a request.
    Http(Box<HttpProbe>, Limits),
    /// By a connection.
    Tcp(TcpProbe, Limits),
    /// By a `PING`.
    Redis(Box<RedisProbe>, Limits),
    /// Not at all; why, as a clause.
    Nothing(String),
}

impl Probe {
    /// Asks once, with the retries that its limits allow, within `remaining`.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connection.
    pub(crate) async fn run(&self, egress: &Egress, remaining: Duration) -> Report {
        match self {
            Self::Http(probe, limits) => probe.run(egress, &limits.within(remaining)).await,
            Self::Tcp(probe, limits) => probe.run(egress, &limits.within(remaining)).await,
            Self::Redis(probe, limits) => probe.run(egress, &limits.within(remaining)).await,
            Self::Nothing(why) => Report::skipped("", why),
        }
    }
}

/// Lists every service and endpoint of the fleet as a target.
pub(crate) fn targets(fleet: &Fleet) -> Vec<Target> {
    let latency = fleet.dependency_checker.latency;
    let endpoints = fleet.endpoints.values().map(|endpoint| of_endpoint(endpoint, latency));
    let services = fleet.services.values().map(|service| of_service(service, latency));
    endpoints.chain(services).collect()
}

fn of_endpoint(endpoint: &Endpoint, latency: LatencyThresholds) -> Target {
    let name = endpoint.name.clone();
    match &endpoint.spec {
        EndpointSpec::Http(http) => of_http(name, http, latency),
        EndpointSpec::Tcp(tcp) => Target {
            name,
            shown: format!("tcp://{}", tcp.address),
            host: tcp.address.host.clone(),
            probe: Probe::Tcp(
                TcpProbe::configured(tcp).slow_from(latency),
                Limits::configured(tcp.limits),
            ),
        },
        EndpointSpec::Redis(redis) => of_redis(name, redis, latency),
        EndpointSpec::Skipped { of: _, reason } => nothing(name, reason.clone()),
    }
}

/// A service is asked as its health is: what does not answer there cannot be relied on.
fn of_service(service: &Service, latency: LatencyThresholds) -> Target {
    let name = service.name.clone();
    match &service.health {
        Some(http) => of_http(name, http, latency),
        None => nothing(name, "it has no health URL".to_owned()),
    }
}

fn of_http(name: String, http: &config::HttpProbe, latency: LatencyThresholds) -> Target {
    let host = http.url.expose().host_str().unwrap_or_default().to_owned();
    match HttpProbe::configured(http) {
        Ok(probe) => {
            let probe = probe.slow_from(http.latency.unwrap_or(latency));
            let probe = Probe::Http(Box::new(probe), Limits::configured(http.limits));
            Target { name, shown: http.url.to_string(), host, probe }
        }
        Err(error) => nothing(name, error.to_string()),
    }
}

fn of_redis(name: String, redis: &config::RedisProbe, latency: LatencyThresholds) -> Target {
    match RedisProbe::configured(redis) {
        Ok(probe) => {
            let shown = probe.target.to_string();
            let probe = Box::new(probe.slow_from(latency));
            let probe = Probe::Redis(probe, Limits::configured(redis.limits));
            Target { name, host: shown.clone(), shown, probe }
        }
        Err(error) => nothing(name, error.to_string()),
    }
}

fn nothing(name: String, why: String) -> Target {
    Target { name, shown: String::new(), host: String::new(), probe: Probe::Nothing(why) }
}
