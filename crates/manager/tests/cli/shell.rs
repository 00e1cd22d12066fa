//! A private Redis, and commands typed at it.
//!
//! Owns the environment of every command: nothing of the test's own reaches it.

use std::ffi::OsStr;
use std::process::Command;

use printery_testkit::{Connection, RedisServer};
use serde_json::Value;

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Said {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Prepares the program with an environment of its own.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_printery-workers"));
    let kept = |(name, _): &(std::ffi::OsString, std::ffi::OsString)| {
        ["PATH", "HOME", "TMPDIR"].iter().any(|kept| name == kept)
    };
    command.env_clear().envs(std::env::vars_os().filter(kept));
    command
}

/// Runs a prepared command to its end.
pub(crate) fn run(mut command: Command) -> Said {
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().expect("it exits by itself");
    Said { code, out: text(&output.stdout), err: text(&output.stderr) }
}

/// Types a command that needs no Redis.
pub(crate) fn typed<S: AsRef<OsStr>>(words: &[S]) -> Said {
    let mut command = program();
    command.args(words);
    run(command)
}

/// A private Redis and a way to type at it.
pub(crate) struct Shell {
    pub(crate) redis: RedisServer,
    /// Goes straight to the server.
    pub(crate) conn: Connection,
}

impl Shell {
    /// Starts the Redis.
    pub(crate) async fn open() -> Self {
        let redis = RedisServer::start().await;
        let conn = redis.connect().await;
        Self { redis, conn }
    }

    /// Prepares a command.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, words: &[S]) -> Command {
        let mut command = program();
        command.args(words).env("REDIS_URL", self.redis.url()).env("PRINTERY_HTTP_ADDR", "off");
        command
    }

    /// Types a command and waits for its end.
    pub(crate) fn typed<S: AsRef<OsStr>>(&self, words: &[S]) -> Said {
        run(self.command(words))
    }

    /// Types a command that must succeed, and reads its JSON.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let said = self.typed(&[words, &["--json"]].concat());
        assert_eq!(said.code, 0, "{said:?}");
        said.json()
    }
}

/// The key of an event stream.
pub(crate) fn stream(event_type: &str) -> String {
    format!("materi:events:deployment:{event_type}")
}

/// The data of a `deployment:started`.
pub(crate) const STARTED: &str =
    r#"{"deployment_id":"d-1","version":"1.2.0","environment":"staging","services":["api"]}"#;
