//! Owns [`Invalid`], the one way in which an entry can fail to be an event, and the quoting of what was found in it.
//! Everything in this crate that reads bytes returns it; the harness turns it into a dead letter's reason.
//! It never carries more than [`MAX_QUOTED`] characters of an entry, so that no payload leaks into a log.

use std::fmt;

/// How many characters of an entry one problem may quote, after escaping: enough to recognise a
/// wrong value, too little to carry a payload or to flood a log line.
pub const MAX_QUOTED: usize = 64;

/// Says which field of an entry breaks the contract, and how.
///
/// `Display` is `<field>: <problem>`; a dead letter's reason is `invalid_event: ` and that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field as the contract names it: `id`, `data`, `data.checks[2].outcome`, or `entry` for the whole.
    pub field: String,
    /// What is wrong with it, one lower-case clause.
    pub problem: String,
}

impl Invalid {
    /// Names a field and its problem.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl std::error::Error for Invalid {}

/// Quotes untrusted text in back-quotes: escaped to one printable line and cut at [`MAX_QUOTED`].
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", escaped(text))
}

/// Escapes untrusted text to one printable line, cut at [`MAX_QUOTED`] characters.
pub(crate) fn escaped(text: &str) -> String {
    let mut line = String::new();
    let mut room = MAX_QUOTED - 1;
    for character in text.chars() {
        let escape = character.escape_debug();
        let width = escape.len();
        if width > room {
            line.push('…');
            break;
        }
        room -= width;
        line.extend(escape);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_one_short_printable_line() {
        let hostile = "\u{1b}[31m\r\n\u{202e}${jndi:".repeat(100);
        let quote = escaped(&hostile);
        assert!(quote.chars().count() <= MAX_QUOTED, "{quote}");
        assert!(quote.chars().all(|c| c == '…' || c.is_ascii_graphic()), "{quote}");
    }

    #[test]
    fn a_short_quote_is_whole() {
        assert_eq!(quoted("canary"), "`canary`");
        let longest = "x".repeat(MAX_QUOTED - 1);
        assert_eq!(escaped(&longest), longest);
        assert_eq!(escaped(&"x".repeat(MAX_QUOTED)).chars().count(), MAX_QUOTED);
    }
}
