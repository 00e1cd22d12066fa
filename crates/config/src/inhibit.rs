//! What nobody needs to hear because they heard what caused it.
//!
//! Owns the `inhibit:` section. The notifier asks it for news of trouble. Never knows what was told.

use printery_expressions::{Condition, Vocabulary};
use serde::Serialize;

use crate::node::{Node, Value};
use crate::problem::Code;
use crate::reader::Reader;
use crate::route::ROUTE_VARIABLES;
use crate::suggest::nearest;
use crate::table::Table;

/// Hides what `target` says from whoever was told what `source` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inhibit {
    /// What must have been told, over [`ROUTE_VARIABLES`].
    pub source: Condition,
    /// What is hidden then, over the same.
    pub target: Condition,
    /// What both must agree on.
    pub equal: Vec<String>,
}

impl Inhibit {
    /// Reads the `inhibit:` section.
    pub(crate) fn read_all(top: &mut Table<'_, '_>) -> Vec<Self> {
        let Some(node) = top.get("inhibit") else { return Vec::new() };
        let Value::List(items) = &node.value else {
            top.reader.wrong(node, "`inhibit`", "a list");
            return Vec::new();
        };
        items.iter().filter_map(|item| Self::read(top.reader, item)).collect()
    }

    fn read(reader: &Reader<'_>, node: &Node) -> Option<Self> {
        let mut table = Table::open(reader, node, "inhibit");
        table.must("source");
        table.must("target");
        let words = Vocabulary::of(ROUTE_VARIABLES);
        let source = table.condition("source", &words);
        let target = table.condition("target", &words);
        let equal = table.texts("equal").unwrap_or_default();
        for (word, at) in &equal {
            if !ROUTE_VARIABLES.contains(&word.as_str()) {
                let hint = nearest(word, ROUTE_VARIABLES).map_or_else(
                    || format!("notices have {}", ROUTE_VARIABLES.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                let text = format!("no two notices can agree on `{word}`");
                reader.hint(Code::UnknownName, *at, text, hint);
            }
        }
        table.close();
        let equal = equal.into_iter().map(|(word, _)| word).collect();
        Some(Self { source: source?, target: target?, equal })
    }
}
