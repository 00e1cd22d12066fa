//! The files that TLS to Redis needs: whom to trust, and who we are.
//!
//! Read and judged when a [`crate::Redis`] is made, so that a bad file is a configuration error
//! and not an outage. The host name is always checked, unless somebody switched that off.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// PEM files for TLS; without a file the machine's own authorities are trusted and the client
/// does not say who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authorities that may have signed the server's certificate, instead of the machine's.
    pub ca: Option<PathBuf>,
    /// The client's certificate, with what lies between it and its authority.
    pub certificate: Option<PathBuf>,
    /// The private key of that certificate.
    pub key: Option<PathBuf>,
    /// Whether any certificate is taken for the server's: encrypted, but to anybody.
    pub insecure: bool,
}

impl TlsFiles {
    /// Whether anything was said.
    pub fn says_something(&self) -> bool {
        *self != Self::default()
    }

    /// Reads the files and judges them together.
    ///
    /// # Errors
    /// A sentence that names the file and the rule it breaks; never its contents.
    pub fn check(&self) -> Result<(), String> {
        self.certificates().map(drop)
    }

    /// The files' contents; none where only the machine's own authorities count.
    pub(super) fn certificates(&self) -> Result<Option<TlsCertificates>, String> {
        let root_cert = match &self.ca {
            Some(path) => Some(read("CA file", path)?),
            None => None,
        };
        let client_tls = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some(ClientTlsConfig {
                client_cert: read("certificate file", certificate)?,
                client_key: read("key file", key)?,
            }),
            (Some(_), None) => return Err("a client certificate needs its key file".to_owned()),
            (None, Some(_)) => return Err("a client key needs its certificate file".to_owned()),
            (None, None) => None,
        };
        if let (Some(path), Some(pem)) = (&self.ca, &root_cert) {
            authorities(path, pem)?;
        }
        if let (Some(certificate), Some(key), Some(pems)) =
            (&self.certificate, &self.key, &client_tls)
        {
            identity(certificate, key, pems)?;
        }
        let some = root_cert.is_some() || client_tls.is_some();
        Ok(some.then_some(TlsCertificates { client_tls, root_cert }))
    }
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path)
        .map_err(|error| format!("{what} {} cannot be read: {error}", path.display()))
}

/// Every certificate of a CA file must be usable, and there must be one.
fn authorities(path: &Path, pem: &[u8]) -> Result<(), String> {
    let shown = path.display();
    let mut roots = RootCertStore::empty();
    for certificate in chain(&format!("CA file {shown}"), pem)? {
        roots.add(certificate).map_err(|error| format!("CA file {shown}: {error}"))?;
    }
    Ok(())
}

/// The key must be that of the first certificate.
fn identity(certificate: &Path, key: &Path, pems: &ClientTlsConfig) -> Result<(), String> {
    let chain = chain(&format!("certificate file {}", certificate.display()), &pems.client_cert)?;
    let name = format!("key file {}", key.display());
    let private = PrivateKeyDer::from_pem_slice(&pems.client_key)
        .map_err(|_why| format!("{name} holds no private key in PEM form"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("{name}: {error}"))?;
    config
        .with_root_certificates(RootCertStore::empty())
        .with_client_auth_cert(chain, private)
        .map(drop)
        .map_err(|error| format!("{name} does not fit the certificate: {error}"))
}

fn chain(name: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) | Err(_) => Err(format!("{name} holds no certificate in PEM form")),
    }
}
