//! A deployment as conditions see it.
//!
//! Owns the values behind the names that `when` and policies may use, and the function that knows the windows. The validator
//! judges by it; so does `config test`. Never reads a clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use printery_expressions::{Condition, Functions};
use serde_json::{Map, Value, json};

use crate::check::{IN_WINDOW, WindowCheck};
use crate::window::Window;

/// Holds what conditions about one deployment are judged over.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    /// The data of `deployment:started`.
    pub deployment: &'a Value,
    /// The windows of the fleet, by name.
    pub windows: &'a Arc<BTreeMap<String, Window>>,
    /// The moment it is judged at.
    pub now: Timestamp,
}

impl Scene<'_> {
    /// Returns the values of all names, for one of the deployed services.
    ///
    /// What the event leaves out is empty, never missing: a condition need not ask before it looks.
    pub fn variables(&self, service: &str, vars: &BTreeMap<String, String>) -> Value {
        let said = |name: &str| self.deployment.get(name).filter(|value| !value.is_null());
        let or = |name: &str, empty: Value| said(name).cloned().unwrap_or(empty);
        let mut map = Map::new();
        for name in ["images", "migrations", "git"] {
            map.insert(name.to_owned(), or(name, json!({})));
        }
        for name in ["labels", "services"] {
            map.insert(name.to_owned(), or(name, json!([])));
        }
        let texts = ["deployment_id", "version", "environment"];
        for name in texts.into_iter().chain(["previous_version", "strategy", "initiated_by"]) {
            map.insert(name.to_owned(), or(name, json!("")));
        }
        map.insert("previous".to_owned(), json!({ "version": or("previous_version", json!("")) }));
        map.insert("service".to_owned(), json!(service));
        map.insert("now".to_owned(), json!(self.now.to_string()));
        map.insert("vars".to_owned(), json!(vars));
        let mut all = map.clone();
        all.insert("event".to_owned(), Value::Object(map));
        Value::Object(all)
    }

    /// Returns the functions of conditions beyond the language's own.
    pub fn functions(&self) -> Functions {
        let (windows, now) = (Arc::clone(self.windows), self.now);
        let in_window = move |arguments: &[Value]| {
            // Called on a value, as in `now.inWindow("freeze")`, the name comes last.
            let name = arguments.last().and_then(Value::as_str).ok_or("names no window")?;
            match windows.get(name) {
                Some(window) => Ok(Value::Bool(window.holds(now))),
                None => Err(format!("knows no window `{name}`")),
            }
        };
        Functions::none().with(IN_WINDOW, in_window)
    }

    /// Tells whether a condition holds for one of the services; blocks while it is evaluated.
    ///
    /// # Errors
    /// Why that cannot be told, one clause.
    pub fn holds(
        &self,
        condition: &Condition,
        service: &str,
        vars: &BTreeMap<String, String>,
        results: &BTreeMap<String, Value>,
    ) -> Result<bool, String> {
        let mut variables = self.variables(service, vars);
        if let Value::Object(map) = &mut variables {
            map.insert("results".to_owned(), json!(results));
        }
        condition.holds_with(&variables, &self.functions()).map_err(|why| why.to_string())
    }

    /// Tells whether a deployment may begin now.
    pub fn allows(&self, check: &WindowCheck) -> bool {
        let open = |name: &String| self.windows.get(name).is_some_and(|it| it.holds(self.now));
        let inside = check.inside.is_empty() || check.inside.iter().any(open);
        inside && !check.outside.iter().any(open)
    }
}

/// Tells whether a condition names `service`, alone or of the event, and not only `services`: it is judged once for each.
pub fn speaks_of_one_service(condition: &Condition) -> bool {
    let mut rest = condition.as_str();
    while let Some((before, after)) = rest.split_once("service") {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if !before.ends_with(word) && !after.starts_with(word) {
            return true;
        }
        rest = after;
    }
    false
}
