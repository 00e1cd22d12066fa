//! The HTTP probe over TLS: whom it believes, what it measures and where it does not go.

use axum::Router;
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use printery_expressions::Condition;
use printery_probes::{HttpProbe, Outcome, ReasonCode, Trust};

use crate::support::{Authority, Identity, Server, answer, egress, limits, respond};

async fn server(identity: Identity, bytes: Vec<u8>) -> Server {
    let serve = move |mut stream| {
        let bytes = bytes.clone();
        async move { respond(&mut stream, &bytes).await }
    };
    Server::encrypted(identity.server(&[b"http/1.1"]), serve).await
}

fn probe(server: &Server, authority: &Authority) -> HttpProbe {
    let url = server.url("/").replace("http://", "https://").replace("127.0.0.1", "localhost");
    let mut probe = HttpProbe::try_new(&url).unwrap();
    probe.trust = Some(Trust::of_file(&authority.file()).unwrap());
    probe
}

#[tokio::test]
async fn every_phase_is_measured_by_itself() {
    let authority = Authority::make();
    let identity = authority.issue(&["localhost"], (2020, 2090));
    let server = server(identity, answer("200 OK", b"ok")).await;
    let mut probe = probe(&server, &authority);
    let condition = "tls.version == '1.3' && cert.subject == 'localhost' && cert.days_left > 365.0";
    probe.conditions = vec![Condition::compile(condition).unwrap()];
    let report = probe.run(&egress(), &limits()).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    let timings = report.timings;
    let phases =
        [timings.resolve, timings.connect, timings.tls, timings.processing, timings.transfer];
    assert!(phases.iter().all(Option::is_some), "{timings:?}");
    assert!(phases.into_iter().flatten().sum::<std::time::Duration>() <= report.duration);
}

#[tokio::test]
async fn a_certificate_is_believed_for_its_name_its_time_and_its_authority_only() {
    let authority = Authority::make();
    let stranger = Authority::make();
    for (identity, right) in [
        (authority.issue(&["localhost"], (2020, 2090)), true),
        (authority.issue(&["elsewhere.example"], (2020, 2090)), false),
        (authority.issue(&["localhost"], (2020, 2021)), false),
        (authority.issue(&["localhost"], (2080, 2090)), false),
        (stranger.issue(&["localhost"], (2020, 2090)), false),
    ] {
        let server = server(identity, answer("200 OK", b"ok")).await;
        let report = probe(&server, &authority).run(&egress(), &limits()).await;
        let expected =
            if right { (Outcome::Pass, ReasonCode::Ok) } else { (Outcome::Fail, ReasonCode::Tls) };
        assert_eq!((report.outcome, report.reason_code), expected, "{report:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_a_stranger_passes_only_where_nobody_verifies_and_the_report_says_so() {
    let authority = Authority::make();
    let stranger = Authority::make();
    let server =
        server(stranger.issue(&["elsewhere.example"], (2020, 2021)), answer("200 OK", b"ok"));
    let server = server.await;
    let mut probe = probe(&server, &authority);
    let report = probe.run(&egress(), &limits()).await;
    assert_eq!(report.reason_code, ReasonCode::Tls, "{report:?}");
    probe.trust = Some(Trust::anyone());
    let report = probe.run(&egress(), &limits()).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    assert!(report.message.ends_with("TLS not verified"), "{}", report.message);
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_refused() {
    let plain = Server::raw(answer("200 OK", b"ok")).await;
    let authority = Authority::make();
    let head = format!("302 Found\r\nlocation: {}", plain.url("/"));
    let identity = authority.issue(&["localhost"], (2020, 2090));
    let server = server(identity, answer(&head, b"")).await;
    let report = probe(&server, &authority).run(&egress(), &limits()).await;
    let expected = (Outcome::Error, ReasonCode::BlockedByPolicy);
    assert_eq!((report.outcome, report.reason_code), expected, "{report:?}");
    assert!(report.message.contains("from https to http"), "{}", report.message);
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_offered() {
    let authority = Authority::make();
    let identity = authority.issue(&["localhost"], (2020, 2090));
    let version =
        |request: axum::extract::Request| async move { format!("{:?}", request.version()) };
    let app = Router::new().route("/", get(version));
    let serve = move |stream| {
        let service = TowerToHyperService::new(app.clone());
        async move {
            let builder = Builder::new(TokioExecutor::new());
            builder.serve_connection(TokioIo::new(stream), service).await.unwrap_or_default();
        }
    };
    let server = Server::encrypted(identity.server(&[b"h2", b"http/1.1"]), serve).await;
    let mut probe = probe(&server, &authority);
    probe.body_contains = Some("HTTP/2".to_owned());
    let report = probe.run(&egress(), &limits()).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
}
