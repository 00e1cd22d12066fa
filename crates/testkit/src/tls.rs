//! Certificates of one test, and a Redis that shows them.
//!
//! Owns a folder with an authority, a server's and a client's certificate, made by `openssl`; called by tests of TLS.
//! Nothing in it is trusted by anybody else, and it is gone with the test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::redis_server::RedisOptions;

/// An authority with a server's and a client's certificate, as PEM files.
#[derive(Debug)]
pub struct Certificates {
    dir: TempDir,
}

impl Certificates {
    /// Makes an authority, a server certificate for `localhost` and `127.0.0.1`, and a client certificate.
    pub fn make() -> Self {
        Self::for_names("DNS:localhost,IP:127.0.0.1")
    }

    /// Makes the same for a server of other names, such as `DNS:elsewhere.example`.
    pub fn for_names(names: &str) -> Self {
        let dir =
            tempfile::Builder::new().prefix("printery-tls-").tempdir().expect("a temporary folder");
        let made = Self { dir };
        made.issue("ca", "test authority", &["-addext", "basicConstraints=critical,CA:TRUE"]);
        let names = format!("subjectAltName={names}");
        let signed = ["-CA", "ca.pem", "-CAkey", "ca.key"];
        let leaf = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", &names];
        made.issue("server", "test server", &[signed, leaf].concat());
        let leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
        made.issue("client", "test client", &[&signed[..], &leaf[..]].concat());
        made
    }

    /// Returns the authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Returns the client's certificate.
    pub fn client_certificate(&self) -> PathBuf {
        self.path("client.pem")
    }

    /// Returns the client's key.
    pub fn client_key(&self) -> PathBuf {
        self.path("client.key")
    }

    /// Returns the folder, for files of the test's own.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes `<name>.key` and `<name>.pem`.
    fn issue(&self, name: &str, subject: &str, more: &[&str]) {
        let mut command = Command::new("openssl");
        command
            .current_dir(self.dir.path())
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", &format!("/CN={subject}")])
            .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")])
            .args(more)
            .stdin(Stdio::null());
        let output = command.output();
        let output =
            output.unwrap_or_else(|error| panic!("{command:?}: {error}; is openssl installed?"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
    }
}

/// Whether a server asks its clients who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// Every client must show a certificate of the same authority.
    Required,
    /// Nobody is asked.
    NotAsked,
}

impl RedisOptions {
    /// Gives the server a port for TLS, with the server certificate of `certificates`.
    #[must_use]
    pub fn with_tls(mut self, certificates: &Certificates, proof: ClientProof) -> Self {
        self.tls = true;
        let file = |name: &str| certificates.path(name).display().to_string();
        let asked = if proof == ClientProof::Required { "yes" } else { "no" };
        self.arg("--tls-cert-file", &file("server.pem"))
            .arg("--tls-key-file", &file("server.key"))
            .arg("--tls-ca-cert-file", &file("ca.pem"))
            .arg("--tls-auth-clients", asked)
    }
}
