//! What is wrong with an expression, or why it could not be evaluated.
//!
//! Everything in this crate returns it; the fleet file's readers put their own place before it. Its text is one
//! bounded line and never a whole document.

use std::fmt;

use cel::{ExecutionError, ParseErrors};

/// Characters of a cause that are repeated. A value that was compared may be as long as a document.
const LONGEST_CAUSE: usize = 200;

/// Says what is wrong, as a clause, and where in the expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    text: String,
    at: Option<(usize, usize)>,
}

impl Problem {
    /// Makes a problem of the expression as a whole, or of its evaluation.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), at: None }
    }

    /// Makes a problem of the first thing that a parser stumbled over.
    pub(crate) fn parsing(errors: &ParseErrors) -> Self {
        let Some(first) = errors.errors.first() else {
            return Self::new("cannot be read");
        };
        let place = |(line, column): (isize, isize)| {
            let (line, column) = (usize::try_from(line).ok()?, usize::try_from(column).ok()?);
            (line > 0).then_some((line, column.max(1)))
        };
        Self { text: bounded(&first.msg), at: place(first.pos) }
    }

    /// Makes a problem of an evaluation that ended without a value.
    pub(crate) fn evaluating(error: &ExecutionError) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the library may add kinds")]
        Self::new(match error {
            ExecutionError::UndeclaredReference(name) => format!("there is no `{name}` here"),
            ExecutionError::NoSuchKey(name) => format!("there is no `{name}` in the value"),
            ExecutionError::IndexOutOfBounds(_) => "the list has no such element".to_owned(),
            ExecutionError::FunctionError { function, message } => {
                bounded(&format!("{function}(): {message}"))
            }
            other => bounded(&other.to_string()),
        })
    }

    /// Returns line and column within the expression, both from 1, where they are known.
    pub fn place(&self) -> Option<(usize, usize)> {
        self.at
    }

    /// Returns what is wrong without the place.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match self.at {
            Some((1, column)) => write!(f, " (at character {column})"),
            Some((line, column)) => write!(f, " (in line {line}, at character {column})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// Makes one line of a cause and cuts it off where it gets long.
fn bounded(text: &str) -> String {
    let mut line: String = text
        .chars()
        .take(LONGEST_CAUSE)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if text.chars().nth(LONGEST_CAUSE).is_some() {
        line.push('…');
    }
    line
}
