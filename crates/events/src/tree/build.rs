//! Owns the building of a [`Node`] from either encoding, and every structural limit.
//! [`Node::parse`] calls it with a reader; the reader calls it back value by value.
//! It never allocates by a length that the bytes only claim, and never looks at what a key means.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use super::{MAX_DEPTH, MAX_TEXT_BYTES, Node};
use crate::invalid::quoted;

/// Up to this many keys, comparing each with each is faster than sorting them.
const FEW_KEYS: usize = 16;

/// Knows how many levels of lists and maps may still be opened below a value.
#[derive(Clone, Copy)]
pub(super) struct Level {
    left: usize,
}

impl Level {
    pub(super) const TOP: Self = Self { left: MAX_DEPTH };

    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left }),
            None => Err(E::custom(format_args!("nests deeper than {MAX_DEPTH} levels"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Node<'de>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has too")
    }

    fn visit_unit<E: Error>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Unsigned(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(u64::try_from(value).map_or(Node::Signed(value), Node::Unsigned))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node<'de>, E> {
        if value.is_finite() {
            Ok(Node::Float(value))
        } else {
            Err(E::custom("holds a number that is not finite"))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node<'de>, E> {
        bounded(text.len()).map(|()| Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Node<'de>, E> {
        bounded(text.len()).map(|()| Node::Text(Cow::Borrowed(text)))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Node<'de>, E> {
        bounded(bytes.len())?;
        Ok(match str::from_utf8(bytes) {
            Ok(text) => Node::Text(Cow::Owned(text.to_owned())),
            Err(_) => Node::Bytes(Cow::Owned(bytes.to_owned())),
        })
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Node<'de>, E> {
        bounded(bytes.len())?;
        // A producer whose texts are of the kind `bin` means text all the same.
        Ok(match str::from_utf8(bytes) {
            Ok(text) => Node::Text(Cow::Borrowed(text)),
            Err(_) => Node::Bytes(Cow::Borrowed(bytes)),
        })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Node<'de>, D::Error> {
        Err(D::Error::custom("holds a MessagePack extension, which no payload has"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Node<'de>, A::Error> {
        let level = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = values.next_element_seed(level)? {
            list.push(value);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Node<'de>, A::Error> {
        let level = self.deeper()?;
        let mut map = Vec::new();
        while let Some(key) = pairs.next_key_seed(Key)? {
            map.push((key, pairs.next_value_seed(level)?));
        }
        match repeated_key(&map) {
            Some(key) => Err(A::Error::custom(format_args!("has the key {} twice", quoted(key)))),
            None => Ok(Node::Map(map)),
        }
    }
}

fn bounded<E: Error>(bytes: usize) -> Result<(), E> {
    if bytes <= MAX_TEXT_BYTES {
        Ok(())
    } else {
        let problem = format_args!("holds a text of {bytes} bytes, the limit is {MAX_TEXT_BYTES}");
        Err(E::custom(problem))
    }
}

fn repeated_key<'map>(map: &'map [(Cow<'_, str>, Node<'_>)]) -> Option<&'map str> {
    if map.len() <= FEW_KEYS {
        let mut rest = map;
        while let Some(((key, _), others)) = rest.split_first() {
            if others.iter().any(|(other, _)| other == key) {
                return Some(key);
            }
            rest = others;
        }
        return None;
    }
    let mut keys: Vec<&str> = map.iter().map(|(key, _)| key.as_ref()).collect();
    keys.sort_unstable();
    keys.iter().zip(keys.iter().skip(1)).find_map(|(one, next)| (one == next).then_some(*one))
}

/// Reads a map's key, which must be text.
///
/// Nothing else is even looked into: a key that is a map whose key is a map is deep as well.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)?.ok_or_else(|| no_key("bytes"))
    }
}

impl<'de> Visitor<'de> for Key {
    /// None for bytes that are no text: an error here would be replaced by one of the reader's own.
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        bounded(text.len()).map(|()| Some(Cow::Owned(text.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        bounded(text.len()).map(|()| Some(Cow::Borrowed(text)))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        bounded(bytes.len())
            .map(|()| str::from_utf8(bytes).ok().map(|text| Cow::Owned(text.into())))
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        bounded(bytes.len()).map(|()| str::from_utf8(bytes).ok().map(Cow::Borrowed))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Err(no_key("null"))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(no_key("true or false"))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(no_key("an integer"))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(no_key("an integer"))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(no_key("a number"))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Self::Value, D::Error> {
        Err(no_key("an extension"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(no_key("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(no_key("a map"))
    }
}

fn no_key<E: Error>(kind: &str) -> E {
    E::custom(format_args!("has a key that is {kind}, not a text"))
}
