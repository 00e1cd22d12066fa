//! A real PostgreSQL under a test's control.
//!
//! Owns one cluster in a folder of its own, on a unix socket and a loopback port; called by tests of the database probes.
//! It never uses an installed cluster, and nothing of it is left when the test ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::eventually::eventually;
use crate::process::Process;
use crate::redis_server::free_port;
use crate::tls::Certificates;

/// How long a cluster may take to start; a loaded machine is slow. 120 s.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where Debian keeps the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Who PostgreSQL runs as where the tests run as root, as whom it refuses to.
const OWNER: &str = "postgres";

/// The password of the user `postgres` over the network.
pub const POSTGRES_PASSWORD: &str = "hunter2";

/// A running cluster; it stops when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    dir: TempDir,
    port: u16,
    process: Process,
}

impl PostgresServer {
    /// Starts an empty cluster. Passwords are asked for over the network, not on the socket.
    pub async fn start() -> Self {
        Self::start_with(&[], None).await
    }

    /// Starts an empty cluster with settings (`max_connections=12`) and, if given, with TLS.
    pub async fn start_with(settings: &[&str], tls: Option<&Certificates>) -> Self {
        let dir = folder();
        let password = dir.path().join("password");
        fs::write(&password, POSTGRES_PASSWORD).expect("the test's own folder can be written");
        owned(&password);
        let data = dir.path().join("data");
        let mut initdb = as_owner(&program("initdb"));
        initdb.arg("-D").arg(&data).arg("--pwfile").arg(&password);
        initdb.args(["-U", "postgres", "-A", "trust", "--auth-host=scram-sha-256", "--no-sync"]);
        initdb.args(["--locale=C", "-E", "UTF8"]);
        finished(initdb);
        Self::serve(dir, settings, tls).await
    }

    /// Starts a replica of this cluster.
    pub async fn replica(&self) -> Self {
        let dir = folder();
        let data = dir.path().join("data");
        let mut copy = as_owner(&program("pg_basebackup"));
        copy.arg("-D").arg(&data).args(["-R", "--no-sync", "-c", "fast", "-U", "postgres"]);
        copy.arg("-h").arg(self.dir.path()).args(["-p", &self.port.to_string()]);
        finished(copy);
        Self::serve(dir, &[], None).await
    }

    async fn serve(dir: TempDir, settings: &[&str], tls: Option<&Certificates>) -> Self {
        let port = free_port();
        let mut arguments = vec![
            "-D".to_owned(),
            dir.path().join("data").display().to_string(),
            "-p".to_owned(),
            port.to_string(),
        ];
        let folder = dir.path().display().to_string();
        let socket = format!("unix_socket_directories={folder}");
        let own = ["listen_addresses=127.0.0.1", "fsync=off", &socket];
        let mut set: Vec<String> = own.iter().chain(settings).map(ToString::to_string).collect();
        if let Some(certificates) = tls {
            for (setting, name) in [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")]
            {
                let copy = dir.path().join(name);
                fs::copy(certificates.dir().join(name), &copy).expect("the certificates are there");
                owned(&copy);
                set.push(format!("{setting}={}", copy.display()));
            }
            set.push("ssl=on".to_owned());
        }
        arguments.extend(set.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
        let (program, prefix) = launcher(&program("postgres"));
        let process = Process::of(&program).args(prefix).args(arguments).start();
        let server = Self { dir, port, process };
        eventually("the cluster answers", PATIENCE, async || {
            server
                .try_sql("SELECT 1")
                .map(|_rows| ())
                .map_err(|said| format!("{said}\n{}", server.process.report()))
        })
        .await;
        server
    }

    /// Returns `postgres://postgres:…@127.0.0.1:<port>/postgres`.
    pub fn url(&self) -> String {
        format!("postgres://postgres:{POSTGRES_PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns the address of the socket, which asks for no password.
    pub fn socket_url(&self) -> String {
        let folder = self.dir.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}:{}/postgres", self.port)
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL and returns its rows, columns divided by `|`; panics with what the server says.
    pub fn sql(&self, text: &str) -> Vec<String> {
        self.try_sql(text).unwrap_or_else(|said| panic!("{text}: {said}"))
    }

    fn try_sql(&self, text: &str) -> Result<Vec<String>, String> {
        let output = self.psql().args(["-c", text]).output();
        let output = output.unwrap_or_else(|error| panic!("psql: {error}; is it installed?"));
        if output.status.success() {
            let rows = String::from_utf8_lossy(&output.stdout);
            Ok(rows.lines().map(str::to_owned).collect())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Starts a session that runs SQL and keeps its transaction open until it is dropped.
    pub fn hold(&self, text: &str) -> Process {
        let command = self.psql();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        Process::of(Path::new(command.get_program()))
            .args(arguments)
            .args(["-c", "BEGIN", "-c", text, "-c", "SELECT pg_sleep(3600)"])
            .start()
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(program("psql"));
        command.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]);
        command.arg("-h").arg(self.dir.path()).args(["-p", &self.port.to_string()]);
        command.stdin(Stdio::null());
        command
    }
}

fn folder() -> TempDir {
    let dir = tempfile::Builder::new().prefix("printery-pg-").tempdir();
    let dir = dir.expect("a temporary folder");
    owned(dir.path());
    dir
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives a file to who PostgreSQL runs as; keys and data must be his.
fn owned(path: &Path) {
    if is_root() {
        let mut chown = Command::new("chown");
        chown.arg(OWNER).arg(path);
        finished(chown);
    }
}

/// Returns what is to be started, and with which arguments before its own.
fn launcher(program: &Path) -> (PathBuf, Vec<String>) {
    if !is_root() {
        return (program.to_owned(), Vec::new());
    }
    let prefix = [&format!("--reuid={OWNER}"), &format!("--regid={OWNER}"), "--clear-groups", "--"];
    let mut prefix: Vec<String> = prefix.iter().map(ToString::to_string).collect();
    prefix.push(program.display().to_string());
    (PathBuf::from("setpriv"), prefix)
}

fn as_owner(program: &Path) -> Command {
    let (program, prefix) = launcher(program);
    let mut command = Command::new(program);
    command.args(prefix).stdin(Stdio::null());
    command
}

/// Finds a program of the newest version that is installed, else on the `PATH`.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let version = entry.file_name().to_string_lossy().parse().ok()?;
            let path = entry.path().join("bin").join(name);
            path.is_file().then_some((version, path))
        })
        .collect();
    found.sort();
    found.pop().map_or_else(|| PathBuf::from(name), |(_, path)| path)
}

fn finished(mut command: Command) {
    let output = command.current_dir("/").output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; is it installed?"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
