//! As whom a request is made: tokens of a token server, and a client's certificate.
//!
//! The HTTP probe signs in with it for every attempt. A token is kept for most of its life and never shown; a certificate is
//! read anew for each connection, since such certificates last hours.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::credential::OAuth2Probe;
use crate::egress::Egress;
use crate::error::Error;
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::redact;

/// How long a token is kept whose life the server does not tell. 60 s: a guess that no server's tokens are shorter than.
const UNTOLD: Duration = Duration::from_secs(60);

/// The share of a token's life for which it is kept; what is left is for the request it goes with.
const KEPT_SHARE: f64 = 0.8;

/// As whom requests are made, beside the headers they carry.
#[derive(Debug, Clone, Default)]
pub struct SignIn {
    /// The client that is given tokens, shared by all requests of a probe.
    pub tokens: Option<Arc<Tokens>>,
    /// The certificate that is shown to whoever asks for one.
    pub certificate: Option<ClientFiles>,
}

/// Tokens of one client.
#[derive(Debug)]
pub struct Tokens {
    client: OAuth2Probe,
    /// Whoever holds the lock is asking for one.
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug, Clone)]
struct Kept {
    /// Marked as sensitive, so that nothing prints it.
    authorization: HeaderValue,
    until: Instant,
}

/// Tells whether a token was asked for just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    New,
    Kept,
}

impl Tokens {
    /// Keeps the tokens that this client is given.
    pub fn of(client: OAuth2Probe) -> Self {
        Self { client, kept: Mutex::new(None) }
    }

    /// Returns what stands in `Authorization`.
    ///
    /// # Errors
    /// The token server does not give a token; the text says so.
    pub(crate) async fn authorization(
        &self,
        egress: &Egress,
        limits: &Limits,
    ) -> Result<(HeaderValue, Age), Error> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.until > Instant::now()) {
            return Ok((kept.authorization.clone(), Age::Kept));
        }
        let asked = Instant::now();
        let given = self.client.ask(egress, limits).await.map_err(|error| self.refused(&error))?;
        let value = format!("Bearer {}", given.token.expose_secret());
        let mut authorization = HeaderValue::try_from(value).map_err(|_quotes_it| {
            let observed = "gave a token that cannot stand in a header";
            self.refused(&Error::new(Class::Permanent, ReasonCode::Protocol, "", observed))
        })?;
        authorization.set_sensitive(true);
        let life = given.life.map_or(UNTOLD, |life| life.mul_f64(KEPT_SHARE));
        // A life beyond the clock's reach is kept for as long as the process lives in practice.
        let until = asked.checked_add(life).unwrap_or(asked + UNTOLD);
        *kept = Some(Kept { authorization: authorization.clone(), until });
        Ok((authorization, Age::New))
    }

    /// Forgets a token that is not accepted any more, unless another one has taken its place.
    pub(crate) async fn forget(&self, refused: &HeaderValue) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.authorization == *refused) {
            *kept = None;
        }
    }

    fn refused(&self, error: &Error) -> Error {
        let from = redact::url(&self.client.token_url);
        let observed = format!("no token from {from}: {}", error.observed());
        Error::new(error.class(), error.reason_code(), "", observed)
            .with_retry_after(error.retry_after())
    }
}

/// The files of a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// The certificate and what it was issued by, in PEM.
    pub cert: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
}

/// A client's certificate, ready to be shown.
#[derive(Debug)]
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ClientFiles {
    /// Reads both files.
    pub(crate) async fn read(&self) -> Result<Identity, Error> {
        let read = async |path: &PathBuf| {
            let read = tokio::fs::read(path).await;
            read.map_err(|error| unusable(path, &error.to_string()))
        };
        let (chain, key) = (read(&self.cert).await?, read(&self.key).await?);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
        let chain = chain.map_err(|error| unusable(&self.cert, &error.to_string()))?;
        if chain.is_empty() {
            return Err(unusable(&self.cert, "it holds no certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_quotes_it| unusable(&self.key, "it holds no private key"))?;
        Ok(Identity { chain, key })
    }
}

impl Identity {
    /// Returns what rustls takes.
    pub(crate) fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain.clone(), self.key.clone_key())
    }
}

fn unusable(path: &std::path::Path, why: &str) -> Error {
    let observed = format!("the client's certificate in {} cannot be used: {why}", path.display());
    Error::new(Class::Internal, ReasonCode::Tls, "", observed)
}
