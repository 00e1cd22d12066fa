//! The two messages of the gRPC health service, and what a status says.
//!
//! The gRPC probe writes one and reads the other. It knows `grpc.health.v1` and nothing else of gRPC's world.
//!
//! # Source
//! `grpc/health/v1/health.proto`; the length prefix and the statuses are those of gRPC over HTTP/2.

use crate::error::Error;
use crate::outcome::{Class, ReasonCode};

/// The path of the one call.
pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";

/// What a server says of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Unknown,
    Serving,
    NotServing,
    ServiceUnknown,
}

impl Health {
    /// Returns the name that the protocol gives it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Serving => "SERVING",
            Self::NotServing => "NOT_SERVING",
            Self::ServiceUnknown => "SERVICE_UNKNOWN",
        }
    }

    /// Reads an answer: a length-prefixed message whose first field is the status.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let (prefix, message) = body.split_at_checked(5)?;
        let (compressed, length) = prefix.split_first()?;
        let length = length.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let message = message.get(..length).filter(|_| *compressed == 0)?;
        // An absent field has the value 0.
        let status = match message {
            [] => 0,
            [0x08, status, ..] => *status,
            _ => return None,
        };
        match status {
            0 => Some(Self::Unknown),
            1 => Some(Self::Serving),
            2 => Some(Self::NotServing),
            3 => Some(Self::ServiceUnknown),
            _ => None,
        }
    }
}

/// Writes the question about a service; `None` when its name is too long for one.
pub(crate) fn request(service: &str) -> Option<Vec<u8>> {
    let length = u8::try_from(service.len()).ok().filter(|length| *length < 128)?;
    let mut message = Vec::new();
    if length > 0 {
        message.extend([0x0a, length]);
        message.extend_from_slice(service.as_bytes());
    }
    let mut body = vec![0, 0, 0, 0, u8::try_from(message.len()).ok()?];
    body.extend(message);
    Some(body)
}

/// Turns the status of a call that failed into an error; `0` is none.
pub(crate) fn refusal(status: u32, service: &str) -> Option<Error> {
    let (class, reason, observed) = match status {
        0 => return None,
        4 | 8 | 14 => {
            (Class::Transient, ReasonCode::NotReady, "the server is not available".to_owned())
        }
        5 => {
            let observed = format!("the server has no service `{service}`");
            (Class::Permanent, ReasonCode::Content, observed)
        }
        7 | 16 => (Class::Permanent, ReasonCode::Auth, "the server wants credentials".to_owned()),
        12 => {
            let observed = "the server has no health service; register grpc.health.v1.Health, or probe it as `tcp`";
            (Class::Permanent, ReasonCode::Unsupported, observed.to_owned())
        }
        other => {
            (Class::Permanent, ReasonCode::Protocol, format!("the call ended with status {other}"))
        }
    };
    Some(Error::new(class, reason, "", observed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_the_protocol() {
        assert_eq!(request("").unwrap(), [0, 0, 0, 0, 0]);
        assert_eq!(request("a.B").unwrap(), [0, 0, 0, 0, 5, 0x0a, 3, b'a', b'.', b'B']);
        assert_eq!(request(&"x".repeat(128)), None);
        for (body, serving) in [
            (&[0, 0, 0, 0, 2, 8, 1][..], Some(Health::Serving)),
            (&[0, 0, 0, 0, 2, 8, 2], Some(Health::NotServing)),
            (&[0, 0, 0, 0, 0], Some(Health::Unknown)),
            (&[0, 0, 0, 0, 2, 8, 9], None),
            (&[1, 0, 0, 0, 2, 8, 1], None),
            (&[0, 0, 0, 0, 9, 8, 1], None),
            (b"", None),
        ] {
            assert_eq!(Health::read(body), serving, "{body:?}");
        }
    }
}
