//! The validator's checks as the fleet file describes them.
//!
//! Owns the `checks:` section. The validator runs them in the order the file lists them. Never
//! runs one.

use std::path::PathBuf;

use serde::Serialize;

use crate::condition;
use crate::node::{Node, Value};
use crate::probe::{self, HttpParts, HttpProbe, Limits, RedisProbe, StatusSet, TcpProbe};
use crate::problem::Code;
use crate::secret::Secret;
use crate::table::Table;

/// Says what a check that does not pass means for the whole validation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforce {
    /// The validation fails.
    #[default]
    Deny,
    /// The validation passes with warnings.
    Warn,
    /// The outcome is recorded and changes nothing.
    Audit,
}

impl Enforce {
    /// The words of `enforce`.
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("deny", Self::Deny), ("warn", Self::Warn), ("audit", Self::Audit)];
}

/// Describes one named check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// The stable name, unique in the file.
    pub name: String,
    /// What a failure means.
    pub enforce: Enforce,
    /// The sentence shown instead of the probe's own when the check does not pass.
    pub message: Option<String>,
    /// What the reader of a failure can do about it.
    pub suggestion: Option<String>,
    /// What is checked.
    pub spec: CheckSpec,
}

/// Holds what a check of each kind needs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum CheckSpec {
    /// Variables that must be set.
    Env(EnvCheck),
    /// A Redis that must answer.
    Redis(RedisProbe),
    /// A request whose answer must meet the expectation.
    Http(Box<HttpProbe>),
    /// A port that must accept a connection.
    Tcp(TcpProbe),
    /// A check that is not configured here: reported as `skipped`, never as failed.
    Skipped {
        /// The kind it would be: `env`, `redis`, `http` or `tcp`.
        of: &'static str,
        /// Why, as a clause: `REGISTRY_URL is not set`.
        reason: String,
    },
}

impl CheckSpec {
    /// Returns the kind as the result events name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Env(_) => "env",
            Self::Redis(_) => "redis",
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Skipped { of, .. } => of,
        }
    }
}

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

/// The kinds this version knows, and those of later ones.
const KINDS: [&str; 4] = ["env", "redis", "http", "tcp"];
const LATER_KINDS: [&str; 12] = [
    "oci_image",
    "postgres",
    "mysql",
    "migrations",
    "dns",
    "service_discovery",
    "credential",
    "policy",
    "window",
    "gate",
    "expect_down",
    "grpc",
];

impl Check {
    /// Reads one entry of `checks:`.
    pub(crate) fn read(name: &str, mut table: Table<'_, '_>, limits: Limits) -> Option<Self> {
        let enforce = table.word("enforce", &Enforce::WORDS).unwrap_or_default();
        let message = table.text("message");
        let suggestion = table.text("suggestion");
        let skipped = condition::unless_env(&mut table);
        let kind = kind(&mut table)?;
        let spec = match skipped {
            Some(reason) => {
                let reader = table.reader;
                reader.skipping(|| CheckSpec::read(kind, &mut table, limits));
                Some(CheckSpec::Skipped { of: kind, reason })
            }
            None => CheckSpec::read(kind, &mut table, limits),
        };
        table.later(&["when", "expr", "retry_on"]);
        table.close();
        Some(Self { name: name.to_owned(), enforce, message, suggestion, spec: spec? })
    }
}

/// Reads `kind`. Without one nothing else of the check can be understood.
fn kind(table: &mut Table<'_, '_>) -> Option<&'static str> {
    table.one_of("kind", KINDS.into_iter());
    let node = table.must("kind")?;
    let written = table.text("kind")?;
    let known = KINDS.iter().find(|kind| **kind == written);
    if known.is_none() {
        let what = table.name("kind");
        if LATER_KINDS.contains(&written.as_str()) {
            let text = format!("{what} `{written}` is not supported by this version");
            table.reader.report(Code::NotSupported, node.at, text);
        } else {
            let near = crate::suggest::nearest(&written, KINDS);
            let hint = near.map_or_else(
                || format!("the kinds are {}", KINDS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            table.reader.hint(
                Code::UnknownName,
                node.at,
                format!("unknown check kind `{written}`"),
                hint,
            );
        }
    }
    known.copied()
}

impl CheckSpec {
    fn read(kind: &'static str, table: &mut Table<'_, '_>, limits: Limits) -> Option<Self> {
        match kind {
            "env" => EnvCheck::read(table).map(Self::Env),
            "redis" => {
                table.must("url");
                let url = table.redis_url("url");
                let limits = Limits::read(table, limits);
                table.later(&["role", "min_version", "maxmemory_policy", "assert"]);
                url.map(|url| Self::Redis(RedisProbe { url, limits }))
            }
            "tcp" => {
                table.must("address");
                let address = probe::host_port(table, "address");
                let limits = Limits::read(table, limits);
                table.later(&["expect", "send", "starttls"]);
                address.map(|address| Self::Tcp(TcpProbe { address, limits }))
            }
            _ => {
                table.must("url");
                let url = table.url("url", &probe::HTTP);
                let mut http = HttpParts::new(StatusSet::success(), limits);
                http.read_request(table);
                http.read_expectation(table);
                url.map(|url| Self::Http(Box::new(http.to(url))))
            }
        }
    }
}

impl EnvCheck {
    fn read(table: &mut Table<'_, '_>) -> Option<Self> {
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
