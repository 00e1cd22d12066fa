//! Conditions and paths that stand in the fleet file.
//!
//! Owns how they are read: compiled at once, so that a wrong one is reported with its line and column. Sections call
//! it with the names that may be used there. Never evaluates one.

use printery_expressions::{Condition, Path, Problem, Vocabulary};

use crate::node::{Node, Value};
use crate::problem::Code;
use crate::reader::Reader;
use crate::table::Table;

impl Table<'_, '_> {
    /// Reads a condition over these names: `when: 'severity == "critical"'`.
    pub(crate) fn condition(
        &mut self,
        key: &'static str,
        vocabulary: &Vocabulary,
    ) -> Option<Condition> {
        let what = self.name(key);
        let node = self.get(key)?;
        condition(self.reader, node, &what, vocabulary)
    }

    /// Reads one condition or a list of them: `assert: ["status == 200", "json.ok"]`.
    pub(crate) fn conditions(
        &mut self,
        key: &'static str,
        vocabulary: &Vocabulary,
    ) -> Option<Vec<Condition>> {
        let what = self.name(key);
        let node = self.get(key)?;
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Table(_) => {
                std::slice::from_ref(node)
            }
        };
        let read = |item| condition(self.reader, item, &what, vocabulary);
        Some(items.iter().filter_map(read).collect())
    }
}

/// Reads one condition.
pub(crate) fn condition(
    reader: &Reader<'_>,
    node: &Node,
    what: &str,
    vocabulary: &Vocabulary,
) -> Option<Condition> {
    let text = reader.text(node, what)?.text;
    compiled(reader, node, what, Condition::compile_with(&text, vocabulary))
}

/// Reads one path.
pub(crate) fn path(reader: &Reader<'_>, node: &Node, what: &str, text: &str) -> Option<Path> {
    compiled(reader, node, what, Path::compile(text))
}

fn compiled<T>(
    reader: &Reader<'_>,
    node: &Node,
    what: &str,
    result: Result<T, Problem>,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(why) => {
            reader.report(Code::Expression, node.at, format!("{what}: {why}"));
            None
        }
    }
}
