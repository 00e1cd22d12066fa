//! The `env` check as the fleet file describes it.
//!
//! Owns its keys. The validator looks at the values. Never shows one.

use std::path::PathBuf;

use serde::Serialize;

use crate::node::{Node, Value};
use crate::problem::Code;
use crate::secret::Secret;
use crate::table::Table;

/// Lists variables and what each must look like.
#[derive(Clone, Debug, Serialize)]
pub struct EnvCheck {
    /// Where the variables are read.
    pub source: EnvSource,
    /// The variables, in the file's order.
    pub require: Vec<Requirement>,
}

/// Says where an `env` check finds its variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvSource {
    /// The worker's own environment, read when the fleet file was loaded.
    Process,
    /// A file of `NAME=value` lines, read by the check itself each time.
    File(PathBuf),
}

/// Requires one variable.
#[derive(Clone, Debug, Serialize)]
pub struct Requirement {
    /// The variable's name.
    pub name: String,
    /// Its value in the process environment at load time (a `<NAME>_FILE` twin is read);
    /// always `None` for [`EnvSource::File`].
    pub value: Option<Secret>,
    /// What the value must look like.
    pub rule: EnvRule,
}

/// Says what a variable's value must look like, beyond being set and not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EnvRule {
    /// The least number of characters.
    pub min_len: Option<usize>,
    /// The value must be a URL of one of these schemes; `[]` is any URL, `None` is no demand.
    pub url: Option<Vec<String>>,
    /// The value must be one of these.
    pub one_of: Option<Vec<String>>,
    /// Lets values such as `changeme` and `TODO` pass.
    pub allow_placeholder: bool,
}

impl EnvCheck {
    /// Reads its keys.
    pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Self> {
        let source = match table.text("file") {
            Some(path) => EnvSource::File(PathBuf::from(path)),
            None => EnvSource::Process,
        };
        table.later(&["dir", "manifest"]);
        let node = table.must("require")?;
        let path = table.path_to("require");
        let rules = match &node.value {
            Value::Table(_) => rules(table, node, &path),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                table
                    .texts("require")
                    .unwrap_or_default()
                    .into_iter()
                    // One text may list several, as a variable that names variables does.
                    .flat_map(|(names, _)| {
                        names.split(',').map(|n| n.trim().to_owned()).collect::<Vec<_>>()
                    })
                    .filter(|name| !name.is_empty())
                    .map(|name| (name, EnvRule::default()))
                    .collect()
            }
        };
        let require = rules.into_iter().map(|(name, rule)| {
            let value = match &source {
                EnvSource::Process => table.reader.variables.env(&name),
                EnvSource::File(_) => Ok(None),
            };
            let value = value.unwrap_or_else(|why| {
                table.reader.report(Code::Interpolation, node.at, why);
                None
            });
            Requirement { name, value: value.map(Secret::new), rule }
        });
        Some(Self { require: require.collect(), source })
    }
}

/// Reads `require: { NAME: { min_len: 20 } }`.
fn rules(table: &Table<'_, '_>, node: &Node, path: &str) -> Vec<(String, EnvRule)> {
    let names = Table::open(table.reader, node, path);
    let mut rules = Vec::new();
    for (name, rule) in names.entries() {
        let mut rule = Table::open(table.reader, rule, &format!("{path}.{name}"));
        let url = rule.get("url").and_then(|node| match node.value {
            Value::Bool(any) => Some(any.then(Vec::new)),
            Value::Null | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Table(_) => {
                None
            }
        });
        let url = match url {
            Some(any) => any,
            None => rule.texts("url").map(texts),
        };
        let min_len = rule.count("min_len", 1).and_then(|least| usize::try_from(least).ok());
        let one_of = rule.texts("one_of").map(texts);
        let allow_placeholder = rule.flag("allow_placeholder").unwrap_or_default();
        rule.later(&["matches", "max_len", "mode"]);
        rule.close();
        rules.push((name.to_owned(), EnvRule { min_len, url, one_of, allow_placeholder }));
    }
    rules
}

/// Drops the places.
fn texts(list: Vec<(String, crate::problem::Position)>) -> Vec<String> {
    list.into_iter().map(|(text, _)| text).collect()
}
