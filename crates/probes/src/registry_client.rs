//! Requests to one registry: manifests and blobs, signed in where it asks for that.
//!
//! The image probe makes one for each attempt. It checks every blob and pinned manifest against its digest, follows
//! redirects of blobs only, and never takes credentials along.

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use crate::classify::{request_error, status_class};
use crate::client::GuardedClient;
use crate::egress::{Egress, Purpose};
use crate::error::Error;
use crate::http::read_body;
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::redact;
use crate::registry::ImageProbe;
use crate::registry_auth::{RegistryTokens, SignIn};
use crate::registry_manifest;
use crate::registry_reference::Digest;

/// The largest document that is read of a registry. Manifests have kilobytes. 1 MiB.
const MAX_DOCUMENT: usize = 1024 * 1024;

/// Redirects of a blob that are followed; registries send to their storage with one.
const MAX_REDIRECTS: usize = 3;

/// How much of a manifest is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Whether it is there: a `HEAD`, which registries do not count against pull limits.
    Existence,
    /// Its content.
    Body,
}

/// A manifest and what is known of its digest.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) body: Vec<u8>,
    /// Of the content; `None` when only its existence was asked for.
    pub(crate) computed: Option<Digest>,
    /// By the registry's header.
    pub(crate) stated: Option<Digest>,
}

/// One registry during one attempt.
pub(crate) struct Registry<'a> {
    client: GuardedClient,
    sign_in: SignIn<'a>,
    repository: &'a str,
    authorization: Option<HeaderValue>,
}

#[derive(Deserialize)]
struct Refusals {
    errors: Vec<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
}

impl<'a> Registry<'a> {
    /// Prepares to ask for a probe's repository.
    pub(crate) fn open(
        probe: &'a ImageProbe,
        egress: &Egress,
        limits: &Limits,
        tokens: &'a RegistryTokens,
    ) -> Result<Self, Error> {
        let repository = probe.image.repository();
        let sign_in = SignIn {
            registry: &probe.registry,
            scope: format!("repository:{repository}:pull"),
            credentials: probe.credentials.as_ref(),
            realms: &probe.realms,
            tokens,
        };
        let authorization = sign_in.kept();
        let client = egress.client(Purpose::Probe, limits)?;
        Ok(Self { client, sign_in, repository, authorization })
    }

    /// Asks for the manifest of a tag or digest.
    pub(crate) async fn manifest(&mut self, wanted: &str, want: Want) -> Result<Document, Error> {
        let method = match want {
            Want::Existence => Method::HEAD,
            Want::Body => Method::GET,
        };
        let response = self.ask(method, &format!("manifests/{wanted}")).await?;
        let stated = header(response.headers(), "docker-content-digest");
        let stated = stated.and_then(|text| text.parse::<Digest>().ok());
        let response = self.expect_success(response).await?;
        let body = read_body(response, MAX_DOCUMENT).await?;
        let computed = (want == Want::Body).then(|| Digest::of(&body));
        Ok(Document { body, computed, stated })
    }

    /// Reads a blob and checks that it is the one asked for.
    pub(crate) async fn blob(&mut self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let mut response = self.ask(Method::GET, &format!("blobs/{digest}")).await?;
        for _hop in 0..MAX_REDIRECTS {
            if !response.status().is_redirection() {
                break;
            }
            let to = header(response.headers(), LOCATION.as_str()).unwrap_or_default();
            let next = response.url().join(to).map_err(|_quotes_it| {
                let observed = "redirects to something that is no URL";
                Error::new(Class::Permanent, ReasonCode::Protocol, "", observed)
            })?;
            if self.sign_in.registry.scheme() == "https" && next.scheme() != "https" {
                let why = "blocked by the egress policy: it was redirected from https to http";
                return Err(Error::new(Class::Guard, ReasonCode::BlockedByPolicy, "", why));
            }
            let request = self.client.request(Method::GET, &next)?;
            response = request.send().await.map_err(|error| request_error(&error, ""))?;
        }
        let response = self.expect_success(response).await?;
        let body = read_body(response, MAX_DOCUMENT).await?;
        if Digest::of(&body) == *digest {
            return Ok(body);
        }
        let observed = format!("sent other bytes than those of {digest}");
        Err(Error::new(Class::Permanent, ReasonCode::DigestMismatch, "", observed))
    }

    /// Tells whether a signature (a tag of cosign's) or a document that refers to the image is there.
    pub(crate) async fn is_signed(&mut self, digest: &Digest) -> Result<bool, Error> {
        let tag = format!("{}.sig", digest.as_str().replace(':', "-"));
        match self.manifest(&tag, Want::Existence).await {
            Ok(_there) => return Ok(true),
            Err(error) if error.reason_code() == ReasonCode::ImageNotFound => {}
            Err(error) => return Err(error),
        }
        let response = self.ask(Method::GET, &format!("referrers/{digest}")).await?;
        if !response.status().is_success() {
            // A registry that is older than referrers has none.
            return Ok(false);
        }
        let body = read_body(response, MAX_DOCUMENT).await?;
        let listed: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let referrers = listed.get("manifests").and_then(serde_json::Value::as_array);
        Ok(referrers.is_some_and(|referrers| !referrers.is_empty()))
    }

    /// Sends a request; a 401 is answered with a sign-in, once.
    async fn ask(&mut self, method: Method, path: &str) -> Result<Response, Error> {
        let base = self.sign_in.registry.as_str().trim_end_matches('/');
        let text = format!("{base}/v2/{}/{path}", self.repository);
        let url = Url::parse(&text).map_err(|_quotes_it| {
            let observed = "the registry's address is not usable";
            Error::new(Class::Internal, ReasonCode::InvalidTarget, "", observed)
        })?;
        let response = self.send(method.clone(), &url).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        self.authorization = Some(self.sign_in.answer(&self.client, response.headers()).await?);
        self.send(method, &url).await
    }

    async fn send(&self, method: Method, url: &Url) -> Result<Response, Error> {
        let mut request =
            self.client.request(method, url)?.header(ACCEPT, registry_manifest::ACCEPT);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.send().await.map_err(|error| request_error(&error, ""))
    }

    /// Turns every other status into what it means at a registry.
    async fn expect_success(&self, response: Response) -> Result<Response, Error> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let wait = header(response.headers(), RETRY_AFTER.as_str());
        let wait = wait.and_then(|seconds| seconds.trim().parse().ok());
        let body = read_body(response, MAX_DOCUMENT).await.unwrap_or_default();
        let code = serde_json::from_slice::<Refusals>(&body).ok();
        let code = code.and_then(|said| said.errors.into_iter().next()).map(|error| error.code);
        let code = code.filter(|code| {
            code.len() <= 32 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        });
        let said = code.map(|code| format!(" ({code})")).unwrap_or_default();
        let error = match status {
            StatusCode::NOT_FOUND => {
                let observed = format!("there is no such image{said}");
                Error::new(Class::Permanent, ReasonCode::ImageNotFound, "", observed)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let observed = format!("refused the sign-in with {status}{said}");
                Error::new(Class::Permanent, ReasonCode::Auth, "", observed)
            }
            _ => {
                let observed = format!("answered {status}{said}");
                Error::new(status_class(status), ReasonCode::HttpStatus, "", observed)
            }
        };
        let wait = wait.map(std::time::Duration::from_secs);
        Err(error.with_retry_after(wait).with_evidence(redact::evidence(&body)))
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
