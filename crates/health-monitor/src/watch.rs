//! What is watched where: every service of the fleet with its addresses.
//!
//! Owns the choice of addresses and limits for each service. The handler builds its watches from
//! it at boot; it never dials anything.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_config::{self as config, Fleet, Monitor, Service};
use printery_probes::{Error, GrpcProbe, HttpProbe, Limits, Probe, Target, TcpProbe};

use crate::instruments::Instruments;
use crate::window::Window;

/// How one service is watched.
#[derive(Debug)]
pub(crate) struct Watch {
    /// How long and how strictly.
    pub monitor: Monitor,
    /// Where it is asked; empty for one that is only measured.
    pub addresses: Vec<Address>,
    /// What it measures of itself.
    pub instruments: Option<Instruments>,
}

impl Watch {
    /// Returns how many samples of all addresses a window has.
    pub(crate) fn planned(&self, window: &Window) -> u32 {
        let addresses = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        window.samples().saturating_mul(addresses)
    }
}

/// One address of a service.
#[derive(Debug)]
pub(crate) struct Address {
    /// What the address is for, such as `health` or `ready`.
    pub name: &'static str,
    /// How it is asked; a window repeats by itself, so a look does not.
    pub target: Target,
}

/// Every service by name: how it is watched, or why it cannot be, as a clause.
pub(crate) type Watches = BTreeMap<String, Result<Watch, String>>;

/// Lists every service of the fleet.
pub(crate) fn watches(fleet: &Fleet) -> Watches {
    fleet.services.values().map(|service| (service.name.clone(), watch(service))).collect()
}

fn watch(service: &Service) -> Result<Watch, String> {
    let monitor = service.monitor.clone();
    let mut addresses = Vec::new();
    let made = |name: &'static str, probe: Probe, connect: Duration| {
        let limits = Limits::new(monitor.timeout, connect, 1);
        let target = Target {
            name: name.to_owned(),
            shown: String::new(),
            host: String::new(),
            probe,
            limits,
        };
        Address { name, target }
    };
    let connect = Limits::default().connect;
    for (name, http) in [("health", &service.health), ("ready", &service.ready)] {
        let Some(http) = http else { continue };
        let probe = http_probe(http).map_err(|error| error.to_string())?;
        addresses.push(made(name, Probe::Http(Box::new(probe)), http.limits.connect_timeout));
    }
    if let Some(address) = &service.grpc {
        let probe = GrpcProbe::new(address.host.as_str(), address.port);
        addresses.push(made("grpc", Probe::Grpc(Box::new(probe)), connect));
    }
    // A port that only listens proves little: it is asked where there is nothing better.
    if let Some(address) = service.tcp.as_ref().filter(|_| addresses.is_empty()) {
        let probe = TcpProbe::new(address.host.as_str(), address.port);
        addresses.push(made("tcp", Probe::Tcp(Box::new(probe)), connect));
    }
    let instruments = Instruments::of(service)?;
    if addresses.is_empty() && instruments.is_none() {
        return Err("no health URL configured".to_owned());
    }
    Ok(Watch { monitor, addresses, instruments })
}

/// Slowness is judged over the whole window, so the probe itself has no limit for it.
fn http_probe(http: &config::HttpProbe) -> Result<HttpProbe, Error> {
    let probe = HttpProbe::configured(http)?;
    Ok(HttpProbe { warn_after: None, fail_after: None, ..probe })
}
