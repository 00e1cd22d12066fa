//! Owns the two encodings of `data` and the writing of it.
//! Publishing chooses one by configuration; decoding learns it from the entry.
//! It never reads: the way in is [`crate::Event::decode`], the same for both.

use std::fmt;

use serde::Serialize;

/// Says how `data` is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// A map with named fields in MessagePack; what the fleet writes by default.
    #[default]
    MessagePack,
    /// A JSON object.
    Json,
}

impl Encoding {
    /// Gives the media type that stands in `datacontenttype`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::MessagePack => "application/msgpack",
            Self::Json => "application/json",
        }
    }

    /// Gives the word that configuration uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MessagePack => "msgpack",
            Self::Json => "json",
        }
    }

    /// Reads the word that configuration uses, whatever its case.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::MessagePack, Self::Json]
            .into_iter()
            .find(|it| it.as_str().eq_ignore_ascii_case(word))
    }

    /// Reads a media type; parameters such as `charset` are ignored.
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        [Self::MessagePack, Self::Json]
            .into_iter()
            .find(|it| it.content_type().eq_ignore_ascii_case(media_type))
    }

    /// Guesses from the bytes: what starts with `{`, after white space, is JSON.
    pub fn of_data(data: &[u8]) -> Self {
        match data.trim_ascii_start().first() {
            Some(b'{') => Self::Json,
            Some(_) | None => Self::MessagePack,
        }
    }

    /// Writes a payload.
    #[expect(
        clippy::expect_used,
        reason = "payload structs hold only text, numbers and maps keyed by text"
    )]
    pub(crate) fn write(self, payload: &impl Serialize) -> Vec<u8> {
        match self {
            Self::MessagePack => {
                rmp_serde::to_vec_named(payload).expect("a payload is serializable")
            }
            Self::Json => serde_json::to_vec(payload).expect("a payload is serializable"),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_read_without_its_parameters() {
        let cases = [
            ("application/json", Some(Encoding::Json)),
            ("Application/JSON; charset=utf-8", Some(Encoding::Json)),
            ("application/msgpack", Some(Encoding::MessagePack)),
            ("text/plain", None),
            ("xyz", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Encoding::of_content_type(text), expected, "{text}");
        }
    }

    #[test]
    fn an_opening_brace_means_json() {
        assert_eq!(Encoding::of_data(b" \r\n\t{}"), Encoding::Json);
        assert_eq!(Encoding::of_data(b"\x80"), Encoding::MessagePack);
        assert_eq!(Encoding::of_data(b""), Encoding::MessagePack);
    }
}
