//! A real MariaDB under a test's control.
//!
//! Owns one server with a folder of its own, on a loopback port; called by tests of the MySQL probe. It never uses an
//! installed server's data, and nothing of it is left when the test ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::eventually::eventually;
use crate::process::Process;
use crate::redis_server::free_port;

/// How long a server may take to start; a loaded machine is slow. 120 s.
const PATIENCE: Duration = Duration::from_secs(120);

/// The password of the user `ops` over the network.
pub const MARIADB_PASSWORD: &str = "hunter2";

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct MariadbServer {
    dir: TempDir,
    port: u16,
    process: Process,
}

impl MariadbServer {
    /// Starts an empty server with options (`--max-connections=12`); the user `ops` may look at everything.
    pub async fn start(options: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("printery-my-").tempdir();
        let dir = dir.expect("a temporary folder");
        let data = dir.path().join("data");
        let mut install = Command::new(program("mariadb-install-db"));
        install.arg("--no-defaults").arg(format!("--datadir={}", data.display()));
        install.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.args(as_whom()).stdin(Stdio::null());
        finished(install);
        let port = free_port();
        let own = [
            "--no-defaults".to_owned(),
            format!("--datadir={}", data.display()),
            format!("--socket={}", dir.path().join("socket").display()),
            format!("--pid-file={}", dir.path().join("pid").display()),
            format!("--port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            "--innodb-flush-log-at-trx-commit=0".to_owned(),
            "--innodb-buffer-pool-size=8M".to_owned(),
            "--skip-name-resolve".to_owned(),
        ];
        let process = Process::of(&program("mariadbd"))
            .args(own)
            .args(as_whom())
            .args(options.iter().map(ToString::to_string))
            .start();
        let server = Self { dir, port, process };
        eventually("the server answers", PATIENCE, async || {
            let answer = server.try_sql("SELECT 1");
            answer.map(|_rows| ()).map_err(|said| format!("{said}\n{}", server.process.report()))
        })
        .await;
        server.sql(&format!(
            "SET SESSION sql_log_bin = 0; CREATE DATABASE shop; \
             CREATE USER ops@'127.0.0.1' IDENTIFIED BY '{MARIADB_PASSWORD}'; \
             GRANT REPLICATION CLIENT, SLAVE MONITOR, REPLICATION SLAVE ON *.* TO ops@'127.0.0.1'; \
             GRANT SELECT ON shop.* TO ops@'127.0.0.1'; \
             CREATE USER blind@'127.0.0.1' IDENTIFIED BY '{MARIADB_PASSWORD}'"
        ));
        server
    }

    /// Returns `mysql://<user>:…@127.0.0.1:<port>/<database>`.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("mysql://{user}:{MARIADB_PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL as root over the socket and returns its rows, columns divided by tabs; panics with what the server says.
    pub fn sql(&self, text: &str) -> Vec<String> {
        self.try_sql(text).unwrap_or_else(|said| panic!("{text}: {said}"))
    }

    fn try_sql(&self, text: &str) -> Result<Vec<String>, String> {
        let mut client = Command::new(program("mariadb"));
        client.args(["--no-defaults", "-u", "root", "-N", "-B", "-e", text]);
        client.arg(format!("--socket={}", self.dir.path().join("socket").display()));
        let output = client.stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("mariadb: {error}; is it installed?"));
        if output.status.success() {
            let rows = String::from_utf8_lossy(&output.stdout);
            Ok(rows.lines().map(str::to_owned).collect())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

/// MariaDB refuses to run as root unless it is told to.
fn as_whom() -> Vec<String> {
    let root = rustix::process::geteuid().is_root();
    if root { vec!["--user=root".to_owned()] } else { Vec::new() }
}

/// Finds a program where Debian keeps it, else on the `PATH`.
fn program(name: &str) -> PathBuf {
    let debian = Path::new("/usr/sbin").join(name);
    if fs::metadata(&debian).is_ok() { debian } else { PathBuf::from(name) }
}

fn finished(mut command: Command) {
    let output = command.current_dir("/").output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; is it installed?"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
