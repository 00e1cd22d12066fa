//! One map of the file while it is being read.
//!
//! Owns key handling: what was asked for is known, what is left over is reported with the nearest
//! known key. Every section opens one and closes it. Never silently ignores a key.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::address::{RedisUrl, TargetUrl};
use crate::engine::MOST_PARTITIONS;
use crate::node::{Key, Node, Value};
use crate::problem::{Code, Position};
use crate::reader::Reader;
use crate::scalar;
use crate::schema::Told;
use crate::secret::Secret;
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
        let table = Self { reader, at: node.at, path: path.to_owned(), entries, known: Vec::new() };
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
        Self { reader, at: root.at, path: String::new(), entries, known: Vec::new() }
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

    /// Lists the entries of a map whose keys are the environment's names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'r str, &'r Node)> + use<'r> {
        self.reader.tell(self.at, || Told::Names);
        self.entries.iter().map(|(key, node)| (key.name.as_str(), node))
    }

    /// Tells whether the map has one of the keys.
    pub(crate) fn has_any(&self, keys: &[&str]) -> bool {
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
            if self.known.contains(&key.name.as_str()) {
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

    /// Reads a value by a rule over its interpolated text.
    pub(crate) fn parse<T>(
        &mut self,
        key: &'static str,
        rule: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let what = self.name(key);
        let node = self.get(key)?;
        let scalar = self.reader.text(node, &what)?;
        scalar::checked(self.reader, node, &what, &scalar, rule)
    }

    /// Reads a text that is not empty.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        self.parse(key, scalar::filled)
    }

    /// Reads a duration, which has a unit.
    pub(crate) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        let what = self.name(key);
        self.reader.tell(self.at, || Told::Duration(key));
        let node = self.get(key)?;
        if matches!(node.value, Value::Number(_)) {
            let text = format!("{what} has no unit");
            self.reader.hint(Code::BadValue, node.at, text, "write it as `10s`, `500ms` or `2m`");
            return None;
        }
        self.parse(key, scalar::duration)
    }

    /// Reads a duration that is not zero.
    pub(crate) fn span(&mut self, key: &'static str) -> Option<Duration> {
        let what = self.name(key);
        let duration = self.duration(key)?;
        if duration.is_zero() {
            let at = self.get(key).map_or(self.at, |node| node.at);
            self.reader.report(Code::BadValue, at, format!("{what} must be longer than 0s"));
            return None;
        }
        Some(duration)
    }

    /// Reads a whole number of at least `least`.
    pub(crate) fn count(&mut self, key: &'static str, least: u64) -> Option<u64> {
        let what = self.name(key);
        self.reader.tell(self.at, || Told::Least(key, least));
        let node = self.get(key)?;
        let text = self.reader.plain(node, &what, "a whole number")?;
        match text.trim().parse::<u64>() {
            Ok(count) if count >= least => Some(count),
            Ok(_) => {
                let text = format!("{what} must be at least {least}");
                self.reader.report(Code::BadValue, node.at, text);
                None
            }
            Err(_) => {
                let text = format!("{what} must be a whole number");
                self.reader.report(Code::BadValue, node.at, text);
                None
            }
        }
    }

    /// Reads a number of things that run at once or are tried: 1 to 1,000,000.
    pub(crate) fn small(&mut self, key: &'static str) -> Option<u32> {
        let what = self.name(key);
        let count = self.count(key, 1)?;
        let small = u32::try_from(count).ok().filter(|count| *count <= 1_000_000);
        if small.is_none() {
            let at = self.get(key).map_or(self.at, |node| node.at);
            self.reader.report(Code::BadValue, at, format!("{what} must be at most 1000000"));
        }
        small
    }

    /// Reads how many partitions a fleet has: 1 to [`MOST_PARTITIONS`].
    pub(crate) fn partitions(&mut self, key: &'static str) -> Option<u16> {
        let what = self.name(key);
        let count = self.count(key, 1)?;
        let few = u16::try_from(count).ok().filter(|count| *count <= MOST_PARTITIONS);
        if few.is_none() {
            let at = self.get(key).map_or(self.at, |node| node.at);
            let text = format!("{what} must be at most {MOST_PARTITIONS}");
            self.reader.report(Code::BadValue, at, text);
        }
        few
    }

    /// Reads `true` or `false`.
    pub(crate) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let what = self.name(key);
        let node = self.get(key)?;
        let text = self.reader.plain(node, &what, "`true` or `false`")?;
        match text.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                let text = format!("{what} must be `true` or `false`");
                self.reader.report(Code::BadValue, node.at, text);
                None
            }
        }
    }

    /// Reads one of a few words.
    pub(crate) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.one_of(key, words.iter().map(|(word, _)| *word));
        self.parse(key, |text| {
            let known = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            known.map(|(_, value)| *value).ok_or_else(|| {
                let listed: Vec<String> =
                    words.iter().map(|(word, _)| format!("`{word}`")).collect();
                format!("must be one of {}", listed.join(", "))
            })
        })
    }

    /// Says which words a key may have, where the caller compares them itself.
    pub(crate) fn one_of<'w>(&self, key: &'static str, words: impl Iterator<Item = &'w str>) {
        self.reader.tell(self.at, || Told::Words(key, words.map(str::to_owned).collect()));
    }

    /// Reads a list of texts; one text is a list of one.
    pub(crate) fn texts(&mut self, key: &'static str) -> Option<Vec<(String, Position)>> {
        let what = self.name(key);
        let node = self.get(key)?;
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Table(_) => {
                std::slice::from_ref(node)
            }
        };
        let read = |item: &Node| {
            let scalar = self.reader.text(item, &what)?;
            let text = scalar::checked(self.reader, item, &what, &scalar, scalar::filled)?;
            Some((text, item.at))
        };
        Some(items.iter().filter_map(read).collect())
    }

    /// Reads the URL of something that is probed or used; a password in clear text is a warning.
    pub(crate) fn url(&mut self, key: &'static str, schemes: &[&str]) -> Option<TargetUrl> {
        let what = self.name(key);
        let node = self.get(key)?;
        scalar::target_url(self.reader, node, &what, schemes)
    }

    /// Reads the address of a Redis.
    pub(crate) fn redis_url(&mut self, key: &'static str) -> Option<RedisUrl> {
        let what = self.name(key);
        let node = self.get(key)?;
        scalar::redis_url(self.reader, node, &what)
    }

    /// Reads a URL that is itself a secret.
    pub(crate) fn secret_url(&mut self, key: &'static str) -> Option<Url> {
        let secret = self.secret(key)?;
        self.hidden_url(key, &secret)
    }

    /// Reads a URL that is not shown, though it is no secret by itself.
    pub(crate) fn private_url(&mut self, key: &'static str) -> Option<Url> {
        let what = self.name(key);
        let node = self.get(key)?;
        let url = scalar::private(self.reader, node, &what)?;
        self.hidden_url(key, &url)
    }

    fn hidden_url(&mut self, key: &'static str, text: &Secret) -> Option<Url> {
        let what = self.name(key);
        let at = self.get(key).map_or(self.at, |node| node.at);
        match scalar::url(text.expose(), &["https", "http"]) {
            Ok(url) => Some(url),
            Err(why) => {
                self.reader.report(Code::BadValue, at, format!("{what} {why}"));
                None
            }
        }
    }

    /// Reads a secret; one that stands in the file in clear text is a warning.
    pub(crate) fn secret(&mut self, key: &'static str) -> Option<Secret> {
        let what = self.name(key);
        let node = self.get(key)?;
        scalar::secret(self.reader, node, &what)
    }
}
