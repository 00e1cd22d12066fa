//! The HTTP probe against real servers on loopback.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use printery_config::{Final, RetryOn};
use printery_probes::{
    Class, Egress, EgressRules, HttpProbe, Limits, Method, Outcome, Purpose, ReasonCode, Report,
    StatusRange, Url,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A server that ends with the test.
struct Server {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(app: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, _tasks: tasks }
    }

    /// Answers every connection with these bytes once it has read something, then closes it.
    async fn raw(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                if stream.read(&mut request).await.is_ok() {
                    stream.write_all(answer).await.unwrap_or_default();
                }
            }
        });
        Self { address, _tasks: tasks }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn egress() -> Egress {
    Egress::try_new(&EgressRules { allow: vec![], allow_loopback: true }).unwrap()
}

fn limits() -> Limits {
    Limits { attempts: 1, ..Limits::default() }
}

async fn ask(url: &str) -> Report {
    HttpProbe::try_new(url).unwrap().run(&egress(), &limits()).await
}

fn answer(status: u16) -> impl IntoResponse {
    (StatusCode::from_u16(status).unwrap(), "{\"error\": \"no\", \"token\": \"hunter2\"}")
}

#[tokio::test]
async fn a_status_is_judged_by_its_range_and_its_class() {
    let app = Router::new().route(
        "/{status}",
        get(|axum::extract::Path(status): axum::extract::Path<u16>| async move { answer(status) }),
    );
    let server = Server::start(app).await;
    let cases = [
        (200, Outcome::Pass, None),
        (299, Outcome::Pass, None),
        (304, Outcome::Fail, Some(Class::Assertion)),
        (401, Outcome::Fail, Some(Class::Permanent)),
        (404, Outcome::Fail, Some(Class::Permanent)),
        (429, Outcome::Warn, Some(Class::Assertion)),
        (503, Outcome::Error, Some(Class::Transient)),
    ];
    for (status, outcome, class) in cases {
        let mut probe = HttpProbe::try_new(&server.url(&format!("/{status}"))).unwrap();
        probe.warn_status = vec![StatusRange::only(429)];
        let report = probe.run(&egress(), &limits()).await;
        assert_eq!((report.outcome, report.class), (outcome, class), "{status}: {report:?}");
        assert_eq!(report.status, Some(status));
        assert!(report.message.contains(&status.to_string()), "{}", report.message);
        assert!(report.timings.processing.is_some() && report.timings.transfer.is_some());
    }
}

#[tokio::test]
async fn an_unexpected_answer_is_kept_as_redacted_evidence() {
    let server = Server::start(Router::new().route("/", get(|| async { answer(404) }))).await;
    let report = ask(&server.url("/?token=hunter2")).await;
    assert_eq!(report.evidence.as_deref(), Some("{\"error\": \"no\", \"token\": \"***\"}"));
    assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
}

#[tokio::test]
async fn a_target_that_recovers_within_the_check_passes() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let app = Router::new().route(
        "/",
        get(move || async move {
            let first = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
            if first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
        }),
    );
    let server = Server::start(app).await;
    let probe = HttpProbe::try_new(&server.url("/")).unwrap();
    let report = probe.run(&egress(), &Limits::default()).await;
    assert_eq!((report.outcome, report.attempts), (Outcome::Pass, 2), "{report:?}");
}

#[tokio::test]
async fn a_slow_answer_is_a_warning_or_a_failure_by_its_threshold() {
    let app = Router::new().route(
        "/",
        get(|| async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            "ok"
        }),
    );
    let server = Server::start(app).await;
    let mut probe = HttpProbe::try_new(&server.url("/")).unwrap();
    probe.warn_after = Some(Duration::from_millis(20));
    probe.fail_after = Some(Duration::from_secs(30));
    let report = probe.run(&egress(), &limits()).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Warn, ReasonCode::Slow));
    probe.fail_after = Some(Duration::from_millis(40));
    let report = probe.run(&egress(), &limits()).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Slow));
    assert!(report.duration >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_body_is_searched_and_never_read_beyond_the_cap() {
    let app = Router::new()
        .route("/ok", get(|| async { "all systems operational" }))
        .route("/huge", get(|| async { "x".repeat(65 * 1024) }))
        .route(
            "/endless",
            get(|| async {
                // Hyper stops reading from the stream when the client goes away.
                let (mut writer, reader) = tokio::io::duplex(1024);
                let mut feed = JoinSet::new();
                feed.spawn(async move { while writer.write_all(&[b'x'; 1024]).await.is_ok() {} });
                feed.detach_all();
                Body::from_stream(ReadStream(reader))
            }),
        );
    let server = Server::start(app).await;
    let mut probe = HttpProbe::try_new(&server.url("/ok")).unwrap();
    probe.body_contains = Some("operational".into());
    assert_eq!(probe.run(&egress(), &limits()).await.outcome, Outcome::Pass);
    probe.body_contains = Some("degraded".into());
    let report = probe.run(&egress(), &limits()).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Content));
    for path in ["/huge", "/endless"] {
        let report = ask(&server.url(path)).await;
        assert_eq!(report.reason_code, ReasonCode::BodyTooLarge, "{path}");
        assert_eq!((report.outcome, report.class), (Outcome::Error, Some(Class::Guard)), "{path}");
    }
}

#[tokio::test]
async fn redirects_are_followed_three_times_and_checked_each_time() {
    let app = Router::new()
        .route("/loop", get(|| async { Redirect::temporary("/loop") }))
        .route("/1", get(|| async { Redirect::temporary("/2") }))
        .route("/2", get(|| async { Redirect::temporary("/3") }))
        .route("/3", get(|| async { Redirect::temporary("/end") }))
        .route("/end", get(|| async { "ok" }))
        .route("/metadata", get(|| async { Redirect::temporary("http://169.254.169.254/latest") }))
        .route("/hidden", get(|| async { Redirect::temporary("http://[64:ff9b::a9fe:a9fe]/") }))
        .route("/file", get(|| async { Redirect::temporary("ftp://example.com/x") }))
        .route("/login", get(|| async { Redirect::temporary("http://u:p@127.0.0.1/") }));
    let server = Server::start(app).await;
    let cases = [
        ("/1", Outcome::Pass, ReasonCode::Ok),
        ("/loop", Outcome::Error, ReasonCode::TooManyRedirects),
        ("/metadata", Outcome::Error, ReasonCode::BlockedByPolicy),
        ("/hidden", Outcome::Error, ReasonCode::BlockedByPolicy),
        ("/file", Outcome::Error, ReasonCode::BlockedByPolicy),
        ("/login", Outcome::Error, ReasonCode::BlockedByPolicy),
    ];
    for (path, outcome, reason) in cases {
        let report = ask(&server.url(path)).await;
        assert_eq!((report.outcome, report.reason_code), (outcome, reason), "{path}: {report:?}");
    }
    for (path, follow, outcome, reason) in [
        ("/1", 3, Outcome::Pass, ReasonCode::Ok),
        ("/1", 2, Outcome::Error, ReasonCode::TooManyRedirects),
        ("/3", 1, Outcome::Pass, ReasonCode::Ok),
        ("/3", 0, Outcome::Fail, ReasonCode::HttpStatus),
        ("/metadata", 1, Outcome::Error, ReasonCode::BlockedByPolicy),
    ] {
        let mut probe = HttpProbe::try_new(&server.url(path)).unwrap();
        probe.follow = Some(follow);
        let report = probe.run(&egress(), &limits()).await;
        assert_eq!((report.outcome, report.reason_code), (outcome, reason), "{path}: {report:?}");
    }
    let mut probe = HttpProbe::try_new(&server.url("/metadata")).unwrap();
    probe.status = vec![StatusRange::only(307)];
    let report = probe.run(&egress(), &limits()).await;
    assert_eq!(report.outcome, Outcome::Pass, "an expected redirect is not followed");
}

#[tokio::test]
async fn a_sender_follows_no_redirect_and_checks_literal_addresses() {
    let app = Router::new().route("/", get(|| async { Redirect::temporary("/next") }));
    let server = Server::start(app).await;
    let client = egress().client(Purpose::Notify, &limits()).unwrap();
    let url = Url::parse(&server.url("/")).unwrap();
    let response = client.request(Method::GET, &url).unwrap().send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    let private = Url::parse("http://10.0.0.1/hook").unwrap();
    let error = client.request(Method::POST, &private).unwrap_err();
    assert_eq!(error.reason_code(), ReasonCode::BlockedByPolicy);
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_says_how() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let report = ask(&refused).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::ConnectRefused));
    assert!(report.is_unreachable());

    let by_name = refused.replace("127.0.0.1", "localhost");
    let report = ask(&by_name).await;
    assert_eq!(report.reason_code, ReasonCode::ConnectRefused, "{report:?}");

    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", mute.local_addr().unwrap());
    let short = Limits { attempt: Duration::from_millis(100), ..limits() };
    let report = HttpProbe::try_new(&url).unwrap().run(&egress(), &short).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::Timeout));
    assert!(report.timings.connect.is_some(), "the phases before the silence are told: {report:?}");
}

#[tokio::test]
async fn an_answer_in_another_protocol_is_a_failure_and_a_broken_one_is_not() {
    let cases: [(&'static [u8], Outcome, ReasonCode); 3] = [
        (b"220 mail.example.com ESMTP\r\n", Outcome::Fail, ReasonCode::Protocol),
        (b"", Outcome::Error, ReasonCode::ConnectionClosed),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab",
            Outcome::Error,
            ReasonCode::ConnectionClosed,
        ),
    ];
    for (bytes, outcome, reason) in cases {
        let server = Server::raw(bytes).await;
        let report = ask(&server.url("/")).await;
        assert_eq!((report.outcome, report.reason_code), (outcome, reason), "{report:?}");
    }
}

#[tokio::test]
async fn a_plain_server_behind_https_is_a_tls_failure() {
    let server = Server::raw(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let report = ask(&server.url("/").replace("http://", "https://")).await;
    assert_eq!(
        (report.outcome, report.reason_code),
        (Outcome::Fail, ReasonCode::Tls),
        "{report:?}"
    );
}

#[tokio::test]
async fn credentials_in_the_url_are_sent_on_the_same_host_and_never_shown() {
    let signed_in = |headers: axum::http::HeaderMap| async move {
        match headers.get("authorization") {
            Some(value) if value == "Basic dTpodW50ZXIy" => StatusCode::OK,
            Some(_) | None => StatusCode::UNAUTHORIZED,
        }
    };
    let app = Router::new()
        .route("/", get(signed_in))
        .route("/moved", get(|| async { Redirect::temporary("/") }));
    let server = Server::start(app).await;
    for path in ["/", "/moved"] {
        let report = ask(&server.url(path).replace("http://", "http://u:hunter2@")).await;
        assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
        assert!(!format!("{report:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let heard = |headers: axum::http::HeaderMap| async move {
        format!("{:?}", headers.get("x-api-key").or(headers.get("authorization")))
    };
    let other = Server::start(Router::new().route("/", get(heard))).await;
    let elsewhere = other.url("/");
    let app = Router::new()
        .route("/here", get(|| async { Redirect::temporary("/end") }))
        .route("/end", get(heard))
        .route("/there", get(move || async move { Redirect::temporary(&elsewhere) }));
    let server = Server::start(app).await;
    for (path, heard) in [("/here", "Some"), ("/there", "None")] {
        let probe = HttpProbe::try_new(&server.url(path)).unwrap();
        let mut probe = probe.with_header("x-api-key", "hunter2").unwrap();
        probe.body_contains = Some(heard.to_owned());
        let report = probe.run(&egress(), &limits()).await;
        assert_eq!(report.outcome, Outcome::Pass, "{path}: {report:?}");
        let signed_in = server.url(path).replace("//", "//ops:hunter2@");
        let mut probe = HttpProbe::try_new(&signed_in).unwrap();
        probe.body_contains = Some(heard.to_owned());
        let report = probe.run(&egress(), &limits()).await;
        assert_eq!(report.outcome, Outcome::Pass, "{path}: {report:?}");
        assert!(!format!("{report:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_final_answer_is_asked_for_again_where_the_fleet_file_names_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    // A service that has just been deployed knows its paths a moment later.
    let app = Router::new().route(
        "/",
        get(move || {
            let first = counter.fetch_add(1, Ordering::SeqCst) == 0;
            async move { if first { StatusCode::NOT_FOUND } else { StatusCode::OK } }
        }),
    );
    let server = Server::start(app).await;
    let probe = HttpProbe::try_new(&server.url("/")).unwrap();
    let twice = Limits { attempts: 2, ..Limits::default() };
    let report = probe.run(&egress(), &twice).await;
    assert_eq!((report.outcome, report.attempts), (Outcome::Fail, 1), "{report:?}");
    asked.store(0, Ordering::SeqCst);
    let named = Limits { retry_on: RetryOn::NONE.with(Final::HttpStatus), ..twice };
    let report = probe.run(&egress(), &named).await;
    assert_eq!((report.outcome, report.attempts), (Outcome::Pass, 2), "{report:?}");
}

#[test]
fn statuses_named_one_by_one_become_ranges() {
    let named = StatusRange::where_named(|status| status == 100 || (200..=299).contains(&status));
    assert_eq!(named, [StatusRange::only(100), StatusRange::SUCCESS]);
}

/// A byte reader as the stream that a response body is made of.
struct ReadStream(tokio::io::DuplexStream);

impl futures_util::Stream for ReadStream {
    type Item = std::io::Result<Vec<u8>>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let mut bytes = [0; 1024];
        let mut buffer = tokio::io::ReadBuf::new(&mut bytes);
        let reader = std::pin::Pin::new(&mut self.get_mut().0);
        tokio::io::AsyncRead::poll_read(reader, cx, &mut buffer)
            .map(|read| Some(read.map(|()| buffer.filled().to_vec())))
    }
}
