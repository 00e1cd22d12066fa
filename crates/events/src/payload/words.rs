//! Owns the shape that all enumerations on the wire share: a closed list of words, written in the contract's case.
//! Every enumeration in this folder is declared with `words!`.
//! It never accepts a word outside the list; readers ignore only the case.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Visitor};

/// Declares an enumeration whose values are words on the wire.
macro_rules! words {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$word_doc])* $word,)+ }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$word,)+];

            const TEXTS: &'static [&'static str] = &[$($text,)+];

            /// Gives the word as it is written on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)+ }
            }

            /// Reads the word, whatever its case.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.as_str().eq_ignore_ascii_case(word))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let visitor = $crate::payload::words::WordVisitor::new(Self::parse, Self::TEXTS);
                deserializer.deserialize_str(visitor)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": Self::TEXTS })
            }
        }
    };
}

/// Reads one word of a closed list.
pub(super) struct WordVisitor<T> {
    parse: fn(&str) -> Option<T>,
    texts: &'static [&'static str],
    word: PhantomData<T>,
}

impl<T> WordVisitor<T> {
    pub(super) const fn new(parse: fn(&str) -> Option<T>, texts: &'static [&'static str]) -> Self {
        Self { parse, texts, word: PhantomData }
    }
}

impl<T> Visitor<'_> for WordVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", self.texts.join(", "))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::unknown_variant(text, self.texts))
    }
}
