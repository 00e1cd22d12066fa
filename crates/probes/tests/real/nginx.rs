//! The HTTP probe against a real nginx: statuses, loops, huge and packed bodies, slowness, versions of TLS.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use printery_probes::{HttpProbe, Limits, Outcome, ReasonCode, Report, Trust};
use printery_testkit::{Process, eventually, free_port};

use crate::support::{Authority, egress, limits};

struct Nginx {
    process: Process,
    port: u16,
    old: u16,
    new: u16,
    folder: tempfile::TempDir,
}

impl Nginx {
    async fn start(authority: &Authority) -> Self {
        let (chain, key) = authority.issue(&["localhost"], (2020, 2090)).files(authority);
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        let [port, old, new] = std::array::from_fn(|_| free_port());
        fs::write(folder.path().join("ok.json"), r#"{"status":"ok"}"#).unwrap();
        fs::write(folder.path().join("huge"), vec![b'x'; 10_000_000]).unwrap();
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        bomb.write_all(&vec![b'0'; 30_000_000]).unwrap();
        fs::write(folder.path().join("bomb"), bomb.finish().unwrap()).unwrap();
        let tls = format!("ssl_certificate {chain}; ssl_certificate_key {key};");
        let servers = format!(
            "server {{ listen 127.0.0.1:{port};\n\
             location = /busy {{ return 503; }}\n\
             location = /loop {{ return 302 /loop; }}\n\
             location = /moved {{ return 301 /ok.json; }}\n\
             location = /bomb {{ add_header Content-Encoding gzip; }}\n\
             location = /packed.json {{ gzip on; gzip_min_length 1; gzip_types *; alias {root}/ok.json; }}\n\
             location = /slow {{ limit_rate 1k; alias {root}/huge; }}\n\
             }}\n\
             server {{ listen 127.0.0.1:{old} ssl; {tls} ssl_protocols TLSv1.2; }}\n\
             server {{ listen 127.0.0.1:{new} ssl http2; {tls} ssl_protocols TLSv1.3; }}\n"
        );
        let process = start(folder.path(), &servers);
        let server = Self { process, port, old, new, folder };
        let listens = async || {
            let report = server.ask("/ok.json").await;
            let up = report.outcome == Outcome::Pass;
            if up { Ok(()) } else { Err(format!("{report:?}\n{}", server.process.report())) }
        };
        eventually("nginx answers", Duration::from_secs(60), listens).await;
        server
    }

    async fn ask(&self, path: &str) -> Report {
        let probe = HttpProbe::try_new(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap();
        probe.run(&egress(), &limits()).await
    }
}

/// Starts nginx with these servers, whose root is the folder.
pub(crate) fn start(folder: &Path, servers: &str) -> Process {
    let root = folder.display();
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {root}/{kind};"))
        .join(" ");
    let config = format!(
        "daemon off; master_process off; pid {root}/pid; error_log stderr;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; {paths} root {root}; types {{ application/json json; }}\n\
         {servers}}}\n"
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, config).unwrap();
    // Where Debian keeps it, which is not on everybody's path.
    let debian = Path::new("/usr/sbin/nginx");
    let program = if debian.is_file() { debian } else { Path::new("nginx") };
    Process::of(program)
        .args(["-p", &root.to_string(), "-c", &file.display().to_string(), "-e", "stderr"])
        .start()
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_is_judged_by_what_it_does() {
    let authority = Authority::make();
    let nginx = Nginx::start(&authority).await;
    assert!(nginx.folder.path().join("ok.json").is_file());
    for (path, outcome, reason) in [
        ("/ok.json", Outcome::Pass, ReasonCode::Ok),
        ("/moved", Outcome::Pass, ReasonCode::Ok),
        ("/packed.json", Outcome::Pass, ReasonCode::Ok),
        ("/missing", Outcome::Fail, ReasonCode::HttpStatus),
        ("/busy", Outcome::Error, ReasonCode::HttpStatus),
        ("/loop", Outcome::Error, ReasonCode::TooManyRedirects),
        ("/huge", Outcome::Error, ReasonCode::BodyTooLarge),
        ("/bomb", Outcome::Error, ReasonCode::BodyTooLarge),
    ] {
        let report = nginx.ask(path).await;
        assert_eq!((report.outcome, report.reason_code), (outcome, reason), "{path}: {report:?}");
    }
    let url = format!("http://127.0.0.1:{}/slow", nginx.port);
    let short = Limits { attempt: Duration::from_millis(500), ..limits() };
    let report = HttpProbe::try_new(&url).unwrap().run(&egress(), &short).await;
    assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::Timeout));

    for (port, version) in [(nginx.old, "1.2"), (nginx.new, "1.3")] {
        let url = format!("https://localhost:{port}/ok.json");
        let mut probe = HttpProbe::try_new(&url).unwrap();
        probe.trust = Some(Trust::of_file(&authority.file()).unwrap());
        let condition = format!("tls.version == '{version}' && json.status == 'ok'");
        probe.conditions = vec![printery_expressions::Condition::compile(&condition).unwrap()];
        let report = probe.run(&egress(), &limits()).await;
        assert_eq!(report.outcome, Outcome::Pass, "{version}: {report:?}");
    }
}
