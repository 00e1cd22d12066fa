//! Plans that have a name, so that services can share one.
//!
//! Owns `profiles:` and the key `profile` that chooses one. A profile stands on another one (`extends`) or on what is built
//! in, never on `health_monitor.defaults`: those may choose a profile themselves.

use std::collections::BTreeMap;

use super::Monitor;
use crate::node::{Node, Value};
use crate::problem::{Code, Position};
use crate::suggest::nearest;
use crate::table::Table;

/// The profile that every other one stands on in the end.
pub const BUILT_IN: &str = "builtin/web";

/// The profiles of a file by name.
#[derive(Debug, Default)]
pub(crate) struct Profiles(BTreeMap<String, Monitor>);

impl Profiles {
    /// Reads the `profiles:` section, whatever order they stand in.
    pub(crate) fn read_all(top: &mut Table<'_, '_>) -> Self {
        let reader = top.reader;
        let mut waiting: Vec<(&str, Position, &Node)> = top.named("profiles");
        let names: Vec<String> = waiting.iter().map(|(name, ..)| (*name).to_owned()).collect();
        let mut read = Self::default();
        loop {
            let before = waiting.len();
            waiting.retain(|(name, _, node)| {
                let waits = |base: &String| names.contains(base) && !read.0.contains_key(base);
                if extended(node).is_some_and(waits) {
                    return true;
                }
                let mut table = Table::open(reader, node, &format!("profiles.{name}"));
                let at = table.get("extends").map_or(table.at, |node| node.at);
                let base = table.text("extends");
                let base = read.find(&table, base.as_deref().unwrap_or(BUILT_IN), at);
                let plan = Monitor::read(&mut table, &base, &read);
                table.close();
                read.0.insert((*name).to_owned(), plan);
                false
            });
            if waiting.is_empty() {
                return read;
            }
            if waiting.len() == before {
                break;
            }
        }
        for (name, at, _) in waiting {
            let text = format!("profile `{name}` extends itself in the end");
            reader.report(Code::Conflict, at, text);
            // Whoever chooses it is not told again.
            read.0.insert(name.to_owned(), Monitor::default());
        }
        read
    }

    /// What a plan stands on: the profile that it chooses, or `base`.
    pub(super) fn chosen(&self, table: &mut Table<'_, '_>, base: &Monitor) -> Monitor {
        let at = table.get("profile").map_or(table.at, |node| node.at);
        let Some(name) = table.text("profile") else { return base.clone() };
        self.find(table, &name, at)
    }

    fn find(&self, table: &Table<'_, '_>, name: &str, at: Position) -> Monitor {
        if name == BUILT_IN {
            return Monitor::default();
        }
        if let Some(plan) = self.0.get(name) {
            return plan.clone();
        }
        let known = self.0.keys().map(String::as_str).chain([BUILT_IN]);
        let hint = nearest(name, known).map_or_else(
            || "not a name in `profiles`".to_owned(),
            |it| format!("did you mean `{it}`?"),
        );
        table.reader.hint(Code::UnknownName, at, format!("unknown profile `{name}`"), hint);
        Monitor::default()
    }
}

/// The profile that one stands on, as it is written.
fn extended(node: &Node) -> Option<&String> {
    let Value::Table(entries) = &node.value else { return None };
    let entry = entries.iter().find(|(key, _)| key.name == "extends");
    match &entry?.1.value {
        Value::Text(name) => Some(name),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Table(_) => None,
    }
}
