//! A real container registry under a test's control.
//!
//! Owns one `docker-registry` on loopback and the pushing of small images into it; called by tests of the image probe and
//! of the validator. It never reaches another registry, and everything in it is gone with the test.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::eventually::eventually;
use crate::http_request::get;
use crate::process::Process;
use crate::redis_server::free_port;

/// How long a registry may take to listen; a loaded machine is slow. 60 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// The media type of one image.
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// The media type of several.
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A running registry; it stops when dropped.
#[derive(Debug)]
pub struct DockerRegistry {
    storage: Arc<TempDir>,
    addr: String,
    process: Process,
}

impl DockerRegistry {
    /// Starts an empty registry that lets everybody push and pull.
    pub async fn start() -> Self {
        let storage = tempfile::Builder::new().prefix("printery-registry-").tempdir();
        Self::serve(Arc::new(storage.expect("a temporary folder")), "").await
    }

    /// Starts a second registry over the same images; `auth` is the `auth:` section of its configuration.
    pub async fn guarded(&self, auth: &str) -> Self {
        Self::serve(Arc::clone(&self.storage), auth).await
    }

    async fn serve(storage: Arc<TempDir>, auth: &str) -> Self {
        let addr = format!("127.0.0.1:{}", free_port());
        let root = storage.path().join("images").display().to_string();
        let config = format!(
            "version: 0.1\nlog: {{ level: warn, accesslog: {{ disabled: true }} }}\n\
             storage: {{ filesystem: {{ rootdirectory: {root} }} }}\n\
             http: {{ addr: {addr}, secret: of-this-test }}\n{auth}\n"
        );
        let file = storage.path().join(format!("{}.yml", addr.replace(':', "-")));
        fs::write(&file, config).expect("the test's own folder can be written");
        let process = Process::of(Path::new("docker-registry"))
            .args(["serve".as_ref(), file.as_os_str()])
            .start();
        let registry = Self { storage, addr, process };
        eventually("the registry answers", PATIENCE, async || {
            let status = get(&registry.addr, "/v2/").await.map(|answer| answer.status);
            match status {
                Ok(200 | 401) => Ok(()),
                Ok(_) | Err(_) => Err(registry.process.report()),
            }
        })
        .await;
        registry
    }

    /// Returns `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Returns `127.0.0.1:<port>`.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// Returns the folder its configuration lies in, for files that it names.
    pub fn dir(&self) -> &Path {
        self.storage.path()
    }

    /// Pushes one image for a platform (`linux/amd64`) with labels, built at a time (RFC 3339); returns its digest.
    pub async fn push(
        &self,
        repository: &str,
        tag: &str,
        platform: &str,
        labels: &[(&str, &str)],
        created: &str,
    ) -> String {
        let mut parts = platform.split('/');
        let mut config = serde_json::json!({
            "os": parts.next(), "architecture": parts.next(), "created": created,
            "config": { "Labels": labels.iter().copied().collect::<std::collections::BTreeMap<_, _>>() },
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        if let Some(variant) = parts.next() {
            config.as_object_mut().expect("a map").insert("variant".to_owned(), variant.into());
        }
        let config = config.to_string();
        let digest = digest(config.as_bytes());
        self.push_blob(repository, &digest, config.as_bytes()).await;
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": IMAGE, "layers": [],
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest, "size": config.len(),
            },
        });
        self.push_manifest(repository, tag, IMAGE, &manifest.to_string()).await
    }

    /// Pushes an index of images that are there already, each with its platform; returns its digest.
    pub async fn push_index(&self, repository: &str, tag: &str, images: &[(&str, &str)]) -> String {
        let entries: Vec<serde_json::Value> = images
            .iter()
            .map(|(platform, digest)| {
                let (os, architecture) = platform.split_once('/').expect("os/architecture");
                serde_json::json!({
                    "mediaType": IMAGE, "digest": digest, "size": 1,
                    "platform": { "os": os, "architecture": architecture },
                })
            })
            .collect();
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": entries,
        });
        self.push_manifest(repository, tag, INDEX, &index.to_string()).await
    }

    async fn push_blob(&self, repository: &str, digest: &str, bytes: &[u8]) {
        let begun = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), "", &[]).await;
        assert!(begun.starts_with("HTTP/1.0 202"), "{begun}");
        let location = begun
            .lines()
            .find_map(|line| line.strip_prefix("Location: "))
            .unwrap_or_else(|| panic!("no place to upload to: {begun}"));
        let path = location.trim().strip_prefix(&self.url()).expect("a place on this registry");
        let put = self.send("PUT", &format!("{path}&digest={digest}"), "", bytes).await;
        assert!(put.starts_with("HTTP/1.0 201"), "{put}");
    }

    async fn push_manifest(&self, repository: &str, tag: &str, kind: &str, text: &str) -> String {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let put = self.send("PUT", &path, kind, text.as_bytes()).await;
        assert!(put.starts_with("HTTP/1.0 201"), "{put}");
        digest(text.as_bytes())
    }

    async fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.addr).await.expect("the registry listens");
        let kind =
            if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\n{kind}Content-Length: {}\r\n\r\n",
            self.addr,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn digest(bytes: &[u8]) -> String {
    let nibbles = Sha256::digest(bytes).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex = nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16));
    format!("sha256:{}", hex.collect::<String>())
}
