//! One case of the fleet file's own tests, played.
//!
//! Pure: makes the event, asks the same functions as the workers what comes of it, and lists where that is not what is
//! expected. Never asks a network: how outside checks end is the case's to say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use printery_config::needs::{Plan, blame};
use printery_config::{
    Case, Check, CheckSpec, Ending, Fleet, PolicyCheck, Scene, speaks_of_one_service,
};
use printery_events::{Event, EventType, Payload};
use printery_notices::{Facts, route};
use serde_json::{Map, Value, json};

/// Returns where a case does not come out as expected.
///
/// # Errors
/// Its event cannot be one.
pub(super) fn play(fleet: &Fleet, case: &Case) -> Result<Vec<String>, String> {
    let event = event(fleet, case)?;
    let facts = Facts::of(&event);
    let now = case.at.unwrap_or_else(Timestamp::now);
    let mut misses = Vec::new();
    play_checks(fleet, case, now, &event, &mut misses);
    let routing = route(fleet, &facts, now);
    compare("routes", case.expect.routes.as_ref(), &routing.told, &mut misses);
    let unclear = routing.unclear.iter();
    misses.extend(
        unclear.map(|(place, why)| format!("routes: the condition of route {} {why}", place + 1)),
    );
    let services: Vec<String> = facts.services.iter().map(|name| (*name).to_owned()).collect();
    let plan = Plan::of(&services, &fleet.graph, fleet.dependency_checker.depth);
    let down: BTreeSet<&str> = case.down.iter().map(String::as_str).collect();
    let blame = blame(&plan.edges, &down);
    let causes: Vec<&str> = blame.root_causes.iter().map(String::as_str).collect();
    compare("root_causes", case.expect.root_causes.as_ref(), &causes, &mut misses);
    let impaired: Vec<&str> = blame.impaired.iter().map(|(name, _)| name.as_str()).collect();
    compare("impaired", case.expect.impaired.as_ref(), &impaired, &mut misses);
    Ok(misses)
}

/// Compares names; their order means nothing.
fn compare(what: &str, expected: Option<&Vec<String>>, found: &[&str], misses: &mut Vec<String>) {
    let Some(expected) = expected else { return };
    let wanted: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    let found: BTreeSet<&str> = found.iter().copied().collect();
    if wanted != found {
        let listed = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
        misses.push(format!("{what}: expected [{}], found [{}]", listed(&wanted), listed(&found)));
    }
}

/// Makes the event of a case: short forms are written out, and an id is given.
fn event(fleet: &Fleet, case: &Case) -> Result<Event, String> {
    let mut data = case.event.clone();
    let Some(Value::String(said)) = data.remove("type") else {
        return Err("the event of a test needs a `type`".to_owned());
    };
    let said = written_out(&said, fleet, &mut data);
    if let Some(service) = data.remove("service") {
        data.entry("services").or_insert(json!([service]));
    }
    data.entry("deployment_id").or_insert(json!("test"));
    let event_type = EventType::parse(&said).map_err(|invalid| invalid.problem.clone())?;
    let schema = printery_events::schemas::schema(event_type.family());
    let known = schema.get("properties").and_then(Value::as_object);
    if let Some(key) = data.keys().find(|key| known.is_some_and(|known| !known.contains_key(*key)))
    {
        return Err(format!("`event.{key}` is not part of {event_type}"));
    }
    let data = Value::Object(data).to_string();
    let fields = [("id", "test"), ("datacontenttype", "application/json"), ("data", &data)];
    let fields = fields.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    Event::decode(Some(&event_type), &fields).map_err(|why| format!("the event of a test: {why}"))
}

/// Writes out `stage:completed`: of the stage that is named, or of the first, and well unless something else is said.
fn written_out(said: &str, fleet: &Fleet, data: &mut Map<String, Value>) -> String {
    let Some(ending) = said.strip_prefix("stage:").filter(|rest| !rest.contains(':')) else {
        return said.to_owned();
    };
    let first = fleet.stages.first().map(String::as_str).unwrap_or_default();
    let stage = data.entry("stage").or_insert(json!(first)).as_str().unwrap_or(first).to_owned();
    if ending == "completed" {
        data.entry("status").or_insert(json!("success"));
    }
    format!("deployment:stage:{stage}:{ending}")
}

/// Plays the checks: which are made, and how those end that ask nobody or that the case says.
fn play_checks(
    fleet: &Fleet,
    case: &Case,
    now: Timestamp,
    event: &Event,
    misses: &mut Vec<String>,
) {
    let Payload::DeploymentStarted(deployment) = &event.payload else {
        let made: [&str; 0] = [];
        compare("checks", case.expect.checks.as_ref(), &made, misses);
        let asked = case.expect.endings.keys();
        misses.extend(
            asked.map(|name| format!("checks.{name}: {} makes no checks", event.event_type)),
        );
        return;
    };
    let data = serde_json::to_value(deployment).unwrap_or_default();
    let windows = Arc::new(fleet.windows.clone());
    let stage = Stage { scene: Scene { deployment: &data, windows: &windows, now }, case };
    let mut endings: BTreeMap<&str, Option<Ending>> = BTreeMap::new();
    let mut results = BTreeMap::new();
    for check in fleet.checks_for(deployment.services.iter().map(String::as_str)) {
        if !stage.is_made(check, &deployment.services, misses) {
            continue;
        }
        let ending = stage.ending(check, &deployment.services, &results);
        if let Some(ending) = ending {
            results.insert(check.name.clone(), json!({ "outcome": ending.as_str() }));
        }
        endings.insert(&check.name, ending);
    }
    let made: Vec<&str> = endings.keys().copied().collect();
    compare("checks", case.expect.checks.as_ref(), &made, misses);
    for (name, expected) in &case.expect.endings {
        let found = match endings.get(name.as_str()) {
            Some(Some(found)) if found == expected => continue,
            Some(Some(found)) => found.as_str().to_owned(),
            Some(None) => format!("nothing: it asks outside; say in `given` how {name} ends"),
            None => "nothing: it is not made for this deployment".to_owned(),
        };
        misses.push(format!("checks.{name}: expected {}, found {found}", expected.as_str()));
    }
}

/// What a case's checks are judged by.
struct Stage<'a> {
    scene: Scene<'a>,
    case: &'a Case,
}

impl Stage<'_> {
    fn is_made(&self, check: &Check, services: &[String], misses: &mut Vec<String>) -> bool {
        let Some(when) = &check.when else { return true };
        let first = services.first().map(String::as_str).unwrap_or_default();
        let none = BTreeMap::new();
        self.scene.holds(when, first, &none, &BTreeMap::new()).unwrap_or_else(|why| {
            misses.push(format!("checks.{}: its `when` {why}", check.name));
            true
        })
    }

    /// Returns how a check ends; `None` when only the outside knows.
    fn ending(
        &self,
        check: &Check,
        services: &[String],
        results: &BTreeMap<String, Value>,
    ) -> Option<Ending> {
        if let Some(given) = self.case.given.get(&check.name) {
            return Some(*given);
        }
        let passes = |passes| if passes { Ending::Pass } else { Ending::Fail };
        if let CheckSpec::Policy(policy) = &check.spec {
            return Some(self.policy(policy, services, results));
        }
        if let CheckSpec::Window(window) = &check.spec {
            return Some(passes(self.scene.allows(window)));
        }
        matches!(check.spec, CheckSpec::Skipped { .. }).then_some(Ending::Skipped)
    }

    /// Judges a policy, once for each service if it speaks of one; the worst counts.
    fn policy(
        &self,
        policy: &PolicyCheck,
        services: &[String],
        results: &BTreeMap<String, Value>,
    ) -> Ending {
        let each = if speaks_of_one_service(&policy.expr) { services.len().max(1) } else { 1 };
        let nobody = [String::new()];
        let services = if services.is_empty() { &nobody[..] } else { services };
        let ends = services.iter().take(each).map(|service| {
            match self.scene.holds(&policy.expr, service, &policy.vars, results) {
                Ok(true) => Ending::Pass,
                Ok(false) => Ending::Fail,
                Err(_) => Ending::Error,
            }
        });
        ends.max().unwrap_or(Ending::Pass)
    }
}
