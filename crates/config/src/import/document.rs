//! Somebody else's YAML as plain values.
//!
//! Owns the limits of such a file and the ways into a value. The importers read through it. Never knows a format.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, SnippetMode, UserMessageFormatter};

use crate::node::line_of;
use crate::problem::{Code, Position, Problem, Problems, clause, one_line};

/// How deep a manifest may be nested: schemas inside definitions of resources go deepest.
const DEEPEST: usize = 100;

/// How many values a file may hold, aliases expanded. A whole cluster's manifests have some hundred thousand.
const MOST_NODES: usize = 2_000_000;

/// Parses every document of a file; empty ones are left out.
pub(super) fn documents(file: &str, text: &str) -> Result<Vec<Value>, Problems> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        budget: serde_saphyr::budget! {
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_nodes: MOST_NODES,
            max_events: 4 * MOST_NODES,
        },
    };
    serde_saphyr::from_multiple_with_options::<Value>(text, options).map_err(|error| {
        let at = error.location().map(|location| Position {
            line: location.line().max(1),
            column: location.column().max(1),
        });
        let said = error.render_with_options(serde_saphyr::render_options! {
            formatter: &UserMessageFormatter,
            snippets: SnippetMode::Off,
        });
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
        Problems::one(Problem {
            code: Code::Unreadable,
            file: file.to_owned(),
            at,
            text: clause(&format!("not readable as YAML: {}", said.replace(['\n', '\r'], " "))),
            hint: None,
            line: at.and_then(|at| line_of(text, at)).as_deref().map(one_line),
        })
    })
}

/// Returns the text at a path such as `/metadata/name`.
pub(super) fn text<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    value.pointer(path)?.as_str().filter(|text| !text.is_empty())
}

/// Returns the elements of the list at a path; none where there is no list.
pub(super) fn list<'v>(value: &'v Value, path: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(path).and_then(Value::as_array).into_iter().flatten()
}

/// Returns the texts of the map at a path; numbers and truth values are texts here.
pub(super) fn map(value: &Value, path: &str) -> BTreeMap<String, String> {
    let entries = value.pointer(path).and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), scalar(value)?))).collect()
}

/// Returns a scalar as it would stand in a variable.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns a port number, written as a number or as text.
pub(super) fn port(value: &Value) -> Option<u16> {
    scalar(value)?.parse().ok().filter(|port| *port != 0)
}
