//! Whom a TLS handshake trusts, and what it saw even when it does not.
//!
//! Probes that show certificates make their handshakes with this. The verifier records the chain before it verifies
//! it, so that an expired or foreign certificate is refused and described; it lets one pass only for [`Trust::anyone`].

use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::certificate::Certificate;
use crate::error::Error;
use crate::outcome::{Class, ReasonCode};
use crate::sign_in::Identity;
use crate::tls;

/// The authorities whose certificates are believed.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trust {
    verifier: Arc<dyn ServerCertVerifier>,
    verifies: bool,
}

/// What was shown in a handshake; filled while it runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown(Arc<Mutex<Option<Certificate>>>);

impl Shown {
    /// Returns the server's own certificate, as far as it was shown and could be read.
    pub(crate) fn certificate(&self) -> Option<Certificate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Records, then verifies as usual.
#[derive(Debug)]
struct Recorder {
    verifier: Arc<dyn ServerCertVerifier>,
    shown: Shown,
}

impl Trust {
    /// Trusts whom this machine trusts.
    ///
    /// # Errors
    /// The machine has no trusted certificates.
    pub fn machine() -> Result<Self, Error> {
        static MACHINE: LazyLock<Result<Trust, Error>> =
            LazyLock::new(|| Trust::in_roots(tls::machine_roots()));
        MACHINE.clone()
    }

    /// Trusts anybody: whatever certificate is shown passes, and its holder must still have its key.
    pub fn anyone() -> Self {
        Self { verifier: Arc::new(Anyone(ring::default_provider())), verifies: false }
    }

    /// Returns what reports add when nobody's certificate was verified, and nothing otherwise.
    pub(crate) fn caveat(trust: Option<&Self>) -> &'static str {
        match trust {
            Some(trust) if !trust.verifies => ", TLS not verified",
            Some(_) | None => "",
        }
    }

    /// Trusts the authorities in a PEM file, and nobody else.
    ///
    /// # Errors
    /// The file cannot be read or holds no certificate.
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        let wrong = |why: String| {
            let attempted = format!("reading the authorities in {}", path.display());
            Error::new(Class::Internal, ReasonCode::Tls, attempted, why)
        };
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
        }
        Self::in_roots(roots)
    }

    fn in_roots(roots: RootCertStore) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map(|verifier| Self { verifier, verifies: true })
            .map_err(|error| {
                Error::new(Class::Internal, ReasonCode::Tls, "preparing TLS", error.to_string())
            })
    }

    /// Makes the configuration of one handshake and the place where it leaves what it was shown.
    pub(crate) fn recording(
        &self,
        alpn: &[&[u8]],
        identity: Option<&Identity>,
    ) -> Result<(Arc<ClientConfig>, Shown), Error> {
        let shown = Shown::default();
        let recorder = Recorder { verifier: Arc::clone(&self.verifier), shown: shown.clone() };
        let wrong = |error: rustls::Error| {
            Error::new(Class::Internal, ReasonCode::Tls, "preparing TLS", error.to_string())
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(recorder));
        let mut config = match identity.map(Identity::parts) {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(wrong)?,
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        // A resumed handshake shows no certificate.
        config.resumption = rustls::client::Resumption::disabled();
        Ok((Arc::new(config), shown))
    }
}

/// Believes every certificate, for targets of `insecure: true`.
#[derive(Debug)]
struct Anyone(CryptoProvider);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.shown.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Certificate::read(end_entity);
        let verifier = &self.verifier;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
