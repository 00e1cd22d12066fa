//! A fleet file made of Kubernetes manifests.
//!
//! Owns which objects matter and how settings become edges: an address in a variable that leads to a Service leads to what the
//! Service selects. The command `import k8s` calls it. Never asks a cluster.

use std::collections::BTreeMap;

use serde_json::Value;

use super::address::{Address, addresses, is_address};
use super::document::{documents, list, map, port, scalar, text};
use super::workload::{Workload, asked, variables};
use super::{Draft, DraftService, without_version};
use crate::address::HostPort;
use crate::problem::Problems;

/// The kinds that run containers for as long as they are deployed.
const WORKLOADS: [&str; 4] = ["Deployment", "StatefulSet", "DaemonSet", "Rollout"];

/// A Service: the name others use, and what it leads to.
pub(super) struct Front<'v> {
    pub(super) name: &'v str,
    pub(super) namespace: &'v str,
    selector: BTreeMap<String, String>,
    /// Reachable from outside the cluster: the second choice as an address.
    public: bool,
    pub(super) ports: Vec<FrontPort>,
}

/// One port of a Service.
pub(super) struct FrontPort {
    pub(super) port: u16,
    /// The container's port, by number or by name.
    pub(super) target: String,
}

impl Front<'_> {
    /// Returns the host as the rest of the cluster calls it.
    pub(super) fn host(&self) -> String {
        match self.namespace {
            "" | "default" => self.name.to_owned(),
            namespace => format!("{}.{namespace}", self.name),
        }
    }

    fn leads_to(&self, workload: &Workload<'_>) -> bool {
        let wanted = |(key, value): (&String, &String)| workload.labels.get(key) == Some(value);
        self.namespace == workload.namespace
            && !self.selector.is_empty()
            && self.selector.iter().all(wanted)
    }

    /// Tells whether a name means this Service when somebody in a namespace says it.
    fn is_called(&self, host: &str, from: &str) -> bool {
        let namespace = if self.namespace.is_empty() { "default" } else { self.namespace };
        let Some(rest) = host.strip_prefix(self.name) else { return false };
        match rest.strip_prefix('.') {
            None => rest.is_empty() && self.namespace == from,
            Some(rest) => rest
                .strip_prefix(namespace)
                .is_some_and(|end| ["", ".svc", ".svc.cluster.local"].contains(&end)),
        }
    }
}

/// Everything of the manifests that matters.
struct Cluster<'v> {
    workloads: Vec<Workload<'v>>,
    fronts: Vec<Front<'v>>,
    /// The texts of each `ConfigMap`, by namespace and name.
    settings: BTreeMap<(&'v str, &'v str), BTreeMap<String, String>>,
}

/// Makes a draft of manifests, any number of documents in one text.
///
/// # Errors
/// The text is not YAML.
pub fn kubernetes(file: &str, text: &str) -> Result<Draft, Problems> {
    let documents = documents(file, text)?;
    let cluster = Cluster::of(&documents);
    let mut draft = Draft::default();
    for workload in &cluster.workloads {
        let fronts = cluster.fronts_of(workload);
        let (asked, note) = asked(workload, &fronts);
        let name = cluster.name(workload);
        if let Some(note) = note {
            draft.note(format!("`{name}`: {note}"));
        }
        let image = workload.image().map(without_version);
        draft.add(&name, DraftService { image, asked, ..DraftService::default() });
    }
    for workload in &cluster.workloads {
        cluster.add_edges(workload, &mut draft);
    }
    Ok(draft)
}

impl<'v> Cluster<'v> {
    fn of(documents: &'v [Value]) -> Self {
        let mut cluster =
            Self { workloads: Vec::new(), fronts: Vec::new(), settings: BTreeMap::new() };
        for document in documents {
            cluster.take(document);
        }
        cluster
    }

    fn take(&mut self, object: &'v Value) {
        let kind = text(object, "/kind").unwrap_or_default();
        // `kubectl get -o yaml` writes one list of everything.
        if kind.ends_with("List") {
            list(object, "/items").for_each(|item| self.take(item));
            return;
        }
        let Some(name) = text(object, "/metadata/name") else { return };
        let namespace = text(object, "/metadata/namespace").unwrap_or_default();
        if WORKLOADS.contains(&kind) {
            self.workloads.push(Workload::of(object, name, namespace));
        } else if kind == "ConfigMap" {
            self.settings.insert((namespace, name), map(object, "/data"));
        } else if kind == "Service" && text(object, "/apiVersion") == Some("v1") {
            let selector = map(object, "/spec/selector");
            let public = text(object, "/spec/type") == Some("LoadBalancer");
            let ports = list(object, "/spec/ports").filter_map(FrontPort::of).collect();
            self.fronts.push(Front { name, namespace, selector, public, ports });
        }
    }

    /// Returns the Services that lead to a workload, the one of the same name first, public ones last.
    fn fronts_of(&self, workload: &Workload<'_>) -> Vec<&Front<'v>> {
        let mut fronts: Vec<_> =
            self.fronts.iter().filter(|front| front.leads_to(workload)).collect();
        fronts.sort_by_key(|front| (front.name != workload.name, front.public));
        fronts
    }

    /// Returns the workload's name, with its namespace where another one has the same.
    fn name(&self, workload: &Workload<'_>) -> String {
        let same = self.workloads.iter().filter(|other| other.name == workload.name).count();
        if same > 1 && !workload.namespace.is_empty() {
            format!("{}.{}", workload.name, workload.namespace)
        } else {
            workload.name.to_owned()
        }
    }

    /// Turns what a workload's settings name into edges.
    fn add_edges(&self, workload: &Workload<'_>, draft: &mut Draft) {
        let name = self.name(workload);
        let found = |wanted: &str| {
            let mut all = self.settings.iter();
            let here = |at: &(&str, &str)| *at == (workload.namespace, wanted);
            all.find(|(at, _)| here(at)).map(|(_, settings)| settings)
        };
        let (variables, hidden) = variables(workload, found);
        for variable in hidden.iter().filter(|variable| is_address(variable)) {
            draft.note(format!(
                "`{name}`: {variable} comes from a Secret; where it leads is not known"
            ));
        }
        let named = variables.iter().flat_map(|(variable, value)| {
            addresses(Some(variable), value).into_iter().map(move |at| (Some(variable), at))
        });
        let typed = workload
            .arguments()
            .flat_map(|argument| addresses(None, argument).into_iter().map(|at| (None, at)));
        for (variable, address) in named.chain(typed) {
            for need in self.needs(&name, workload, variable, &address, draft) {
                if let Some(service) = draft.services.get_mut(&name)
                    && need != name
                {
                    service.requires.insert(need);
                }
            }
        }
    }

    /// Returns what an address leads to: workloads behind a Service, or something outside.
    fn needs(
        &self,
        name: &str,
        workload: &Workload<'_>,
        variable: Option<&String>,
        address: &Address,
        draft: &mut Draft,
    ) -> Vec<String> {
        let says_so = variable.is_some_and(|variable| is_address(variable));
        let Some(front) = self.front_of(&address.host, workload.namespace) else {
            return outside(name, variable, address, draft).into_iter().collect();
        };
        let open = |port: u16| front.ports.iter().any(|at| at.port == port);
        let leads = address.port.is_some_and(open) || address.scheme.is_some() || says_so;
        if !leads {
            return Vec::new();
        }
        if let Some(port) = address.port.filter(|port| !open(*port)) {
            draft.note(format!(
                "`{name}` names {}:{port}, a port that Service does not have",
                front.name
            ));
        }
        let behind = self.workloads.iter().filter(|workload| front.leads_to(workload));
        let behind: Vec<String> = behind.map(|workload| self.name(workload)).collect();
        match address.port.or_else(|| front.ports.first().map(|at| at.port)) {
            Some(port) if behind.is_empty() => {
                let at = format!("{}:{port}", front.host());
                draft.add_endpoint(front.name, at).into_iter().collect()
            }
            Some(_) | None => behind,
        }
    }

    /// Finds the Service that a host name means; a pod of a `StatefulSet` is behind its Service.
    fn front_of(&self, host: &str, from: &str) -> Option<&Front<'v>> {
        let called = |host: &str| self.fronts.iter().find(|front| front.is_called(host, from));
        called(host).or_else(|| {
            let (pod, rest) = host.split_once('.')?;
            let (_, number) = pod.rsplit_once('-')?;
            number.parse::<u32>().ok().and_then(|_| called(rest))
        })
    }
}

/// Makes an endpoint of an address that is not the cluster's, or a note of one that leads nowhere.
pub(super) fn outside(
    name: &str,
    variable: Option<&String>,
    address: &Address,
    draft: &mut Draft,
) -> Option<String> {
    let Address { host, port, scheme } = address;
    let variable = variable.filter(|variable| scheme.is_some() || is_address(variable))?;
    if host == "localhost" {
        return None;
    }
    let web = scheme.as_deref().is_some_and(|scheme| scheme.starts_with("http"));
    let by_scheme = || {
        let url = format!("{}://{host}", scheme.as_deref()?);
        url.parse::<HostPort>().ok().map(|at| at.port)
    };
    let port = port.or_else(by_scheme);
    let inside = [".svc", ".cluster.local"].iter().any(|end| host.ends_with(end));
    match port {
        // A web address may just as well be one that people are shown.
        Some(port) if host.contains('.') && !web && !inside => {
            draft.add_endpoint(host, format!("{host}:{port}"))
        }
        Some(_) | None => {
            let at = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
            draft.note(format!("`{name}`: {variable} names {at}, which nothing here provides"));
            None
        }
    }
}

impl FrontPort {
    fn of(value: &Value) -> Option<Self> {
        let number = port(value.get("port")?)?;
        let target = value.get("targetPort").and_then(scalar).unwrap_or_else(|| number.to_string());
        Some(Self { port: number, target })
    }
}
