//! What an error tells about the server itself: still ours, moved, demoted, silent.
//!
//! Pure; asked for every failed reply. What the error means for the caller is [`crate::error`]'s.

use redis::RedisError;

/// What to think of the server after an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble<'a> {
    /// Our keys are on another node, in the cluster's words.
    Moved(&'a str),
    /// It does not take our writes any more: a replica, or a node without a cluster.
    Demoted,
    /// It did not answer in time.
    Silent,
    /// Nothing that another server would do better.
    Other,
}

impl<'a> Trouble<'a> {
    pub(super) fn of(error: &'a RedisError) -> Self {
        if error.is_timeout() {
            return Self::Silent;
        }
        match error.code() {
            Some("MOVED") => {
                error.redirect_node().map_or(Self::Other, |(told, _)| Self::Moved(told))
            }
            Some("READONLY" | "MASTERDOWN" | "CLUSTERDOWN") => Self::Demoted,
            // A blocked read that ended because the server changed its role, not because its key went.
            Some("UNBLOCKED") if error.detail().unwrap_or_default().contains("state changed") => {
                Self::Demoted
            }
            _ => Self::Other,
        }
    }
}
