//! What runs in a Kubernetes cluster: containers, their settings and their probes.
//!
//! Owns the reading of a pod's template. The importer of manifests calls it. Never follows an address.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Asked;
use super::document::{list, map, scalar, text};
use super::kubernetes::Front;

/// A Deployment or one of its kin.
pub(super) struct Workload<'v> {
    pub(super) name: &'v str,
    pub(super) namespace: &'v str,
    /// The labels of its pods.
    pub(super) labels: BTreeMap<String, String>,
    containers: Vec<&'v Value>,
    /// Containers that run before the others.
    before: Vec<&'v Value>,
}

impl<'v> Workload<'v> {
    pub(super) fn of(object: &'v Value, name: &'v str, namespace: &'v str) -> Self {
        Self {
            name,
            namespace,
            labels: map(object, "/spec/template/metadata/labels"),
            containers: list(object, "/spec/template/spec/containers").collect(),
            before: list(object, "/spec/template/spec/initContainers").collect(),
        }
    }

    /// Returns the container that is the workload; others stand beside it.
    fn main(&self) -> Option<&'v Value> {
        let probed = |container: &&&Value| {
            container.get("readinessProbe").or_else(|| container.get("livenessProbe")).is_some()
        };
        self.containers.iter().find(probed).or_else(|| self.containers.first()).copied()
    }

    /// Returns the main container's image.
    pub(super) fn image(&self) -> Option<&'v str> {
        text(self.main()?, "/image")
    }

    /// Lists what its programs are told on their command lines.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &'v str> {
        let words = |container: &&'v Value| {
            list(container, "/args").chain(list(container, "/command")).filter_map(Value::as_str)
        };
        self.containers.iter().flat_map(words)
    }

    /// Returns the number of a container's port that is given by number or name.
    fn port(&self, port: &Value) -> Option<u16> {
        let said = scalar(port)?;
        let named = || {
            let mut ports = self.containers.iter().flat_map(|one| list(one, "/ports"));
            let port = ports.find(|port| text(port, "/name") == Some(&said))?;
            super::document::port(port.get("containerPort")?)
        };
        said.parse().ok().or_else(named)
    }

    /// Returns `host:port` of the Service that leads to a container's port.
    fn reached_at(&self, port: u16, fronts: &[&Front<'v>]) -> Option<(String, u16)> {
        fronts.iter().find_map(|front| {
            let leads =
                |target: &str| self.port(&Value::from(target)).is_some_and(|target| target == port);
            let at = front.ports.iter().find(|at| leads(&at.target))?;
            Some((front.host(), at.port))
        })
    }
}

/// Returns the workload's variables with their values, and the names of those that come from a Secret.
pub(super) fn variables<'c>(
    workload: &Workload<'_>,
    settings: impl Fn(&str) -> Option<&'c BTreeMap<String, String>>,
) -> (Vec<(String, String)>, Vec<String>) {
    let mut known: Vec<(String, String)> = Vec::new();
    let mut hidden = Vec::new();
    for container in workload.containers.iter().chain(&workload.before) {
        for from in list(container, "/envFrom") {
            let prefix = text(from, "/prefix").unwrap_or_default();
            let all = text(from, "/configMapRef/name").and_then(&settings);
            let entries = all.into_iter().flatten();
            known.extend(entries.map(|(name, value)| (format!("{prefix}{name}"), value.clone())));
        }
        for variable in list(container, "/env") {
            let Some(name) = text(variable, "/name") else { continue };
            let referred = || {
                let map = text(variable, "/valueFrom/configMapKeyRef/name").and_then(&settings)?;
                map.get(text(variable, "/valueFrom/configMapKeyRef/key")?).cloned()
            };
            if let Some(value) = variable.get("value").and_then(scalar).or_else(referred) {
                let value = expanded(&value, &known);
                known.push((name.to_owned(), value));
            } else if variable.pointer("/valueFrom/secretKeyRef").is_some() {
                hidden.push(name.to_owned());
            }
        }
    }
    (known, hidden)
}

/// Replaces `$(NAME)` by variables that stand before.
fn expanded(value: &str, known: &[(String, String)]) -> String {
    let fill =
        |text: String, (name, value): &(String, String)| text.replace(&format!("$({name})"), value);
    if value.contains("$(") {
        known.iter().rev().fold(value.to_owned(), fill)
    } else {
        value.to_owned()
    }
}

/// How Kubernetes asks a container.
enum Way {
    Http { path: String, port: u16, https: bool, headers: bool },
    Grpc { port: u16, service: bool },
    Tcp { port: u16 },
}

impl Way {
    /// Reads a probe; a command inside the container is none that anybody outside could repeat.
    fn of(workload: &Workload<'_>, probe: &Value) -> Option<Self> {
        let port = |path: &str| workload.port(probe.pointer(path)?);
        if let Some(port) = port("/httpGet/port") {
            let path = text(probe, "/httpGet/path").unwrap_or("/");
            return Some(Self::Http {
                path: format!("/{}", path.trim_start_matches('/')),
                port,
                https: text(probe, "/httpGet/scheme") == Some("HTTPS"),
                headers: list(probe, "/httpGet/httpHeaders").next().is_some(),
            });
        }
        if let Some(port) = port("/grpc/port") {
            return Some(Self::Grpc { port, service: text(probe, "/grpc/service").is_some() });
        }
        port("/tcpSocket/port").map(|port| Self::Tcp { port })
    }

    fn port(&self) -> u16 {
        match self {
            Self::Http { port, .. } | Self::Grpc { port, .. } | Self::Tcp { port } => *port,
        }
    }
}

/// Returns how the workload is asked from outside, and what of its probes is lost by that.
pub(super) fn asked(workload: &Workload<'_>, fronts: &[&Front<'_>]) -> (Asked, Option<String>) {
    let main = workload.main();
    let way = |key: &str| Way::of(workload, main?.get(key)?);
    let (ready, alive) = (way("readinessProbe"), way("livenessProbe"));
    let Some(way) = ready.as_ref().or(alive.as_ref()) else {
        // No probe, but a Service: what others connect to must at least accept connections.
        let port = fronts.iter().find_map(|front| Some((front.host(), front.ports.first()?.port)));
        let tcp = port.map(|(host, port)| Asked::Tcp(format!("{host}:{port}")));
        return (tcp.unwrap_or_default(), None);
    };
    let Some((host, port)) = workload.reached_at(way.port(), fronts) else {
        let note = format!("no Service leads to port {}, which its probe asks", way.port());
        return (Asked::Not, Some(note));
    };
    let at = format!("{host}:{port}");
    match way {
        Way::Grpc { service: false, .. } => (Asked::Grpc(at), None),
        Way::Grpc { service: true, .. } => {
            let note = "its probe asks for one gRPC service; `grpc` asks for the whole server";
            (Asked::Grpc(at), Some(note.to_owned()))
        }
        Way::Tcp { .. } => (Asked::Tcp(at), None),
        Way::Http { https, headers, .. } => {
            let url = match (https, port) {
                (false, 80) => format!("http://{host}"),
                (true, 443) => format!("https://{host}"),
                (false, _) => format!("http://{at}"),
                (true, _) => format!("https://{at}"),
            };
            let path = |probe: &Option<Way>| match probe {
                Some(Way::Http { path, port, .. }) if *port == way.port() => Some(path.clone()),
                Some(Way::Http { .. } | Way::Grpc { .. } | Way::Tcp { .. }) | None => None,
            };
            let (ready, alive) = (path(&ready), path(&alive));
            let note = headers.then(|| "the headers of its probe are left out".to_owned());
            (Asked::Http { url, health: alive.or_else(|| ready.clone()), ready }, note)
        }
    }
}
