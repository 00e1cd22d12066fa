//! The credential probe: a token that is still valid, or a client that is still given one.
//!
//! The validator uses it for what a deployment will sign in with. It reads a token's own expiry without trusting the token for
//! anything else, and shows neither token nor secret.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use crate::classify::{request_error, status_class};
use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::http::read_body;
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::redact::{self, brief};
use crate::report::{Report, Timings};
use crate::retry::{About, with_retries};

/// The longest answer of a token server.
const MAX_ANSWER: usize = 64 * 1024;

/// A client of a token server.
#[derive(Debug, Clone)]
pub struct OAuth2Probe {
    /// Where tokens are given.
    pub token_url: Url,
    /// Who asks.
    pub client_id: String,
    /// With what.
    pub client_secret: SecretString,
    /// For what.
    pub scope: Option<String>,
    /// How long the token must be good for.
    pub min_ttl: Duration,
}

/// What a client is given.
pub(crate) struct Token {
    pub(crate) token: SecretString,
    /// How long it lasts, where the server tells.
    pub(crate) life: Option<Duration>,
}

#[derive(Deserialize)]
struct Given {
    access_token: Option<String>,
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct Refused {
    error: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
}

impl OAuth2Probe {
    /// Asks for a token as RFC 6749 says (`client_credentials`), with retries.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future closes its connection.
    pub async fn run(&self, egress: &Egress, limits: &Limits) -> Report {
        let target = redact::url(&self.token_url);
        let attempted = format!("asking {target} for a token");
        let about = About { attempted, target, expected: expected("a token", self.min_ttl) };
        with_retries(limits, &about, |until| self.attempt(egress, limits, &about, until)).await
    }

    async fn attempt(
        &self,
        egress: &Egress,
        limits: &Limits,
        about: &About,
        until: Instant,
    ) -> Report {
        let started = Instant::now();
        let limits = limits.within(until.saturating_duration_since(started));
        let answer = self.ask(egress, &limits).await.and_then(|token| self.holds(&token));
        let timings = Timings { processing: Some(started.elapsed()), ..Timings::default() };
        let report = match answer {
            Ok(observed) => about.passed(format!("{observed}, in {}", brief(started.elapsed()))),
            Err(error) => about.failed(error),
        };
        Report { timings, ..report }
    }

    fn form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        form.finish()
    }

    /// Asks once.
    pub(crate) async fn ask(&self, egress: &Egress, limits: &Limits) -> Result<Token, Error> {
        let client = egress.client(Purpose::Probe, limits)?;
        let response = client
            .request(Method::POST, &self.token_url)?
            .basic_auth(encoded(&self.client_id), Some(encoded(self.client_secret.expose_secret())))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .body(self.form())
            .send()
            .await
            .map_err(|error| request_error(&error, ""))?;
        let status = response.status();
        let body = read_body(response, MAX_ANSWER).await?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        let strange = || {
            let observed = "answered something that holds no token";
            Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
        };
        let given: Given = serde_json::from_slice(&body).map_err(|_quotes_it| strange())?;
        let token = given.access_token.filter(|token| !token.is_empty()).ok_or_else(strange)?;
        let life = given.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(Token { token: token.into(), life })
    }

    /// Judges a token by how long it lasts.
    fn holds(&self, token: &Token) -> Result<String, Error> {
        match token.life {
            Some(life) if life < self.min_ttl => Err(expiring(life, self.min_ttl)),
            Some(life) => Ok(format!("was given a token for {}", brief(life))),
            None => Ok("was given a token".to_owned()),
        }
    }
}

/// RFC 6749 has both parts encoded before they become Basic credentials.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn refusal(status: StatusCode, body: &[u8]) -> Error {
    let code = serde_json::from_slice::<Refused>(body).ok().and_then(|refused| refused.error);
    let known = |code: &String| {
        code.len() <= 40 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let code = code.filter(known);
    let said = code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    let is_ours = matches!(
        code.as_deref(),
        Some("invalid_client" | "unauthorized_client" | "invalid_grant" | "invalid_scope")
    );
    if is_ours || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let observed = format!("refused the client with {status}{said}");
        return Error::new(Class::Permanent, ReasonCode::Auth, "", observed);
    }
    let observed = format!("answered {status}{said}");
    Error::new(status_class(status), ReasonCode::HttpStatus, "", observed)
}

/// Judges a JSON Web Token by what it says of its own time. Its signature is not checked: whom it convinces is the matter of
/// whoever receives it.
pub fn judge_jwt(token: &SecretString, min_ttl: Duration, now: Timestamp) -> Report {
    let about = About {
        attempted: "reading the token".to_owned(),
        target: "a JSON Web Token".to_owned(),
        expected: expected("a token", min_ttl),
    };
    match read_jwt(token.expose_secret(), min_ttl, now) {
        Ok(observed) => about.passed(observed),
        Err(error) => about.failed(error),
    }
}

fn read_jwt(token: &str, min_ttl: Duration, now: Timestamp) -> Result<String, Error> {
    let strange = || {
        let observed = "it is no JSON Web Token";
        Error::new(Class::Permanent, ReasonCode::Value, "", observed)
    };
    let mut parts = token.trim().split('.');
    let (Some(_header), Some(payload), Some(_signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(strange());
    };
    let payload =
        URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|_quotes_it| strange())?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|_quotes_it| strange())?;
    let at = now.as_duration().as_secs_f64();
    if claims.nbf.is_some_and(|begins| begins > at) {
        let observed = "it is not valid yet";
        return Err(Error::new(Class::Permanent, ReasonCode::Expired, "", observed));
    }
    let Some(ends) = claims.exp else { return Ok("it never expires".to_owned()) };
    let Ok(left) = Duration::try_from_secs_f64(ends - at) else {
        let observed = "it has expired";
        return Err(Error::new(Class::Permanent, ReasonCode::Expired, "", observed));
    };
    if left < min_ttl {
        return Err(expiring(left, min_ttl));
    }
    Ok(format!("it is valid for {}", brief(left)))
}

fn expiring(left: Duration, min_ttl: Duration) -> Error {
    let observed = format!("it is valid for {} only, expected {}", brief(left), brief(min_ttl));
    Error::new(Class::Assertion, ReasonCode::Expired, "", observed)
}

fn expected(what: &str, min_ttl: Duration) -> String {
    if min_ttl.is_zero() {
        format!("{what} that is valid")
    } else {
        format!("{what} that is valid for {}", brief(min_ttl))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    fn token(claims: &str) -> SecretString {
        format!("e30.{}.hunter2", URL_SAFE_NO_PAD.encode(claims)).into()
    }

    #[test]
    fn a_token_is_judged_by_its_own_time() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let hour = Duration::from_secs(3_600);
        let cases = [
            (r#"{"exp": 1007200}"#, Outcome::Pass, ReasonCode::Ok),
            (r#"{"exp": 1001800}"#, Outcome::Fail, ReasonCode::Expired),
            (r#"{"exp": 999999}"#, Outcome::Fail, ReasonCode::Expired),
            (r#"{"exp": 1007200, "nbf": 1000060}"#, Outcome::Fail, ReasonCode::Expired),
            (r#"{"sub": "x"}"#, Outcome::Pass, ReasonCode::Ok),
            ("no json", Outcome::Fail, ReasonCode::Value),
        ];
        for (claims, outcome, reason) in cases {
            let report = judge_jwt(&token(claims), hour, now);
            assert_eq!((report.outcome, report.reason_code), (outcome, reason), "{claims}");
            assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
        }
        for text in ["", "a.b", "a.b.c.d", "a.!.c"] {
            let report = judge_jwt(&text.to_owned().into(), hour, now);
            assert_eq!(report.reason_code, ReasonCode::Value, "{text}");
        }
    }
}
