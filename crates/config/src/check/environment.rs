//! The `env` check as the fleet file describes it.
//!
//! Owns its keys. The validator looks at the values. Never shows one.

use std::path::PathBuf;

use printery_expressions::Pattern;
use serde::Serialize;

use crate::node::{Node, Value};
use crate::problem::Code;
use crate::secret::Secret;
use crate::table::Table;
use crate::template::Template;

/// Lists variables and what each must look like.
#[derive(Clone, Debug, Serialize)]
pub struct EnvCheck {
    /// Where the variables are read.
    pub source: EnvSource,
    /// The widest permissions that the file, or each file of the folder, may have: 0o640.
    #[serde(serialize_with = "octal")]
    pub mode: Option<u32>,
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
    /// A folder with one file for each variable, as secrets are mounted.
    Dir(PathBuf),
    /// A Kubernetes manifest, which gives them to the containers of each deployed service.
    Manifest(ManifestSource),
}

/// Says where a manifest is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ManifestSource {
    /// The event carries it.
    Event,
    /// A file, chosen by what the event says.
    File(Template),
}

/// What stands for the manifest that the event carries.
const CARRIED: &str = "${event.manifest}";

/// Writes permissions as people write them.
#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes the field by reference"
)]
fn octal<S: serde::Serializer>(mode: &Option<u32>, to: S) -> Result<S::Ok, S::Error> {
    match mode {
        Some(mode) => to.collect_str(&format_args!("{mode:04o}")),
        None => to.serialize_none(),
    }
}

/// Requires one variable.
#[derive(Clone, Debug, Serialize)]
pub struct Requirement {
    /// The variable's name.
    pub name: String,
    /// Its value in the process environment at load time (a `<NAME>_FILE` twin is read);
    /// always `None` for the other sources.
    pub value: Option<Secret>,
    /// What the value must look like.
    pub rule: EnvRule,
}

/// Says what a variable's value must look like, beyond being set and not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EnvRule {
    /// The least number of characters.
    pub min_len: Option<usize>,
    /// The greatest number of characters.
    pub max_len: Option<usize>,
    /// What must be found in the value.
    pub matches: Option<Pattern>,
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
        let source = EnvSource::read(table);
        let mode = table.parse("mode", permissions);
        if mode.is_some() && matches!(source, EnvSource::Process | EnvSource::Manifest(_)) {
            let text = format!("{} needs `file` or `dir`", table.name("mode"));
            table.reader.report(Code::Conflict, table.at, text);
        }
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
                EnvSource::File(_) | EnvSource::Dir(_) | EnvSource::Manifest(_) => Ok(None),
            };
            let value = value.unwrap_or_else(|why| {
                table.reader.report(Code::Interpolation, node.at, why);
                None
            });
            Requirement { name, value: value.map(Secret::new), rule }
        });
        Some(Self { require: require.collect(), source, mode })
    }
}

impl EnvSource {
    /// Reads one of `file`, `dir`, `manifest`.
    fn read(table: &mut Table<'_, '_>) -> Self {
        let (file, dir) = (table.text("file"), table.text("dir"));
        let manifest = match table.get("manifest").map(|node| &node.value) {
            Some(Value::Text(text)) if text == CARRIED => Some(ManifestSource::Event),
            Some(_) => table.template("manifest").map(ManifestSource::File),
            None => None,
        };
        let given =
            [("file", file.is_some()), ("dir", dir.is_some()), ("manifest", manifest.is_some())];
        let given: Vec<&str> = given.iter().filter(|(_, is)| *is).map(|(key, _)| *key).collect();
        if let [first, .., last] = given.as_slice() {
            let text = format!("{} and `{first}` exclude each other", table.name(last));
            table.reader.report(Code::Conflict, table.at, text);
        }
        match (file, dir, manifest) {
            (Some(path), ..) => Self::File(PathBuf::from(path)),
            (None, Some(path), _) => Self::Dir(PathBuf::from(path)),
            (None, None, Some(manifest)) => Self::Manifest(manifest),
            (None, None, None) => Self::Process,
        }
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
        let max_len = rule.count("max_len", 1).and_then(|most| usize::try_from(most).ok());
        if min_len.zip(max_len).is_some_and(|(least, most)| least > most) {
            let text = format!("{} is below `min_len`", rule.name("max_len"));
            rule.reader.report(Code::Conflict, rule.at, text);
        }
        let matches =
            rule.parse("matches", |text| Pattern::compile(text).map_err(|why| why.to_string()));
        rule.close();
        rules.push((
            name.to_owned(),
            EnvRule { min_len, max_len, matches, url, one_of, allow_placeholder },
        ));
    }
    rules
}

/// Accepts `0640`.
fn permissions(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 && digits.len() >= 3 => Ok(mode),
        Ok(_) | Err(_) => Err("must be permissions such as `0640`".to_owned()),
    }
}

/// Drops the places.
fn texts(list: Vec<(String, crate::problem::Position)>) -> Vec<String> {
    list.into_iter().map(|(text, _)| text).collect()
}
