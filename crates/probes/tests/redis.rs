//! The Redis probe against a real `redis-server` of its own.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::time::Duration;

use printery_probes::{
    Class, Egress, EgressRules, Limits, Outcome, ReasonCode, RedisProbe, Report,
};
use printery_testkit::RedisServer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

fn at(server: &RedisServer, query: &str) -> RedisProbe {
    RedisProbe::try_new(&format!("{}{query}", server.url())).unwrap()
}

fn egress() -> Egress {
    Egress::try_new(&EgressRules { allow: vec![], allow_loopback: true }).unwrap()
}

async fn ask(probe: &RedisProbe) -> Report {
    probe.run(&egress(), &Limits::default().once()).await
}

#[tokio::test]
async fn a_server_answers_with_its_role_and_version() {
    let server = RedisServer::start().await;
    let mut probe = at(&server, "");
    probe.role = Some("primary".into());
    probe.min_version = Some("5.0".into());
    let report = ask(&probe).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    assert!(report.observed.contains("role master, version "), "{}", report.observed);

    probe.min_version = Some("99".into());
    let report = ask(&probe).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Version));
    probe.role = Some("replica".into());
    let report = ask(&probe).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Role));
}

#[tokio::test]
async fn a_missing_or_wrong_password_is_permanent_and_not_repeated() {
    let server = RedisServer::start().await;
    server.connect().await.cmd(&["CONFIG", "SET", "requirepass", "hunter2"]).await;
    for query in ["", "?pass=hunter3", "?user=ada&pass=hunter3"] {
        let report = ask(&at(&server, query)).await;
        assert_eq!((report.outcome, report.class), (Outcome::Fail, Some(Class::Permanent)));
        assert_eq!(report.reason_code, ReasonCode::Auth, "{report:?}");
        assert!(!format!("{report:?}").contains("hunter"), "{report:?}");
    }
    for query in ["?pass=hunter2", "?user=default&pass=hunter2"] {
        let report = ask(&at(&server, query)).await;
        assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
        assert!(!format!("{report:?}").contains("hunter"), "{report:?}");
    }
}

#[tokio::test]
async fn a_user_who_may_only_ping_passes_unless_more_is_needed() {
    let server = RedisServer::start().await;
    let user = ["ACL", "SETUSER", "probe", "on", ">hunter2", "+ping"];
    server.connect().await.cmd(&user).await;
    let mut probe = at(&server, "?user=probe&pass=hunter2");
    let report = ask(&probe).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    probe.role = Some("master".into());
    let report = ask(&probe).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Auth));
}

#[tokio::test]
async fn a_server_of_another_kind_is_a_failure_and_a_loading_one_is_not() {
    let cases: [(&'static [u8], Outcome, ReasonCode); 3] = [
        (b"SSH-2.0-OpenSSH_9.6\r\n", Outcome::Fail, ReasonCode::Protocol),
        (b"-LOADING Redis is loading\r\n", Outcome::Error, ReasonCode::NotReady),
        (b"", Outcome::Error, ReasonCode::ConnectionClosed),
    ];
    for (answer, outcome, reason) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Reading first keeps an empty answer from becoming a reset.
            let mut heard = [0; 64];
            tokio::io::AsyncReadExt::read(&mut stream, &mut heard).await.unwrap();
            stream.write_all(answer).await.unwrap();
        });
        let report = ask(&RedisProbe::try_new(&url).unwrap()).await;
        assert_eq!((report.outcome, report.reason_code), (outcome, reason), "{report:?}");
    }
}

#[tokio::test]
async fn a_socket_on_this_machine_needs_loopback_to_be_allowed() {
    let server = RedisServer::start().await;
    let strict = Egress::try_new(&EgressRules::default()).unwrap();
    let probe = at(&server, "");
    let report = probe.run(&strict, &Limits::default()).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::BlockedByPolicy));
}

#[tokio::test]
async fn a_server_that_stopped_answering_is_an_error_after_the_attempt() {
    let server = RedisServer::options().with_tcp().start().await;
    let probe = RedisProbe::try_new(&server.tcp_url()).unwrap();
    assert_eq!(ask(&probe).await.outcome, Outcome::Pass);
    server.freeze();
    let short = Limits { attempt: Duration::from_millis(100), ..Limits::default() }.once();
    let report = probe.run(&egress(), &short).await;
    server.thaw();
    assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::Timeout));
    server.kill9();
    let report = ask(&probe).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::ConnectRefused));
}
