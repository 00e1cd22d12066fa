//! The probes against a real haproxy that is made to fail in every way a proxy fails.

use std::path::Path;
use std::time::Duration;

use printery_probes::{HttpProbe, Limits, Outcome, ReasonCode, Report, StatusRange, TcpProbe};
use printery_testkit::{Process, eventually, free_port};

use crate::support::{Server, egress, limits};

/// How long the slow ones keep everybody waiting.
const PAUSE: Duration = Duration::from_secs(1);

struct Haproxy {
    process: Process,
    ports: [u16; 7],
    _folder: tempfile::TempDir,
    _nonsense: Server,
}

impl Haproxy {
    async fn start() -> Self {
        let nonsense = Server::raw(b"220 mail.test at your service\r\n".to_vec()).await;
        let ports: [u16; 7] = std::array::from_fn(|_| free_port());
        let [busy, reset, slow, tarpit, garbage, alone, well] = ports;
        let pause = PAUSE.as_millis();
        let config = format!(
            "global\n  maxconn 64\n\
             defaults\n  mode http\n  timeout connect 2s\n  timeout client 10s\n  timeout server 10s\n\
             frontend busy\n  bind 127.0.0.1:{busy}\n  \
             http-request return status 503 hdr Retry-After 7 content-type text/plain string down\n\
             frontend reset\n  bind 127.0.0.1:{reset}\n  option nolinger\n  http-request reject\n\
             listen slow\n  mode tcp\n  bind 127.0.0.1:{slow}\n  tcp-request inspect-delay {pause}ms\n  \
             tcp-request content accept if WAIT_END\n  server one 127.0.0.1:{well}\n\
             frontend tarpit\n  bind 127.0.0.1:{tarpit}\n  timeout tarpit {pause}ms\n  \
             http-request tarpit deny_status 429\n\
             frontend garbage\n  bind 127.0.0.1:{garbage}\n  default_backend nonsense\n\
             frontend alone\n  bind 127.0.0.1:{alone}\n  default_backend nobody\n\
             frontend well\n  bind 127.0.0.1:{well}\n  http-request return status 200\n\
             backend nonsense\n  server one {}\n\
             backend nobody\n",
            nonsense.address
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, config).unwrap();
        // Where Debian keeps it, which is not on everybody's path.
        let debian = Path::new("/usr/sbin/haproxy");
        let program = if debian.is_file() { debian } else { Path::new("haproxy") };
        let process = Process::of(program).args(["-db", "-f", &file.display().to_string()]).start();
        let server = Self { process, ports, _folder: folder, _nonsense: nonsense };
        eventually("haproxy answers", Duration::from_secs(60), async || {
            let report = ask(well, &limits()).await;
            let up = report.outcome == Outcome::Pass;
            if up { Ok(()) } else { Err(format!("{report:?}\n{}", server.process.report())) }
        })
        .await;
        server
    }
}

fn probe(port: u16) -> HttpProbe {
    HttpProbe::try_new(&format!("http://127.0.0.1:{port}/")).unwrap()
}

async fn ask(port: u16, limits: &Limits) -> Report {
    probe(port).run(&egress(), limits).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_has_its_own_name() {
    let haproxy = Haproxy::start().await;
    let [busy, reset, slow, tarpit, garbage, alone, _well] = haproxy.ports;
    let hasty = Limits { attempt: PAUSE / 4, ..limits() };
    for (what, port, limits, reason) in [
        ("busy", busy, limits(), ReasonCode::HttpStatus),
        ("reset", reset, limits(), ReasonCode::ConnectionClosed),
        ("slow", slow, hasty, ReasonCode::Timeout),
        ("tarpit", tarpit, hasty, ReasonCode::Timeout),
        // 502 of a backend that speaks something else, 503 of one that has no server.
        ("garbage", garbage, limits(), ReasonCode::HttpStatus),
        ("alone", alone, limits(), ReasonCode::HttpStatus),
        ("tarpit, awaited", tarpit, limits(), ReasonCode::HttpStatus),
    ] {
        let report = ask(port, &limits).await;
        let seen = (report.outcome, report.reason_code);
        assert_eq!(
            seen,
            (Outcome::Error, reason),
            "{what}: {report:?}\n{}",
            haproxy.process.report()
        );
    }
    let said = ask(busy, &limits()).await;
    assert_eq!((said.status, said.retry_after), (Some(503), Some(Duration::from_secs(7))));
    for (port, status) in [(garbage, 502), (alone, 503), (tarpit, 429)] {
        assert_eq!(ask(port, &limits()).await.status, Some(status));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_slow_or_busy_is_a_warning_where_the_fleet_file_says_so() {
    let haproxy = Haproxy::start().await;
    let [busy, _, slow, ..] = haproxy.ports;
    let patient = HttpProbe { warn_after: Some(PAUSE / 2), ..probe(slow) };
    let report = patient.run(&egress(), &limits()).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Warn, ReasonCode::Slow));
    assert!(report.timings.processing.is_some_and(|took| took >= PAUSE / 2), "{report:?}");
    let tolerant = HttpProbe { warn_status: vec![StatusRange::only(503)], ..probe(busy) };
    let report = tolerant.run(&egress(), &limits()).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Warn, ReasonCode::HttpStatus));
    // A port that accepts is no service: only who speaks its protocol knows.
    let report = TcpProbe::new("127.0.0.1", busy).run(&egress(), &limits()).await;
    assert_eq!(report.outcome, Outcome::Pass, "{report:?}");
}
