//! Which time series are meant: a name and what its labels must be.
//!
//! Owns the part of `PromQL`'s syntax that names series, `http_requests_total{status=~"5.."}`. Metrics
//! read it from the file, the health-monitor asks it about every line of a scrape. Never scrapes.

use std::fmt;

use printery_expressions::Pattern;
use serde::{Serialize, Serializer};

/// Names series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
    name: String,
    matchers: Vec<Matcher>,
}

/// What one label must be; a label that is not there is an empty text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Matcher {
    label: String,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Is(String),
    IsNot(String),
    Like(Pattern),
    Unlike(Pattern),
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// A clause that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let end = text.find(|c: char| !is_name(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("must begin with the name of a metric".to_owned());
        }
        let rest = rest.trim();
        let mut matchers = Vec::new();
        if !rest.is_empty() {
            let inner = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let mut inner =
                inner.ok_or("must be a name, or a name and labels in `{ }`")?.trim_start();
            while !inner.is_empty() {
                let (matcher, after) = matcher(inner)?;
                matchers.push(matcher);
                let after = after.trim_start();
                inner = match after.strip_prefix(',') {
                    Some(more) => more.trim_start(),
                    None if after.is_empty() => after,
                    None => return Err(format!("has `{after}` where `,` or `}}` should be")),
                };
            }
        }
        Ok(Self { text: text.to_owned(), name: name.to_owned(), matchers })
    }

    /// Returns the name of the metric.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether a series is meant; `label` gives the value of a label, if it has it.
    pub fn takes<'a>(&self, name: &str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        name == self.name && self.takes_labels(label)
    }

    /// Tells whether labels are those that are meant, whatever the name: for the parts of a histogram.
    pub fn takes_labels<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.matchers.iter().all(|matcher| {
            let value = label(&matcher.label).unwrap_or_default();
            match &matcher.wanted {
                Wanted::Is(wanted) => value == wanted,
                Wanted::IsNot(wanted) => value != wanted,
                Wanted::Like(pattern) => pattern.is_in(value.as_bytes()),
                Wanted::Unlike(pattern) => !pattern.is_in(value.as_bytes()),
            }
        })
    }
}

/// Reads one `label="value"` and returns what comes after it.
fn matcher(text: &str) -> Result<(Matcher, &str), String> {
    let end = text.find(|c: char| !is_name(c) || c == ':').unwrap_or(text.len());
    let (label, rest) = text.split_at(end);
    if label.is_empty() {
        return Err(format!("has `{text}` where a label should be"));
    }
    let rest = rest.trim_start();
    let operators = ["=~", "!~", "!=", "="];
    let found = operators.iter().find_map(|it| Some((*it, rest.strip_prefix(it)?)));
    let (operator, rest) =
        found.ok_or_else(|| format!("has no `=`, `!=`, `=~` or `!~` after `{label}`"))?;
    let rest = rest.trim_start();
    let rest =
        rest.strip_prefix('"').ok_or_else(|| format!("has no quoted value for `{label}`"))?;
    let mut value = String::new();
    let mut letters = rest.char_indices();
    let after = loop {
        match letters.next() {
            None => return Err(format!("has a value of `{label}` that does not end")),
            Some((at, '"')) => break rest.get(at + 1..).unwrap_or_default(),
            Some((_, '\\')) => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                Some((_, other)) => value.extend(['\\', other]),
                None => return Err(format!("has a value of `{label}` that does not end")),
            },
            Some((_, letter)) => value.push(letter),
        }
    };
    // Like Prometheus, a pattern is of the whole value.
    let pattern = |value: &str| {
        Pattern::compile(&format!("^(?:{value})$")).map_err(|why| format!("`{value}` {why}"))
    };
    let wanted = match operator {
        "=" => Wanted::Is(value),
        "!=" => Wanted::IsNot(value),
        "=~" => Wanted::Like(pattern(&value)?),
        _ => Wanted::Unlike(pattern(&value)?),
    };
    Ok((Matcher { label: label.to_owned(), wanted }, after))
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_takes_what_prometheus_would_take() {
        let labels = [("status", "503"), ("path", "/a\"b\\c")];
        let label =
            |name: &str| labels.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let cases = [
            ("m", true),
            (" m { } ", true),
            ("m{status=\"503\"}", true),
            ("m{ status = \"503\" , }", true),
            ("m{status!=\"503\"}", false),
            ("m{status=~\"5..\"}", true),
            ("m{status=~\"5.\"}", false),
            ("m{status=~\"2..|5..\",path!=\"\"}", true),
            ("m{status!~\"5..\"}", false),
            ("m{path=\"/a\\\"b\\\\c\"}", true),
            ("m{other=\"\"}", true),
            ("m{other!=\"\"}", false),
            ("job:m:sum", false),
        ];
        for (text, expected) in cases {
            let selector = Selector::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(selector.takes("m", label), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_said() {
        let cases = [
            ("", "must begin with the name"),
            ("{a=\"b\"}", "must begin with the name"),
            ("5xx", "must begin with the name"),
            ("rate(m[1m])", "must be a name, or a name and labels"),
            ("m{a}", "has no `=`"),
            ("m{a=b}", "has no quoted value"),
            ("m{a=\"b}", "does not end"),
            ("m{a=\"b\" c=\"d\"}", "where `,` or `}` should be"),
            ("m{a=~\"(\"}", "is no regular expression"),
            ("m{=\"b\"}", "where a label should be"),
        ];
        for (text, expected) in cases {
            let why = Selector::parse(text).expect_err(text);
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
