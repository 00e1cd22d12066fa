//! Checks that ask nobody outside: `policy`, `window`, `gate`.
//!
//! Owns their keys. The validator judges by them. Never evaluates a condition.

use std::collections::BTreeMap;
use std::time::Duration;

use printery_expressions::{Condition, Vocabulary};
use serde::Serialize;

use crate::expression;
use crate::problem::Code;
use crate::reader::Refers;
use crate::shown;
use crate::table::Table;

/// What conditions about a deployment may name.
pub const DEPLOYMENT: [&str; 16] = [
    "event",
    "deployment_id",
    "version",
    "previous_version",
    "previous",
    "environment",
    "strategy",
    "services",
    "service",
    "images",
    "initiated_by",
    "labels",
    "migrations",
    "git",
    "now",
    "vars",
];

/// The function that tells whether it is the time of a window.
pub const IN_WINDOW: &str = "inWindow";

/// Holds a condition that every deployment must meet.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyCheck {
    /// Over [`DEPLOYMENT`], `results` and the function [`IN_WINDOW`].
    pub expr: Condition,
    /// The file's own `vars`, as they were when it was read.
    #[serde(skip)]
    pub vars: BTreeMap<String, String>,
}

/// Holds times at which a deployment may begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WindowCheck {
    /// It must be the time of one of these, if there are any.
    pub inside: Vec<String>,
    /// It must not be the time of any of these.
    pub outside: Vec<String>,
}

/// Describes an approval that somebody must give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GateCheck {
    /// How long it is waited for.
    #[serde(serialize_with = "shown::duration")]
    pub timeout: Duration,
}

/// How long a gate waits that does not say. One day.
const WAIT: Duration = Duration::from_secs(24 * 60 * 60);

impl PolicyCheck {
    /// Reads its keys.
    pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Self> {
        table.must("expr");
        let what = table.name("expr");
        let node = table.get("expr")?;
        let names = Vocabulary::of(DEPLOYMENT.into_iter().chain(["results"]));
        let names = names.with_function(IN_WINDOW);
        let expr = expression::condition(table.reader, node, &what, &names)?;
        expr_windows(table, &expr);
        Some(Self { expr, vars: table.reader.variables.vars().clone() })
    }
}

/// Reads `when`, the condition on which a check is made at all.
pub(super) fn when(table: &mut Table<'_, '_>) -> Option<Condition> {
    let what = table.name("when");
    let node = table.get("when")?;
    let names = Vocabulary::of(DEPLOYMENT).with_function(IN_WINDOW);
    let when = expression::condition(table.reader, node, &what, &names)?;
    expr_windows(table, &when);
    Some(when)
}

/// Remembers the windows that a condition names in clear text, so that a misspelt one is found when the file is read.
fn expr_windows(table: &Table<'_, '_>, condition: &Condition) {
    let mut rest = condition.as_str();
    while let Some((_, after)) = rest.split_once(IN_WINDOW) {
        rest = after;
        let Some(argument) = after.trim_start().strip_prefix('(') else { continue };
        let argument = argument.trim_start();
        let quoted = ['"', '\''].into_iter().find_map(|quote| {
            argument.strip_prefix(quote)?.split_once(quote).map(|(name, _)| name)
        });
        if let Some(name) = quoted {
            table.reader.refer(Refers::Window, name, table.at);
        }
    }
}

impl WindowCheck {
    /// Reads its keys.
    pub(super) fn read(table: &mut Table<'_, '_>) -> Option<Self> {
        let mut named = |key| {
            let mut names = Vec::new();
            for (name, at) in table.texts(key).unwrap_or_default() {
                table.reader.refer(Refers::Window, &name, at);
                names.push(name);
            }
            names
        };
        let read = Self { inside: named("inside"), outside: named("outside") };
        if read.inside.is_empty() && read.outside.is_empty() {
            let what = table.name("kind");
            let text = format!("{what} `window` needs `inside` or `outside`");
            table.reader.report(Code::MissingKey, table.at, text);
            return None;
        }
        Some(read)
    }
}

impl GateCheck {
    /// Reads its keys.
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        Self { timeout: table.span("timeout").unwrap_or(WAIT) }
    }
}
