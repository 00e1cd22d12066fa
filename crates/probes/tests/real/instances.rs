//! Services with several instances: each is asked, and so many must work.

use std::time::Duration;

use printery_config::Fleet;
use printery_probes::{Outcome, ReasonCode, Report, targets};
use printery_testkit::{Answer, GrpcHealthServers, HttpService, NameServer, free_port};

use crate::support::egress;

/// Asks the one service of a fleet file.
async fn ask(keys: &str) -> Report {
    let file = format!(
        "version: 1\nfleet: t\negress: {{ allow_loopback: true }}\n\
         dependency_checker: {{ latency: {{ warn: 10m, fail: 20m }}, \
         defaults: {{ attempts: 1, timeout: 60s }} }}\nservices: {{ a: {{ {keys} }} }}\n"
    );
    let fleet = Fleet::parse("f", &file, &|_| None).unwrap_or_else(|why| panic!("{why}"));
    let target = targets(&fleet).into_iter().find(|target| target.name == "a").unwrap();
    target.ask(&egress(), Duration::from_secs(60)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_must_work_as_the_fleet_file_says() {
    let [one, two] = [HttpService::start().await, HttpService::start().await];
    let dead = format!("127.0.0.1:{}", free_port());
    let listed = |instances: &[String]| {
        let instances: Vec<String> = instances.iter().map(|it| format!("'{it}'")).collect();
        format!("url: 'http://shop.example', targets: [{}]", instances.join(", "))
    };
    let both = [one.addr().to_string(), two.addr().to_string()];
    let report = ask(&listed(&both)).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    for service in [&one, &two] {
        let asked = &service.requests()[0];
        let heard = (asked.path.as_str(), asked.headers["host"].as_str());
        assert_eq!(heard, ("/health", "shop.example"), "as the service itself would be asked");
    }
    let with_dead: Vec<String> = both.iter().cloned().chain([dead.clone()]).collect();
    let report = ask(&listed(&with_dead)).await;
    let seen = (report.outcome, report.reason_code);
    assert_eq!(seen, (Outcome::Error, ReasonCode::ConnectRefused), "{report:?}");
    let report = ask(&format!("{}, quorum: 60%", listed(&with_dead))).await;
    assert_eq!(report.outcome, Outcome::Warn, "{report:?}");
    let said = format!("2 of 3 instances work; {dead}: connection refused");
    assert!(report.message.contains(&said), "{}", report.message);
    two.answer(Answer::Status(404));
    let report = ask(&format!("{}, quorum: 60%", listed(&with_dead))).await;
    assert_eq!(report.outcome, Outcome::Fail, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_found_where_a_name_server_says_each_time_anew() {
    let [one, two] = [HttpService::start().await, HttpService::start().await];
    let srv = |service: &HttpService| {
        format!("--srv-host=_http._tcp.test,here.test,{}", service.addr().port())
    };
    let server =
        NameServer::start(&["--host-record=here.test,127.0.0.1".to_owned(), srv(&one), srv(&two)])
            .await;
    let keys = |name: &str| {
        format!(
            "url: 'http://shop.example', quorum: 100%, \
             targets: {{ srv: {name}, nameserver: '127.0.0.1:{}' }}",
            server.port()
        )
    };
    let report = ask(&keys("_http._tcp.test")).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    assert!(report.message.contains("2 of 2 instances work"), "{}", report.message);
    one.answer(Answer::Status(503));
    let report = ask(&keys("_http._tcp.test")).await;
    assert_eq!(report.outcome, Outcome::Error, "{report:?}");
    let report = ask(&keys("_nothing._tcp.test")).await;
    let seen = (report.outcome, report.reason_code);
    assert_eq!(seen, (Outcome::Fail, ReasonCode::DnsNxdomain), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_speak_what_the_service_speaks() {
    let servers = GrpcHealthServers::start().await;
    let (good, bad) = (&servers.serving, &servers.not_serving);
    let report = ask(&format!("grpc: 'pay.example:1', targets: ['{good}']")).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    let report = ask(&format!("grpc: 'pay.example:1', targets: ['{good}', '{bad}']")).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::NotReady));
    let report = ask(&format!("tcp: 'pay.example:1', targets: ['{good}', '{bad}']")).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
}
