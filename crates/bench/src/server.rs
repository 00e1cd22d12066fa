//! A private `redis-server` on a unix socket, in a folder of the caller's.
//!
//! Owns the process and ends it; called by the bench and by the demo. It never opens a port and never ends a server that
//! it did not start.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long the server may take to leave. 3 s: an append-only file is written out first.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);
/// Between two looks whether it has left. 5 ms.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running `redis-server`; killed when dropped.
#[derive(Debug)]
pub struct PrivateRedis {
    child: Child,
    socket: PathBuf,
}

impl PrivateRedis {
    /// Starts a server whose socket, log and files are in `folder`; it does not answer yet.
    ///
    /// # Errors
    /// There is no `redis-server`, or it cannot be started.
    pub fn start(folder: &Path, settings: &[&str]) -> io::Result<Self> {
        let socket = folder.join("redis.sock");
        let mut command = Command::new("redis-server");
        command
            .args(["--port", "0", "--save", "", "--daemonize", "no"])
            .args(settings)
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(folder)
            .arg("--logfile")
            .arg(folder.join("redis.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Ctrl-C is for the one who started it: the fleet needs its Redis until it has stopped.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(Self { child: command.spawn()?, socket })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system cannot say.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Ends it and waits, at most 3 s, until it is gone.
    pub fn stop(mut self) {
        terminate(&self.child);
        let give_up = Instant::now() + LEAVE_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < give_up {
            std::thread::sleep(LOOK_EVERY);
        }
        // What is left is killed with the value.
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        let _gone = self.child.kill().is_ok() && self.child.wait().is_ok();
    }
}

/// Sends SIGTERM to a child that has not been reaped, so that its pid is still its own.
pub(crate) fn terminate(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _was_there = kill_process(pid, Signal::TERM).is_ok();
    }
}
