//! A private `redis-server` of one test, or whichever server [`server_program`] names.
//!
//! Owns the server process, its folder and its addresses, and stops, kills and starts it again; called by every test that needs Redis.
//! It never shares a server between tests and never ends a process it did not start.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::clock::WallClock;
use crate::connection::{Connection, as_text};
use crate::eventually::eventually;
use crate::servers::server_program;

/// How long a server may take to answer PING; a loaded machine replays an append-only file slowly.
const START_WITHIN: Duration = Duration::from_secs(15);

/// What a private server is started with.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    tcp: bool,
    pub(crate) tls: bool,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl RedisOptions {
    /// Gives the server a loopback port beside its socket.
    #[must_use]
    pub fn with_tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// Writes every command to disk before it is answered, so that a killed server comes back with all of it.
    #[must_use]
    pub fn append_only(self) -> Self {
        self.arg("--appendonly", "yes").arg("--appendfsync", "always")
    }

    /// Adds one `redis-server` option.
    #[must_use]
    pub fn arg(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Puts the server under a wall clock that the test sets.
    #[must_use]
    pub fn clock(mut self, clock: &WallClock) -> Self {
        self.variables.extend(clock.variables());
        self
    }

    /// Starts the server and waits until it answers.
    pub async fn start(self) -> RedisServer {
        let dir = tempfile::Builder::new()
            .prefix("printery-redis-")
            .tempdir()
            .expect("a temporary folder");
        let server = RedisServer {
            socket: dir.path().join("redis.sock"),
            dir,
            port: self.tcp.then(free_port),
            tls_port: self.tls.then(free_port),
            arguments: self.arguments,
            variables: self.variables,
            child: Mutex::new(None),
            starts: Arc::default(),
        };
        server.restart().await;
        server
    }
}

/// A private `redis-server` on a unix socket; killed when dropped.
#[derive(Debug)]
pub struct RedisServer {
    dir: TempDir,
    socket: PathBuf,
    port: Option<u16>,
    tls_port: Option<u16>,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    child: Mutex<Option<Child>>,
    /// How often it has been started; read by its connections.
    starts: Arc<AtomicU64>,
}

impl RedisServer {
    /// Starts a server with a unix socket, no port and no persistence.
    pub async fn start() -> Self {
        Self::options().start().await
    }

    /// Returns options to change before the start.
    pub fn options() -> RedisOptions {
        RedisOptions::default()
    }

    /// Returns the address of the socket, `redis+unix://<path>`.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    /// Returns the address of the loopback port; panics unless the server was started `with_tcp`.
    pub fn tcp_url(&self) -> String {
        format!("redis://{}", self.tcp_addr())
    }

    /// Returns `127.0.0.1:<port>`; panics unless the server was started `with_tcp`.
    pub fn tcp_addr(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Returns `rediss://localhost:<port>`; panics unless the server was started `with_tls`.
    pub fn tls_url(&self) -> String {
        format!("rediss://localhost:{}", self.tls_port())
    }

    /// Returns the port for TLS; panics unless the server was started `with_tls`.
    pub fn tls_port(&self) -> u16 {
        self.tls_port.expect("the server was started with_tls")
    }

    pub(crate) fn tls_port_or_none(&self) -> Option<u16> {
        self.tls_port
    }

    /// Returns the loopback port; panics unless the server was started `with_tcp`.
    pub fn port(&self) -> u16 {
        self.port.expect("the server was started with_tcp")
    }

    /// Returns the path of the unix socket.
    pub fn socket(&self) -> &std::path::Path {
        &self.socket
    }

    /// Returns a connection for assertions.
    #[expect(
        clippy::unused_async,
        reason = "every other way to a server is awaited; a caller need not know which opens"
    )]
    pub async fn connect(&self) -> Connection {
        Connection::to_server(&self.url(), Arc::clone(&self.starts))
    }

    /// Kills the server with SIGKILL and waits until it is gone; without `append_only` its data is gone too.
    pub fn kill9(&self) {
        if let Some(mut child) = self.child.lock().expect("no holder panics").take() {
            child.kill().expect("our own child can be killed");
            child.wait().expect("our own child can be waited for");
        }
    }

    /// Starts the server again in the same folder and at the same addresses, and waits until it answers.
    pub async fn restart(&self) {
        self.kill9();
        let child = self.spawn();
        self.starts.fetch_add(1, Ordering::SeqCst);
        *self.child.lock().expect("no holder panics") = Some(child);
        let connection = self.connect().await;
        eventually("redis-server answers PING", START_WITHIN, async || {
            match connection.try_cmd(&["PING"]).await {
                Ok(pong) => Ok(as_text(&pong)),
                Err(error) => Err(format!("{error}\n{}", self.log_tail())),
            }
        })
        .await;
    }

    /// Stops the process with SIGSTOP: connections stay open and nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen process go on with SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Lets no file of the server grow beyond so many bytes: to the server its disk is full. `None` makes room again.
    pub fn fill_disk(&self, bytes: Option<u64>) {
        let most = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let pid = self.pid().to_string();
        // The soft limit only, which may be raised again without any privilege.
        let status =
            Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={most}:")]).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "prlimit --fsize={most}: of server {pid}"
        );
    }

    /// Returns the size of the largest file in the server's folder: its append-only file, where it has one.
    pub fn largest_file(&self) -> u64 {
        largest(self.dir.path())
    }

    /// Returns the server's process id; panics unless it was started and not killed since.
    pub fn pid(&self) -> i32 {
        let child = self.child.lock().expect("no holder panics");
        Pid::from_child(child.as_ref().expect("the server runs")).as_raw_nonzero().get()
    }

    /// Tells whether the server was started, not killed since, and did not end by itself.
    pub fn is_running(&self) -> bool {
        self.child.lock().expect("no holder panics").is_some() && !self.has_ended()
    }

    /// Tells whether the server ended by itself.
    pub fn has_ended(&self) -> bool {
        let mut child = self.child.lock().expect("no holder panics");
        child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_some()))
    }

    /// Returns the last lines of the server's log.
    pub fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.dir.path().join("redis.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
        tail.join("\n")
    }

    /// The file of users that outlive a restart; empty at first, which leaves the default one as it is.
    fn users(&self) -> PathBuf {
        let path = self.dir.path().join("users.acl");
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        file.expect("the server's folder can be written");
        path
    }

    fn spawn(&self) -> Child {
        let port = self.port.unwrap_or(0).to_string();
        let tls_port = self.tls_port.map(|port| port.to_string());
        // The packages that carry other servers have them without TLS.
        let program = if tls_port.is_some() { Path::new("redis-server") } else { server_program() };
        // A file that grows too large ends a process, unless it said before that it wants an error instead.
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(program)
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
            .arg("--unixsocket")
            .arg(&self.socket)
            .arg("--dir")
            .arg(self.dir.path())
            .arg("--logfile")
            .arg(self.dir.path().join("redis.log"))
            .arg("--aclfile")
            .arg(self.users())
            .args(tls_port.iter().flat_map(|port| ["--tls-port", port]))
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; is redis-server installed?"))
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.lock().expect("no holder panics");
        let pid = Pid::from_child(child.as_ref().expect("the server runs"));
        kill_process(pid, signal).expect("our own child can be signalled");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("redis-server {}:\n{}", self.socket.display(), self.log_tail());
        }
        self.kill9();
    }
}

fn largest(folder: &std::path::Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => largest(&entry.path()),
        Ok(found) => found.len(),
        Err(_gone) => 0,
    });
    sizes.max().unwrap_or(0)
}

/// Returns a loopback port that was free a moment ago.
///
/// From below the range that outgoing connections get theirs from: those could take the port of a server that is about to be
/// started again, and a client that keeps asking for it could even connect to itself.
pub fn free_port() -> u16 {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let port = 10_000 + u16::try_from(random % 22_000).expect("less than 22,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
