//! Servers of the tests: an authority of their own, and what answers over TLS.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use printery_probes::{Egress, EgressRules, Limits};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::TLS12;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) fn egress() -> Egress {
    Egress::try_new(&EgressRules { allow: vec![], allow_loopback: true }).unwrap()
}

pub(crate) fn limits() -> Limits {
    Limits { attempts: 1, ..Limits::default() }
}

/// Issues certificates that nobody else trusts.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    pub(crate) fn make() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let unique = format!("printery-probes-{}-{:x}", std::process::id(), rand::random::<u64>());
        let folder = std::env::temp_dir().join(unique);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// The file that a fleet file would name.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Issues a certificate for these names, which lasts from one year to another.
    pub(crate) fn issue(&self, names: &[&str], years: (i32, i32)) -> Identity {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names[0].clone());
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pem = (certificate.pem(), key.serialize_pem());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Identity { chain: vec![certificate.der().clone()], key, pem }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap_or_default();
    }
}

/// A certificate with its key.
pub(crate) struct Identity {
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    pem: (String, String),
}

impl Identity {
    /// Leaves certificate and key in files of the authority's folder, for servers that are programs.
    pub(crate) fn files(&self, authority: &Authority) -> (String, String) {
        let write = |name: &str, pem: &str| {
            let path = authority.folder.join(name);
            std::fs::write(&path, pem).unwrap();
            path.display().to_string()
        };
        (write("server.pem", &self.pem.0), write("server.key", &self.pem.1))
    }

    /// Makes a server's configuration of it.
    pub(crate) fn server(self, alpn: &[&[u8]]) -> Arc<ServerConfig> {
        Self::configured(self, alpn, rustls::DEFAULT_VERSIONS)
    }

    /// Makes one that speaks TLS 1.2 only.
    pub(crate) fn old_server(self) -> Arc<ServerConfig> {
        Self::configured(self, &[], &[&TLS12])
    }

    fn configured(
        self,
        alpn: &[&[u8]],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain, self.key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

/// A server that ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers every connection by `serve`.
    pub(crate) async fn each<F, Fut>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream));
            }
        });
        Self { address, _tasks: tasks }
    }

    /// Shakes hands and hands the encrypted connection over; handshakes that fail are over.
    pub(crate) async fn encrypted<F, Fut>(config: Arc<ServerConfig>, serve: F) -> Self
    where
        F: Fn(TlsStream<TcpStream>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let acceptor = TlsAcceptor::from(config);
        Self::each(move |stream| {
            let (acceptor, serve) = (acceptor.clone(), serve.clone());
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream).await;
                }
            }
        })
        .await
    }

    /// Answers every request with these bytes and closes the connection.
    pub(crate) async fn raw(answer: Vec<u8>) -> Self {
        Self::each(move |mut stream| {
            let answer = answer.clone();
            async move { respond(&mut stream, &answer).await }
        })
        .await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Reads one request and answers with these bytes.
pub(crate) async fn respond<S: AsyncReadExt + AsyncWriteExt + Unpin>(
    stream: &mut S,
    answer: &[u8],
) {
    let mut request = [0; 4096];
    if stream.read(&mut request).await.is_ok() {
        stream.write_all(answer).await.unwrap_or_default();
        stream.shutdown().await.unwrap_or_default();
    }
}

/// Makes an answer of a status line, headers and a body.
pub(crate) fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}
