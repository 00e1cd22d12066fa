//! Who may ask: host names, origins and tokens.
//!
//! A layer before every route. On a loopback address it refuses foreign host names, so that a web
//! page cannot reach the manager by a name of its own that resolves to this machine; on any other
//! address it wants the token. It never tells which part of a token was wrong.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::api::error::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What anybody may ask, contract §9.
const OPEN: [&str; 3] = ["/health", "/ready", "/metrics"];

/// The rules for one listening address.
#[derive(Debug, Clone)]
pub(crate) enum Guard {
    /// Only this machine can ask; only its own names are answered.
    Loopback,
    /// Others can ask; the token says who may.
    Token(Arc<SecretString>),
}

/// The address is not a loopback one and there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenNeeded;

impl Guard {
    /// Chooses the rules for an address.
    pub(crate) fn try_new(
        address: SocketAddr,
        token: Option<SecretString>,
    ) -> Result<Self, TokenNeeded> {
        if address.ip().is_loopback() {
            return Ok(Self::Loopback);
        }
        token.map(|token| Self::Token(Arc::new(token))).ok_or(TokenNeeded)
    }

    fn judge(&self, path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
        if is_cross_site(headers) {
            return Err(forbidden("requests from other sites are refused"));
        }
        match self {
            Self::Loopback if !names_this_machine(headers) => {
                Err(forbidden("the Host header does not name this machine"))
            }
            Self::Loopback => Ok(()),
            Self::Token(_) if OPEN.contains(&path) => Ok(()),
            Self::Token(token) => match bearer(headers) {
                Some(given) if same(given, token.expose_secret()) => Ok(()),
                _ => Err(ApiError::new(
                    StatusCode::UNAUTHORIZED,
                    "UNAUTHORIZED",
                    "a valid bearer token is needed",
                )),
            },
        }
    }
}

/// Lets a request pass or answers it with a refusal.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.judge(request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let mut answer = refusal.into_response();
            if answer.status() == StatusCode::UNAUTHORIZED {
                let scheme = axum::http::HeaderValue::from_static("Bearer");
                answer.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            }
            answer
        }
    }
}

fn forbidden(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
}

/// A browser says where a request comes from; other programs say nothing and are not meant.
fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign_fetch = matches!(text(SEC_FETCH_SITE), Some("cross-site" | "same-site"));
    let host = text(HOST);
    let foreign_origin = headers.get(ORIGIN).is_some_and(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.map(|(_, host)| host) != host
    });
    foreign_fetch || foreign_origin
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    // HTTP/1.0 and hand-written requests have no Host; a browser always sends one.
    let Some(host) = headers.get(HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _port)) => name,
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compares in a time that tells nothing about the expected text: digests of equal length, every
/// byte of them.
fn same(given: &str, expected: &str) -> bool {
    let (given, expected) = (Sha256::digest(given), Sha256::digest(expected));
    given.iter().zip(expected.iter()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn a_loopback_address_answers_to_its_own_names_only() {
        let table = [
            ("localhost:8082", true),
            ("LOCALHOST", true),
            ("127.0.0.1:8082", true),
            ("127.1.2.3", true),
            ("[::1]:8082", true),
            ("rebound.example.com:8082", false),
            ("127.0.0.1.example.com", false),
            ("192.168.1.5:8082", false),
            ("[::2]", false),
            ("", false),
        ];
        for (host, answered) in table {
            let judged = Guard::Loopback.judge("/api/status", &headers(&[("host", host)]));
            assert_eq!(judged.is_ok(), answered, "{host}");
        }
        assert!(Guard::Loopback.judge("/health", &headers(&[])).is_ok());
    }

    #[test]
    fn requests_from_other_sites_are_refused() {
        let table: [(&[(&'static str, &str)], bool); 6] = [
            (&[("host", "localhost:1"), ("origin", "http://localhost:1")], true),
            (&[("host", "localhost:1"), ("origin", "http://localhost:2")], false),
            (&[("host", "localhost:1"), ("origin", "https://evil.example")], false),
            (&[("host", "localhost:1"), ("origin", "null")], false),
            (&[("host", "localhost:1"), ("sec-fetch-site", "cross-site")], false),
            (&[("host", "localhost:1"), ("sec-fetch-site", "same-origin")], true),
        ];
        for (pairs, allowed) in table {
            let judged = Guard::Loopback.judge("/api/status", &headers(pairs));
            assert_eq!(judged.is_ok(), allowed, "{pairs:?}");
        }
    }

    #[test]
    fn other_addresses_want_the_token_except_for_probes() {
        let everywhere = "0.0.0.0:8082".parse().unwrap();
        assert_eq!(Guard::try_new(everywhere, None).unwrap_err(), TokenNeeded);
        let guard = Guard::try_new(everywhere, Some("s3cret".to_owned().into())).unwrap();
        let with = |value: &str| headers(&[("host", "manager:8082"), ("authorization", value)]);
        assert!(guard.judge("/api/status", &with("Bearer s3cret")).is_ok());
        assert!(guard.judge("/", &with("bearer  s3cret ")).is_ok());
        for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer", "Basic s3cret", "s3cret"] {
            assert!(guard.judge("/api/status", &with(wrong)).is_err(), "{wrong}");
        }
        for open in OPEN {
            assert!(guard.judge(open, &headers(&[("host", "manager:8082")])).is_ok(), "{open}");
        }
        assert!(guard.judge("/healthy", &headers(&[])).is_err());
    }
}
