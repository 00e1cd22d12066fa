//! What telling a receiver once has come to.
//!
//! Owns the three words that all channels answer with; pure. The notifier decides by them what is
//! known then. Never decides when a receiver is asked again.

use std::time::Duration;

/// Says what came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Told,
    /// It may work another time.
    Later {
        /// Why not now, one clause.
        why: String,
        /// How long the receiver asked us to wait.
        after: Option<Duration>,
    },
    /// It will never work.
    Never {
        /// Why, one clause.
        why: String,
    },
}

#[cfg(test)]
impl Verdict {
    /// The word a table of cases compares.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Later { .. } => "later",
            Self::Never { .. } => "never",
        }
    }
}
