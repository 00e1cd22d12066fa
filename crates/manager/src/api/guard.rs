//! Who may ask: host names, origins and tokens.
//!
//! A layer before every route. On a loopback address it refuses foreign host names, so that a web
//! page cannot reach the manager by a name of its own that resolves to this machine; on any other
//! address it wants a token. It never tells which part of a token was wrong. What a caller may do
//! is judged at the route, by [`permit`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use crate::api::access::{Caller, Need, Tokens};
use crate::api::attempts::Attempts;
use crate::api::error::ApiError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// What anybody may ask: contract §9, and the ingest that is proved by a signature instead.
const OPEN: [&str; 4] = ["/health", "/ready", "/metrics", "/api/ingest/github"];

/// The rules for one listening address.
#[derive(Debug, Clone)]
pub(crate) enum Guard {
    /// Only this machine can ask; only its own names are answered.
    Loopback,
    /// Others can ask; a token says who may.
    Token(Arc<Keyring>),
}

/// The tokens, and who has tried wrong ones.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    tokens: Tokens,
    attempts: Attempts,
}

/// The address is not a loopback one and there is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenNeeded;

/// The address that a connection came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Guard {
    /// Chooses the rules for an address.
    pub(crate) fn try_new(address: SocketAddr, tokens: Tokens) -> Result<Self, TokenNeeded> {
        if address.ip().is_loopback() {
            return Ok(Self::Loopback);
        }
        if tokens.is_empty() {
            return Err(TokenNeeded);
        }
        Ok(Self::Token(Arc::new(Keyring { tokens, attempts: Attempts::default() })))
    }

    /// Tells who asks; none is anybody, for what anybody may ask.
    fn judge(
        &self,
        path: &str,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Option<Caller>, ApiError> {
        if is_cross_site(headers) {
            return Err(forbidden("requests from other sites are refused"));
        }
        let keyring = match self {
            Self::Loopback if !names_this_machine(headers) => {
                return Err(forbidden("the Host header does not name this machine"));
            }
            Self::Loopback => return Ok(Some(Caller::local())),
            Self::Token(_) if OPEN.contains(&path) => return Ok(None),
            Self::Token(keyring) => keyring,
        };
        let now = Instant::now();
        if let Some(wait) = keyring.attempts.barred(peer, now) {
            let message = format!("too many wrong tokens; try again in {} s", wait.as_secs() + 1);
            let details = serde_json::json!({"retry_after_seconds": wait.as_secs() + 1});
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_ATTEMPTS", message)
                .with_details(details));
        }
        let given = bearer(headers);
        if let Some(caller) = given.and_then(|given| keyring.tokens.recognise(given)) {
            return Ok(Some(caller.clone()));
        }
        if given.is_some() {
            keyring.attempts.failed(peer, now);
        }
        let message = "a valid bearer token is needed";
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message))
    }
}

/// Lets a request pass, with its [`Caller`] noted, or answers it with a refusal.
pub(crate) async fn check(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer =
        request.extensions().get::<Peer>().map_or(Ipv4Addr::UNSPECIFIED.into(), |it| it.0.ip());
    match guard.judge(request.uri().path(), request.headers(), peer) {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(refusal) => refused(&refusal),
    }
}

/// Lets a request pass to a route when its caller may do what the route needs.
pub(crate) async fn permit(State(need): State<Need>, request: Request, next: Next) -> Response {
    let role = request.extensions().get::<Caller>().map(|caller| caller.role);
    if need == Need::Nothing || role.is_some_and(|role| role.allows(need)) {
        return next.run(request).await;
    }
    let message = format!("this needs a token with the role {}, operator or admin", need.as_str());
    forbidden(&message).into_response()
}

fn refused(refusal: &ApiError) -> Response {
    let mut answer = refusal.clone().into_response();
    if answer.status() == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if answer.status() == StatusCode::TOO_MANY_REQUESTS {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
    }
    answer
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

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

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
            let judged = Guard::Loopback.judge("/api/status", &headers(&[("host", host)]), PEER);
            assert_eq!(judged.is_ok(), answered, "{host}");
        }
        assert!(Guard::Loopback.judge("/health", &headers(&[]), PEER).is_ok());
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
            let judged = Guard::Loopback.judge("/api/status", &headers(pairs), PEER);
            assert_eq!(judged.is_ok(), allowed, "{pairs:?}");
        }
    }

    #[test]
    fn other_addresses_want_the_token_except_for_probes() {
        let everywhere = "0.0.0.0:8082".parse().unwrap();
        assert_eq!(Guard::try_new(everywhere, Tokens::default()).unwrap_err(), TokenNeeded);
        let tokens = Tokens::default().with_admin(&"s3cret".to_owned().into());
        let guard = Guard::try_new(everywhere, tokens).unwrap();
        let judged = |path: &str, value: &str| {
            let headers = headers(&[("host", "manager:8082"), ("authorization", value)]);
            guard.judge(path, &headers, PEER)
        };
        assert_eq!(judged("/api/status", "Bearer s3cret").unwrap().unwrap().name, "api-token");
        assert!(judged("/", "bearer  s3cret ").is_ok());
        for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer", "Basic s3cret", "s3cret"] {
            assert!(judged("/api/status", wrong).is_err(), "{wrong}");
        }
        for open in OPEN {
            assert_eq!(judged(open, "Bearer wrong"), Ok(None), "{open}");
        }
        assert!(guard.judge("/healthy", &headers(&[]), PEER).is_err());
    }

    #[test]
    fn whoever_guesses_has_to_wait_even_with_the_right_token() {
        let tokens = Tokens::default().with_admin(&"s3cret".to_owned().into());
        let guard = Guard::try_new("0.0.0.0:1".parse().unwrap(), tokens).unwrap();
        let judged = |value: &str, peer| {
            let judged = guard.judge("/", &headers(&[("authorization", value)]), peer);
            judged.err().map(|refusal| refused(&refusal).status().as_u16())
        };
        for _ in 0..10 {
            assert_eq!(judged("Bearer guess", PEER), Some(401));
        }
        assert_eq!(judged("Bearer s3cret", PEER), Some(429));
        assert_eq!(judged("Bearer s3cret", Ipv4Addr::new(192, 0, 2, 2).into()), None);
    }
}
