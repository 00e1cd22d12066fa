//! What a service needs: names, how much, and when.
//!
//! Owns `requires` of services. The graph is made of it. Never follows a need.

use serde::Serialize;

use crate::node::{Node, Value};
use crate::problem::{Code, Position};
use crate::reader::Refers;
use crate::table::Table;

/// Names something a service needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Requires {
    /// A service or an endpoint.
    pub name: String,
    /// How much it is needed.
    pub criticality: Criticality,
    /// When it is needed.
    #[serde(rename = "for")]
    pub needed: Needed,
}

/// Says how much a dependency is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Criticality {
    /// Without it the service is impaired.
    #[default]
    Hard,
    /// Without it the service is degraded.
    Soft,
}

/// Says when a dependency is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Needed {
    /// Whenever the service is there.
    #[default]
    Always,
    /// While the service is deployed, as a registry is: whoever stands on the running service does not.
    Deploy,
    /// By the service as it runs, for whoever stands on it; its own deployment does without.
    Runtime,
}

impl Needed {
    /// Tells whether it is needed by a service that is being deployed.
    pub fn for_deploy(self) -> bool {
        self != Self::Runtime
    }

    /// Tells whether it is needed by a service that runs.
    pub fn for_runtime(self) -> bool {
        self != Self::Deploy
    }

    /// Reads `for: [deploy, runtime]`.
    fn read(table: &mut Table<'_, '_>) -> Self {
        let what = table.name("for");
        let Some(words) = table.texts("for") else { return Self::Always };
        let (mut deploy, mut runtime) = (false, false);
        for (word, at) in &words {
            match word.as_str() {
                "deploy" => deploy = true,
                "runtime" => runtime = true,
                _ => {
                    let text = format!("{what} must hold `deploy`, `runtime` or both");
                    table.reader.report(Code::BadValue, *at, text);
                }
            }
        }
        match (deploy, runtime) {
            (true, false) => Self::Deploy,
            (false, true) => Self::Runtime,
            (true, true) | (false, false) => Self::Always,
        }
    }
}

/// The words of `criticality`.
const CRITICALITY: [(&str, Criticality); 2] =
    [("hard", Criticality::Hard), ("soft", Criticality::Soft)];

impl Requires {
    /// Names something that is always needed and cannot be done without.
    pub fn hard(name: impl Into<String>) -> Self {
        Self { name: name.into(), criticality: Criticality::Hard, needed: Needed::Always }
    }

    /// Reads `requires: [a, { name: b, soft: true, for: deploy }]` of a service.
    pub(crate) fn read_all(service: &str, table: &mut Table<'_, '_>) -> Vec<Self> {
        let what = table.name("requires");
        let path = table.path_to("requires");
        let Some(node) = table.get("requires") else { return Vec::new() };
        let Value::List(items) = &node.value else {
            table.reader.wrong(node, &what, "a list");
            return Vec::new();
        };
        let mut needs: Vec<Self> = Vec::new();
        for item in items {
            let Some((need, at)) = Self::read(table, item, &what, &path) else { continue };
            let name = &need.name;
            if name == service {
                let text = format!("service `{service}` requires itself");
                table.reader.report(Code::SelfEdge, at, text);
            } else if needs.iter().any(|known| known.name == *name) {
                let text = format!("service `{service}` requires `{name}` twice");
                table.reader.report(Code::BadValue, at, text);
            } else {
                table.reader.refer(Refers::Dependency, name, at);
                needs.push(need);
            }
        }
        needs
    }

    /// Reads one need in its short or long form.
    fn read(
        table: &Table<'_, '_>,
        item: &Node,
        what: &str,
        path: &str,
    ) -> Option<(Self, Position)> {
        if !matches!(item.value, Value::Table(_)) {
            let name = table.reader.text(item, what)?;
            return Some((Self::hard(name.text), item.at));
        }
        let mut long = Table::open(table.reader, item, path);
        let at = long.must("name").map(|node| node.at);
        let name = long.text("name");
        let soft = long.flag("soft");
        let criticality = long.word("criticality", &CRITICALITY);
        if soft.is_some() && criticality.is_some() {
            let text = format!(
                "{} and {} exclude each other",
                long.name("soft"),
                long.name("criticality")
            );
            long.reader.report(Code::Conflict, long.at, text);
        }
        let needed = Needed::read(&mut long);
        long.close();
        let soft = if soft.unwrap_or_default() { Criticality::Soft } else { Criticality::Hard };
        let criticality = criticality.unwrap_or(soft);
        Some((Self { name: name?, criticality, needed }, at?))
    }
}
