//! A master, a replica and three sentinels of one test.
//!
//! Owns the servers and the sentinels' processes; promotes, and waits until everybody agrees; called by tests of failover.
//! It never ends a process it did not start.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::Value;
use tempfile::TempDir;

use crate::connection::{Connection, as_list, as_text};
use crate::eventually::eventually;
use crate::redis_server::{RedisServer, free_port};
use crate::servers::server_program;

/// How long sentinels may take to find each other, or to promote; they talk every two seconds.
const AGREED_WITHIN: Duration = Duration::from_secs(60);

/// The name of the master.
const MASTER: &str = "main";

/// Sentinels; two must agree.
const SENTINELS: usize = 3;

/// A master and its replica, watched by three sentinels; all killed when dropped.
#[derive(Debug)]
pub struct RedisSentinel {
    servers: [RedisServer; 2],
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    dir: TempDir,
    port: u16,
    child: Child,
}

impl RedisSentinel {
    /// Starts everything and waits until the replica follows and the sentinels could promote it.
    pub async fn start() -> Self {
        let [master, replica] = [start_server().await, start_server().await];
        follow(&replica, &master).await;
        let sentinels = (0..SENTINELS).map(|_| Sentinel::start(master.port())).collect();
        let group = Self { servers: [master, replica], sentinels };
        group.wait_until_ready(2).await;
        group
    }

    /// Returns the address of whatever is the master, with all sentinels in it.
    pub fn url(&self) -> String {
        let hosts = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port));
        format!("redis+sentinel://{}/{MASTER}", hosts.collect::<Vec<_>>().join(","))
    }

    /// Returns one of the two servers; the first is the master at the beginning.
    pub fn server(&self, index: usize) -> &RedisServer {
        self.servers.get(index).expect("one of two servers")
    }

    /// Kills a sentinel.
    pub fn kill_sentinel(&mut self, index: usize) {
        self.sentinels.get_mut(index).expect("one of three sentinels").kill();
    }

    /// Tells the sentinels to promote the replica, and waits until it is the master.
    pub async fn fail_over(&self) {
        let now = self.master().await;
        let next = 1 - now;
        for sentinel in &self.sentinels {
            if sentinel.connect().try_cmd(&["SENTINEL", "FAILOVER", MASTER]).await.is_ok() {
                break;
            }
        }
        self.wait_for_master(next).await;
    }

    /// Waits until the sentinels name this server and it says so itself.
    pub async fn wait_for_master(&self, index: usize) {
        let what = format!("server {index} is the master");
        eventually(&what, AGREED_WITHIN, async || {
            let named = self.master().await;
            // Sentinels cut the connections of whom they promote.
            let role = self.server(index).connect().await.try_cmd(&["ROLE"]).await;
            let word = role.as_ref().ok().and_then(|role| as_list(role).first()).map(as_text);
            let is_master = word.is_some_and(|word| word == "master");
            if named == index && is_master { Ok(()) } else { Err(format!("{named}: {role:?}")) }
        })
        .await;
    }

    /// Waits until so many servers are there and the sentinels agree that they can promote.
    pub async fn wait_until_ready(&self, servers: usize) {
        eventually("the sentinels are ready", AGREED_WITHIN, async || {
            for sentinel in &self.sentinels {
                let db = sentinel.connect();
                let quorum = db.try_cmd(&["SENTINEL", "CKQUORUM", MASTER]).await;
                let quorum = quorum.map_or_else(|error| error.to_string(), |said| as_text(&said));
                let said = db.try_cmd(&["SENTINEL", "MASTER", MASTER]).await;
                let said = said.unwrap_or(Value::Nil);
                let said: Vec<String> = as_list(&said).iter().map(as_text).collect();
                let number = |name: &str| said.iter().skip_while(|word| *word != name).nth(1);
                let all = number("num-other-sentinels").is_some_and(|n| n == "2");
                let replicas =
                    number("num-slaves").is_some_and(|n| *n == (servers - 1).to_string());
                if !(quorum.starts_with("OK") && all && replicas) {
                    return Err(format!("{quorum}; {said:?}"));
                }
            }
            Ok(())
        })
        .await;
    }

    /// The server that the sentinels name.
    async fn master(&self) -> usize {
        for sentinel in &self.sentinels {
            let named =
                sentinel.connect().try_cmd(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER]).await;
            let Ok(named) = named else { continue };
            let port = as_list(&named).get(1).map(as_text).unwrap_or_default();
            return usize::from(port == self.server(1).port().to_string());
        }
        panic!("no sentinel answers")
    }
}

/// Starts a server that lets replicas copy it at once.
async fn start_server() -> RedisServer {
    let options = RedisServer::options().with_tcp().append_only();
    options.arg("--repl-diskless-sync-delay", "0").start().await
}

/// Makes a server a replica of another one and waits until it has everything.
pub async fn follow(replica: &RedisServer, master: &RedisServer) {
    let db = replica.connect().await;
    db.cmd(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]).await;
    eventually("the replica follows", AGREED_WITHIN, async || {
        let said = db.text(&["INFO", "replication"]).await.unwrap_or_default();
        if said.contains("master_link_status:up") { Ok(()) } else { Err(said) }
    })
    .await;
}

impl Sentinel {
    fn start(master: u16) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("printery-sentinel-")
            .tempdir()
            .expect("a temporary folder");
        let port = free_port();
        let file = dir.path().join("sentinel.conf");
        let folder = dir.path().display();
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {folder}\nlogfile {folder}/sentinel.log\n\
             sentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 1500\n\
             sentinel failover-timeout {MASTER} 6000\n"
        );
        fs::write(&file, text).expect("a writable folder");
        let mut command = Command::new(server_program());
        command.arg(&file).arg("--sentinel");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { dir, port, child }
    }

    fn connect(&self) -> Connection {
        Connection::new(&format!("redis://127.0.0.1:{}", self.port))
    }

    fn kill(&mut self) {
        self.child.kill().expect("our own child can be killed");
        self.child.wait().expect("our own child can be waited for");
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.dir.path().join("sentinel.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.get(lines.len().saturating_sub(10)..).unwrap_or_default();
            eprintln!("sentinel {}:\n{}", self.port, tail.join("\n"));
        }
        self.kill();
    }
}
