//! Single values of a map: durations, numbers, words, lists of texts, addresses, secrets.
//!
//! Owns one reader for each type of value, every one with its rule. The sections call them by key. Never shows an interpolated
//! value or a secret in a problem.

use std::time::Duration;

use url::Url;

use super::Table;
use crate::address::{RedisUrl, TargetUrl};
use crate::engine::MOST_PARTITIONS;
use crate::node::{Node, Value};
use crate::problem::{Code, Position};
use crate::scalar;
use crate::schema::Told;
use crate::secret::Secret;

impl Table<'_, '_> {
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
