//! Which event is told to whom.
//!
//! Owns the `routes:` section and the globs it matches with. The notifier asks it for every event.
//! Never looks at a payload.

use std::fmt;

use printery_expressions::{Condition, Vocabulary};
use serde::{Serialize, Serializer};

use crate::escalate::Escalate;
use crate::node::{Node, Value};
use crate::problem::{Code, Position};
use crate::reader::{Reader, Refers};
use crate::suggest::nearest;
use crate::table::Table;

/// Sends what matches to receivers; the first match wins unless it says `continue`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Route {
    /// What must hold; everything holds when empty.
    #[serde(rename = "match")]
    pub matches: Match,
    /// What must hold as well, over [`ROUTE_VARIABLES`].
    pub when: Option<Condition>,
    /// Names of receivers; may be empty, which silences what matches.
    pub to: Vec<String>,
    /// Windows in which nobody is told by this route.
    pub mute: Vec<String>,
    /// Later routes are asked too.
    #[serde(rename = "continue")]
    pub continues: bool,
    /// Who is told when nobody does anything about it.
    pub escalate: Option<Escalate>,
}

/// What a route's `when` may speak of. Texts that an event does not say are empty.
pub const ROUTE_VARIABLES: [&str; 18] = [
    "type",
    "severity",
    "result",
    "environment",
    "service",
    "services",
    "stage",
    "version",
    "previous_version",
    "deployment_id",
    "correlation_id",
    "by",
    "labels",
    "duration_seconds",
    "summary",
    "kind",
    "root_causes",
    "impaired",
];

/// Lists what an event must be; an empty list demands nothing. Case does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Match {
    /// Event types: `deployment:stage:*:completed`.
    pub event: Vec<Glob>,
    /// Results and statuses: `FAILED`, `success`.
    pub result: Vec<Glob>,
    /// Environments.
    pub environment: Vec<Glob>,
    /// `info`, `success`, `warning`, `critical`.
    pub severity: Vec<Glob>,
    /// Services; one of the event's must match.
    pub service: Vec<Glob>,
    /// Stages.
    pub stage: Vec<Glob>,
    /// Labels; one of the event's must match.
    pub labels: Vec<Glob>,
}

/// Matches texts where `*` stands for any characters, ignoring case.
#[derive(Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Takes a pattern; every text is one.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_lowercase())
    }

    /// Tells whether a text matches.
    pub fn matches(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let Some((first, rest)) = self.0.split_once('*') else {
            return self.0 == text;
        };
        let Some(mut left) = text.strip_prefix(first) else {
            return false;
        };
        let (middles, last) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middles.split('*').filter(|part| !part.is_empty()) {
            // The leftmost place is always good enough: what follows only needs what is left.
            match left.find(part).and_then(|at| left.get(at + part.len()..)) {
                Some(after) => left = after,
                None => return false,
            }
        }
        left.ends_with(last)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl Route {
    /// Reads the `routes:` section.
    pub(crate) fn read_all(top: &mut Table<'_, '_>) -> Vec<Self> {
        let Some(node) = top.get("routes") else { return Vec::new() };
        let Value::List(items) = &node.value else {
            top.reader.wrong(node, "`routes`", "a list");
            return Vec::new();
        };
        items.iter().map(|item| Self::read(top.reader, item)).collect()
    }

    fn read(reader: &Reader<'_>, node: &Node) -> Self {
        let mut table = Table::open(reader, node, "routes");
        let matches = table.table("match").map(Match::read).unwrap_or_default();
        table.must("to");
        let to = table.texts("to").unwrap_or_default();
        for (name, at) in &to {
            reader.refer(Refers::Receiver, name, *at);
        }
        let when = table.condition("when", &Vocabulary::of(ROUTE_VARIABLES));
        let mute = table.texts("mute").unwrap_or_default();
        for (name, at) in &mute {
            reader.refer(Refers::Window, name, *at);
        }
        let continues = table.flag("continue").unwrap_or_default();
        let escalate = table.table("escalate").and_then(Escalate::read);
        table.close();
        let names =
            |listed: Vec<(String, Position)>| listed.into_iter().map(|(name, _)| name).collect();
        Self { matches, when, to: names(to), mute: names(mute), continues, escalate }
    }
}

/// What `severity` may be.
const SEVERITIES: [&str; 4] = ["info", "success", "warning", "critical"];

impl Match {
    fn read(mut table: Table<'_, '_>) -> Self {
        let severities = table.texts("severity").unwrap_or_default();
        for (word, at) in &severities {
            if !SEVERITIES.iter().any(|known| Glob::new(word).matches(known)) {
                let hint = nearest(word, SEVERITIES).map_or_else(
                    || format!("the severities are {}", SEVERITIES.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                table.reader.hint(
                    Code::UnknownName,
                    *at,
                    format!("unknown severity `{word}`"),
                    hint,
                );
            }
        }
        let mut globs = |key| {
            let patterns = table.texts(key).unwrap_or_default();
            patterns.iter().map(|(pattern, _)| Glob::new(pattern)).collect()
        };
        let read = Self {
            event: globs("event"),
            result: globs("result"),
            environment: globs("environment"),
            severity: globs("severity"),
            service: globs("service"),
            stage: globs("stage"),
            labels: globs("labels"),
        };
        table.close();
        read
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn a_star_stands_for_any_characters() {
        let cases = [
            ("deployment:started", "deployment:started", true),
            ("Deployment:Started", "deployment:STARTED", true),
            ("deployment:*", "deployment:stage:a:completed", true),
            ("deployment:stage:*:completed", "deployment:stage:vercel:completed", true),
            ("deployment:stage:*:completed", "deployment:stage:vercel:started", false),
            ("*", "", true),
            ("**", "x", true),
            ("", "", true),
            ("", "x", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("*failed", "deployment:failed", true),
            ("é*", "éa", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }
}
