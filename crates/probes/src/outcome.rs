//! How a probe ends: an [`Outcome`], the [`Class`] of trouble behind it and a stable [`ReasonCode`].
//!
//! Every protocol file fills it in and every worker reads it; nothing here touches a network.
//! It never decides what an outcome means for a deployment: that is the worker's verdict.

use std::fmt;

/// How one check ended, ordered from harmless to worst.
///
/// [`Fail`](Outcome::Fail) means the target answered and broke the expectation (or can never meet it);
/// [`Error`](Outcome::Error) means we could not find out. `Skipped` is the neutral element of [`join`](Outcome::join).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing was checked, because nothing was configured or a condition was not met.
    Skipped,
    /// The target met every expectation.
    Pass,
    /// The target met the expectation, but not comfortably.
    Warn,
    /// The evidence was too thin to say anything.
    Inconclusive,
    /// We could not find out.
    Error,
    /// The target broke the expectation.
    Fail,
}

impl Outcome {
    /// Every outcome, from harmless to worst.
    pub const ALL: [Self; 6] =
        [Self::Skipped, Self::Pass, Self::Warn, Self::Inconclusive, Self::Error, Self::Fail];

    /// Returns the worse of two outcomes.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        self.max(other)
    }

    /// Returns the worst of many outcomes, `Skipped` when there is none.
    pub fn worst(outcomes: impl IntoIterator<Item = Self>) -> Self {
        outcomes.into_iter().fold(Self::Skipped, Self::join)
    }

    /// Returns the outcome's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What kind of trouble an outcome that is not a pass comes from; it decides about in-check retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// May go away by itself: retried within the check, then [`Outcome::Error`].
    Transient,
    /// Will not go away by itself: [`Outcome::Fail`] at once.
    Permanent,
    /// Answered, and the expectation is not met.
    Assertion,
    /// Our own policy stopped the probe: [`Outcome::Error`], never retried, an operator must look.
    Guard,
    /// A mistake of ours or of the configuration.
    Internal,
}

impl Class {
    /// Returns the class's stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Assertion => "assertion",
            Self::Guard => "guard",
            Self::Internal => "internal",
        }
    }

    /// Returns the outcome that trouble of this class ends in, after any retries.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Transient | Self::Guard | Self::Internal => Outcome::Error,
            Self::Permanent | Self::Assertion => Outcome::Fail,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a report says what it says, as a bounded set of stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReasonCode {
    /// Everything was as expected.
    Ok,
    /// Nothing was checked.
    Skipped,
    /// The name does not exist.
    DnsNxdomain,
    /// The name has no address of the family that was asked for.
    NoAddress,
    /// The name could not be looked up just now.
    DnsFailure,
    /// The target's machine refused the connection.
    ConnectRefused,
    /// No connection within the connect timeout.
    ConnectTimeout,
    /// The target's machine or network cannot be reached.
    ConnectUnreachable,
    /// The connection broke before the answer was complete.
    ConnectionClosed,
    /// Connected, but no answer in time.
    Timeout,
    /// The TLS handshake or the certificate was refused.
    Tls,
    /// The answer is not in the protocol that was asked.
    Protocol,
    /// The HTTP status is not an expected one.
    HttpStatus,
    /// The answer's content is not what is expected.
    Content,
    /// The answer was right, but slower than a threshold.
    Slow,
    /// The target wants credentials, or other ones.
    Auth,
    /// The target is up and says that it is not ready yet.
    NotReady,
    /// The target has another role than expected.
    Role,
    /// The target's version is lower than expected.
    Version,
    /// A required value is missing, empty, too short or a placeholder.
    Value,
    /// The registry has no such image.
    ImageNotFound,
    /// What is there is not what its digest says, or it is not pinned by one.
    DigestMismatch,
    /// The image is there, but not for a platform that is needed.
    PlatformMissing,
    /// The database has no such table.
    NoSuchTable,
    /// Migrations that are required have not been applied.
    SchemaBehind,
    /// The database has migrations that the artefact does not know.
    SchemaAhead,
    /// A migration failed half-way, or is running.
    SchemaDirty,
    /// The target has too little left of something, such as connections.
    Capacity,
    /// A replica is too far behind.
    Lag,
    /// Something holds what a change would have to wait for.
    Locked,
    /// The target is set up in another way than expected.
    Setting,
    /// A condition of the fleet file does not hold.
    Policy,
    /// It is not the time for it.
    Window,
    /// Somebody must approve, and has not yet.
    AwaitingApproval,
    /// Somebody has rejected it.
    Rejected,
    /// It is valid no more, or not for long enough.
    Expired,
    /// Something answers that must not.
    StillUp,
    /// The egress guard refused the target.
    BlockedByPolicy,
    /// More redirects than a probe follows.
    TooManyRedirects,
    /// The answer is larger than a probe reads.
    BodyTooLarge,
    /// The target is written wrongly in the configuration.
    InvalidTarget,
    /// This build cannot do what was asked.
    Unsupported,
}

impl ReasonCode {
    /// Returns the code's stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::DnsNxdomain => "dns_nxdomain",
            Self::NoAddress => "no_address",
            Self::DnsFailure => "dns_failure",
            Self::ConnectRefused => "connect_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::ConnectUnreachable => "connect_unreachable",
            Self::ConnectionClosed => "connection_closed",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::HttpStatus => "http_status",
            Self::Content => "content",
            Self::Slow => "slow",
            Self::Auth => "auth",
            Self::NotReady => "not_ready",
            Self::Role => "role",
            Self::Version => "version",
            Self::Value => "value",
            Self::ImageNotFound => "image_not_found",
            Self::DigestMismatch => "digest_mismatch",
            Self::PlatformMissing => "platform_missing",
            Self::NoSuchTable => "no_such_table",
            Self::SchemaBehind => "schema_behind",
            Self::SchemaAhead => "schema_ahead",
            Self::SchemaDirty => "schema_dirty",
            Self::Capacity => "capacity",
            Self::Lag => "lag",
            Self::Locked => "locked",
            Self::Setting => "setting",
            Self::Policy => "policy",
            Self::Window => "window",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::StillUp => "still_up",
            Self::BlockedByPolicy => "blocked_by_policy",
            Self::TooManyRedirects => "too_many_redirects",
            Self::BodyTooLarge => "body_too_large",
            Self::InvalidTarget => "invalid_target",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_is_a_lattice_with_skipped_as_its_neutral_element() {
        for a in Outcome::ALL {
            assert_eq!(a.join(a), a);
            assert_eq!(a.join(Outcome::Skipped), a);
            for b in Outcome::ALL {
                assert_eq!(a.join(b), b.join(a));
                for c in Outcome::ALL {
                    assert_eq!(a.join(b).join(c), a.join(b.join(c)));
                }
            }
        }
    }

    #[test]
    fn a_known_failure_is_worse_than_not_knowing() {
        assert_eq!(Outcome::worst([Outcome::Pass, Outcome::Error, Outcome::Fail]), Outcome::Fail);
        assert_eq!(Outcome::worst([Outcome::Warn, Outcome::Error]), Outcome::Error);
        assert_eq!(Outcome::worst([]), Outcome::Skipped);
    }
}
