//! One map of the file while it is being read.
//!
//! Owns key handling: what was asked for is known, what is left over is reported with the nearest
//! known key. Every section opens one and closes it. Never silently ignores a key.

mod values;

use std::collections::BTreeMap;

use crate::node::{Key, Node, Value};
use crate::problem::{Code, Position};
use crate::reader::Reader;
use crate::scalar;
use crate::schema::Told;
use crate::suggest::nearest;

/// A map of the file and which of its keys have been asked for.
pub(crate) struct Table<'r, 'a> {
    pub(crate) reader: &'r Reader<'a>,
    /// Where the map stands.
    pub(crate) at: Position,
    /// What errors call it: `engine.backoff`; empty at the top.
    path: String,
    entries: &'r [(Key, Node)],
    known: Vec<&'static str>,
    /// The beginning of keys that are known whatever follows.
    known_prefix: Option<&'static str>,
}

impl<'r, 'a> Table<'r, 'a> {
    /// Opens a map; anything else is reported and read as an empty one.
    pub(crate) fn open(reader: &'r Reader<'a>, node: &'r Node, path: &str) -> Self {
        let entries = match &node.value {
            Value::Table(entries) => entries.as_slice(),
            Value::Null => &[],
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                let what =
                    if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") };
                reader.wrong(node, &what, "a map");
                &[]
            }
        };
        let table = Self {
            reader,
            at: node.at,
            path: path.to_owned(),
            entries,
            known: Vec::new(),
            known_prefix: None,
        };
        table.report_duplicates();
        table
    }

    /// Opens the top of the file for a first look; its own problems are the second look's to report.
    pub(crate) fn open_quietly(reader: &'r Reader<'a>, root: &'r Node) -> Self {
        let entries = match &root.value {
            Value::Table(entries) => entries.as_slice(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                &[]
            }
        };
        Self {
            reader,
            at: root.at,
            path: String::new(),
            entries,
            known: Vec::new(),
            known_prefix: None,
        }
    }

    fn report_duplicates(&self) {
        let mut first: BTreeMap<&str, Position> = BTreeMap::new();
        for (key, _) in self.entries {
            if let Some(before) = first.get(key.name.as_str()) {
                let text = format!("`{}` stands here twice", key.name);
                let hint = format!("the first is in line {}", before.line);
                self.reader.hint(Code::DuplicateKey, key.at, text, hint);
            } else {
                first.insert(&key.name, key.at);
            }
        }
    }

    /// Returns what errors call a key of this map.
    pub(crate) fn name(&self, key: &str) -> String {
        if self.path.is_empty() { format!("`{key}`") } else { format!("`{}.{key}`", self.path) }
    }

    /// Asks for a key; a key without a value is the same as no key.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'r Node> {
        self.known.push(key);
        self.reader.tell(self.at, || Told::Key(key));
        self.entries
            .iter()
            .find(|(known, _)| known.name == key)
            .map(|(_, node)| node)
            .filter(|node| node.value != Value::Null)
    }

    /// Asks for a key that must be there.
    pub(crate) fn must(&mut self, key: &'static str) -> Option<&'r Node> {
        let node = self.get(key);
        self.reader.tell(self.at, || Told::Required(key));
        if node.is_none() {
            let text = format!("{} is missing", self.name(key));
            self.reader.report(Code::MissingKey, self.at, text);
        }
        node
    }

    /// Opens a map under a key; an absent one is empty.
    pub(crate) fn table(&mut self, key: &'static str) -> Option<Table<'r, 'a>> {
        let path = self.path_to(key);
        self.get(key).map(|node| Table::open(self.reader, node, &path))
    }

    /// Returns the path errors use for a map under a key.
    pub(crate) fn path_to(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Lists the entries of a map whose keys are names the user chose.
    pub(crate) fn named(&mut self, key: &'static str) -> Vec<(&'r str, Position, &'r Node)> {
        let path = self.path_to(key);
        let Some(node) = self.get(key) else { return Vec::new() };
        let table = Table::open(self.reader, node, &path);
        self.reader.tell(node.at, || Told::Names);
        let mut named: Vec<(&'r str, Position, &'r Node)> = Vec::new();
        for (key, node) in table.entries {
            if let Err(why) = scalar::name(&key.name) {
                let text = format!("`{}` {why}", key.name);
                self.reader.report(Code::BadValue, key.at, text);
            } else if !named.iter().any(|(name, ..)| *name == key.name) {
                named.push((&key.name, key.at, node));
            }
        }
        named
    }

    /// Lists the keys that begin so, without the prefix, each with one of a few words.
    pub(crate) fn prefixed<T: Copy>(
        &mut self,
        prefix: &'static str,
        words: &[(&str, T)],
    ) -> Vec<(&'r str, Position, T)> {
        self.known_prefix = Some(prefix);
        let listed = || words.iter().map(|(word, _)| (*word).to_owned()).collect::<Vec<_>>();
        self.reader.tell(self.at, || Told::Prefixed(prefix, listed()));
        let mut found = Vec::new();
        for (key, node) in self.entries {
            let Some(rest) = key.name.strip_prefix(prefix) else { continue };
            let what = self.name(&key.name);
            if node.value == Value::Null {
                continue;
            }
            let Some(scalar) = self.reader.text(node, &what) else { continue };
            if let Some((_, value)) = words.iter().find(|(word, _)| *word == scalar.text) {
                found.push((rest, key.at, *value));
            } else {
                let text = format!("{what} must be one of {}", listed().join(", "));
                self.reader.report(Code::BadValue, node.at, text);
            }
        }
        found
    }

    /// Lists the entries of a map whose keys are the environment's names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'r str, &'r Node)> + use<'r> {
        self.reader.tell(self.at, || Told::Names);
        self.entries.iter().map(|(key, node)| (key.name.as_str(), node))
    }

    /// Tells whether the map has one of the keys.
    pub(crate) fn has_any(&self, keys: &[&'static str]) -> bool {
        for key in keys {
            self.reader.tell(self.at, || Told::Key(key));
        }
        self.entries.iter().any(|(key, _)| keys.contains(&key.name.as_str()))
    }

    /// Reports keys that only a later version understands.
    pub(crate) fn later(&mut self, keys: &[&'static str]) {
        for (key, _) in self.entries {
            if keys.contains(&key.name.as_str()) {
                let text = format!("{} is not supported by this version", self.name(&key.name));
                self.reader.report(Code::NotSupported, key.at, text);
            }
        }
        for key in keys {
            self.reader.tell(self.at, || Told::Later(key));
        }
        self.known.extend_from_slice(keys);
    }

    /// Reports keys that mean something only beside another one.
    pub(crate) fn only_with(&mut self, other: &str, keys: &[&'static str]) {
        for (key, _) in self.entries {
            if keys.contains(&key.name.as_str()) {
                let text = format!("{} needs {}", self.name(&key.name), self.name(other));
                self.reader.report(Code::Conflict, key.at, text);
            }
        }
        self.known.extend_from_slice(keys);
    }

    /// Reports the keys nobody asked for.
    pub(crate) fn close(self) {
        for (key, _) in self.entries {
            let prefixed = self.known_prefix.is_some_and(|prefix| key.name.starts_with(prefix));
            if prefixed || self.known.contains(&key.name.as_str()) {
                continue;
            }
            let text = format!("unknown key {}", self.name(&key.name));
            match nearest(&key.name, self.known.iter().copied()) {
                Some(near) => {
                    let hint = format!("did you mean `{near}`?");
                    self.reader.hint(Code::UnknownKey, key.at, text, hint);
                }
                None => self.reader.report(Code::UnknownKey, key.at, text),
            }
        }
    }
}
