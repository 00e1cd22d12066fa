//! Why a measurement could not be made.
//!
//! Every part returns it; the command prints it once. A slow result is no error.

use std::fmt;
use std::io;

/// How the caller can react.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A program is not there: build or install it.
    Missing,
    /// Something did not happen in time.
    Stuck,
    /// The machine or Redis did not do what it was asked.
    Failed,
    /// Somebody asked to stop.
    Interrupted,
}

/// A measurement that could not be made.
#[derive(Debug)]
pub struct Error {
    /// How the caller can react.
    pub kind: ErrorKind,
    what: String,
    source: Option<io::Error>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), source: None }
    }

    /// Says what was attempted when the system refused.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { kind: ErrorKind::Failed, what: what.into(), source: Some(source) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
