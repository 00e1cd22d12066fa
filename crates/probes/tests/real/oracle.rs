//! The same targets asked by Prometheus' `blackbox_exporter`: both must come to the same verdict.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path as UrlPath, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use printery_expressions::Pattern;
use printery_probes::{Expect, HttpProbe, Outcome, Report, TcpProbe, TlsProbe, Trust};
use printery_testkit::{Process, eventually, free_port};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{Authority, Server, answer, egress, limits, respond};

/// The other one.
pub(crate) struct Blackbox {
    process: Process,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Blackbox {
    pub(crate) async fn start(authority: &Authority) -> Self {
        Self::with(authority, "").await
    }

    /// Starts it with more modules.
    pub(crate) async fn with(authority: &Authority, more: &str) -> Self {
        let ca = authority.file().display().to_string();
        let modules = format!(
            "modules:\n  \
             http: {{ prober: http, timeout: 20s, http: {{ preferred_ip_protocol: ip4 }} }}\n  \
             body: {{ prober: http, timeout: 20s, http: {{ preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: [operational] }} }}\n  \
             header: {{ prober: http, timeout: 20s, http: {{ preferred_ip_protocol: ip4, fail_if_header_not_matches: [{{ header: X-Shop, regexp: '^north$' }}] }} }}\n  \
             https: {{ prober: http, timeout: 20s, http: {{ preferred_ip_protocol: ip4, tls_config: {{ ca_file: '{ca}' }} }} }}\n  \
             still: {{ prober: http, timeout: 20s, http: {{ preferred_ip_protocol: ip4, follow_redirects: false }} }}\n  \
             anyone: {{ prober: http, timeout: 20s, http: {{ preferred_ip_protocol: ip4, tls_config: {{ insecure_skip_verify: true }} }} }}\n  \
             grpc: {{ prober: grpc, timeout: 20s, grpc: {{ preferred_ip_protocol: ip4 }} }}\n  \
             tls: {{ prober: tcp, timeout: 20s, tcp: {{ preferred_ip_protocol: ip4, tls: true, tls_config: {{ ca_file: '{ca}' }} }} }}\n  \
             tcp: {{ prober: tcp, timeout: 20s, tcp: {{ preferred_ip_protocol: ip4 }} }}\n  \
             smtp: {{ prober: tcp, timeout: 20s, tcp: {{ preferred_ip_protocol: ip4, query_response: [{{ expect: '^220 ' }}] }} }}\n{more}"
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("blackbox.yml");
        std::fs::write(&file, modules).unwrap();
        let port = free_port();
        let process = Process::of(Path::new("prometheus-blackbox-exporter"))
            .args([format!("--config.file={}", file.display())])
            .args([format!("--web.listen-address=127.0.0.1:{port}")])
            .start();
        let listens = async || {
            let answer = printery_testkit::get(&format!("127.0.0.1:{port}"), "/-/healthy").await;
            answer.map(|_| ()).map_err(|error| format!("{error}\n{}", process.report()))
        };
        eventually("the other prober listens", Duration::from_secs(60), listens).await;
        Self { process, port, _folder: folder }
    }

    /// Asks and returns one of the metrics of the answer.
    async fn ask(&self, module: &str, target: &str, metric: &str) -> f64 {
        let escaped = target.replace('%', "%25").replace('&', "%26").replace('?', "%3F");
        let path = format!("/probe?module={module}&target={escaped}");
        let address = format!("127.0.0.1:{}", self.port);
        let answer = printery_testkit::get(&address, &path).await.unwrap();
        let line = answer.body.lines().find(|line| line.split(' ').next() == Some(metric));
        let value = line.and_then(|line| line.split(' ').nth(1)).and_then(|text| text.parse().ok());
        value.unwrap_or_else(|| panic!("{path}: {}\n{}", answer.body, self.process.report()))
    }

    /// Asserts that both say the same.
    pub(crate) async fn agrees(&self, module: &str, target: &str, ours: &Report) {
        let theirs = self.ask(module, target, "probe_success").await > 0.5;
        assert_eq!(ours.outcome == Outcome::Pass, theirs, "{module} {target}: {ours:?}");
    }
}

#[derive(Deserialize)]
struct Wish {
    body: String,
    shop: String,
}

async fn wished(UrlPath(status): UrlPath<u16>, Query(wish): Query<Wish>) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("x-shop", wish.shop)], wish.body).into_response()
}

async fn chained(UrlPath((left, status)): UrlPath<(u32, u16)>) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    match left {
        0 => "the end".into_response(),
        99 => (status, [("location", format!("/chain/99/{}", status.as_u16()))]).into_response(),
        left => {
            let next = format!("/chain/{}/{}", left - 1, status.as_u16());
            (status, [("location", next)]).into_response()
        }
    }
}

async fn ask(probe: &HttpProbe) -> Report {
    probe.run(&egress(), &limits()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn http_answers_of_every_status_header_and_body() {
    let authority = Authority::make();
    let blackbox = Blackbox::start(&authority).await;
    let app = Router::new()
        .route("/status/{status}", get(wished))
        .route("/chain/{left}/{status}", get(chained));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });

    let statuses = (200..=208).chain(300..=308).chain(400..=431).chain(500..=511);
    for (at, status) in statuses.enumerate() {
        let body = ["operational", "non-operational", "down", ""][at % 4];
        let shop = ["north", "south", "northern"][at % 3];
        let url = format!("{base}/status/{status}?body={body}&shop={shop}");
        let mut probe = HttpProbe::try_new(&url).unwrap();
        blackbox.agrees("http", &url, &ask(&probe).await).await;
        probe.body_contains = Some("operational".to_owned());
        blackbox.agrees("body", &url, &ask(&probe).await).await;
        probe.body_contains = None;
        let header = printery_probes::header::HeaderName::from_static("x-shop");
        probe.expect_headers = vec![(header, Pattern::compile("^north$").unwrap())];
        blackbox.agrees("header", &url, &ask(&probe).await).await;
    }
    // They follow ten redirects, this follows three: up to there and for ever they are the same.
    for left in [0, 1, 2, 3, 99] {
        for status in [301, 302, 303, 307, 308] {
            let url = format!("{base}/chain/{left}/{status}");
            let probe = HttpProbe::try_new(&url).unwrap();
            blackbox.agrees("http", &url, &ask(&probe).await).await;
            let probe = HttpProbe { follow: Some(0), ..probe };
            blackbox.agrees("still", &url, &ask(&probe).await).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_good_and_bad() {
    let authority = Authority::make();
    let stranger = Authority::make();
    let blackbox = Blackbox::start(&authority).await;
    for identity in [
        authority.issue(&["127.0.0.1"], (2020, 2090)),
        authority.issue(&["127.0.0.1"], (2020, 2060)),
        authority.issue(&["127.0.0.1"], (2020, 2021)),
        authority.issue(&["127.0.0.1"], (2080, 2090)),
        authority.issue(&["127.0.0.2"], (2020, 2090)),
        authority.issue(&["localhost"], (2020, 2090)),
        stranger.issue(&["127.0.0.1"], (2020, 2090)),
    ] {
        let serve =
            |mut stream| async move { respond(&mut stream, &answer("200 OK", b"ok")).await };
        let server = Server::encrypted(identity.server(&[]), serve).await;
        let trust = Trust::of_file(&authority.file()).unwrap();

        let url = server.url("/").replace("http://", "https://");
        let mut probe = HttpProbe::try_new(&url).unwrap();
        probe.trust = Some(trust.clone());
        blackbox.agrees("https", &url, &ask(&probe).await).await;

        probe.trust = Some(Trust::anyone());
        blackbox.agrees("anyone", &url, &ask(&probe).await).await;

        let mut probe = TlsProbe::new("127.0.0.1", server.address.port());
        probe.trust = Some(trust);
        let report = probe.run(&egress(), &limits()).await;
        let target = server.address.to_string();
        blackbox.agrees("tls", &target, &report).await;
        if report.outcome == Outcome::Pass {
            let expiry = blackbox.ask("tls", &target, "probe_ssl_earliest_cert_expiry").await;
            let (_, until) = report.message.split_once("until ").unwrap();
            let until: Timestamp = until.split(' ').next().unwrap().parse().unwrap();
            assert_eq!(format!("{expiry:.0}"), until.as_second().to_string(), "{report:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_open_closed_and_talking() {
    let blackbox = Blackbox::start(&Authority::make()).await;
    for greeting in ["220 mail ready\r\n", "220-first\r\n220 last\r\n", "554 no\r\n", " 220 \r\n"] {
        let server = Server::each(move |mut stream| async move {
            use tokio::io::AsyncWriteExt;
            stream.write_all(greeting.as_bytes()).await.unwrap_or_default();
            stream.shutdown().await.unwrap_or_default();
        })
        .await;
        let target = server.address.to_string();
        let mut probe = TcpProbe::try_new(&target).unwrap();
        blackbox.agrees("tcp", &target, &probe.run(&egress(), &limits()).await).await;
        // They look line by line, this at all that was said.
        probe.expect = Some(Expect::Like(Pattern::compile("(?m)^220 ").unwrap()));
        blackbox.agrees("smtp", &target, &probe.run(&egress(), &limits()).await).await;
    }
    let closed = format!("127.0.0.1:{}", free_port());
    let report = TcpProbe::try_new(&closed).unwrap().run(&egress(), &limits()).await;
    blackbox.agrees("tcp", &closed, &report).await;
}
