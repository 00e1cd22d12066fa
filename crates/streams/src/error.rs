//! The crate's error: how the caller must react, what was attempted and on which key.
//!
//! `redis::RedisError` is classified here and nowhere else. Error texts never carry replies or
//! addresses with credentials: a parse error of the client would print whole payloads.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the client's error kinds are not ours and may grow: what is new is a person's matter"
)]

use std::fmt;

use redis::{ErrorKind as RedisKind, RedisError};

/// What the caller must do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Not executed, and waiting helps: Redis is away, loading, busy or short of something.
    Unavailable,
    /// May have been executed: the connection broke or timed out before the reply.
    Unknown,
    /// A stream or a group that should exist does not; it can be created again.
    Missing,
    /// A person must act: wrong type, no permission, wrong configuration.
    Refused,
    /// The reply or an entry does not have the expected form.
    Malformed,
}

impl ErrorKind {
    /// The kind as metrics call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
        }
    }
}

/// A failed operation on Redis.
#[derive(Debug)]
pub struct Error {
    /// How to react.
    pub kind: ErrorKind,
    /// What was attempted, such as `read` or `commit`.
    pub operation: &'static str,
    /// The key it was attempted on, or empty.
    pub key: String,
    /// The server's error code or the client's own word for it; safe to print.
    pub code: String,
}

impl Error {
    /// Builds an error of this crate's own making.
    pub fn new(
        kind: ErrorKind,
        operation: &'static str,
        key: impl Into<String>,
        code: impl Into<String>,
    ) -> Self {
        Self { kind, operation, key: key.into(), code: code.into() }
    }

    /// Classifies what the client reported.
    pub(crate) fn redis(operation: &'static str, key: &str, error: &RedisError) -> Self {
        Self { kind: classify(error), operation, key: key.to_owned(), code: describe(error) }
    }

    pub(crate) fn malformed(operation: &'static str, key: &str, what: &str) -> Self {
        Self::new(ErrorKind::Malformed, operation, key, what)
    }

    /// Whether the connection that reported it must not be used again.
    pub(crate) fn breaks_connection(&self) -> bool {
        match self.kind {
            ErrorKind::Unknown | ErrorKind::Unavailable | ErrorKind::Malformed => true,
            // A password that changed is good on a new connection, with what the address says.
            ErrorKind::Refused => ["NOAUTH", "WRONGPASS"].iter().any(|c| self.code.starts_with(c)),
            ErrorKind::Missing => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.operation, self.code)
        } else {
            write!(f, "{} on {}: {}", self.operation, self.key, self.code)
        }
    }
}

impl std::error::Error for Error {}

/// Codes of replies that say: not executed, and waiting helps. They are what a server answers
/// before it begins with a command.
const NOT_EXECUTED: [&str; 15] = [
    "LOADING",
    "BUSY",
    "MASTERDOWN",
    "READONLY",
    "MOVED",
    "ASK",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "OOM",
    "NOREPLICAS",
    "MISCONF",
    "NOSCRIPT",
    "EXECABORT",
    // Of sentinels that have just been started, and of replicas without their master.
    "IDONTKNOW",
    "INPROG",
];

fn classify(error: &RedisError) -> ErrorKind {
    match error.kind() {
        RedisKind::Io if error.is_connection_refusal() => ErrorKind::Unavailable,
        RedisKind::Io if tls_fault(error).is_some() => ErrorKind::Refused,
        RedisKind::Io | RedisKind::Parse => ErrorKind::Unknown,
        RedisKind::UnexpectedReturnType => ErrorKind::Malformed,
        RedisKind::Server(_) | RedisKind::Extension => {
            classify_reply(error.code().unwrap_or_default(), error.detail().unwrap_or_default())
        }
        _ => ErrorKind::Refused,
    }
}

/// Judges an error that the server replied: its code, and the text behind it.
fn classify_reply(code: &str, detail: &str) -> ErrorKind {
    let not_executed = match (code, detail) {
        ("ERR", text) if text.contains("max number of clients") => true,
        // Only possible before the script's first write.
        ("ERR", text) if text.contains("Script killed by user") => return ErrorKind::Unavailable,
        // A stream that was deleted while a script ran over it is reported as a plain error.
        ("ERR", text) if text.contains("no such key") => return ErrorKind::Missing,
        // The key of a blocked read vanished, or the server changed its role under it.
        ("UNBLOCKED", text) if text.contains("state changed") => true,
        ("NOGROUP" | "UNBLOCKED", _) => return ErrorKind::Missing,
        (code, _) => NOT_EXECUTED.contains(&code),
    };
    match not_executed {
        // A script that fails in its middle keeps what it has written.
        true if detail.contains(" script: ") => ErrorKind::Unknown,
        true => ErrorKind::Unavailable,
        false => ErrorKind::Refused,
    }
}

/// What TLS found wrong with a certificate, ours or the server's: waiting does not mend it.
fn tls_fault(error: &RedisError) -> Option<String> {
    type Cause = std::sync::Arc<dyn std::error::Error + Send + Sync>;
    let cause = std::error::Error::source(error)?.downcast_ref::<Cause>()?;
    let fault =
        cause.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()?;
    match fault {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::AlertReceived(_)
        | rustls::Error::PeerIncompatible(_) => Some(format!("TLS: {fault}")),
        _ => None,
    }
}

/// Names the error without its payload: a parse error's text holds the whole reply.
fn describe(error: &RedisError) -> String {
    match (error.kind(), error.code()) {
        (RedisKind::Parse, _) => "the reply could not be parsed".to_owned(),
        (RedisKind::Io, _) if error.is_timeout() => "no reply in time".to_owned(),
        (RedisKind::Io, _) => {
            tls_fault(error).unwrap_or_else(|| "the connection failed".to_owned())
        }
        (_, Some(code)) => match error.detail() {
            Some(detail) => format!("{code} {}", detail.chars().take(200).collect::<String>()),
            None => code.to_owned(),
        },
        (_, None) => error.category().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the client makes of such a reply.
    fn replied(line: &str) -> Error {
        let reply = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        let error = reply.extract_error().unwrap_err();
        Error::redis("try", "t:key", &error)
    }

    #[test]
    fn replies_that_say_not_executed_may_be_repeated() {
        for line in [
            "LOADING Redis is loading the dataset in memory",
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "READONLY You can't write against a read only replica.",
            "MOVED 3999 127.0.0.1:6381",
            "ASK 3999 127.0.0.1:6381",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "CLUSTERDOWN Hash slot not served",
            "CLUSTERDOWN The cluster is down",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "NOREPLICAS Not enough good replicas to write.",
            "MISCONF Errors writing to the AOF file: No space left on device",
            "NOSCRIPT No matching script. Please use EVAL.",
            "EXECABORT Transaction discarded because of previous errors.",
            "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
            "ERR max number of clients reached",
            "ERR Error running script (call to f_x): @user_script:1: Script killed by user with SCRIPT KILL...",
            "ERR Error compiling nothing, Script killed by user with SCRIPT KILL. script: 0a1b, on user_script:1.",
        ] {
            assert_eq!(replied(line).kind, ErrorKind::Unavailable, "{line}");
        }
    }

    #[test]
    fn a_script_that_failed_in_its_middle_may_have_written() {
        for line in [
            "MISCONF Errors writing to the AOF file: No space left on device script: 0a1b, on @user_script:3.",
            "OOM command not allowed when used memory > 'maxmemory'. script: 0a1b, on @user_script:3.",
            "READONLY You can't write against a read only replica. script: 0a1b, on @user_script:3.",
        ] {
            assert_eq!(replied(line).kind, ErrorKind::Unknown, "{line}");
        }
    }

    #[test]
    fn what_a_person_must_mend_is_refused() {
        for line in [
            "CROSSSLOT Keys in request don't hash to the same slot",
            "NOPERM this user has no permissions to run the 'xadd' command",
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "WRONGTYPE Operation against a key holding the wrong kind of value script: 0a1b, on @user_script:3.",
            "ERR unknown command 'WAITAOF', with args beginning with:",
            "ERR Script attempted to access a non local key in a cluster node script: 0a1b, on @user_script:3.",
        ] {
            assert_eq!(replied(line).kind, ErrorKind::Refused, "{line}");
        }
    }

    #[test]
    fn what_is_missing_can_be_made_again() {
        for line in [
            "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option",
            "UNBLOCKED the stream key no longer exists",
            "ERR no such key",
        ] {
            assert_eq!(replied(line).kind, ErrorKind::Missing, "{line}");
        }
    }

    #[test]
    fn silence_and_nonsense_say_nothing_about_what_was_done() {
        for kind in ["timed out", "broken pipe", "unexpected end of file"] {
            let error = RedisError::from(std::io::Error::other(kind));
            assert_eq!(Error::redis("try", "", &error).kind, ErrorKind::Unknown, "{kind}");
        }
        let error = redis::parse_redis_value(b"!nonsense").unwrap_err();
        assert_eq!(Error::redis("try", "", &error).kind, ErrorKind::Unknown);
    }

    #[test]
    fn a_changed_password_is_tried_on_a_new_connection() {
        assert!(replied("NOAUTH Authentication required.").breaks_connection());
        assert!(replied("WRONGPASS invalid username-password pair").breaks_connection());
        assert!(!replied("NOPERM no permissions").breaks_connection());
        assert!(!replied("WRONGTYPE wrong kind").breaks_connection());
    }
}
