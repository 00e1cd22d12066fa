//! The MySQL probe against a real MariaDB and its replica.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a set-up that fails is a failed test")]

use std::time::Duration;

use printery_config::Fleet;
use printery_probes::{Egress, EgressRules, Outcome, ReasonCode, Report, targets};
use printery_testkit::{MARIADB_PASSWORD, MariadbServer, eventually, free_port};

/// Asks the one endpoint of a fleet file.
async fn ask(endpoint: &str) -> Report {
    let file = format!(
        "version: 1\nfleet: t\nservices: {{ a: {{ requires: [e] }} }}\n\
         dependency_checker: {{ latency: {{ warn: 10m, fail: 20m }} }}\n\
         endpoints:\n  e: {{ {endpoint}, attempts: 1, timeout: 60s, connect_timeout: 30s }}\n"
    );
    let fleet = Fleet::parse("f", &file, &|_| None).unwrap_or_else(|why| panic!("{why}"));
    let target = targets(&fleet).into_iter().find(|target| target.name == "e").unwrap();
    let rules = EgressRules { allow: vec![], allow_loopback: true };
    target.ask(&Egress::try_new(&rules).unwrap(), Duration::from_secs(60)).await
}

async fn expect(endpoint: &str, expected: (Outcome, ReasonCode)) {
    let report = ask(endpoint).await;
    assert_eq!((report.outcome, report.reason_code), expected, "{endpoint}: {report:?}");
    assert!(!format!("{report:?}").contains(MARIADB_PASSWORD), "{report:?}");
}

const OK: (Outcome, ReasonCode) = (Outcome::Pass, ReasonCode::Ok);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_judged_by_what_it_says_of_itself() {
    let server = MariadbServer::start(&["--max-connections=12"]).await;
    let dsn = server.url("ops", "shop");
    let wrong = dsn.replace(MARIADB_PASSWORD, "hunter3");
    let silent = dsn.replace(&server.port().to_string(), &free_port().to_string());
    let by_name = dsn.replace("127.0.0.1", "localhost");
    for (endpoint, expected) in [
        (format!("mysql: '{dsn}'"), OK),
        (
            format!("mysql: {{ dsn: '{dsn}' }}, role: primary, min_version: '10.5', headroom: 50%"),
            OK,
        ),
        (format!("mysql: '{by_name}', ip: v4"), OK),
        (format!("mysql: '{dsn}', min_version: '99.0'"), (Outcome::Fail, ReasonCode::Version)),
        (format!("mysql: '{dsn}', max_version: '5.7'"), (Outcome::Fail, ReasonCode::Version)),
        (format!("mysql: '{dsn}', headroom: 100%"), (Outcome::Fail, ReasonCode::Capacity)),
        (format!("mysql: '{dsn}', role: replica"), (Outcome::Fail, ReasonCode::Role)),
        (format!("mysql: '{wrong}'"), (Outcome::Fail, ReasonCode::Auth)),
        (format!("mysql: '{silent}'"), (Outcome::Error, ReasonCode::ConnectRefused)),
        (format!("mysql: '{}'", server.url("ops", "gone")), (Outcome::Fail, ReasonCode::Auth)),
        (
            format!("mysql: '{}', role: replica", server.url("blind", "")),
            (Outcome::Fail, ReasonCode::Auth),
        ),
    ] {
        expect(&endpoint, expected).await;
    }
    server.sql("SET GLOBAL read_only = 1");
    expect(&format!("mysql: '{dsn}'"), OK).await;
    expect(&format!("mysql: '{dsn}', role: primary"), (Outcome::Fail, ReasonCode::Role)).await;
    server.sql("SET GLOBAL max_connections = 10");
    let held: Vec<_> = (0..12).map(|_| hold(&server)).collect();
    eventually("it is full", Duration::from_secs(60), async || {
        let report = ask(&format!("mysql: '{dsn}'")).await;
        let full = (report.outcome, report.reason_code) == (Outcome::Error, ReasonCode::Capacity);
        if full { Ok(()) } else { Err(format!("{report:?}")) }
    })
    .await;
    drop(held);
}

/// Keeps one connection of the server busy.
fn hold(server: &MariadbServer) -> printery_testkit::Process {
    printery_testkit::Process::of(std::path::Path::new("mariadb"))
        .args(["--no-defaults", "-h", "127.0.0.1", "-u", "ops", "-e", "SELECT SLEEP(3600)"])
        .args([format!("-p{MARIADB_PASSWORD}"), format!("-P{}", server.port())])
        .start()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_judged_by_how_far_it_is_behind() {
    let primary = MariadbServer::start(&["--log-bin", "--server-id=1"]).await;
    let replica = MariadbServer::start(&["--server-id=2", "--read-only"]).await;
    replica.sql(&format!(
        "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='ops', \
         MASTER_PASSWORD='{MARIADB_PASSWORD}'; START SLAVE",
        primary.port()
    ));
    let endpoint = format!("mysql: '{}', role: replica, max_lag: 30s", replica.url("ops", "shop"));
    eventually("it follows", Duration::from_secs(60), async || {
        let report = ask(&endpoint).await;
        if report.outcome == Outcome::Pass { Ok(()) } else { Err(format!("{report:?}")) }
    })
    .await;
    let report = ask(&endpoint).await;
    assert!(report.message.contains("MariaDB"), "{}", report.message);
    assert!(report.message.contains("a replica 0s behind"), "{}", report.message);
    // Whoever has lost his primary does not know how far behind he is.
    replica.sql("STOP SLAVE");
    expect(&endpoint, (Outcome::Fail, ReasonCode::Lag)).await;
}

#[tokio::test]
async fn what_is_no_mysql_is_said_to_be_none() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt;
            stream.write_all(b"220 mail.test ESMTP, at your service\r\n").await.unwrap_or_default();
        }
    });
    let report = ask(&format!("mysql: 'mysql://ops:x@{address}/shop'")).await;
    assert_ne!(report.outcome, Outcome::Pass, "{report:?}");
    let seen = [ReasonCode::Protocol, ReasonCode::ConnectionClosed];
    assert!(seen.contains(&report.reason_code), "{report:?}");
}
