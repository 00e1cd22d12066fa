//! The TCP probe against real listeners on loopback.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::time::Duration;

use printery_probes::{Egress, EgressRules, Expect, Limits, Outcome, ReasonCode, TcpProbe};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

fn egress() -> Egress {
    Egress::try_new(&EgressRules { allow: vec![], allow_loopback: true }).unwrap()
}

fn limits() -> Limits {
    Limits { attempts: 1, attempt: Duration::from_millis(300), ..Limits::default() }
}

/// Greets every connection, then repeats what it is told until the other side goes away.
async fn mail_server(greeting: &'static [u8]) -> (TcpProbe, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let probe = TcpProbe::try_new(&listener.local_addr().unwrap().to_string()).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                stream.write_all(greeting).await.unwrap_or_default();
                let mut heard = [0; 64];
                while let Ok(1..) = stream.read(&mut heard).await {
                    stream.write_all(b"250 ok\r\n").await.unwrap_or_default();
                }
            });
        }
    });
    (probe, tasks)
}

#[tokio::test]
async fn a_connection_is_enough_when_nothing_else_is_asked_for() {
    let (probe, _server) = mail_server(b"").await;
    let report = probe.run(&egress(), &limits()).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    assert!(report.timings.connect.is_some() && report.timings.resolve.is_none());
}

#[tokio::test]
async fn what_comes_back_is_compared_with_what_is_expected() {
    type Case = (&'static [u8], Option<&'static [u8]>, Expect, Outcome, ReasonCode);
    let cases: [Case; 6] = [
        (b"220 mail\r\n", None, Expect::Prefix(b"220 ".into()), Outcome::Pass, ReasonCode::Ok),
        (b"554 no\r\n", None, Expect::Prefix(b"220 ".into()), Outcome::Fail, ReasonCode::Content),
        (b"220 mail\r\n", None, Expect::Contains(b"mail".into()), Outcome::Pass, ReasonCode::Ok),
        (
            b"220 mail\r\n",
            None,
            Expect::Contains(b"web".into()),
            Outcome::Fail,
            ReasonCode::Content,
        ),
        (b"", Some(b"NOOP\r\n"), Expect::Prefix(b"250".into()), Outcome::Pass, ReasonCode::Ok),
        (b"", None, Expect::Prefix(b"220 ".into()), Outcome::Error, ReasonCode::Timeout),
    ];
    for (greeting, send, expect, outcome, reason) in cases {
        let (mut probe, _server) = mail_server(greeting).await;
        probe.send = send.map(<[u8]>::to_vec);
        probe.expect = Some(expect);
        let report = probe.run(&egress(), &limits()).await;
        assert_eq!((report.outcome, report.reason_code), (outcome, reason), "{report:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_and_a_forbidden_address_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let report = TcpProbe::try_new(&address).unwrap().run(&egress(), &limits()).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::ConnectRefused));

    for forbidden in ["169.254.169.254:80", "[::ffff:169.254.169.254]:80", "0.0.0.0:80"] {
        let report = TcpProbe::try_new(forbidden).unwrap().run(&egress(), &limits()).await;
        assert_eq!(report.reason_code, ReasonCode::BlockedByPolicy, "{forbidden}");
        assert_eq!(report.outcome, Outcome::Error, "{forbidden}");
    }
}
