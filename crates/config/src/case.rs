//! The fleet file's own tests: an event, what is so at that time, and what is expected to come of it.
//!
//! Owns the `tests:` section and which checks a deployment gets. `config test` plays the cases. Never asks anybody.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value as Json};

use crate::check::Check;
use crate::fleet::Fleet;
use crate::node::{Node, Value};
use crate::problem::Position;
use crate::reader::Refers;
use crate::table::Table;

/// Describes one case of the `tests:` section.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What is shown, one clause.
    pub name: String,
    /// Its line in the file.
    pub line: u64,
    /// The moment of the event; `None` where none is said.
    pub at: Option<Timestamp>,
    /// The event's type and data in one map, as it stands in the file.
    pub event: Map<String, Json>,
    /// Services and endpoints that are down.
    pub down: BTreeSet<String>,
    /// How checks end that would ask somebody.
    pub given: BTreeMap<String, Ending>,
    /// What must come of it.
    pub expect: Expected,
}

/// Says how a check ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// As it should.
    Pass,
    /// With a warning.
    Warn,
    /// With a failure.
    Fail,
    /// Nobody could find out.
    Error,
    /// It was not made.
    Skipped,
}

impl Ending {
    const WORDS: [(&'static str, Self); 5] = [
        ("pass", Self::Pass),
        ("warn", Self::Warn),
        ("fail", Self::Fail),
        ("error", Self::Error),
        ("skipped", Self::Skipped),
    ];

    /// Returns the word of the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

/// Lists what must come of a case; what is not said is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The checks that are made, in any order.
    pub checks: Option<Vec<String>>,
    /// How some of them end.
    pub endings: BTreeMap<String, Ending>,
    /// The receivers that are told, in any order.
    pub routes: Option<Vec<String>>,
    /// What is down by itself.
    pub root_causes: Option<Vec<String>>,
    /// What cannot work because of that.
    pub impaired: Option<Vec<String>>,
}

impl Fleet {
    /// Returns the checks of a deployment of these services: the validator's, then each service's own, each once.
    pub fn checks_for<'s>(&self, services: impl IntoIterator<Item = &'s str>) -> Vec<&Check> {
        let deployed = services.into_iter().filter_map(|name| self.services.get(name));
        let of_services = deployed.flat_map(|service| &service.checks);
        let mut seen = BTreeSet::new();
        let names = self.validator.checks.iter().chain(of_services);
        names.filter(|name| seen.insert(*name)).filter_map(|name| self.checks.get(name)).collect()
    }
}

impl Case {
    /// Reads the `tests:` section, after everything that its cases may name.
    pub(crate) fn read_all(top: &mut Table<'_, '_>) -> Vec<Self> {
        let Some(node) = top.get("tests") else { return Vec::new() };
        let Value::List(items) = &node.value else {
            top.reader.wrong(node, "`tests`", "a list");
            return Vec::new();
        };
        let read = |item| Self::read(Table::open(top.reader, item, "tests"));
        items.iter().filter_map(read).collect()
    }

    fn read(mut table: Table<'_, '_>) -> Option<Self> {
        let line = table.at.line;
        table.must("name");
        let name = table.text("name");
        let at = table.parse("at", |text| {
            let moment = text.trim().parse::<Timestamp>().ok();
            moment.ok_or_else(|| "must be a moment such as `2026-11-20T17:00:00+01:00`".to_owned())
        });
        let event = event(&mut table);
        let (down, given) = given(&mut table);
        table.must("expect");
        let expect = table.table("expect").map(Expected::read).unwrap_or_default();
        table.close();
        Some(Self { name: name?, line, at, event: event?, down, given, expect })
    }
}

/// Reads the event as it stands: which keys it may have is the event type's to say.
fn event(table: &mut Table<'_, '_>) -> Option<Map<String, Json>> {
    let what = table.name("event");
    let node = table.must("event")?;
    table.reader.tell(node.at, || crate::schema::Told::Anything);
    match node.json() {
        Json::Object(map) => Some(map),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            table.reader.wrong(node, &what, "a map");
            None
        }
    }
}

/// Reads `given: { psp: down, gateway: fail }`: the word says whether the name is a check's.
fn given(table: &mut Table<'_, '_>) -> (BTreeSet<String>, BTreeMap<String, Ending>) {
    let (mut down, mut endings) = (BTreeSet::new(), BTreeMap::new());
    let what = table.name("given");
    for (name, at, node) in table.named("given") {
        let reader = table.reader;
        let Some(scalar) = reader.text(node, &what) else { continue };
        let word = scalar.text.as_str();
        if let Some((_, ending)) = Ending::WORDS.iter().find(|(known, _)| *known == word) {
            reader.must_know(Refers::Check, name, at);
            endings.insert(name.to_owned(), *ending);
        } else if word == "down" || word == "up" {
            reader.must_know(Refers::Dependency, name, at);
            if word == "down" {
                down.insert(name.to_owned());
            }
        } else {
            let text = format!("{what} must say `up`, `down` or how a check ends, found `{word}`");
            let code = crate::problem::Code::BadValue;
            reader.hint(code, node.at, text, "`pass`, `warn`, `fail`, `error` or `skipped`");
        }
    }
    (down, endings)
}

impl Expected {
    fn read(mut table: Table<'_, '_>) -> Self {
        let mut names = |key, kind| {
            let named: Vec<(String, Position)> = table.texts(key)?;
            for (name, at) in &named {
                table.reader.must_know(kind, name, *at);
            }
            Some(named.into_iter().map(|(name, _)| name).collect())
        };
        let checks = names("checks", Refers::Check);
        let routes = names("routes", Refers::Receiver);
        let root_causes = names("root_causes", Refers::Dependency);
        let impaired = names("impaired", Refers::Dependency);
        let mut endings = BTreeMap::new();
        for (check, at, ending) in table.prefixed("checks.", &Ending::WORDS) {
            table.reader.must_know(Refers::Check, check, at);
            endings.insert(check.to_owned(), ending);
        }
        table.close();
        Self { checks, endings, routes, root_causes, impaired }
    }
}

impl Node {
    /// Returns the value without its places.
    fn json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Number(text) => serde_json::from_str(text).unwrap_or(Json::Null),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Table(entries) => {
                let entry =
                    |(key, node): &(crate::node::Key, Self)| (key.name.clone(), node.json());
                Json::Object(entries.iter().map(entry).collect())
            }
        }
    }
}
