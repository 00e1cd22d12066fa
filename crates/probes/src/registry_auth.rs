//! Signing in at a registry: answering its challenges with Basic credentials or a token.
//!
//! The registry client calls it when an answer is 401. Credentials go to the registry itself and to token servers that
//! the fleet file lists, to nobody else, whatever a challenge says.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use crate::classify::{request_error, status_class};
use crate::client::GuardedClient;
use crate::error::Error;
use crate::http::read_body;
use crate::outcome::{Class, ReasonCode};

/// How long a token is good whose server does not say.
///
/// # Source
/// Distribution's token specification: `expires_in` defaults to 60 seconds.
const DEFAULT_LIFE: u64 = 60;

/// The longest that a token is kept; what a server promises beyond it is not needed.
const LONGEST_LIFE: u64 = 3600;

/// The longest answer of a token server.
const MAX_ANSWER: usize = 64 * 1024;

/// A user and a password.
#[derive(Clone)]
pub struct Credentials {
    /// Who signs in.
    pub username: String,
    /// With what.
    pub password: SecretString,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Tokens of all registries, kept for four fifths of their life; shared by everybody who asks registries.
#[derive(Clone, Default)]
pub struct RegistryTokens(Arc<Mutex<BTreeMap<TokenKey, (HeaderValue, Instant)>>>);

/// Registry, scope and user.
type TokenKey = (String, String, String);

impl fmt::Debug for RegistryTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryTokens").finish_non_exhaustive()
    }
}

impl RegistryTokens {
    fn get(&self, key: &TokenKey) -> Option<HeaderValue> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (_, until)| *until > Instant::now());
        kept.get(key).map(|(token, _)| token.clone())
    }

    fn keep(&self, key: TokenKey, token: HeaderValue, until: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (token, until));
    }
}

/// Who may be told what, at one registry.
pub(crate) struct SignIn<'a> {
    pub(crate) registry: &'a Url,
    pub(crate) scope: String,
    pub(crate) credentials: Option<&'a Credentials>,
    /// Hosts (with a port, where they have one) of token servers that may be given the credentials.
    pub(crate) realms: &'a [String],
    pub(crate) tokens: &'a RegistryTokens,
}

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl SignIn<'_> {
    /// Returns a token of an earlier sign-in.
    pub(crate) fn kept(&self) -> Option<HeaderValue> {
        self.tokens.get(&self.key())
    }

    /// Answers what a 401 asks for with the value of `Authorization`.
    ///
    /// # Errors
    /// The challenge cannot be answered, or may not be, or the token server said no.
    pub(crate) async fn answer(
        &self,
        client: &GuardedClient,
        headers: &HeaderMap,
    ) -> Result<HeaderValue, Error> {
        match challenge(headers) {
            Some(Challenge::Basic) => match self.credentials {
                Some(credentials) => basic(credentials),
                None => Err(refused("wants a user and a password, and none are configured")),
            },
            Some(Challenge::Bearer { realm, service, scope }) => {
                let realm = self.admitted(&realm)?;
                let scope = scope.unwrap_or_else(|| self.scope.clone());
                self.fetch(client, realm, service.as_deref(), &scope).await
            }
            None => Err(refused("asks for a sign-in that is neither Basic nor Bearer")),
        }
    }

    fn key(&self) -> TokenKey {
        let user = self.credentials.map(|known| known.username.clone()).unwrap_or_default();
        (self.registry.to_string(), self.scope.clone(), user)
    }

    /// Reads the address of a token server and decides whether it may be asked.
    fn admitted(&self, realm: &str) -> Result<Url, Error> {
        let wrong = |why: &str| {
            let observed = format!("blocked by the egress policy: the registry's realm {why}");
            Error::new(Class::Guard, ReasonCode::BlockedByPolicy, "", observed)
        };
        let url = Url::parse(realm).map_err(|_quotes_it| wrong("is no URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("carries credentials"));
        }
        if self.registry.scheme() == "https" && url.scheme() != "https" {
            return Err(wrong("is not https, as the registry itself is"));
        }
        let own = url.origin() == self.registry.origin();
        let listed = || self.realms.iter().any(|listed| names(listed, &url));
        if self.credentials.is_some() && !own && !listed() {
            let host = url.host_str().unwrap_or_default();
            return Err(wrong(&format!("is {host}, which `realms` does not list")));
        }
        Ok(url)
    }

    async fn fetch(
        &self,
        client: &GuardedClient,
        mut realm: Url,
        service: Option<&str>,
        scope: &str,
    ) -> Result<HeaderValue, Error> {
        {
            let mut query = realm.query_pairs_mut();
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            query.append_pair("scope", scope);
        }
        let mut request = client.request(Method::GET, &realm)?;
        if let Some(credentials) = self.credentials {
            request = request.header(AUTHORIZATION, basic(credentials)?);
        }
        let asked = Instant::now();
        let response = request.send().await.map_err(|error| request_error(&error, ""))?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(refused("its token server refused the sign-in"));
        }
        if !status.is_success() {
            let observed = format!("its token server answered {status}");
            return Err(Error::new(status_class(status), ReasonCode::HttpStatus, "", observed));
        }
        let body = read_body(response, MAX_ANSWER).await?;
        let strange = || {
            let observed = "its token server answered something that holds no token";
            Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
        };
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_quotes_it| strange())?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let value = bearer(&token.ok_or_else(strange)?)?;
        let life = answer.expires_in.unwrap_or(DEFAULT_LIFE).min(LONGEST_LIFE);
        let until = asked + Duration::from_secs(life).mul_f64(0.8);
        self.tokens.keep(self.key(), value.clone(), until);
        Ok(value)
    }
}

/// Tells whether an entry of `realms`, `host` or `host:port`, names a URL's host.
fn names(listed: &str, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    listed.eq_ignore_ascii_case(&format!("{host}:{port}"))
        || (url.port().is_none() && listed.eq_ignore_ascii_case(host))
}

fn basic(credentials: &Credentials) -> Result<HeaderValue, Error> {
    use base64::Engine as _;
    let Credentials { username, password } = credentials;
    let pair = format!("{username}:{}", password.expose_secret());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    sensitive(&format!("Basic {encoded}"))
}

fn bearer(token: &str) -> Result<HeaderValue, Error> {
    sensitive(&format!("Bearer {token}"))
}

fn sensitive(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_quotes_it| refused("gave a token that cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn refused(observed: &str) -> Error {
    Error::new(Class::Permanent, ReasonCode::Auth, "", observed)
}

/// Returns the first challenge that can be answered; a token is preferred to sending the password each time.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let parsed = value.to_str().ok().and_then(|text| http_auth::parse_challenges(text).ok());
        for challenge in parsed.unwrap_or_default() {
            let value = |name: &str| {
                let mut params = challenge.params.iter();
                let found = params.find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = value("realm") {
                    let (service, scope) = (value("service"), value("scope"));
                    return Some(Challenge::Bearer { realm, service, scope });
                }
            } else if challenge.scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_challenge_is_read_with_its_quotes_and_a_token_is_preferred() {
        let token = r#"Bearer realm="https://auth.local/token",service="reg",scope="repository:a/b:pull,push""#;
        let bearer = Some(Challenge::Bearer {
            realm: "https://auth.local/token".into(),
            service: Some("reg".into()),
            scope: Some("repository:a/b:pull,push".into()),
        });
        let cases: [(&[&str], Option<Challenge>); 5] = [
            (&[token], bearer),
            (&[r#"Basic realm="x""#], Some(Challenge::Basic)),
            (
                &[r#"Basic realm="x""#, r#"Bearer realm="https://a/t""#],
                Some(Challenge::Bearer { realm: "https://a/t".into(), service: None, scope: None }),
            ),
            (&[r#"Digest realm="x", nonce="y""#], None),
            (&[], None),
        ];
        for (values, expected) in cases {
            assert_eq!(challenge(&headers(values)), expected, "{values:?}");
        }
    }

    #[test]
    fn credentials_go_only_to_realms_that_are_listed() {
        let credentials = Credentials { username: "ada".into(), password: "hunter2".into() };
        let tokens = RegistryTokens::default();
        let realms = ["auth.local".to_owned(), "auth.local:5001".to_owned()];
        let cases = [
            ("https://registry.local", "https://auth.local/token", true, true),
            ("https://registry.local", "https://auth.local:5001/token", true, true),
            ("https://registry.local", "https://auth.local:5002/token", true, false),
            ("https://registry.local", "https://evil.example/token", true, false),
            ("https://registry.local", "https://evil.example/token", false, true),
            ("https://registry.local", "https://registry.local/token", true, true),
            ("https://registry.local", "https://registry.local:8443/token", true, false),
            ("https://registry.local", "http://auth.local/token", true, false),
            ("http://registry.local", "http://auth.local/token", true, true),
            ("https://registry.local", "https://u:p@auth.local/token", true, false),
            ("https://registry.local", "not a url", false, false),
        ];
        for (registry, realm, signed_in, admitted) in cases {
            let sign_in = SignIn {
                registry: &Url::parse(registry).unwrap(),
                scope: String::new(),
                credentials: signed_in.then_some(&credentials),
                realms: &realms,
                tokens: &tokens,
            };
            assert_eq!(sign_in.admitted(realm).is_ok(), admitted, "{registry} {realm}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_kept_until_its_time_and_never_shown() {
        let tokens = RegistryTokens::default();
        let key = || ("r".to_owned(), "s".to_owned(), "u".to_owned());
        let until = Instant::now() + Duration::from_secs(48);
        tokens.keep(key(), bearer("hunter2").unwrap(), until);
        assert!(tokens.get(&key()).is_some());
        assert!(!format!("{tokens:?}{:?}", tokens.get(&key())).contains("hunter2"));
        tokio::time::advance(Duration::from_secs(49)).await;
        assert!(tokens.get(&key()).is_none());
    }
}
