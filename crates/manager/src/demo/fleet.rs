//! The fleet as a process of its own: this very program, run as anybody would run it.
//!
//! Owns the manager's process, its log file and its end. It never touches the workers: they are the
//! manager's children.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use printery_harness::args::environment;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::cli::failure::Failure;
use crate::demo::redis::{DemoRedis, leave, terminate};
use crate::local_http;

/// How long all workers may take to be ready. 30 s: a loaded machine starts processes slowly.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks whether they are. 50 ms.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long one answer may take. 1 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// What running handlers get when the demo ends.
const SHUTDOWN_TIMEOUT: &str = "3s";
/// How long the manager may take to leave: the shutdown timeout, and time to hand back. 7 s.
const LEAVE_WITHIN: Duration = Duration::from_secs(7);
/// Lines of the log that are shown when it goes wrong.
const TAIL: usize = 12;
/// What the fleet may see of our environment; nothing that would let it reach anybody outside.
const PASSED_ON: [&str; 6] =
    ["PATH", "HOME", "TMPDIR", "LANG", "PRINTERY_BIN_DIR", "RUST_BACKTRACE"];

/// The manager's process.
#[derive(Debug)]
pub(crate) struct FleetProcess {
    child: Child,
    log: PathBuf,
    /// Where the manager serves HTTP.
    pub(crate) http: SocketAddr,
}

impl FleetProcess {
    /// Starts the fleet on a Redis with a fleet file; its log goes to `folder`.
    pub(crate) fn start(redis: &DemoRedis, file: &Path, folder: &Path) -> Result<Self, Failure> {
        let http = free_address()?;
        let log = folder.join("fleet.log");
        let output = File::create(&log)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["run", "--supervised=true", "--log-level", "info", "--log-format", "json"])
            .args(["--prefix", &redis.prefix, "--http-addr", &http.to_string()])
            .args(["--health-check-interval", "2s", "--shutdown-timeout", SHUTDOWN_TIMEOUT])
            .arg("--config")
            .arg(file)
            .env_clear()
            .envs(PASSED_ON.iter().filter_map(|name| Some((*name, environment(name)?))))
            .envs(redis.partitions.iter().map(|count| ("PRINTERY_PARTITIONS", count)))
            // It may carry a password, which has no place in the process list.
            .env("REDIS_URL", &redis.url)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C is for us alone, so that the end has an order.
            .process_group(0);
        let child = command
            .spawn()
            .map_err(|error| Failure::failed(format!("cannot start the fleet: {error}")))?;
        Ok(Self { child, log, http })
    }

    /// Waits until every worker is ready.
    ///
    /// # Errors
    /// It ended, or is not ready in time; the text ends with the last lines of its log.
    pub(crate) async fn ready(&mut self) -> Result<(), Failure> {
        let give_up = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failed(&format!("the fleet ended at once ({status})")));
            }
            let answer = local_http::get(self.http, "/ready", ANSWER_WITHIN).await;
            match answer {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) if Instant::now() >= give_up => {
                    let text = format!("not ready within {READY_WITHIN:?}: {}", answer.body);
                    return Err(self.failed(&format!("the fleet is {text}")));
                }
                Err(error) if Instant::now() >= give_up => {
                    return Err(self.failed(&format!("the fleet does not answer: {error}")));
                }
                Ok(_) | Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Stops the fleet and waits for its end.
    pub(crate) async fn stop(&mut self) {
        leave(&mut self.child, LEAVE_WITHIN).await;
    }

    fn failed(&self, what: &str) -> Failure {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
        Failure::failed(format!("{what}; the end of its log:\n{}", tail.join("\n")))
    }
}

impl Drop for FleetProcess {
    fn drop(&mut self) {
        // Only SIGTERM lets the manager end its workers; a reaped process has no pid any more.
        terminate(&self.child);
    }
}

/// A loopback port that was free a moment ago.
fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
