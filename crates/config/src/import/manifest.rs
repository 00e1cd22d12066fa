//! The variables of one service as a Kubernetes manifest sets them.
//!
//! Owns what a container is given: values, and what comes from elsewhere. The validator's `env` check reads it before a
//! deployment. Never asks a cluster and never shows a value.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::document::{documents, list, map, scalar, text};
use crate::secret::Secret;

/// Where the template of the pods stands in objects of each kind.
const PODS: [(&str, &str); 7] = [
    ("Deployment", "/spec/template/spec"),
    ("StatefulSet", "/spec/template/spec"),
    ("DaemonSet", "/spec/template/spec"),
    ("Rollout", "/spec/template/spec"),
    ("Job", "/spec/template/spec"),
    ("CronJob", "/spec/jobTemplate/spec/template/spec"),
    ("Pod", "/spec"),
];

/// The labels that name what a workload is part of.
const NAMES: [&str; 2] = ["/metadata/labels/app.kubernetes.io~1name", "/metadata/labels/app"];

/// What the containers of a service are given.
#[derive(Clone, Debug, Default)]
pub struct ServiceVariables {
    /// Variables by name, whichever container has them; the first one counts.
    pub named: BTreeMap<String, Variable>,
    /// What the containers take whole and the manifest does not hold, such as `secret checkout`.
    pub unseen: Vec<String>,
}

/// What a variable is set to.
#[derive(Clone, Debug)]
pub enum Variable {
    /// A value that stands in the manifest.
    Value(Secret),
    /// Something outside the manifest, such as `secret checkout`.
    Elsewhere(String),
    /// Something outside the manifest that may be missing there.
    Perhaps(String),
}

/// Reads what a manifest gives a service; `None` when it holds no workload of that name.
///
/// The text is YAML or JSON, any number of documents.
///
/// # Errors
/// The text cannot be read; one clause that repeats none of it.
pub fn service_variables(
    manifest: &str,
    service: &str,
) -> Result<Option<ServiceVariables>, String> {
    let read = documents("", manifest).map_err(|problems| {
        let place = problems.iter().next().and_then(|problem| problem.at);
        match place {
            Some(at) => format!("it is no YAML in line {}, column {}", at.line, at.column),
            None => "it is no YAML".to_owned(),
        }
    })?;
    let mut objects = Vec::new();
    for document in &read {
        flattened(document, &mut objects);
    }
    let workloads: Vec<(&Value, &Value)> =
        objects.iter().filter_map(|object| Some((*object, pod(object)?))).collect();
    let named = |object: &Value| text(object, "/metadata/name") == Some(service);
    let labelled = |object: &Value| NAMES.iter().any(|at| text(object, at) == Some(service));
    let found = workloads.iter().find(|(object, _)| named(object));
    let found = found.or_else(|| workloads.iter().find(|(object, _)| labelled(object)));
    Ok(found.map(|(object, pod)| {
        let namespace = text(object, "/metadata/namespace").unwrap_or_default();
        Sources::of(&objects, namespace).variables(pod)
    }))
}

/// Takes lists apart, as `kubectl get -o yaml` writes them and as several objects in one JSON text stand.
fn flattened<'v>(value: &'v Value, into: &mut Vec<&'v Value>) {
    if let Value::Array(items) = value {
        for item in items {
            flattened(item, into);
        }
    } else if text(value, "/kind").is_some_and(|kind| kind.ends_with("List")) {
        for item in list(value, "/items") {
            flattened(item, into);
        }
    } else {
        into.push(value);
    }
}

fn pod(object: &Value) -> Option<&Value> {
    let kind = text(object, "/kind")?;
    let (_, path) = PODS.iter().find(|(known, _)| *known == kind)?;
    object.pointer(path)
}

/// The `ConfigMap`s and Secrets of the manifest, by what containers call them.
struct Sources {
    known: BTreeMap<String, BTreeMap<String, Secret>>,
}

impl Sources {
    fn of(objects: &[&Value], namespace: &str) -> Self {
        let mut known = BTreeMap::new();
        let here =
            |object: &&&Value| text(object, "/metadata/namespace").unwrap_or_default() == namespace;
        for object in objects.iter().filter(here) {
            let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
            let texts =
                |path: &str| map(object, path).into_iter().map(|(k, v)| (k, Secret::new(v)));
            match (kind, name) {
                (Some("ConfigMap"), Some(name)) => {
                    known.insert(format!("config map {name}"), texts("/data").collect());
                }
                (Some("Secret"), Some(name)) => {
                    let decoded = map(object, "/data").into_iter().filter_map(|(key, encoded)| {
                        let bytes = STANDARD.decode(encoded.trim()).ok()?;
                        Some((key, Secret::new(String::from_utf8(bytes).ok()?)))
                    });
                    // What is written as text wins, as in the cluster.
                    let all = decoded.chain(texts("/stringData")).collect();
                    known.insert(format!("secret {name}"), all);
                }
                _ => {}
            }
        }
        Self { known }
    }

    fn variables(&self, pod: &Value) -> ServiceVariables {
        let mut all = ServiceVariables::default();
        for container in list(pod, "/containers") {
            // Within one container what is named wins over what is taken whole, and the last over the first.
            let mut own = BTreeMap::new();
            for from in list(container, "/envFrom") {
                self.take_whole(from, &mut own, &mut all.unseen);
            }
            for variable in list(container, "/env") {
                let Some(name) = text(variable, "/name") else { continue };
                let variable = self.variable(variable);
                own.insert(name.to_owned(), variable);
            }
            for (name, variable) in own {
                all.named.entry(name).or_insert(variable);
            }
        }
        all
    }

    fn take_whole(
        &self,
        from: &Value,
        own: &mut BTreeMap<String, Variable>,
        unseen: &mut Vec<String>,
    ) {
        let prefix = text(from, "/prefix").unwrap_or_default();
        for (what, reference) in [("config map", "/configMapRef"), ("secret", "/secretRef")] {
            let Some(name) = text(from, &format!("{reference}/name")) else { continue };
            let source = format!("{what} {name}");
            match self.known.get(&source) {
                Some(entries) => own.extend(entries.iter().map(|(name, value)| {
                    (format!("{prefix}{name}"), Variable::Value(value.clone()))
                })),
                None if !unseen.contains(&source) => unseen.push(source),
                None => {}
            }
        }
    }

    fn variable(&self, variable: &Value) -> Variable {
        for (what, reference) in
            [("config map", "/valueFrom/configMapKeyRef"), ("secret", "/valueFrom/secretKeyRef")]
        {
            let Some(name) = text(variable, &format!("{reference}/name")) else { continue };
            let source = format!("{what} {name}");
            let key = text(variable, &format!("{reference}/key")).unwrap_or_default();
            let optional = variable.pointer(&format!("{reference}/optional"));
            return match self.known.get(&source).map(|entries| entries.get(key)) {
                Some(Some(value)) => Variable::Value(value.clone()),
                _ if optional == Some(&Value::Bool(true)) => Variable::Perhaps(source),
                // A source that is here and lacks the key keeps the container from starting.
                Some(None) => Variable::Value(Secret::new(String::new())),
                None => Variable::Elsewhere(source),
            };
        }
        if variable.pointer("/valueFrom").is_some() {
            // Of the pod itself: its address, its name, its limits.
            return Variable::Elsewhere("the pod".to_owned());
        }
        let value = variable.get("value").and_then(scalar).unwrap_or_default();
        Variable::Value(Secret::new(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: common }
data: { LOG_LEVEL: info, DATABASE_URL: "postgres://common" }
---
apiVersion: v1
kind: Secret
metadata: { name: psp }
data: { key: aHVudGVyMg== }
stringData: { user: ops }
---
apiVersion: v1
kind: List
items:
  - kind: Deployment
    metadata: { name: checkout }
    spec:
      template:
        spec:
          containers:
            - name: app
              envFrom: [{ configMapRef: { name: common } }, { prefix: X_, secretRef: { name: far } }]
              env:
                - { name: DATABASE_URL, value: "postgres://own" }
                - { name: PSP_KEY, valueFrom: { secretKeyRef: { name: psp, key: key } } }
                - { name: PSP_USER, valueFrom: { secretKeyRef: { name: psp, key: user } } }
                - { name: TYPO, valueFrom: { secretKeyRef: { name: psp, key: kee } } }
                - { name: FAR, valueFrom: { secretKeyRef: { name: far, key: k } } }
                - { name: MAYBE, valueFrom: { configMapKeyRef: { name: gone, key: k, optional: true } } }
                - { name: IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
                - { name: PORT, value: 8080 }
                - { name: EMPTY }
  - kind: CronJob
    metadata: { name: nightly, labels: { app: reports } }
    spec: { jobTemplate: { spec: { template: { spec: { containers: [{ env: [{ name: A, value: b }] }] } } } } }
"#;

    #[test]
    fn a_container_is_given_what_the_manifest_says() {
        let read = service_variables(MANIFEST, "checkout").unwrap().unwrap();
        let shown = |name: &str| match &read.named[name] {
            Variable::Value(value) => value.expose().to_owned(),
            Variable::Elsewhere(source) => format!("elsewhere: {source}"),
            Variable::Perhaps(source) => format!("perhaps: {source}"),
        };
        for (name, expected) in [
            ("LOG_LEVEL", "info"),
            ("DATABASE_URL", "postgres://own"),
            ("PSP_KEY", "hunter2"),
            ("PSP_USER", "ops"),
            ("TYPO", ""),
            ("FAR", "elsewhere: secret far"),
            ("MAYBE", "perhaps: config map gone"),
            ("IP", "elsewhere: the pod"),
            ("PORT", "8080"),
            ("EMPTY", ""),
        ] {
            assert_eq!(shown(name), expected, "{name}");
        }
        assert_eq!(read.unseen, ["secret far"]);
        assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
        let labelled = service_variables(MANIFEST, "reports").unwrap().unwrap();
        assert!(labelled.named.contains_key("A"), "{labelled:?}");
        assert!(service_variables(MANIFEST, "nobody").unwrap().is_none());
    }

    #[test]
    fn one_object_or_several_may_be_json_too() {
        let object = r#"[{"kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"env":[{"name":"X","value":"y"}]}]}}]"#;
        assert!(service_variables(object, "a").unwrap().unwrap().named.contains_key("X"));
        let why = service_variables("a: [", "a").unwrap_err();
        assert!(why.starts_with("it is no YAML"), "{why}");
    }
}
