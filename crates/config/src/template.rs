//! Texts with places for what a deployment says of itself: `shop/${event.service}:${event.version}`.
//!
//! Owns the one kind of `${…}` that is resolved for each event and not when the file is read. Checks hold templates and the
//! validator fills them. Never lets an event's words become anything but text.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::node::{Node, Value};
use crate::problem::Code;
use crate::suggest::nearest;
use crate::table::Table;

/// What stands before a field's name.
const OPEN: &str = "${event.";

/// What a template may ask of a deployment.
const FIELDS: [&str; 8] = [
    "deployment_id",
    "version",
    "previous_version",
    "environment",
    "strategy",
    "initiated_by",
    "service",
    "image",
];

/// Holds a text and the fields of an event that belong into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(&'static str),
}

impl Template {
    /// Fills the fields in.
    ///
    /// # Errors
    /// The first field that `look_up` does not know, as `event.previous_version`.
    pub fn fill(&self, look_up: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Field(field) => {
                    let value = look_up(field).ok_or_else(|| format!("event.{field}"))?;
                    text.push_str(&value);
                }
            }
        }
        Ok(text)
    }

    /// Returns what stands before the first field.
    pub fn beginning(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(literal)) => literal,
            Some(Part::Field(_)) | None => "",
        }
    }

    /// Tells whether the text is one field and nothing else.
    pub fn is_field(&self, name: &str) -> bool {
        matches!(self.parts.as_slice(), [Part::Field(field)] if *field == name)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// It asks for a field that no deployment has; the text says which.
    pub fn parse(source: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let (name, after) = after.split_once('}').ok_or("holds a `${` that is never closed")?;
            let field =
                FIELDS.iter().find(|field| **field == name).ok_or_else(|| {
                    match nearest(name, FIELDS) {
                        Some(near) => format!(
                            "asks for the unknown `event.{name}`; did you mean `event.{near}`?"
                        ),
                        None => format!(
                            "asks for the unknown `event.{name}`; known are {}",
                            FIELDS.join(", ")
                        ),
                    }
                })?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Field(field));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { source: source.to_owned(), parts })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.source)
    }
}

impl Table<'_, '_> {
    /// Reads a template: everything but its fields is resolved now.
    pub(crate) fn template(&mut self, key: &'static str) -> Option<Template> {
        let what = self.name(key);
        let node = self.get(key)?;
        self.template_of(node, &what)
    }

    /// Reads a map of names that the user chose to templates.
    pub(crate) fn templates(&self) -> Vec<(String, Template)> {
        let read = self.entries().filter_map(|(name, node)| {
            Some((name.to_owned(), self.template_of(node, &self.name(name))?))
        });
        read.collect()
    }

    /// Reads one template.
    pub(crate) fn template_of(&self, node: &Node, what: &str) -> Option<Template> {
        let read = match &node.value {
            Value::Text(written) => {
                let kept = written.replace(OPEN, &format!("${OPEN}"));
                let variables = &self.reader.variables;
                variables.replace(&kept).map_err(|why| (variables.blame(), why))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Table(_) => {
                self.reader.wrong(node, what, "text");
                return None;
            }
        };
        let template = read.and_then(|text| {
            let text = crate::scalar::filled(&text).map_err(|why| (Code::BadValue, why))?;
            Template::parse(&text).map_err(|why| (Code::BadValue, why))
        });
        match template {
            Ok(template) => Some(template),
            Err((code, why)) => {
                self.reader.report(code, node.at, format!("{what} {why}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_in_and_nothing_else_is_touched() {
        let template = Template::parse("shop/${event.service}:v${event.version}").unwrap();
        let values = |name: &str| Some(format!("<{name}>"));
        assert_eq!(template.fill(values).unwrap(), "shop/<service>:v<version>");
        assert_eq!(template.beginning(), "shop/");
        assert_eq!(template.fill(|_| None), Err("event.service".to_owned()));
        // What an event says is text, also when it looks like a field.
        let sly = template.fill(|_| Some("${event.version}".to_owned())).unwrap();
        assert_eq!(sly, "shop/${event.version}:v${event.version}");
        assert!(Template::parse("${event.image}").unwrap().is_field("image"));
    }

    #[test]
    fn an_unknown_field_is_named_with_the_nearest() {
        let why = Template::parse("x${event.versoin}").unwrap_err();
        assert_eq!(why, "asks for the unknown `event.versoin`; did you mean `event.version`?");
        assert!(Template::parse("${event.version").unwrap_err().contains("never closed"));
    }
}
