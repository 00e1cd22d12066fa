//! Owns the untyped form of `data`: one tree for both encodings, built once and bounded in every direction.
//! Decoding builds it and then reads a payload's struct from it; salvage looks a single value up.
//! It never panics or overflows the stack, whatever the bytes are: depth, lengths, numbers and keys are checked here.

mod build;
mod read;

use std::borrow::Cow;
use std::fmt;

use rmp_serde::decode::Error as MessagePackError;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, Visitor};

use crate::encoding::Encoding;
use crate::invalid::Invalid;

/// How deep `data` may nest. No payload needs more than five; the rest is room for what producers add.
pub(crate) const MAX_DEPTH: usize = 64;

/// How many bytes one text inside an entry may have: 256 KiB.
pub(crate) const MAX_TEXT_BYTES: usize = 256 * 1024;

/// Holds one value of `data`, borrowed from the entry wherever the encoding allows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node<'de> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'de, str>),
    /// Bytes that are no text; only MessagePack has them.
    Bytes(Cow<'de, [u8]>),
    List(Vec<Node<'de>>),
    Map(Vec<(Cow<'de, str>, Node<'de>)>),
}

impl<'de> Node<'de> {
    /// Builds the tree of one whole value.
    ///
    /// # Errors
    /// The bytes are not exactly one well-formed map within the limits; the field named is `data`.
    pub(crate) fn parse(data: &'de [u8], encoding: Encoding) -> Result<Self, Invalid> {
        let parsed = match encoding {
            Encoding::Json => parse_json(data),
            Encoding::MessagePack => parse_message_pack(data),
        };
        let node = parsed.map_err(|problem| Invalid::new("data", problem))?;
        match node {
            Self::Map(_) => Ok(node),
            Self::Null
            | Self::Bool(_)
            | Self::Unsigned(_)
            | Self::Signed(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::Bytes(_)
            | Self::List(_) => {
                Err(Invalid::new("data", format!("must be a map, not {}", node.kind())))
            }
        }
    }

    /// Looks a text up by its key; none where this is no map, has no such key, or holds something else there.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        let Self::Map(pairs) = self else { return None };
        match pairs.iter().find(|(name, _)| name == key) {
            Some((_, Self::Text(text))) => Some(text),
            Some(_) | None => None,
        }
    }

    /// Names what kind of value this is, for people.
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Unsigned(_) | Self::Signed(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

fn parse_json(data: &[u8]) -> Result<Node<'_>, String> {
    let mut reader = serde_json::Deserializer::from_slice(data);
    let node =
        build::Level::TOP.deserialize(&mut reader).and_then(|node| reader.end().map(|()| node));
    node.map_err(
        |error| {
            if error.is_data() { error.to_string() } else { format!("is not JSON: {error}") }
        },
    )
}

fn parse_message_pack(data: &[u8]) -> Result<Node<'_>, String> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(data);
    let node = build::Level::TOP.deserialize(&mut reader).map_err(describe)?;
    // The reader does not tell how far it came, but at the end there is no further marker to read.
    match reader.deserialize_option(Marker) {
        Err(MessagePackError::InvalidMarkerRead(_)) => Ok(node),
        Ok(()) | Err(_) => Err("has trailing bytes after its value".to_owned()),
    }
}

/// Reads the first marker of a value and leaves the rest.
struct Marker;

impl<'de> Visitor<'de> for Marker {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Ok(())
    }
}

/// Says what the MessagePack reader met, without its jargon.
fn describe(error: MessagePackError) -> String {
    match error {
        MessagePackError::Syntax(problem) | MessagePackError::Uncategorized(problem) => problem,
        MessagePackError::InvalidMarkerRead(_) | MessagePackError::InvalidDataRead(_) => {
            "is not MessagePack: it ends too early".to_owned()
        }
        MessagePackError::TypeMismatch(_) => "is not MessagePack: an unknown marker".to_owned(),
        other @ (MessagePackError::OutOfRange
        | MessagePackError::LengthMismatch(_)
        | MessagePackError::Utf8Error(_)
        | MessagePackError::DepthLimitExceeded) => format!("is not MessagePack: {other}"),
    }
}
