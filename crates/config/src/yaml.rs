//! Writes a value as YAML that people like to read.
//!
//! Owns the written form of fleet files: every text that YAML could take for something else is quoted as in JSON, which YAML 1.2
//! contains. `config show` and the importers write with it. Never reads anything.

use serde_json::Value;

/// Returns the lines of a value.
pub fn to_yaml(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    write(value, 0, &mut lines);
    lines
}

fn write(value: &Value, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                entry(&format!("{indent}{}:", text(name)), value, depth, lines);
            }
        }
        Value::Array(items) => {
            for item in items {
                element(item, depth, lines);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            lines.push(format!("{indent}{}", scalar(value)));
        }
    }
}

/// One name with its value, on one line where that fits.
fn entry(name: &str, value: &Value, depth: usize, lines: &mut Vec<String>) {
    if let Some(short) = on_one_line(value) {
        lines.push(format!("{name} {short}"));
        return;
    }
    lines.push(name.to_owned());
    write(value, depth + 1, lines);
}

/// One element of a list; a map's first line stands beside the dash.
fn element(item: &Value, depth: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(depth);
    if let Some(short) = on_one_line(item) {
        lines.push(format!("{indent}- {short}"));
        return;
    }
    let mut inner = Vec::new();
    write(item, depth + 1, &mut inner);
    let mut inner = inner.into_iter();
    if let Some(first) = inner.next() {
        lines.push(format!("{indent}- {}", first.trim_start()));
    }
    lines.extend(inner);
}

/// A value without structure, an empty one, or a short list of texts and numbers.
fn on_one_line(value: &Value) -> Option<String> {
    match value {
        Value::Object(map) if map.is_empty() => Some("{}".to_owned()),
        Value::Array(items) => {
            let flat = items.iter().all(|item| !item.is_object() && !item.is_array());
            let joined = items.iter().map(scalar).collect::<Vec<_>>().join(", ");
            (flat && joined.len() <= 80).then(|| format!("[{joined}]"))
        }
        Value::Object(_) => None,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(scalar(value)),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(content) => text(content),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

/// A text, quoted unless it can be nothing else.
fn text(content: &str) -> String {
    let letters = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = content.chars().next().is_some_and(|c| c.is_ascii_alphabetic())
        && content.chars().all(letters)
        && !words.contains(&content.to_ascii_lowercase().as_str());
    if plain { content.to_owned() } else { Value::from(content).to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::Fleet;

    #[test]
    fn maps_and_lists_are_indented() {
        let value = json!({
            "fleet": "shop", "on": "1", "empty": {}, "none": null,
            "stages": ["a", "b c"],
            "routes": [{ "to": ["x"], "match": { "deep": [[1]] } }, "last"],
        });
        let expected = "\
empty: {}
fleet: shop
none: null
\"on\": \"1\"
routes:
  - match:
      deep:
        - [1]
    to: [x]
  - last
stages: [a, \"b c\"]";
        assert_eq!(to_yaml(&value).join("\n"), expected);
    }

    proptest! {
        /// The reader of fleet files is a YAML parser: it must find the stages that were written.
        #[test]
        fn any_text_survives(texts in proptest::collection::vec("[ -~é]{1,12}", 1..6)) {
            let file = to_yaml(&json!({ "version": 1, "vars": { "a": texts.join("|") } })).join("\n");
            let fleet = Fleet::parse("f", &format!("{file}\nfleet: \"${{var:a}}\""), &|name| {
                Some(format!("<{name}>"))
            });
            // Interpolation has its own meaning for `$`, and no fleet is called nothing.
            if !file.contains('$') && !texts.join("|").trim().is_empty() {
                prop_assert_eq!(fleet.unwrap().name, texts.join("|"));
            }
        }
    }
}
