//! The demo's Redis: a private server in a temporary folder, or the one that `REDIS_URL` names.
//!
//! Owns the server process and ends it. A given Redis is neither started nor ended, and the demo
//! keeps to a prefix of its own there.

use std::path::Path;
use std::time::Duration;

use printery_bench::server::PrivateRedis;
use printery_streams::{Error, Redis, server};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use crate::cli::failure::Failure;

/// How long the server may take to answer. 10 s: a loaded machine starts processes slowly.
const START_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks whether it answers. 20 ms.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long one command may take. 2 s.
const COMMAND: Duration = Duration::from_secs(2);

/// The Redis that the demo runs on.
#[derive(Debug)]
pub(crate) struct DemoRedis {
    /// Its address.
    pub(crate) url: String,
    /// The first part of every key.
    pub(crate) prefix: String,
    /// How many partitions the fleet has, as it was typed.
    pub(crate) partitions: Option<String>,
    /// The server, where the demo started it.
    server: Option<PrivateRedis>,
}

impl DemoRedis {
    /// Uses a given Redis, below a prefix that nobody else has.
    pub(crate) fn given(url: &str, partitions: Option<String>) -> Self {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let unique: String = unique.chars().take(8).collect();
        Self { url: url.to_owned(), prefix: format!("demo-{unique}"), partitions, server: None }
    }

    /// Starts a private server with a unix socket in `folder`.
    pub(crate) fn start(folder: &Path, partitions: Option<String>) -> Result<Self, Failure> {
        let server = PrivateRedis::start(folder, &["--appendonly", "yes"]).map_err(|error| {
            Failure::failed(format!(
                "cannot start redis-server: {error}; install it (apt install redis-server, \
                 brew install redis) or set REDIS_URL"
            ))
        })?;
        Ok(Self {
            url: server.url(),
            prefix: "materi".to_owned(),
            partitions,
            server: Some(server),
        })
    }

    /// Whether the demo started it.
    pub(crate) fn is_private(&self) -> bool {
        self.server.is_some()
    }

    /// Waits until it answers; gives its version.
    ///
    /// # Errors
    /// It ended, or does not answer in time; a given one must answer at once.
    pub(crate) async fn ready(&mut self) -> Result<String, Failure> {
        let redis = Redis::try_new(&self.url, COMMAND)?;
        let give_up = Instant::now() + START_WITHIN;
        loop {
            let answer = server::facts(&mut redis.session()).await;
            match answer {
                Ok(facts) if !facts.loading => {
                    return Ok(format!("{} {}", facts.flavour, facts.version));
                }
                Err(error) if !self.is_private() => return Err(unreachable(&redis, &error)),
                Ok(_) | Err(_) => {}
            }
            if let Some(server) = &mut self.server
                && let Some(status) = server.ended()?
            {
                return Err(Failure::failed(format!("redis-server ended at once: {status}")));
            }
            if Instant::now() >= give_up {
                return Err(Failure::failed(format!(
                    "redis-server does not answer within {START_WITHIN:?}"
                )));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the server that the demo started.
    pub(crate) async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            // It is killed with its owner even where it cannot be waited for.
            let _gone = tokio::task::spawn_blocking(|| server.stop()).await.is_ok();
        }
    }
}

fn unreachable(redis: &Redis, error: &Error) -> Failure {
    let text = format!("Redis at {} cannot be reached: {error}", redis.address());
    Failure { code: printery_harness::exit::UNAVAILABLE, text, of_redis: false }
}

/// Asks a child of ours to leave, and ends it when it does not.
pub(crate) async fn leave(child: &mut Child, within: Duration) {
    terminate(child);
    if timeout(within, child.wait()).await.is_err() {
        // It is gone either way; there is nothing left to do about an error.
        let _gone = child.kill().await.is_ok();
    }
}

/// Sends SIGTERM to a child that has not been reaped, so that its pid is still its own.
pub(crate) fn terminate(child: &Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _was_there = kill_process(pid, Signal::TERM).is_ok();
    }
}
