//! The top level of the file: every section once, then the names that tie them together.
//!
//! Owns the order of reading and the rules between sections. [`Fleet::parse`] calls it. Never
//! knows a section's keys.

use std::collections::BTreeMap;

use crate::case::Case;
use crate::check::Check;
use crate::dependency::DependencyChecker;
use crate::egress::EgressRules;
use crate::endpoint::Endpoint;
use crate::engine::Engine;
use crate::fleet::Fleet;
use crate::graph::Graph;
use crate::health::{HealthMonitor, Profiles};
use crate::inhibit::Inhibit;
use crate::node::Node;
use crate::pages::Pages;
use crate::probe::{HttpDefaults, Limits, StatusSet};
use crate::problem::Code;
use crate::reader::{Reader, Refers};
use crate::receiver::{Notifier, ReadReceiver, Receiver, ReceiverKind};
use crate::route::Route;
use crate::scalar;
use crate::service::{Service, ServiceDefaults};
use crate::store::Store;
use crate::table::Table;
use crate::validator::Validator;
use crate::window::Window;

/// The stages of a fleet that names none.
const STAGES: [&str; 3] = ["vercel", "railway", "folio"];

/// Services and endpoints that a fleet may have.
const MOST_NODES: usize = 2000;

/// How long a chain of services that need each other may be.
const DEEPEST: usize = 32;

/// Sections that only later versions understand.
const LATER: [&str; 2] = ["telemetry", "silences_api"];

/// Reads `vars`, which may refer to the environment and to files.
pub(crate) fn vars(reader: &Reader<'_>, root: &Node) -> BTreeMap<String, String> {
    let mut vars = BTreeMap::new();
    for (name, _, node) in Table::open_quietly(reader, root).named("vars") {
        if let Some(scalar) = reader.text(node, &format!("`vars.{name}`")) {
            vars.insert(name.to_owned(), scalar.text);
        }
    }
    vars
}

/// Reads everything.
pub(crate) fn fleet(reader: &Reader<'_>, root: &Node) -> Fleet {
    let mut top = Table::open(reader, root, "");
    top.get("vars");
    version(&mut top);
    let profiles = Profiles::read_all(&mut top);
    let (defaults, health_monitor) = defaults(&mut top, &profiles);
    let dependency_checker = DependencyChecker::read(&mut top, defaults.limits);
    let from = ServiceDefaults {
        http: defaults.http,
        limits: dependency_checker.limits,
        monitor: health_monitor.defaults.clone(),
        profiles,
        owner: defaults.owner,
    };
    let services = services(&mut top, &from);
    let endpoints = endpoints(&mut top, &from);
    let checks = checks(&mut top, defaults.limits);
    let validator = Validator::read(&mut top);
    let notifier = Notifier::read(&mut top);
    let (receivers, routes) = notifications(&mut top);
    let (listen, tokens_file) = server(&mut top);
    let mut fleet = Fleet {
        name: top.text("fleet").unwrap_or_else(|| "default".to_owned()),
        engine: Engine::read(&mut top),
        listen,
        tokens_file,
        store: Store::read(&mut top),
        stages: stages(&mut top),
        egress: EgressRules::read(&mut top),
        graph: graph(reader, &services, &endpoints),
        services,
        endpoints,
        checks,
        validator,
        windows: Window::read_all(&mut top),
        dependency_checker,
        health_monitor,
        notifier,
        receivers,
        routes,
        inhibit: Inhibit::read_all(&mut top),
        templates: Pages::read(&mut top),
        tests: Vec::new(),
        warnings: Vec::new(),
        source: String::new(),
        fingerprint: [0; 32],
    };
    fleet.tests = Case::read_all(&mut top);
    top.later(&LATER);
    top.close();
    reader.resolve();
    fleet
}

/// Accepts `version: 1`, the only one there is.
fn version(top: &mut Table<'_, '_>) {
    let at = top.get("version").map(|node| node.at);
    if let (Some(version), Some(at)) = (top.count("version", 0), at)
        && version != 1
    {
        let text = format!("`version` {version} is not supported by this version; it reads 1");
        top.reader.report(Code::NotSupported, at, text);
    }
}

/// Holds what `defaults:` says.
struct Defaults {
    limits: Limits,
    http: HttpDefaults,
    owner: Option<String>,
}

/// Reads `defaults:` and, because its `health` block belongs there, `health_monitor:`.
fn defaults(top: &mut Table<'_, '_>, profiles: &Profiles) -> (Defaults, HealthMonitor) {
    let mut read =
        Defaults { limits: Limits::default(), http: HttpDefaults::default(), owner: None };
    let Some(mut table) = top.table("defaults") else {
        return (read, HealthMonitor::read(top, None, profiles));
    };
    if let Some(mut probe) = table.table("probe") {
        read.limits = Limits::read_with_ip(&mut probe, read.limits);
        probe.close();
    }
    if let Some(mut http) = table.table("http") {
        read.http.health = http.parse("path", scalar::path).unwrap_or(read.http.health);
        read.http.ready = http.parse("ready", scalar::path).unwrap_or(read.http.ready);
        read.http.status = StatusSet::read(&mut http, "status").unwrap_or(read.http.status);
        http.close();
    }
    read.owner = table.text("owner");
    let monitor = HealthMonitor::read(top, Some(&mut table), profiles);
    table.close();
    (read, monitor)
}

/// Reads `server: { listen: 127.0.0.1:8844, auth: { tokens_file: /etc/printery/tokens } }`.
fn server(top: &mut Table<'_, '_>) -> (Option<String>, Option<String>) {
    let Some(mut server) = top.table("server") else { return (None, None) };
    let listen = server.text("listen");
    let tokens_file = server.table("auth").and_then(|mut auth| {
        auth.must("tokens_file");
        let file = auth.text("tokens_file");
        auth.close();
        file
    });
    server.close();
    (listen, tokens_file)
}

fn stages(top: &mut Table<'_, '_>) -> Vec<String> {
    let Some(named) = top.texts("stages") else {
        return STAGES.iter().map(|stage| (*stage).to_owned()).collect();
    };
    let mut stages = Vec::new();
    for (stage, at) in named {
        match scalar::name(&stage) {
            Err(why) => top.reader.report(Code::BadValue, at, format!("stage `{stage}` {why}")),
            Ok(()) if stages.contains(&stage) => {
                top.reader.report(Code::BadValue, at, format!("stage `{stage}` stands here twice"));
            }
            Ok(()) => stages.push(stage),
        }
    }
    stages
}

fn services(top: &mut Table<'_, '_>, from: &ServiceDefaults) -> BTreeMap<String, Service> {
    let mut services = BTreeMap::new();
    for (name, at, node) in top.named("services") {
        top.reader.define(Refers::Dependency, name, at);
        let table = Table::open(top.reader, node, &format!("services.{name}"));
        services.insert(name.to_owned(), Service::read(name, table, from));
    }
    services
}

fn endpoints(top: &mut Table<'_, '_>, from: &ServiceDefaults) -> BTreeMap<String, Endpoint> {
    let mut endpoints = BTreeMap::new();
    for (name, at, node) in top.named("endpoints") {
        if top.reader.define(Refers::Dependency, name, at).is_some() {
            let text = format!("`{name}` is a service and an endpoint");
            top.reader.report(Code::Conflict, at, text);
        }
        let table = Table::open(top.reader, node, &format!("endpoints.{name}"));
        if let Some(endpoint) = Endpoint::read(name, table, from.limits, from.owner.as_ref()) {
            endpoints.insert(name.to_owned(), endpoint);
        }
    }
    endpoints
}

fn checks(top: &mut Table<'_, '_>, limits: Limits) -> BTreeMap<String, Check> {
    let mut checks = BTreeMap::new();
    for (name, at, node) in top.named("checks") {
        top.reader.define(Refers::Check, name, at);
        let table = Table::open(top.reader, node, &format!("checks.{name}"));
        if let Some(check) = Check::read(name, table, limits) {
            checks.insert(name.to_owned(), check);
        }
    }
    checks
}

/// Reads receivers and routes. Without either, everything is told to the log.
fn notifications(top: &mut Table<'_, '_>) -> (BTreeMap<String, Receiver>, Vec<Route>) {
    let mut receivers = BTreeMap::new();
    let mut skipped = Vec::new();
    let named = top.named("receivers");
    for (name, at, node) in &named {
        top.reader.define(Refers::Receiver, name, *at);
        match Receiver::read(name, top, node) {
            ReadReceiver::Usable(receiver) => {
                receivers.insert((*name).to_owned(), receiver);
            }
            ReadReceiver::Skipped => skipped.push(*name),
            ReadReceiver::Broken => {}
        }
    }
    let mut routes = Route::read_all(top);
    for route in &mut routes {
        route.to.retain(|name| !skipped.contains(&name.as_str()));
        if let Some(escalate) = &mut route.escalate {
            escalate.to.retain(|name| !skipped.contains(&name.as_str()));
        }
    }
    if named.is_empty() && routes.is_empty() {
        let name = "log".to_owned();
        routes.push(Route { to: vec![name.clone()], ..Route::default() });
        receivers.insert(name.clone(), Receiver::new(&name, ReceiverKind::Log));
    }
    (receivers, routes)
}

/// Refuses a graph that no check could be done with in time: each answer walks it.
fn limits(reader: &Reader<'_>, graph: &Graph) {
    let first = graph.names().find_map(|name| reader.defined(Refers::Dependency, name));
    let Some(at) = first else { return };
    let (nodes, depth) = (graph.names().count(), graph.depth());
    if nodes > MOST_NODES {
        let text = format!("{nodes} services and endpoints are more than {MOST_NODES}");
        reader.report(Code::BadValue, at, text);
    }
    if depth > DEEPEST {
        let text = format!("services require each other {depth} deep, more than {DEEPEST}");
        reader.report(Code::BadValue, at, text);
    }
}

/// Builds the graph and warns of services that need each other.
fn graph(
    reader: &Reader<'_>,
    services: &BTreeMap<String, Service>,
    endpoints: &BTreeMap<String, Endpoint>,
) -> Graph {
    let needs = services.iter().map(|(name, service)| (name.clone(), service.requires.clone()));
    let graph = Graph::new(needs, endpoints.keys().cloned());
    limits(reader, &graph);
    for group in graph.cycles() {
        let names: Vec<String> = group.iter().map(|name| format!("`{name}`")).collect();
        let place = group.first().and_then(|name| reader.defined(Refers::Dependency, name));
        if let Some(at) = place {
            let text = format!("{} require each other", names.join(" and "));
            reader.hint(Code::Cycle, at, text, "they are judged together");
        }
    }
    graph
}
