//! The services this fleet deploys.
//!
//! Owns the `services:` section with every default already applied. All three checking workers
//! read it. Never probes a service.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::address::{HostPort, TargetUrl};
use crate::health::{Monitor, Profiles};
use crate::instances::Instances;
use crate::node::{Node, Value};
use crate::probe::{self, HttpDefaults, Limits, StatusSet};
use crate::reader::Refers;
use crate::request::{HttpParts, HttpProbe};
use crate::requires::Requires;
use crate::scalar;
use crate::table::Table;

/// Describes one deployed service.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// The name events use.
    pub name: String,
    /// The base address; `None` where the service has nothing to ask over HTTP.
    pub url: Option<TargetUrl>,
    /// Where it answers the gRPC health protocol.
    pub grpc: Option<HostPort>,
    /// Where it says what it measures, in Prometheus' text format.
    pub metrics: Option<TargetUrl>,
    /// A port that accepts connections, of a service that speaks neither HTTP nor gRPC.
    pub tcp: Option<HostPort>,
    /// The image it is deployed from; without a tag the event's version is the tag.
    pub image: Option<String>,
    /// The liveness request, also what the dependency-checker asks; `None` without a URL or when
    /// switched off.
    pub health: Option<HttpProbe>,
    /// The readiness request; `None` without a URL or when switched off.
    pub ready: Option<HttpProbe>,
    /// What it needs to work.
    pub requires: Vec<Requires>,
    /// Names of the checks run when it is deployed, beside the validator's own list.
    pub checks: Vec<String>,
    /// How its health is watched.
    pub monitor: Monitor,
    /// The team that is told.
    pub owner: Option<String>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// Its instances, where they are asked one by one.
    pub instances: Option<Instances>,
}

/// Holds what services start from.
#[derive(Debug)]
pub(crate) struct ServiceDefaults {
    pub(crate) http: HttpDefaults,
    pub(crate) limits: Limits,
    pub(crate) monitor: Monitor,
    pub(crate) profiles: Profiles,
    pub(crate) owner: Option<String>,
}

/// One of a service's two requests before the URL is applied.
struct Request {
    path: Option<String>,
    status: StatusSet,
}

impl Service {
    /// Reads one entry of `services:`.
    pub(crate) fn read(name: &str, mut table: Table<'_, '_>, from: &ServiceDefaults) -> Self {
        let url = table.url("url", &probe::HTTP);
        let mut monitor = from.monitor.clone();
        let health = Request::read(&mut table, "health", &from.http.health, &from.http, |inner| {
            monitor = Monitor::read(inner, &from.monitor, &from.profiles);
        });
        let ready = Request::read(&mut table, "ready", &from.http.ready, &from.http, |_| ());
        let base = url.map(|url| match &health.path {
            Some(path) => url.without(path),
            None => url,
        });
        let service = Self {
            name: name.to_owned(),
            health: base.as_ref().and_then(|base| health.probe(base, from.limits)),
            ready: base.as_ref().and_then(|base| ready.probe(base, from.limits)),
            url: base,
            grpc: probe::host_port(&mut table, "grpc"),
            metrics: table.url("metrics", &probe::HTTP),
            tcp: probe::host_port(&mut table, "tcp"),
            image: table.parse("image", image),
            requires: Requires::read_all(name, &mut table),
            checks: checks(&mut table),
            monitor,
            owner: table.text("owner").or_else(|| from.owner.clone()),
            labels: labels(&mut table),
            instances: Instances::read(&mut table),
        };
        table.later(&["extends"]);
        table.close();
        service
    }
}

impl Request {
    /// Reads `health: /path`, `health: false` or `health: { path: /path, … }`.
    fn read(
        table: &mut Table<'_, '_>,
        key: &'static str,
        path: &str,
        from: &HttpDefaults,
        more: impl FnOnce(&mut Table<'_, '_>),
    ) -> Self {
        let default = || Self { path: Some(path.to_owned()), status: from.status.clone() };
        let Some(node) = table.get(key) else { return default() };
        match node.value {
            Value::Bool(true) => default(),
            Value::Bool(false) => Self { path: None, status: StatusSet::none() },
            Value::Table(_) => {
                let Some(mut inner) = table.table(key) else { return default() };
                let path = inner.parse("path", scalar::path).unwrap_or_else(|| path.to_owned());
                let status = StatusSet::read(&mut inner, "status");
                more(&mut inner);
                inner.close();
                Self { path: Some(path), status: status.unwrap_or_else(|| from.status.clone()) }
            }
            Value::Null | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                Self { path: table.parse(key, scalar::path), ..default() }
            }
        }
    }

    fn probe(&self, base: &TargetUrl, limits: Limits) -> Option<HttpProbe> {
        let path = self.path.as_ref()?;
        Some(HttpParts::new(self.status.clone(), limits).to(base.below(path)))
    }
}

/// Accepts the name of an image: `registry.example:5000/shop/cart`, with or without tag and digest.
fn image(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-/:@+".contains(c);
    if text.is_empty() || text.contains("://") || !text.chars().all(fits) {
        return Err("must be an image such as `registry.example/shop/cart`".to_owned());
    }
    Ok(text.to_owned())
}

fn checks(table: &mut Table<'_, '_>) -> Vec<String> {
    let checks = table.texts("checks").unwrap_or_default();
    for (name, at) in &checks {
        table.reader.refer(Refers::Check, name, *at);
    }
    checks.into_iter().map(|(name, _)| name).collect()
}

pub(crate) fn labels(table: &mut Table<'_, '_>) -> BTreeMap<String, String> {
    let what = table.name("labels");
    let read = |(name, _, node): (&str, _, &Node)| {
        Some((name.to_owned(), table.reader.text(node, &what)?.text))
    };
    let labels = table.named("labels");
    labels.into_iter().filter_map(read).collect()
}
