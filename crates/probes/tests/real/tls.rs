//! The TLS probe: certificates of every kind, and ports that begin in clear text.

use std::path::Path;
use std::time::Duration;

use printery_config::{EndpointSpec, Fleet};
use printery_probes::{Class, Expect, Outcome, ReasonCode, Report, TcpProbe, TlsProbe, Trust};
use printery_testkit::{Process, eventually, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::support::{Authority, Identity, Server, egress, limits};

/// Shakes hands with everybody and says nothing.
async fn server(identity: Identity) -> Server {
    Server::encrypted(identity.server(&[]), |_stream| async {}).await
}

/// Makes the probe of an endpoint as the fleet file would.
fn probe(server: &Server, authority: &Authority, more: &str) -> TlsProbe {
    let (port, ca) = (server.address.port(), authority.file());
    let file = format!(
        "version: 1\nfleet: t\nservices: {{ a: {{ requires: [e] }} }}\nendpoints:\n  \
         e: {{ tls: {{ host: localhost, port: {port} }}, ca: '{}', {more} }}\n",
        ca.display()
    );
    let fleet = Fleet::parse("f", &file, &|_| None).unwrap();
    let EndpointSpec::Tls(said) = &fleet.endpoints["e"].spec else { unreachable!() };
    TlsProbe::configured(said).unwrap()
}

async fn ask(server: &Server, authority: &Authority, more: &str) -> Report {
    probe(server, authority, more).run(&egress(), &limits()).await
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_is_described_all_the_same() {
    let authority = Authority::make();
    let stranger = Authority::make();
    for (identity, why) in [
        (authority.issue(&["localhost"], (2020, 2021)), "has ended on 2021-01-01T00:00:00Z"),
        (authority.issue(&["localhost"], (2080, 2090)), "until 2090-01-01T00:00:00Z"),
        (authority.issue(&["other.example"], (2020, 2090)), "the certificate of other.example"),
        (stranger.issue(&["localhost"], (2020, 2090)), "until 2090-01-01T00:00:00Z"),
    ] {
        let server = server(identity).await;
        let report = ask(&server, &authority, "").await;
        assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Tls));
        assert!(report.message.contains(why), "{}", report.message);
        assert!(report.timings.tls.is_some());
    }
}

#[tokio::test]
async fn what_is_left_of_a_lifetime_is_judged_as_a_share_of_it() {
    let authority = Authority::make();
    // Good for 64 years from 2026 on, of 70: nine tenths are left for the next years.
    let server = server(authority.issue(&["localhost"], (2020, 2090))).await;
    let ok = (Outcome::Pass, ReasonCode::Ok);
    let expired = |outcome| (outcome, ReasonCode::Expired);
    for (more, expected) in [
        ("", ok),
        ("cert: { warn_life_left: 99%, fail_life_left: 5% }", expired(Outcome::Warn)),
        ("cert: { fail_life_left: 99% }", expired(Outcome::Fail)),
        ("cert: { min_version: '1.3' }", ok),
        ("assert: 'cert.days_left > 1000.0 && cert.life_left_pct < 99.0'", ok),
        ("assert: 'tls.version == \"1.3\" && cert.subject == \"localhost\"'", ok),
        ("assert: 'cert.days_left > 100000.0'", (Outcome::Fail, ReasonCode::Policy)),
        ("server_name: elsewhere.example", (Outcome::Fail, ReasonCode::Tls)),
    ] {
        let report = ask(&server, &authority, more).await;
        assert_eq!((report.outcome, report.reason_code), expected, "{more}: {report:?}");
    }
}

#[tokio::test]
async fn an_old_version_of_tls_breaks_the_rule_that_wants_a_newer_one() {
    let authority = Authority::make();
    let identity = authority.issue(&["localhost"], (2020, 2090));
    let server = Server::encrypted(identity.old_server(), |_stream| async {}).await;
    assert_eq!(ask(&server, &authority, "").await.outcome, Outcome::Pass);
    let report = ask(&server, &authority, "cert: { min_version: '1.3' }").await;
    assert_eq!((report.outcome, report.class), (Outcome::Fail, Some(Class::Assertion)));
    assert!(report.message.contains("expected TLS 1.3"), "{}", report.message);
}

#[tokio::test]
async fn a_port_that_speaks_no_tls_is_no_certificate() {
    let authority = Authority::make();
    let server = Server::raw(b"220 hello\r\n".to_vec()).await;
    let report = ask(&server, &authority, "").await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Tls));
}

/// Says `lines`, each after having heard something (the first at once when it is not empty), then shakes hands.
async fn begins_in_clear_text(identity: Identity, lines: &'static [&'static str]) -> Server {
    let acceptor = TlsAcceptor::from(identity.server(&[]));
    Server::each(move |mut stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut heard = [0; 256];
            for (at, line) in lines.iter().enumerate() {
                if at > 0 && stream.read(&mut heard).await.is_err() {
                    return;
                }
                stream.write_all(line.as_bytes()).await.unwrap_or_default();
            }
            if let Ok(mut stream) = acceptor.accept(stream).await {
                stream.write_all(b"* ready\r\n").await.unwrap_or_default();
            }
        }
    })
    .await
}

#[tokio::test]
async fn consent_to_encrypt_is_asked_for_in_the_words_of_each_protocol() {
    let authority = Authority::make();
    let dialogues: [(&str, &'static [&'static str], Outcome); 6] = [
        ("smtp", &["220-one\r\n220 two\r\n", "250-A\r\n250 B\r\n", "220 go\r\n"], Outcome::Pass),
        ("imap", &["* OK hi\r\n", "* CAPABILITY\r\na1 OK go\r\n"], Outcome::Pass),
        ("pop3", &["+OK hi\r\n", "+OK go\r\n"], Outcome::Pass),
        ("ftp", &["220 hi\r\n", "234 go\r\n"], Outcome::Pass),
        ("postgres", &["", "S"], Outcome::Pass),
        ("smtp", &["220 hi\r\n", "250 B\r\n", "454 not now\r\n"], Outcome::Fail),
    ];
    for (kind, lines, outcome) in dialogues {
        let identity = authority.issue(&["localhost"], (2020, 2090));
        let server = begins_in_clear_text(identity, lines).await;
        let report = ask(&server, &authority, &format!("starttls: {kind}")).await;
        assert_eq!(report.outcome, outcome, "{kind}: {report:?}");
    }
}

#[tokio::test]
async fn a_port_is_listened_to_after_it_was_encrypted() {
    let authority = Authority::make();
    let identity = authority.issue(&["localhost"], (2020, 2090));
    let server = begins_in_clear_text(identity, &["220 hi\r\n", "250 B\r\n", "220 go\r\n"]).await;
    let (port, ca) = (server.address.port(), authority.file());
    let file = format!(
        "version: 1\nfleet: t\nservices: {{ a: {{ requires: [e] }} }}\nendpoints:\n  \
         e: {{ tcp: 'localhost:{port}', ca: '{}', starttls: smtp, expect: '^\\* ready', \
         assert: \"body.contains('ready') && cert.subject == 'localhost'\" }}\n",
        ca.display()
    );
    let fleet = Fleet::parse("f", &file, &|_| None).unwrap();
    let EndpointSpec::Tcp(said) = &fleet.endpoints["e"].spec else { unreachable!() };
    let mut probe = TcpProbe::configured(said).unwrap();
    let report = probe.run(&egress(), &limits()).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
    let Some(Expect::Like(_)) = probe.expect else { unreachable!() };
    probe.trust = Some(Trust::of_file(&Authority::make().file()).unwrap());
    let report = probe.run(&egress(), &limits()).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Fail, ReasonCode::Tls));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_mail_server_agrees_to_encrypt() {
    let authority = Authority::make();
    let identity = authority.issue(&["localhost"], (2020, 2090));
    let (chain, key) = identity.files(&authority);
    let address = format!("127.0.0.1:{}", free_port());
    let server = Process::of(Path::new("aiosmtpd"))
        .args(["-n", "-l", &address, "--tlscert", &chain, "--tlskey", &key])
        .start();
    let mut probe =
        TlsProbe::new("127.0.0.1", address.rsplit_once(':').unwrap().1.parse().unwrap());
    probe.server_name = "localhost".to_owned();
    probe.starttls = Some(printery_config::StartTls::Smtp);
    probe.trust = Some(Trust::of_file(&authority.file()).unwrap());
    let egress = egress();
    let limits = limits();
    let ask = async || {
        let report = probe.run(&egress, &limits).await;
        if report.outcome == Outcome::Pass {
            Ok(report)
        } else {
            Err(format!("{report:?}\n{}", server.report()))
        }
    };
    let report = eventually("the mail server encrypts", Duration::from_secs(30), ask).await;
    assert!(report.message.contains("the certificate of localhost lasts"), "{}", report.message);
}
