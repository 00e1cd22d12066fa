//! Why a command ends without having done its job.
//!
//! Every command returns it; [`crate::cli::target`] adds what was attempted and on which Redis,
//! prints it once and turns it into the exit code. It never carries an address with credentials.

use std::fmt;
use std::io;

use printery_harness::exit;
use printery_streams::{Error, ErrorKind};

/// An exit code, and what to say with it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// What to say; empty when everything has been said.
    pub(crate) text: String,
    /// Whether the text is about Redis, whose address is still to be added.
    pub(crate) of_redis: bool,
}

impl Failure {
    /// The operation failed.
    pub(crate) fn failed(text: impl fmt::Display) -> Self {
        Self { code: exit::FAILED, text: text.to_string(), of_redis: false }
    }

    /// What was typed or configured is wrong; nothing was written.
    pub(crate) fn usage(text: impl fmt::Display) -> Self {
        Self { code: exit::USAGE, text: text.to_string(), of_redis: false }
    }

    /// The operation failed, and the output says how.
    pub(crate) fn told() -> Self {
        Self::failed("")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind {
            // It has been done; what is missing is the proof.
            ErrorKind::Unknown if error.is_unconfirmed() => exit::FAILED,
            ErrorKind::Unavailable | ErrorKind::Unknown => exit::UNAVAILABLE,
            ErrorKind::Missing | ErrorKind::Refused | ErrorKind::Malformed => exit::FAILED,
        };
        Self { code, text: error.to_string(), of_redis: true }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever reads our output has seen enough.
            return Self { code: exit::DONE, text: String::new(), of_redis: false };
        }
        Self::failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_is_away_is_not_a_failed_operation() {
        let code = |kind| Failure::from(Error::new(kind, "read", "", "x")).code;
        assert_eq!(code(ErrorKind::Unavailable), exit::UNAVAILABLE);
        assert_eq!(code(ErrorKind::Unknown), exit::UNAVAILABLE);
        assert_eq!(code(ErrorKind::Refused), exit::FAILED);
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        let closed = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((closed.code, closed.text.as_str()), (exit::DONE, ""));
    }
}
