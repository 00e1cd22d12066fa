//! Regular expressions, bounded.
//!
//! Probes look for them in headers and in what a port says; the fleet file compiles them when it is read. The matching
//! is linear in the text, and the compiled form is small.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use serde::{Serialize, Serializer};

use crate::condition::MAX_TEXT;
use crate::problem::Problem;

/// Bytes that a compiled pattern may take. 1 MiB: counted repetitions multiply.
const LARGEST: usize = 1024 * 1024;

/// A compiled regular expression; two are equal when their texts are.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
}

impl Pattern {
    /// Reads a regular expression: `^220 `.
    ///
    /// # Errors
    /// It is no regular expression, or too long or too large.
    pub fn compile(text: &str) -> Result<Self, Problem> {
        if text.len() > MAX_TEXT {
            return Err(Problem::new(format!("is longer than {MAX_TEXT} bytes")));
        }
        match RegexBuilder::new(text).size_limit(LARGEST).dfa_size_limit(LARGEST).build() {
            Ok(regex) => Ok(Self { regex }),
            Err(error) => {
                // Its text is a drawing of several lines; the last one says it.
                let said = error.to_string();
                let last = said.lines().last().unwrap_or_default();
                let why = last.strip_prefix("error: ").unwrap_or(last);
                Err(Problem::new(format!("is no regular expression: {why}")))
            }
        }
    }

    /// Tells whether the pattern is found in these bytes.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.regex.is_match(bytes)
    }

    /// Returns the pattern as it is written.
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_found_in_bytes_that_are_no_text() {
        let pattern = Pattern::compile("^220 .*ESMTP").unwrap();
        assert!(pattern.is_in(b"220 mail.shop.example ESMTP \xff\r\n"));
        assert!(!pattern.is_in(b"554 no"));
    }

    #[test]
    fn a_wrong_or_huge_pattern_is_refused_in_one_line() {
        for (text, why) in [
            ("^22(", "unclosed group"),
            ("(((a{900}){900}){900})", "size limit"),
            (&"a".repeat(3000), "longer than"),
        ] {
            let problem = Pattern::compile(text).unwrap_err().to_string();
            assert!(problem.contains(why) && !problem.contains('\n'), "{problem}");
        }
    }
}
