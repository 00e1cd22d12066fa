//! JSONPath, RFC 9535.
//!
//! Probes pick values out of answers with it, and the fleet file compiles it when it is read. It changes no document.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json_path::JsonPath;

use crate::condition::{MAX_NESTING, MAX_TEXT};
use crate::problem::Problem;

/// How often a path may say `..`, which visits everything below every match.
const MOST_DESCENTS: usize = 2;

/// A compiled path.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    text: String,
    parsed: JsonPath,
}

impl Path {
    /// Reads a path: `$.checks[0].status`.
    ///
    /// # Errors
    /// It is not a path of RFC 9535, or too long, too nested or too costly.
    pub fn compile(text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_TEXT {
            return Err(Problem::new(format!("is longer than {MAX_TEXT} bytes")));
        }
        if nesting(text) > usize::from(MAX_NESTING) {
            return Err(Problem::new(format!("nests deeper than {MAX_NESTING} levels")));
        }
        if text.matches("..").count() > MOST_DESCENTS {
            return Err(Problem::new(format!("says `..` more than {MOST_DESCENTS} times")));
        }
        match JsonPath::parse(text) {
            Ok(parsed) => Ok(Self { text: text.to_owned(), parsed }),
            Err(error) => {
                let place = error.position().saturating_add(1);
                Err(Problem::new(format!("{} (at character {place})", error.message())))
            }
        }
    }

    /// Returns the values that the path leads to, in the document's order.
    pub fn select<'d>(&self, document: &'d Value) -> Vec<&'d Value> {
        self.parsed.query(document).all()
    }

    /// Returns the path as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Eq for Path {}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

/// Counts brackets that are open at once, those within quotes included: no honest path comes near the bound.
fn nesting(text: &str) -> usize {
    let mut open = 0_usize;
    let mut deepest = 0;
    for character in text.chars() {
        match character {
            '(' | '[' => open += 1,
            ')' | ']' => open = open.saturating_sub(1),
            '!' => deepest += 1,
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_selects_as_the_rfc_says() {
        let document = json!({ "store": { "book": [{ "price": 8 }, { "price": 12 }] } });
        for (path, selected) in [
            ("$.store.book[0].price", vec![json!(8)]),
            ("$..price", vec![json!(8), json!(12)]),
            ("$.store.book[?@.price > 10].price", vec![json!(12)]),
            ("$.store.book[-1].price", vec![json!(12)]),
            ("$.nothing", vec![]),
        ] {
            let found = Path::compile(path).unwrap();
            assert_eq!(found.select(&document).into_iter().cloned().collect::<Vec<_>>(), selected);
            assert_eq!(serde_json::to_value(&found).unwrap(), json!(path));
        }
    }

    #[test]
    fn a_wrong_path_says_where() {
        for (path, why) in [
            ("store.book", "at character 1"),
            ("$[?", "at character"),
            ("$..a..b..c", "more than 2 times"),
            (&format!("$[?{}@.a]", "(".repeat(40)), "nests deeper"),
            (&format!("$.{}", "a".repeat(3000)), "longer than"),
        ] {
            let problem = Path::compile(path).unwrap_err().to_string();
            assert!(problem.contains(why), "{path}: {problem}");
        }
    }
}
