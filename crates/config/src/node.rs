//! A fleet file as a tree in which every value knows its place.
//!
//! Owns the way from text to tree. Only the reader sees it: reading sections from a tree instead
//! of by derives is what lets all problems be found at once. Never knows a key's meaning.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, SnippetMode, Spanned, UserMessageFormatter};

use crate::problem::{Code, Position, Problem, Problems, clause, one_line};

/// How deep lists and maps may be nested. The deepest section needs seven; reading recurses, and
/// a stack is finite.
const DEEPEST: usize = 16;

/// How many values a file may hold, aliases expanded. A large fleet has some ten thousand.
const MOST_NODES: usize = 100_000;

/// The longest line that is shown below a problem. A file written by a program may be one line.
const LONGEST_LINE: usize = 1000;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// A value as YAML's core schema types it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// A number, in decimal.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// Entries in the file's order; a key may stand twice.
    Table(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) at: Position,
    pub(crate) name: String,
}

impl Node {
    /// Parses one YAML document; an empty one is an empty table.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let options = serde_saphyr::options! {
            strict_booleans: true,
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            budget: serde_saphyr::budget! {
                max_depth: DEEPEST,
                flow_nesting_limit: DEEPEST,
                max_nodes: MOST_NODES,
                max_events: 4 * MOST_NODES,
            },
        };
        match serde_saphyr::from_str_with_options::<Option<Spanned<Value>>>(text, options) {
            Ok(Some(root)) => Ok(Self::of(root)),
            Ok(None) => {
                Ok(Self { at: Position { line: 1, column: 1 }, value: Value::Table(Vec::new()) })
            }
            Err(error) => Err(Problems::one(unreadable(file, text, &error))),
        }
    }

    /// Takes a value and its place from the parser.
    fn of(spanned: Spanned<Value>) -> Self {
        Self { at: position(spanned.referenced), value: spanned.value }
    }

    /// Names the type as a person would.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Table(_) => "a map",
        }
    }
}

/// Takes over a place; the parser says 0 where it does not know.
fn position(location: Location) -> Position {
    Position { line: location.line().max(1), column: location.column().max(1) }
}

/// Turns the parser's error into a problem, with the hint for the trap of flow maps.
fn unreadable(file: &str, text: &str, error: &serde_saphyr::Error) -> Problem {
    let at = error.location().map(position);
    let line = at.and_then(|at| line_of(text, at));
    let said = error.render_with_options(serde_saphyr::render_options! {
        formatter: &UserMessageFormatter,
        snippets: SnippetMode::Off,
    });
    // The place is said once, in our own form.
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    let trap = line.as_ref().is_some_and(|line| line.contains("${"));
    Problem {
        code: Code::Unreadable,
        file: file.to_owned(),
        at,
        text: clause(&format!("not readable as YAML: {}", said.replace(['\n', '\r'], " "))),
        hint: trap.then(|| "quote `${…}` inside { }".to_owned()),
        line: line.as_deref().map(one_line),
    }
}

/// Returns the line a position is on, unless it is too long to help anybody.
pub(crate) fn line_of(text: &str, at: Position) -> Option<String> {
    let index = usize::try_from(at.line).ok()?.checked_sub(1)?;
    text.lines().nth(index).filter(|line| line.len() <= LONGEST_LINE).map(str::to_owned)
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Tree)
    }
}

/// Builds a [`Value`] from whatever the parser finds.
struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(Self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = from.next_element::<Spanned<Value>>()? {
            list.push(Node::of(item));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut table = Vec::new();
        while let Some(key) = from.next_key::<Spanned<String>>()? {
            let value = from.next_value::<Spanned<Value>>()?;
            let key = Key { at: position(key.referenced), name: key.value };
            table.push((key, Node::of(value)));
        }
        Ok(Value::Table(table))
    }
}
