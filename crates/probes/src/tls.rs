//! TLS for every connection out of the fleet: rustls with ring, and the machine's own trusted certificates.
//!
//! The egress guard and the Redis probe take their configuration here. It is built without any process-wide
//! provider, so that nothing depends on what `main` installed, and it never turns verification off.

use std::sync::{Arc, LazyLock};

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::error::Error;
use crate::outcome::{Class, ReasonCode};

/// Reading the machine's certificates takes milliseconds; they are read once, when first needed.
static CLIENT: LazyLock<Result<ClientConfig, String>> = LazyLock::new(|| {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(machine_roots()).with_no_client_auth())
        .map_err(|error| error.to_string())
});

/// Returns the certificates that this machine trusts, which may be none.
pub(crate) fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (trusted, _ignored) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        // Plain http still works; https then fails with an unknown issuer, and this line says why.
        tracing::warn!(
            "no trusted certificates on this machine: every https target will be refused"
        );
    }
    roots
}

/// Returns the configuration of HTTP clients, which offer HTTP/2 and HTTP/1.1.
pub(crate) fn for_http() -> Result<ClientConfig, Error> {
    let mut config = plain()?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Returns the configuration of protocols that do not negotiate one.
pub(crate) fn plain() -> Result<ClientConfig, Error> {
    CLIENT
        .clone()
        .map_err(|text| Error::new(Class::Internal, ReasonCode::Tls, "preparing TLS", text))
}
