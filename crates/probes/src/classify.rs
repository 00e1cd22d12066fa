//! The one table that sorts failures of connections and requests into classes and reason codes.
//!
//! Probes, the egress guard and the notifier's senders ask here, so that all of them retry the same things.
//! It never prints an error of a library as it stands: those quote URLs.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;

use crate::error::Error;
use crate::outcome::{Class, ReasonCode};
use crate::redact::brief;

/// Sorts an HTTP status that was not expected.
///
/// # Source
/// 408, 425, 429 and 5xx say "later"; the rest of 4xx says "never"; anything else merely is not what was wanted.
pub fn status_class(status: StatusCode) -> Class {
    match status.as_u16() {
        408 | 425 | 429 | 500..=599 => Class::Transient,
        400..=499 => Class::Permanent,
        _ => Class::Assertion,
    }
}

/// Turns a failed request into our own error, without the URL that the library's text would quote.
pub fn request_error(error: &reqwest::Error, attempted: &str) -> Error {
    for cause in causes(error) {
        if let Some(ours) = cause.downcast_ref::<Error>() {
            return ours.clone().while_attempting(attempted);
        }
    }
    if error.is_timeout() {
        return if error.is_connect() {
            connection(attempted, ReasonCode::ConnectTimeout, "no connection in time")
        } else {
            connection(attempted, ReasonCode::Timeout, "no complete answer in time")
        };
    }
    if let Some(tls) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return tls_error(tls, attempted);
    }
    // The innermost one is the system's own; those around it say "other".
    let io = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).last();
    if let Some(io) = io {
        return io_error(io, attempted);
    }
    let text = causes(error).last().map(ToString::to_string).unwrap_or_default();
    if text.contains("connection closed") {
        connection(
            attempted,
            ReasonCode::ConnectionClosed,
            "closed the connection before answering",
        )
    } else if error.is_connect() {
        connection(attempted, ReasonCode::ConnectUnreachable, "cannot be reached")
    } else if error.is_builder() {
        Error::new(Class::Internal, ReasonCode::InvalidTarget, attempted, "cannot be asked for")
    } else {
        let observed = "answered something that is not HTTP";
        Error::new(Class::Permanent, ReasonCode::Protocol, attempted, observed)
    }
}

/// Turns the failure of a request on a connection of our own into our own error.
pub(crate) fn hyper_error(error: &hyper::Error) -> Error {
    if error.is_parse() {
        let observed = "answered something that is not HTTP";
        return Error::new(Class::Permanent, ReasonCode::Protocol, "", observed);
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return connection(
            "",
            ReasonCode::ConnectionClosed,
            "closed the connection before answering",
        );
    }
    let io = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).last();
    let foreign = || {
        let observed = "answered something that is not the HTTP that was spoken";
        Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
    };
    io.map_or_else(foreign, |io| io_error(io, ""))
}

/// Sorts an input/output error of a connection.
pub(crate) fn io_error(error: &io::Error, attempted: &str) -> Error {
    use io::ErrorKind as Kind;
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls_error(tls, attempted);
    }
    let kind = error.kind();
    if kind == Kind::ConnectionRefused {
        connection(attempted, ReasonCode::ConnectRefused, "connection refused")
    } else if kind == Kind::TimedOut {
        connection(attempted, ReasonCode::ConnectTimeout, "no connection in time")
    } else if kind == Kind::NotFound {
        connection(attempted, ReasonCode::ConnectRefused, "there is no such socket")
    } else if [
        Kind::ConnectionReset,
        Kind::ConnectionAborted,
        Kind::BrokenPipe,
        Kind::UnexpectedEof,
    ]
    .contains(&kind)
    {
        connection(attempted, ReasonCode::ConnectionClosed, "closed the connection")
    } else {
        connection(attempted, ReasonCode::ConnectUnreachable, format!("cannot be reached ({kind})"))
    }
}

/// Says that a name could not be looked up in time.
pub(crate) fn lookup_timeout(attempted: &str, after: Duration) -> Error {
    let observed = format!("the name was not looked up within {}", brief(after));
    connection(attempted, ReasonCode::DnsFailure, observed)
}

/// Says that nobody answered the TCP handshake in time.
pub(crate) fn connect_timeout(attempted: &str, after: Duration) -> Error {
    let observed = format!("no connection within {}", brief(after));
    connection(attempted, ReasonCode::ConnectTimeout, observed)
}

/// Says that the handshake or the certificate was refused; only a peer that went away is worth another try.
fn tls_error(error: &rustls::Error, attempted: &str) -> Error {
    let observed = format!("TLS refused: {error}");
    Error::new(Class::Permanent, ReasonCode::Tls, attempted, observed)
}

fn connection(attempted: &str, reason: ReasonCode, observed: impl Into<String>) -> Error {
    Error::new(Class::Transient, reason, attempted, observed)
}

/// Walks an error and its causes, looking also into the boxes that `io::Error` hides from `source`.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |current: &&'a (dyn StdError + 'static)| {
        let current: &'a (dyn StdError + 'static) = *current;
        let boxed = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        boxed.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| current.source())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statuses_that_say_later_are_transient() {
        let cases = [
            (408, Class::Transient),
            (425, Class::Transient),
            (429, Class::Transient),
            (500, Class::Transient),
            (503, Class::Transient),
            (400, Class::Permanent),
            (401, Class::Permanent),
            (404, Class::Permanent),
            (410, Class::Permanent),
            (204, Class::Assertion),
            (302, Class::Assertion),
        ];
        for (status, class) in cases {
            assert_eq!(status_class(StatusCode::from_u16(status).unwrap()), class, "{status}");
        }
    }

    #[test]
    fn every_broken_connection_is_transient_with_its_own_code() {
        let cases = [
            (io::ErrorKind::ConnectionRefused, ReasonCode::ConnectRefused),
            (io::ErrorKind::TimedOut, ReasonCode::ConnectTimeout),
            (io::ErrorKind::ConnectionReset, ReasonCode::ConnectionClosed),
            (io::ErrorKind::UnexpectedEof, ReasonCode::ConnectionClosed),
            (io::ErrorKind::HostUnreachable, ReasonCode::ConnectUnreachable),
        ];
        for (kind, code) in cases {
            let error = io_error(&kind.into(), "connecting to x:1");
            assert_eq!((error.class(), error.reason_code()), (Class::Transient, code), "{kind}");
        }
    }
}
