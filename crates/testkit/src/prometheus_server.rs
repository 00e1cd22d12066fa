//! A real Prometheus under a test's control.
//!
//! Owns one `prometheus` on loopback that scrapes what the test names, ten times a second; called by tests of the
//! health-monitor's questions. It never scrapes anything else, and its data is gone with the test.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::eventually::eventually;
use crate::http_request::get;
use crate::process::Process;
use crate::redis_server::free_port;

/// How long a server may take to be ready; a loaded machine is slow. 60 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Prometheus; it stops when dropped.
#[derive(Debug)]
pub struct PrometheusServer {
    addr: String,
    _folder: TempDir,
    _process: Process,
}

impl PrometheusServer {
    /// Starts a server that scrapes `/metrics` of the targets as the job `tested`.
    pub async fn start(targets: &[SocketAddr]) -> Self {
        let folder = tempfile::Builder::new().prefix("printery-prometheus-").tempdir();
        let folder = folder.expect("a temporary folder");
        let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
        let config = format!(
            "global: {{ scrape_interval: 100ms, scrape_timeout: 100ms }}\nscrape_configs:\n\
             - {{ job_name: tested, static_configs: [{{ targets: [{}] }}] }}\n",
            targets.join(", ")
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config).expect("the test's own folder can be written");
        let addr = format!("127.0.0.1:{}", free_port());
        let process = Process::of(Path::new("prometheus"))
            .args([
                format!("--config.file={}", file.display()),
                format!("--storage.tsdb.path={}", folder.path().join("data").display()),
                format!("--web.listen-address={addr}"),
            ])
            .start();
        eventually("Prometheus is ready", PATIENCE, async || {
            match get(&addr, "/-/ready").await.map(|answer| answer.status) {
                Ok(200) => Ok(()),
                Ok(_) | Err(_) => Err(process.report()),
            }
        })
        .await;
        Self { addr, _folder: folder, _process: process }
    }

    /// Returns `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}
