//! Endpoints of the fleet file as anybody asks them, each by its own protocol.

use std::time::Duration;

use printery_config::Fleet;
use printery_probes::{Outcome, ReasonCode, Report, targets};
use printery_testkit::{NameServer, PostgresServer, RedisServer};

use crate::support::egress;

/// Asks the one endpoint of a fleet file.
async fn ask(endpoint: &str) -> Report {
    let file = format!(
        "version: 1\nfleet: t\negress: {{ allow_loopback: true }}\n\
         dependency_checker: {{ latency: {{ warn: 10m, fail: 20m }} }}\nservices: {{ a: {{ requires: [e] }} }}\n\
         endpoints:\n  e: {{ {endpoint}, attempts: 1, timeout: 60s }}\n"
    );
    let fleet = Fleet::parse("f", &file, &|_| None).unwrap_or_else(|why| panic!("{why}"));
    let target = targets(&fleet).into_iter().find(|target| target.name == "e").unwrap();
    target.ask(&egress(), Duration::from_secs(60)).await
}

async fn expect(endpoint: &str, expected: (Outcome, ReasonCode)) {
    let report = ask(endpoint).await;
    assert_eq!((report.outcome, report.reason_code), expected, "{endpoint}: {report:?}");
}

const OK: (Outcome, ReasonCode) = (Outcome::Pass, ReasonCode::Ok);

#[tokio::test]
async fn a_redis_is_judged_by_what_it_says_of_itself() {
    let server = RedisServer::start().await;
    let url = format!("redis: '{}'", server.url());
    let connection = server.connect().await;
    connection.cmd(&["CONFIG", "SET", "maxmemory", "1gb"]).await;
    for (more, expected) in [
        ("role: primary", OK),
        ("role: replica", (Outcome::Fail, ReasonCode::Role)),
        ("min_version: '5.0', maxmemory_policy: noeviction", OK),
        ("maxmemory_policy: allkeys-lru", (Outcome::Fail, ReasonCode::Setting)),
        ("assert: ['role == \"master\"', 'used_memory_pct < 90.0', 'persistence_ok']", OK),
        ("assert: 'connected_clients > 0 && latency_ms < 60000.0'", OK),
        ("assert: 'used_memory_pct > 90.0'", (Outcome::Fail, ReasonCode::Policy)),
        ("maintenance_key: at-work", OK),
    ] {
        expect(&format!("{url}, {more}"), expected).await;
    }
    connection.cmd(&["SET", "at-work", "until noon"]).await;
    let endpoint = format!("{url}, maintenance_key: at-work");
    expect(&endpoint, (Outcome::Fail, ReasonCode::NotReady)).await;
}

#[tokio::test]
async fn a_database_is_signed_in_at() {
    let server = PostgresServer::start().await;
    let dsn = server.url();
    expect(&format!("postgres: '{dsn}'"), OK).await;
    expect(&format!("postgres: {{ dsn: '{dsn}' }}, role: primary, headroom: 1%"), OK).await;
    let asserted = format!(
        "postgres: '{dsn}', assert: ['!in_recovery', 'connections_pct < 85.0', 'connections_pct < 85', 'role == \"primary\"', \
         'lag_seconds == null', 'lock_waiters == 0', 'version.startsWith(\"1\")', \
         'oldest_transaction_seconds < 3600.0 && latency_ms < 60000.0']"
    );
    expect(&asserted, OK).await;
    let broken = format!("postgres: '{dsn}', assert: 'in_recovery'");
    expect(&broken, (Outcome::Fail, ReasonCode::Policy)).await;
    let replica = format!("postgres: '{dsn}', role: replica");
    expect(&replica, (Outcome::Fail, ReasonCode::Role)).await;
}

#[tokio::test]
async fn names_are_looked_up() {
    let records = ["--host-record=a.test,127.0.0.1", "--srv-host=_http._tcp.test,a.test,1,1,5"];
    let server = NameServer::start(&records.map(str::to_owned)).await;
    let asked = |key: &str, name: &str| {
        format!("dns: {{ {key}: {name}, nameserver: '127.0.0.1:{}' }}", server.port())
    };
    expect(&asked("a", "a.test"), OK).await;
    expect(&format!("{}, expect: '127.0.0.1'", asked("a", "a.test")), OK).await;
    expect(&asked("srv", "_http._tcp.test"), OK).await;
    expect(&asked("a", "nobody.test"), (Outcome::Fail, ReasonCode::DnsNxdomain)).await;
    let few = format!("{}, min_answers: 2", asked("srv", "_http._tcp.test"));
    expect(&few, (Outcome::Fail, ReasonCode::Content)).await;
    let said = r#"assert: ['answers >= 1', 'records.exists(r, r == "127.0.0.1")']"#;
    expect(&format!("{}, {said}", asked("a", "a.test")), OK).await;
    let many = format!("{}, assert: 'answers >= 2'", asked("a", "a.test"));
    expect(&many, (Outcome::Fail, ReasonCode::Policy)).await;
    // Nobody listens at port 1.
    let connected = ask(&format!("{}, connect: true", asked("srv", "_http._tcp.test"))).await;
    assert_ne!(connected.outcome, Outcome::Pass, "{connected:?}");
}
