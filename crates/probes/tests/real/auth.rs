//! Requests that must say who asks, against a real nginx and a token server of the test's own.

use std::time::Duration;

use printery_config::{EndpointSpec, Fleet};
use printery_probes::{HttpProbe, Outcome, ReasonCode, Report, TcpProbe};
use printery_testkit::{Answer, HttpService, Process, eventually, free_port};

use crate::nginx;
use crate::support::{Authority, egress, limits};

/// Makes the probe of an endpoint as the fleet file would.
fn probe(endpoint: &str) -> HttpProbe {
    let file = format!(
        "version: 1\nfleet: t\nservices: {{ a: {{ requires: [e] }} }}\nendpoints:\n  e: {{ {endpoint} }}\n"
    );
    let fleet = Fleet::parse("f", &file, &|_| None).unwrap_or_else(|why| panic!("{why}"));
    let EndpointSpec::Http(said) = &fleet.endpoints["e"].spec else { unreachable!() };
    HttpProbe::configured(said).unwrap()
}

async fn ask(probe: &HttpProbe) -> Report {
    probe.run(&egress(), &limits()).await
}

async fn listens(port: u16, process: &Process) {
    let probe = TcpProbe::new("127.0.0.1", port);
    eventually("nginx listens", Duration::from_secs(60), async || {
        let report = probe.run(&egress(), &limits()).await;
        let up = report.outcome == Outcome::Pass;
        if up { Ok(()) } else { Err(format!("{report:?}\n{}", process.report())) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_shows_its_certificate_to_whom_it_was_sent_and_to_nobody_else() {
    let authority = Authority::make();
    let (chain, key) = authority.issue(&["localhost"], (2020, 2090)).files(&authority);
    let folder = tempfile::tempdir().unwrap();
    // In a folder of their own: the server's have the same names.
    let clients = Authority::make();
    let (cert, cert_key) = clients.issue(&["checker"], (2020, 2090)).files(&clients);
    let [strict, other] = [free_port(), free_port()];
    let tls = format!(
        "ssl_certificate {chain}; ssl_certificate_key {key}; ssl_client_certificate {};",
        clients.file().display()
    );
    let servers = format!(
        "server {{ listen 127.0.0.1:{strict} ssl; {tls} ssl_verify_client on; \
         location / {{ return 200 $ssl_client_s_dn; }} \
         location /away {{ return 302 https://localhost:{other}/; }} }}\n\
         server {{ listen 127.0.0.1:{other} ssl; {tls} ssl_verify_client optional; \
         location / {{ return 200 'seen: $ssl_client_verify'; }} }}\n"
    );
    let nginx = nginx::start(folder.path(), &servers);
    listens(strict, &nginx).await;
    let ca = authority.file().display().to_string();
    let mtls = format!("auth: {{ mtls: {{ cert: '{cert}', key: '{cert_key}' }} }}");
    let url = format!("https://localhost:{strict}");
    for (endpoint, expected) in [
        (format!("http: '{url}/', ca: '{ca}', contains: checker, {mtls}"), ReasonCode::Ok),
        (format!("http: '{url}/', ca: '{ca}'"), ReasonCode::HttpStatus),
        (format!("http: '{url}/away', ca: '{ca}', contains: 'seen: NONE', {mtls}"), ReasonCode::Ok),
    ] {
        let report = ask(&probe(&endpoint)).await;
        assert_eq!(report.reason_code, expected, "{endpoint}: {report:?}\n{}", nginx.report());
    }
    // Renewed under the feet of a running probe, as such certificates are.
    let renewed = probe(&format!("http: '{url}/', ca: '{ca}', {mtls}"));
    std::fs::write(&cert, "nothing").unwrap();
    let report = ask(&renewed).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::Tls));
    assert!(report.message.contains("holds no certificate"), "{}", report.message);
    clients.issue(&["checker"], (2020, 2090)).files(&clients);
    assert_eq!(ask(&renewed).await.outcome, Outcome::Pass);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_a_password_are_sent_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    std::fs::write(folder.path().join("users"), "ops:{PLAIN}hunter2\n").unwrap();
    let servers = format!(
        "server {{ listen 127.0.0.1:{port}; auth_basic ops; auth_basic_user_file {}/users; \
         location / {{ try_files /users =404; }} }}\n",
        folder.path().display()
    );
    let nginx = nginx::start(folder.path(), &servers);
    listens(port, &nginx).await;
    for (password, outcome) in [("hunter2", Outcome::Pass), ("hunter3", Outcome::Fail)] {
        let endpoint = format!(
            "http: 'http://127.0.0.1:{port}/', auth: {{ basic: {{ username: ops, password: {password} }} }}"
        );
        let probe = probe(&endpoint);
        let report = ask(&probe).await;
        assert_eq!(report.outcome, outcome, "{report:?}\n{}", nginx.report());
        let shown = format!("{probe:?} {}", report.message);
        assert!(!shown.contains("hunter"), "{shown}");
    }
}

fn token(token: &str, life: u32) -> Answer {
    let body = format!(r#"{{"access_token":"{token}","expires_in":{life}}}"#);
    Answer::Full(200, vec![], body)
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_again_when_it_is_refused() {
    let tokens = HttpService::start().await;
    let api = HttpService::start().await;
    let endpoint = format!(
        "http: '{}/', auth: {{ oauth2: {{ token_url: '{}/token', client_id: shop, client_secret: hunter2 }} }}",
        api.url(),
        tokens.url()
    );
    let probe = probe(&endpoint);
    tokens.answer_at("/token", token("t-1", 3600));
    for _ in 0..3 {
        let report = ask(&probe).await;
        assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    }
    assert_eq!(tokens.requests().len(), 1, "it is kept");
    let sent = |request: &printery_testkit::Recorded| request.headers["authorization"].clone();
    assert_eq!(api.requests().iter().map(sent).collect::<Vec<_>>(), ["Bearer t-1"; 3]);

    // Revoked: whoever still has it asks for another one, once.
    tokens.answer_at("/token", token("t-2", 0));
    api.answer_at("/", Answer::Status(401));
    let report = ask(&probe).await;
    assert_eq!((report.outcome, report.status), (Outcome::Fail, Some(401)), "{report:?}");
    assert_eq!(tokens.requests().len(), 2);
    let last: Vec<String> = api.requests().iter().skip(3).map(sent).collect();
    assert_eq!(last, ["Bearer t-1", "Bearer t-2"]);

    // One that lasts no time at all is never kept.
    api.answer_at("/", Answer::Healthy);
    assert_eq!(ask(&probe).await.outcome, Outcome::Pass);
    assert_eq!(ask(&probe).await.outcome, Outcome::Pass);
    assert_eq!(tokens.requests().len(), 4);

    tokens.answer_at("/token", Answer::Full(401, vec![], r#"{"error":"invalid_client"}"#.into()));
    let report = ask(&probe).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Auth));
    assert!(report.message.contains("no token from"), "{}", report.message);
    let shown = format!("{probe:?} {report:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("t-1") && !shown.contains("t-2"));
}

#[tokio::test]
async fn a_token_stays_behind_when_a_redirect_leads_to_another_host() {
    let [tokens, api, other] =
        [HttpService::start().await, HttpService::start().await, HttpService::start().await];
    tokens.answer_at("/token", token("t-1", 3600));
    let away = vec![("location".to_owned(), other.url())];
    api.answer_at("/", Answer::Full(302, away, String::new()));
    let endpoint = format!(
        "http: '{}/', auth: {{ oauth2: {{ token_url: '{}/token', client_id: shop, client_secret: s }} }}",
        api.url(),
        tokens.url()
    );
    let report = ask(&probe(&endpoint)).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    assert_eq!(api.requests()[0].headers["authorization"], "Bearer t-1");
    assert!(!other.requests()[0].headers.contains_key("authorization"));
}
