//! Trial files: what the explorer gives the reader to read.
//!
//! Owns their values and how each gets a place of its own, by which problems and questions are told apart. Never writes YAML.

use std::collections::BTreeMap;

use super::heard::{Ear, Told};
use crate::fleet;
use crate::node::{Key, Node, Value};
use crate::problem::{Code, Position, Problem, Severity};

/// A value of a trial file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    Null,
    Bool,
    Number(&'static str),
    Text(String),
    List(Vec<Trial>),
    Table(BTreeMap<String, Trial>),
}

/// One step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The value of a key.
    Key(String),
    /// The first element of a list.
    Item,
}

impl Trial {
    /// An empty map.
    pub(super) fn table() -> Self {
        Self::Table(BTreeMap::new())
    }

    /// Some text.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// Returns the same file with a value put in at a path; what stands in the way is replaced.
    pub(super) fn with(&self, path: &[Step], value: Self) -> Self {
        let Some((step, rest)) = path.split_first() else { return value };
        match step {
            Step::Key(key) => {
                let mut map = match self {
                    Self::Table(map) => map.clone(),
                    Self::Null | Self::Bool | Self::Number(_) | Self::Text(_) | Self::List(_) => {
                        BTreeMap::new()
                    }
                };
                let inner = map.get(key).cloned().unwrap_or_else(Self::table);
                map.insert(key.clone(), inner.with(rest, value));
                Self::Table(map)
            }
            Step::Item => {
                let inner = match self {
                    Self::List(items) => items.first().cloned(),
                    Self::Null | Self::Bool | Self::Number(_) | Self::Text(_) | Self::Table(_) => {
                        None
                    }
                };
                Self::List(vec![inner.unwrap_or_else(Self::table).with(rest, value)])
            }
        }
    }

    /// Makes the node the reader wants, each with a line of its own.
    fn placed(&self, next: &mut u64) -> Node {
        *next += 1;
        let at = Position { line: *next, column: 1 };
        let value = match self {
            Self::Null => Value::Null,
            Self::Bool => Value::Bool(true),
            Self::Number(number) => Value::Number((*number).to_owned()),
            Self::Text(text) => Value::Text(text.clone()),
            Self::List(items) => Value::List(items.iter().map(|item| item.placed(next)).collect()),
            Self::Table(map) => {
                let entry = |(name, value): (&String, &Self)| {
                    let node = value.placed(next);
                    let at = Position { line: node.at.line, column: 2 };
                    (Key { at, name: name.clone() }, node)
                };
                Value::Table(map.iter().map(entry).collect())
            }
        };
        Node { at, value }
    }

    /// Lets the reader read it.
    pub(super) fn read(&self) -> Reading {
        let root = self.placed(&mut 0);
        let ear = Ear::default();
        let (_, problems) = fleet::read("", "", &root, &|_| None, Some(&ear));
        Reading { told: ear.into_told(), root, problems }
    }
}

/// What came of reading a trial file.
pub(super) struct Reading {
    root: Node,
    told: Vec<(Position, Told)>,
    problems: Vec<Problem>,
}

impl Reading {
    fn place(&self, path: &[Step]) -> Option<Position> {
        let mut node = &self.root;
        for step in path {
            node = match (step, &node.value) {
                (Step::Key(key), Value::Table(map)) => {
                    map.iter().find(|(known, _)| known.name == *key).map(|(_, node)| node)
                }
                (Step::Item, Value::List(items)) => items.first(),
                (Step::Key(_) | Step::Item, _) => None,
            }?;
        }
        Some(node.at)
    }

    /// Lists what was asked of the map at a path.
    pub(super) fn told_of(&self, path: &[Step]) -> impl Iterator<Item = &Told> {
        let place = self.place(path);
        self.told.iter().filter(move |(at, _)| Some(*at) == place).map(|(_, told)| told)
    }

    /// Tells whether the reader took the value at a path for one of a type it wants.
    pub(super) fn is_of_type(&self, path: &[Step]) -> bool {
        !self.problem(path, |code| matches!(code, Code::WrongType))
    }

    /// Tells whether nothing may stand at a path: neither a type nor a key is missed there.
    pub(super) fn may_be_nothing(&self, path: &[Step]) -> bool {
        !self.problem(path, |code| matches!(code, Code::WrongType | Code::MissingKey))
    }

    /// Tells whether the reader had nothing against the value at a path.
    pub(super) fn is_accepted(&self, path: &[Step]) -> bool {
        !self.problem(path, |code| code.severity() == Severity::Error)
    }

    fn problem(&self, path: &[Step], counts: impl Fn(Code) -> bool) -> bool {
        let place = self.place(path);
        self.problems.iter().any(|problem| problem.at == place && counts(problem.code))
    }
}
