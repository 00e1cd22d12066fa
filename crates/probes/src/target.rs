//! What is asked where: every node of the fleet's graph as a probe.
//!
//! Owns the choice of a probe and its thresholds for each endpoint and service. The dependency-checker builds its targets
//! from it at boot, the command line for one endpoint; it dials nothing by itself.

use std::time::Duration;

use printery_config::{self as config, Endpoint, EndpointSpec, Fleet, LatencyThresholds, Service};

use crate::dns::DnsProbe;
use crate::egress::Egress;
use crate::error::Error;
use crate::grpc::GrpcProbe;
use crate::http::HttpProbe;
use crate::instances::{InstancesProbe, Places, Way};
use crate::limits::Limits;
use crate::mysql::MysqlProbe;
use crate::postgres::PostgresProbe;
use crate::redis::RedisProbe;
use crate::report::Report;
use crate::tcp::TcpProbe;
use crate::tls_probe::TlsProbe;

/// A dependency that can be asked, or the reason why it cannot.
#[derive(Debug)]
pub struct Target {
    /// The service's or endpoint's name.
    pub name: String,
    /// Where it is asked, without secrets.
    pub shown: String,
    /// The machine (of a Redis: the server) that is asked; its probes share a limit.
    pub host: String,
    /// How it is asked, and from when on it is slow.
    pub probe: Probe,
    /// How long and how often.
    pub limits: Limits,
}

/// How a dependency is asked.
#[derive(Debug)]
pub enum Probe {
    /// By a request.
    Http(Box<HttpProbe>),
    /// By a connection.
    Tcp(Box<TcpProbe>),
    /// By a handshake.
    Tls(Box<TlsProbe>),
    /// By a call of its health service.
    Grpc(Box<GrpcProbe>),
    /// By a look-up.
    Dns(Box<DnsProbe>),
    /// By signing in.
    Postgres(Box<PostgresProbe>),
    /// By signing in.
    Mysql(Box<MysqlProbe>),
    /// By a `PING`.
    Redis(Box<RedisProbe>),
    /// By asking each instance.
    Instances(Box<InstancesProbe>),
    /// Not at all; why, as a clause.
    Nothing(String),
}

impl Target {
    /// Asks once, with the retries that its limits allow, within `remaining`.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connection.
    pub async fn ask(&self, egress: &Egress, remaining: Duration) -> Report {
        let limits = self.limits.within(remaining);
        match &self.probe {
            Probe::Http(probe) => probe.run(egress, &limits).await,
            Probe::Tcp(probe) => probe.run(egress, &limits).await,
            Probe::Tls(probe) => probe.run(egress, &limits).await,
            Probe::Grpc(probe) => probe.run(egress, &limits).await,
            Probe::Dns(probe) => probe.run(egress, &limits).await,
            Probe::Postgres(probe) => probe.run(egress, &limits).await,
            Probe::Mysql(probe) => probe.run(egress, &limits).await,
            Probe::Redis(probe) => probe.run(egress, &limits).await,
            Probe::Instances(probe) => probe.run(egress, &limits).await,
            Probe::Nothing(why) => Report::skipped("", why),
        }
    }
}

/// Lists every service and endpoint of the fleet as a target.
pub fn targets(fleet: &Fleet) -> Vec<Target> {
    let latency = fleet.dependency_checker.latency;
    let limits = fleet.dependency_checker.limits;
    let endpoints = fleet.endpoints.values().map(|endpoint| of_endpoint(endpoint, latency));
    let services = fleet.services.values().map(|service| of_service(service, latency, limits));
    endpoints.chain(services).collect()
}

fn of_endpoint(endpoint: &Endpoint, latency: LatencyThresholds) -> Target {
    let name = endpoint.name.as_str();
    match &endpoint.spec {
        EndpointSpec::Http(http) => of_http(name, http, latency),
        EndpointSpec::Tcp(tcp) => of_tcp(name, tcp, latency),
        EndpointSpec::Tls(tls) => {
            let slow = tls.latency.unwrap_or(latency);
            let probe = TlsProbe::configured(tls).map(|probe| probe.slow_from(slow));
            let shown = format!("tls://{}", tls.address);
            let probe = probe.map(|probe| Probe::Tls(Box::new(probe)));
            made(name, shown, tls.address.host.clone(), tls.limits, probe)
        }
        EndpointSpec::Grpc(grpc) => of_grpc(name, grpc, latency),
        EndpointSpec::Dns(dns) => {
            let server = dns.nameserver.as_ref();
            let host = server.map_or_else(String::new, |server| server.host.clone());
            let probe = Probe::Dns(Box::new(DnsProbe::configured(dns)));
            made(name, format!("dns:{}", dns.name), host, dns.limits, Ok(probe))
        }
        EndpointSpec::Postgres(postgres) => of_postgres(name, postgres, latency),
        EndpointSpec::Mysql(mysql) => {
            let slow = mysql.latency.unwrap_or(latency);
            let probe = MysqlProbe::configured(mysql).map(|probe| probe.slow_from(slow));
            let host = mysql.dsn.expose().host_str().unwrap_or_default().to_owned();
            let probe = probe.map(|probe| Probe::Mysql(Box::new(probe)));
            made(name, mysql.dsn.to_string(), host, mysql.limits, probe)
        }
        EndpointSpec::Redis(redis) => of_redis(name, redis, latency),
        EndpointSpec::Skipped { of: _, reason } => nothing(name, reason.clone()),
    }
}

/// A service is asked as its health is, or where it only listens: what does not answer there cannot be relied on.
fn of_service(service: &Service, latency: LatencyThresholds, limits: config::Limits) -> Target {
    let target = of_whole_service(service, latency, limits);
    let Some(instances) = &service.instances else { return target };
    let quorum = instances.quorum;
    let places = Places::configured(&instances.targets, limits);
    let way = match target.probe {
        Probe::Http(probe) => Way::Http(probe),
        Probe::Grpc(probe) => Way::Grpc(probe),
        Probe::Tcp(probe) => Way::Tcp(probe),
        probe @ (Probe::Tls(_)
        | Probe::Dns(_)
        | Probe::Postgres(_)
        | Probe::Mysql(_)
        | Probe::Redis(_)
        | Probe::Instances(_)
        | Probe::Nothing(_)) => return Target { probe, ..target },
    };
    let probe = Probe::Instances(Box::new(InstancesProbe { way, places, quorum }));
    Target { probe, ..target }
}

fn of_whole_service(
    service: &Service,
    latency: LatencyThresholds,
    limits: config::Limits,
) -> Target {
    let name = service.name.as_str();
    if let Some(http) = &service.health {
        return of_http(name, http, latency);
    }
    if let Some(address) = &service.grpc {
        let plain = config::GrpcProbe::plain(address.clone(), limits);
        return of_grpc(name, &plain, latency);
    }
    if let Some(address) = &service.tcp {
        let probe = TcpProbe::new(address.host.as_str(), address.port).slow_from(latency);
        let (shown, host) = (format!("tcp://{address}"), address.host.clone());
        return made(name, shown, host, limits, Ok(Probe::Tcp(Box::new(probe))));
    }
    nothing(name, "it has no health URL".to_owned())
}

fn of_http(name: &str, http: &config::HttpProbe, latency: LatencyThresholds) -> Target {
    let host = http.url.expose().host_str().unwrap_or_default().to_owned();
    let slow = http.latency.unwrap_or(latency);
    let probe = HttpProbe::configured(http).map(|probe| probe.slow_from(slow));
    let probe = probe.map(|probe| Probe::Http(Box::new(probe)));
    made(name, http.url.to_string(), host, http.limits, probe)
}

fn of_tcp(name: &str, tcp: &config::TcpProbe, latency: LatencyThresholds) -> Target {
    let slow = tcp.latency.unwrap_or(latency);
    let probe = TcpProbe::configured(tcp).map(|probe| probe.slow_from(slow));
    let (shown, host) = (format!("tcp://{}", tcp.address), tcp.address.host.clone());
    made(name, shown, host, tcp.limits, probe.map(|probe| Probe::Tcp(Box::new(probe))))
}

fn of_grpc(name: &str, grpc: &config::GrpcProbe, latency: LatencyThresholds) -> Target {
    let slow = grpc.latency.unwrap_or(latency);
    let probe = GrpcProbe::configured(grpc).map(|probe| probe.slow_from(slow));
    let (shown, host) = (format!("grpc://{}", grpc.address), grpc.address.host.clone());
    made(name, shown, host, grpc.limits, probe.map(|probe| Probe::Grpc(Box::new(probe))))
}

fn of_postgres(name: &str, postgres: &config::PostgresProbe, latency: LatencyThresholds) -> Target {
    let slow = postgres.latency.unwrap_or(latency);
    let probe = PostgresProbe::configured(postgres).map(|probe| {
        let probe = PostgresProbe {
            warn_after: Some(slow.degraded),
            fail_after: Some(slow.unhealthy),
            ..probe
        };
        Probe::Postgres(Box::new(probe))
    });
    let host = postgres.dsn.expose().host_str().unwrap_or_default().to_owned();
    made(name, postgres.dsn.to_string(), host, postgres.limits, probe)
}

fn of_redis(name: &str, redis: &config::RedisProbe, latency: LatencyThresholds) -> Target {
    match RedisProbe::configured(redis) {
        Ok(probe) => {
            let shown = probe.target.to_string();
            let probe = Probe::Redis(Box::new(probe.slow_from(latency)));
            made(name, shown.clone(), shown, redis.limits, Ok(probe))
        }
        Err(error) => nothing(name, error.to_string()),
    }
}

fn made(
    name: &str,
    shown: String,
    host: String,
    limits: config::Limits,
    probe: Result<Probe, Error>,
) -> Target {
    match probe {
        Ok(probe) => {
            let limits = Limits::configured(limits);
            Target { name: name.to_owned(), shown, host, probe, limits }
        }
        Err(error) => nothing(name, error.to_string()),
    }
}

fn nothing(name: &str, why: String) -> Target {
    Target {
        name: name.to_owned(),
        shown: String::new(),
        host: String::new(),
        probe: Probe::Nothing(why),
        limits: Limits::default(),
    }
}
