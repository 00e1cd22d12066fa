//! What an answer must be beyond its status: headers, values in a document, conditions.
//!
//! Owns `expect` and `assert` of HTTP probes. Endpoints, checks and services share it. Never looks at an answer.

use printery_expressions::{Condition, Path, Pattern, Vocabulary};
use serde::Serialize;
use serde_json::Value as Json;

use crate::expression;
use crate::node::{Node, Value};
use crate::problem::Code;
use crate::reader::Reader;
use crate::scalar;
use crate::table::Table;
use crate::vocabulary;

/// Holds what an HTTP answer must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HttpExpectation {
    /// Headers that must be there, and what must be found in one value of each.
    pub headers: Vec<(String, Pattern)>,
    /// Paths into the body's document, and what every value there must be.
    pub json: Vec<(Path, Json)>,
    /// Conditions over [`vocabulary::CONNECTION`] and [`vocabulary::HTTP`].
    pub conditions: Vec<Condition>,
}

impl HttpExpectation {
    /// Reads `expect: { header: …, json: … }` and `assert: […]`.
    pub(crate) fn read(table: &mut Table<'_, '_>) -> Self {
        let mut read = Self::default();
        if let Some(mut expect) = table.table("expect") {
            if let Some(header) = expect.table("header") {
                for (name, node) in header.entries() {
                    read.headers.extend(header_pattern(&header, name, node));
                }
            }
            if let Some(json) = expect.table("json") {
                for (path, node) in json.entries() {
                    read.json.extend(value_at(&json, path, node));
                }
            }
            expect.close();
        }
        let names = vocabulary::CONNECTION.into_iter().chain(vocabulary::HTTP);
        read.conditions = table.conditions("assert", &Vocabulary::of(names)).unwrap_or_default();
        read
    }
}

fn header_pattern(table: &Table<'_, '_>, name: &str, node: &Node) -> Option<(String, Pattern)> {
    let what = table.name(name);
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(fits) {
        let text = format!("{what} is no name of a header");
        table.reader.report(Code::BadValue, node.at, text);
        return None;
    }
    Some((name.to_ascii_lowercase(), pattern(table.reader, node, &what)?))
}

/// Reads a regular expression.
pub(crate) fn pattern(reader: &Reader<'_>, node: &Node, what: &str) -> Option<Pattern> {
    let scalar = reader.text(node, what)?;
    scalar::checked(reader, node, what, &scalar, |text| {
        Pattern::compile(text).map_err(|why| why.to_string())
    })
}

fn value_at(table: &Table<'_, '_>, path: &str, node: &Node) -> Option<(Path, Json)> {
    let what = table.name(path);
    let path = expression::path(table.reader, node, &what, path)?;
    let value = match &node.value {
        Value::Null => Json::Null,
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Number(text) => number(text).or_else(|| {
            table.reader.wrong(node, &what, "a number");
            None
        })?,
        Value::Text(_) => Json::String(table.reader.text(node, &what)?.text),
        Value::List(_) | Value::Table(_) => {
            table.reader.wrong(node, &what, "a text, a number, `true`, `false` or `null`");
            return None;
        }
    };
    Some((path, value))
}

fn number(text: &str) -> Option<Json> {
    let whole = text.parse::<i64>().ok().map(Json::from);
    whole.or_else(|| text.parse::<f64>().ok().map(Json::from)).filter(|value| !value.is_null())
}
