//! The DNS probe against a real `dnsmasq`, and the credential probe against a token server of the test's own.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::time::Duration;

use printery_probes::{
    Class, DnsProbe, DnsRecord, Egress, EgressRules, Limits, OAuth2Probe, Outcome, ReasonCode,
    Report, Url,
};
use printery_testkit::{Answer, HttpService, NameServer, free_port};

fn egress() -> Egress {
    Egress::try_new(&EgressRules { allow: vec![], allow_loopback: true }).unwrap()
}

fn limits() -> Limits {
    Limits::new(Duration::from_secs(20), Duration::from_secs(5), 1)
}

fn probe(server: &NameServer, name: &str, record: DnsRecord) -> DnsProbe {
    DnsProbe {
        name: name.to_owned(),
        record,
        min_answers: 1,
        expect: Vec::new(),
        nameserver: Some(("127.0.0.1".to_owned(), server.port())),
        connect: false,
        conditions: Vec::new(),
    }
}

async fn ask(probe: &DnsProbe) -> Report {
    probe.run(&egress(), &limits()).await
}

fn records(records: &[&str]) -> Vec<String> {
    records.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn records_of_every_kind_are_counted_and_compared() {
    let server = NameServer::start(&records(&[
        "--host-record=a.test,10.0.0.1",
        "--host-record=a.test,10.0.0.2",
        "--host-record=six.test,fd00::1",
        "--cname=alias.test,a.test",
        "--mx-host=mail.test,a.test,10",
        "--txt-record=text.test,v=spf1 -all",
        "--srv-host=_http._tcp.test,a.test,8080,1,5",
    ]))
    .await;
    let cases = [
        ("a.test", DnsRecord::A, vec!["10.0.0.1", "10.0.0.2"]),
        ("six.test", DnsRecord::Aaaa, vec!["fd00::1"]),
        ("alias.test", DnsRecord::Cname, vec!["a.test"]),
        ("mail.test", DnsRecord::Mx, vec!["a.test."]),
        ("text.test", DnsRecord::Txt, vec!["v=spf1 -all"]),
        ("_http._tcp.test", DnsRecord::Srv, vec!["a.test:8080"]),
    ];
    for (name, record, expect) in cases {
        let min_answers = expect.len();
        let expect = records(&expect);
        let probe = DnsProbe { min_answers, expect, ..probe(&server, name, record) };
        let report = ask(&probe).await;
        assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
        assert!(report.timings.resolve.is_some(), "{report:?}");
    }
    let few = DnsProbe { min_answers: 3, ..probe(&server, "a.test", DnsRecord::A) };
    let report = ask(&few).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Content));
    let other =
        DnsProbe { expect: records(&["10.0.0.9"]), ..probe(&server, "a.test", DnsRecord::A) };
    let report = ask(&other).await;
    assert!(report.observed.ends_with("without 10.0.0.9"), "{report:?}");
}

#[tokio::test]
async fn no_such_name_no_such_record_and_no_answer_are_three_things() {
    let server = NameServer::start(&records(&["--host-record=a.test,10.0.0.1"])).await;
    let report = ask(&probe(&server, "nobody.test", DnsRecord::A)).await;
    assert_eq!(
        (report.class, report.reason_code),
        (Some(Class::Permanent), ReasonCode::DnsNxdomain)
    );
    let report = ask(&probe(&server, "a.test", DnsRecord::Txt)).await;
    assert_eq!((report.class, report.reason_code), (Some(Class::Permanent), ReasonCode::Content));
    // It is asked for what it does not know, and refuses.
    let report = ask(&probe(&server, "elsewhere.example", DnsRecord::A)).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::DnsFailure));
    let mut silent = probe(&server, "a.test", DnsRecord::A);
    silent.nameserver = Some(("127.0.0.1".to_owned(), free_port()));
    let quick = Limits::new(Duration::from_secs(10), Duration::from_millis(300), 1);
    let report = silent.run(&egress(), &quick).await;
    assert_eq!((report.outcome, report.class), (Outcome::Error, Some(Class::Transient)));
    let guarded = Egress::try_new(&EgressRules::default()).unwrap();
    let report = probe(&server, "a.test", DnsRecord::A).run(&guarded, &limits()).await;
    assert_eq!(report.reason_code, ReasonCode::BlockedByPolicy, "{report:?}");
}

#[tokio::test]
async fn what_a_discovery_names_must_accept_connections() {
    let up = HttpService::start().await;
    let srv = |port: u16, priority: u16| {
        format!("--srv-host=_http._tcp.test,here.test,{port},{priority},1")
    };
    let down = free_port();
    let server = NameServer::start(&[
        "--host-record=here.test,127.0.0.1".to_owned(),
        srv(up.addr().port(), 1),
        srv(down, 2),
    ])
    .await;
    let mut discovery = probe(&server, "_http._tcp.test", DnsRecord::Srv);
    discovery.connect = true;
    let report = ask(&discovery).await;
    assert_eq!(report.outcome, Outcome::Warn, "{report:?}");
    let reached =
        format!("(here.test:{}, here.test:{down}), 1 of 2 accept connections", up.addr().port());
    assert!(report.observed.contains(&reached), "in the order of RFC 2782: {report:?}");
    discovery.min_answers = 2;
    let report = ask(&discovery).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::ConnectRefused));
}

fn client(server: &HttpService, min_ttl: u64) -> OAuth2Probe {
    OAuth2Probe {
        token_url: Url::parse(&format!("{}/token", server.url())).unwrap(),
        client_id: "shop:deploy".to_owned(),
        client_secret: "hunter2 %".into(),
        scope: Some("deploy all".to_owned()),
        min_ttl: Duration::from_secs(min_ttl),
    }
}

#[tokio::test]
async fn a_client_is_given_a_token_that_lasts_or_is_told_why_not() {
    let server = HttpService::start().await;
    let json = |status: u16, body: &str| Answer::Full(status, vec![], body.to_owned());
    let cases = [
        (json(200, r#"{"access_token":"t","expires_in":3600}"#), Outcome::Pass, ReasonCode::Ok),
        (json(200, r#"{"access_token":"t","expires_in":60}"#), Outcome::Fail, ReasonCode::Expired),
        (json(200, r#"{"token_type":"x"}"#), Outcome::Fail, ReasonCode::Protocol),
        (json(401, r#"{"error":"invalid_client"}"#), Outcome::Fail, ReasonCode::Auth),
        (json(400, r#"{"error":"invalid_scope"}"#), Outcome::Fail, ReasonCode::Auth),
        (json(503, ""), Outcome::Error, ReasonCode::HttpStatus),
    ];
    for (answer, outcome, reason) in cases {
        server.answer_at("/token", answer.clone());
        let probe = client(&server, 600);
        let report = probe.run(&egress(), &limits()).await;
        assert_eq!(
            (report.outcome, report.reason_code),
            (outcome, reason),
            "{answer:?} {report:?}"
        );
        assert!(!format!("{report:?}{probe:?}").contains("hunter"), "{report:?}");
    }
    let requests = server.requests();
    let body = String::from_utf8_lossy(&requests[0].body);
    assert_eq!(body, "grant_type=client_credentials&scope=deploy+all");
    // RFC 6749, 2.3.1: both parts are form-encoded first. `shop%3Adeploy:hunter2+%25`
    assert_eq!(requests[0].headers["authorization"], "Basic c2hvcCUzQWRlcGxveTpodW50ZXIyKyUyNQ==");
}
