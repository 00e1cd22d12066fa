//! The `env` check of a manifest: what a deployment will give its containers, before it does.
//!
//! The runner calls it for checks whose variables stand in a Kubernetes manifest, on this machine or in the event. It names
//! variables, never a value, and asks no cluster.

use std::path::Path;

use printery_config::import::{ServiceVariables, Variable, service_variables};
use printery_config::{EnvCheck, ManifestSource, Secret, Template};
use printery_events::payload::DeploymentStarted;
use printery_probes::{Class, Error, Outcome, ReasonCode, Report};
use serde_json::Value;

use crate::environment::{expected, problem, unreadable};
use crate::fields::fields;

/// The largest manifest that is read: those of a whole cluster have a few hundred KiB. 4 MiB.
const LARGEST: u64 = 4 << 20;

/// Looks at every required variable of every service that is deployed, and names all that are wrong.
pub(crate) async fn check(
    check: &EnvCheck,
    source: &ManifestSource,
    deployment: &DeploymentStarted,
    services: &[String],
) -> Report {
    if services.is_empty() {
        return Report::skipped("", "none of the services it looks at is deployed");
    }
    let mut seen = Seen::default();
    let mut target = String::new();
    for service in services {
        let read = match source {
            ManifestSource::Event => carried(deployment),
            ManifestSource::File(path) => on_this_machine(path, deployment, service).await,
        };
        let (place, text) = match read {
            Ok(read) => read,
            Err(error) => return Report::of(&error, "a manifest", expected(check)),
        };
        let whose = if services.len() > 1 { format!("{service}: ") } else { String::new() };
        match service_variables(&text, service) {
            Ok(Some(variables)) => seen.take(check, &variables, &whose),
            Ok(None) => seen.wrong.push(format!("{place} holds no workload `{service}`")),
            Err(why) => seen.wrong.push(format!("{place} cannot be read: {why}")),
        }
        target = place;
    }
    seen.report(check, target)
}

/// What was seen of all services.
#[derive(Default)]
struct Seen {
    right: usize,
    /// Where variables come from whose values cannot be seen here.
    elsewhere: Vec<String>,
    doubtful: Vec<String>,
    wrong: Vec<String>,
}

impl Seen {
    fn take(&mut self, check: &EnvCheck, variables: &ServiceVariables, whose: &str) {
        for required in &check.require {
            let name = &required.name;
            match variables.named.get(name) {
                Some(Variable::Value(value)) => {
                    match problem(Some(Secret::expose(value)), &required.rule) {
                        Some(problem) => self.wrong.push(format!("{whose}{name} {problem}")),
                        None => self.right += 1,
                    }
                }
                Some(Variable::Elsewhere(source)) => {
                    self.right += 1;
                    if !self.elsewhere.contains(source) {
                        self.elsewhere.push(source.clone());
                    }
                }
                Some(Variable::Perhaps(source)) => {
                    let doubt = format!("{whose}{name} is optional in {source}, which is not here");
                    self.doubtful.push(doubt);
                }
                None if variables.unseen.is_empty() => {
                    self.wrong.push(format!("{whose}{name} is not set"));
                }
                None => {
                    let sources = variables.unseen.join(" or ");
                    let doubt = format!("{whose}{name} is not named; {sources} may hold it");
                    self.doubtful.push(doubt);
                }
            }
        }
    }

    fn report(self, check: &EnvCheck, target: String) -> Report {
        let report = Report::pass(target, expected(check));
        let (observed, outcome) = if !self.wrong.is_empty() {
            let all: Vec<String> = self.wrong.into_iter().chain(self.doubtful).collect();
            (all.join("; "), Outcome::Fail)
        } else if !self.doubtful.is_empty() {
            (self.doubtful.join("; "), Outcome::Warn)
        } else {
            let plural = if self.right == 1 { "" } else { "s" };
            let sources = match self.elsewhere.as_slice() {
                [] => String::new(),
                sources => format!(", with values that only {} can tell", sources.join(", ")),
            };
            let observed = format!("{} variable{plural} as required{sources}", self.right);
            (observed, Outcome::Pass)
        };
        let message = format!("checking {}: {observed}", report.target);
        let report = Report { observed, message, ..report };
        if outcome == Outcome::Pass { report } else { report.judged(outcome, ReasonCode::Value) }
    }
}

/// Returns the manifest that the event carries, as text or as objects.
fn carried(deployment: &DeploymentStarted) -> Result<(String, String), Error> {
    let text = match &deployment.manifest {
        None | Some(Value::Null) => {
            let observed = "the event does not say event.manifest";
            return Err(internal("choosing the manifest", observed.to_owned()));
        }
        Some(Value::String(text)) => text.clone(),
        // JSON is YAML.
        Some(objects) => objects.to_string(),
    };
    Ok(("the event's manifest".to_owned(), text))
}

async fn on_this_machine(
    template: &Template,
    deployment: &DeploymentStarted,
    service: &str,
) -> Result<(String, String), Error> {
    let look_up = |field: &str| fields(deployment, service, field).filter(|value| is_name(value));
    let path = template.fill(look_up).map_err(|field| {
        let observed = format!("{field} is missing, or can be no part of a path");
        internal(&format!("choosing the manifest {template}"), observed)
    })?;
    let at = Path::new(&path);
    let size = tokio::fs::metadata(at).await.map_err(|error| unreadable(at, &error))?.len();
    if size > LARGEST {
        let observed = format!("it has more than {} MiB", LARGEST >> 20);
        return Err(internal(&format!("reading {path}"), observed));
    }
    let text = tokio::fs::read_to_string(at).await.map_err(|error| unreadable(at, &error))?;
    Ok((path, text))
}

/// Tells whether what an event says may stand in a path: it never leads out of the folder it stands in.
fn is_name(value: &str) -> bool {
    !value.is_empty() && value != "." && value != ".." && !value.contains(['/', '\\', '\0'])
}

fn internal(attempted: &str, observed: String) -> Error {
    Error::new(Class::Internal, ReasonCode::InvalidTarget, attempted, observed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{deployment, fleet};
    use printery_config::{CheckSpec, EnvSource};
    use serde_json::json;

    const MANIFEST: &str = "
kind: Deployment
metadata: { name: checkout }
spec: { template: { spec: { containers: [{ env: [
  { name: PSP_KEY, value: hunter2-hunter2-hunter2 },
  { name: WEAK, value: changeme },
  { name: DSN, valueFrom: { secretKeyRef: { name: db, key: dsn } } } ] }] } } }
---
kind: Deployment
metadata: { name: cart }
spec: { template: { spec: { containers: [{ envFrom: [{ secretRef: { name: all } }] }] } } }
";

    async fn ask(keys: &str, deployment: &DeploymentStarted) -> Report {
        let services = deployment.services.clone();
        let file = format!("{{ version: 1, fleet: f, checks: {{ it: {{ kind: env, {keys} }} }} }}");
        let fleet = fleet(&file);
        let CheckSpec::Env(said) = &fleet.checks["it"].spec else { panic!("no variables") };
        let EnvSource::Manifest(source) = &said.source else { panic!("no manifest") };
        check(said, source, deployment, &services).await
    }

    #[tokio::test]
    async fn a_manifest_in_the_event_is_held_to_the_rules() {
        let event = "manifest: '${event.manifest}'";
        for (services, require, outcome, said) in [
            (&["checkout"][..], "[PSP_KEY]", Outcome::Pass, "1 variable as required"),
            (&["checkout"], "[PSP_KEY, DSN]", Outcome::Pass, "that only secret db can tell"),
            (&["checkout"], "[WEAK]", Outcome::Fail, "WEAK still holds a placeholder"),
            (&["checkout"], "[GONE]", Outcome::Fail, "GONE is not set"),
            (&["checkout"], "{ PSP_KEY: { max_len: 3 } }", Outcome::Fail, "is longer than 3"),
            (&["cart"], "[KEY]", Outcome::Warn, "KEY is not named; secret all may hold it"),
            (&["cart", "checkout"], "[KEY]", Outcome::Fail, "checkout: KEY is not set; cart: KEY"),
            (&["ads"], "[KEY]", Outcome::Fail, "holds no workload `ads`"),
            (&[], "[KEY]", Outcome::Skipped, "not checked"),
        ] {
            let manifest = Some(json!(MANIFEST));
            let started = DeploymentStarted { manifest, ..deployment(services) };
            let report = ask(&format!("{event}, require: {require}"), &started).await;
            assert_eq!(report.outcome, outcome, "{services:?} {require}: {report:?}");
            assert!(report.observed.contains(said), "{said}: {}", report.observed);
            assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
        }
        let objects = json!([{ "kind": "Pod", "metadata": { "name": "a" },
            "spec": { "containers": [{ "env": [{ "name": "X", "value": "y" }] }] } }]);
        let started = DeploymentStarted { manifest: Some(objects), ..deployment(&["a"]) };
        let report = ask(&format!("{event}, require: [X]"), &started).await;
        assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
        let report = ask(&format!("{event}, require: [X]"), &deployment(&["a"])).await;
        assert_eq!(report.outcome, Outcome::Error, "{report:?}");
        let broken = DeploymentStarted { manifest: Some(json!("a: [")), ..deployment(&["a"]) };
        let report = ask(&format!("{event}, require: [X]"), &broken).await;
        assert!(report.observed.contains("it is no YAML in line 1"), "{report:?}");
    }

    #[tokio::test]
    async fn a_manifest_on_this_machine_is_chosen_by_the_event_and_never_outside_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("1.2.0")).unwrap();
        std::fs::write(folder.path().join("1.2.0/checkout.yaml"), MANIFEST).unwrap();
        std::fs::write(folder.path().join("checkout.yaml"), MANIFEST).unwrap();
        let root = folder.path().display();
        let keys = format!(
            "manifest: '{root}/${{event.version}}/${{event.service}}.yaml', require: [PSP_KEY]"
        );
        let report = ask(&keys, &deployment(&["checkout"])).await;
        assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
        assert!(report.target.ends_with("1.2.0/checkout.yaml"), "{report:?}");
        let report = ask(&keys, &deployment(&["cart"])).await;
        assert_eq!(report.outcome, Outcome::Fail, "{report:?}");
        let sly = DeploymentStarted { version: "..".to_owned(), ..deployment(&["checkout"]) };
        let report = ask(&keys, &sly).await;
        assert_eq!(report.outcome, Outcome::Error, "{report:?}");
        assert!(report.observed.contains("no part of a path"), "{report:?}");
    }
}
