//! One child process: starts it, hears it, signals it and reaps it.
//!
//! The supervisor spawns a child and a task that tends it; that task alone holds the process, so a
//! signal can never reach a stranger: an unreaped pid is not given to anybody else. A child ends
//! by its own exit only; nothing here decides what that means.

use std::ffi::OsString;
use std::future::pending;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use printery_harness::exit;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::notify::{Notice, NotifySocket};
use crate::restart::Exit;

/// What a hung child gets after SIGABRT to leave a core dump, before SIGKILL. 1 s.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// How to start one worker.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// Its executable.
    pub(crate) program: PathBuf,
    /// Arguments; never a secret, the process list shows them.
    pub(crate) arguments: Vec<OsString>,
    /// Variables to set, or to take away, on top of the manager's own environment.
    pub(crate) environment: Vec<(String, Option<OsString>)>,
    /// How long a ready child may be silent.
    pub(crate) watchdog: Duration,
    /// What happens when it is silent for longer.
    pub(crate) on_silence: OnSilence,
}

/// What to do with a child that has been silent for longer than the watchdog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSilence {
    /// End it: a fresh one takes its place.
    Kill,
    /// Say so and wait: nobody would take its place.
    Report,
}

/// What the supervisor asks of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// SIGTERM: finish what runs and leave.
    Terminate,
    /// SIGKILL.
    Kill,
    /// SIGHUP: read the fleet file again.
    HangUp,
}

/// What is known about a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// It said something other than being alive.
    Said(Notice),
    /// It has been silent for longer than the watchdog.
    Silent,
    /// It is heard again after a silence.
    HeardAgain,
    /// It has ended and is reaped; the last report of a child.
    Exited(Exit),
}

/// A running child process and the socket on which it is heard.
#[derive(Debug)]
pub(crate) struct Child {
    process: tokio::process::Child,
    socket: NotifySocket,
    pid: u32,
    watchdog: Watchdog,
    hung: bool,
}

impl Child {
    /// Starts the process, with a notify socket `<name>.sock` of its own in `directory`.
    ///
    /// # Errors
    /// Nothing runs: the socket cannot be bound or the program cannot be executed.
    pub(crate) fn spawn(launch: &Launch, directory: &Path, name: &str) -> io::Result<Self> {
        let socket = NotifySocket::bind(directory, name)?;
        let mut command = Command::new(&launch.program);
        command.args(&launch.arguments).stdin(Stdio::null());
        for (variable, value) in &launch.environment {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        command
            .env("NOTIFY_SOCKET", socket.path())
            .env("WATCHDOG_USEC", launch.watchdog.as_micros().to_string())
            .env_remove("WATCHDOG_PID")
            // Should the supervisor ever fail, its children do not outlive it unnoticed.
            .kill_on_drop(true);
        let process = command.spawn()?;
        let pid = process.id().ok_or_else(|| io::Error::other("the process has no pid"))?;
        let watchdog = Watchdog::new(launch.watchdog, launch.on_silence);
        Ok(Self { process, socket, pid, watchdog, hung: false })
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Hears, signals and finally reaps the child; ends with its exit.
    ///
    /// Woken by the exit, by a datagram, by an order and by the watchdog.
    pub(crate) async fn tend(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        report: Reporter,
    ) {
        loop {
            let wake = self.watchdog.wake();
            tokio::select! {
                status = self.process.wait() => {
                    for notice in self.socket.rest() {
                        report.send(Report::Said(notice)).await;
                    }
                    report.send(Report::Exited(self.exit(status))).await;
                    return;
                }
                notices = self.socket.receive() => {
                    for notice in notices.unwrap_or_default() {
                        self.hear(notice, &report).await;
                    }
                }
                Some(order) = orders.recv() => self.obey(order),
                () = at(wake) => self.missed(&report).await,
            }
        }
    }

    async fn hear(&mut self, notice: Notice, report: &Reporter) {
        if self.watchdog.heard(&notice, Instant::now()) {
            report.send(Report::HeardAgain).await;
        }
        if notice != Notice::Alive {
            report.send(Report::Said(notice)).await;
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Terminate => self.signal(Signal::TERM),
            Order::Kill => self.signal(Signal::KILL),
            Order::HangUp => self.signal(Signal::HUP),
        }
    }

    async fn missed(&mut self, report: &Reporter) {
        match self.watchdog.missed(Instant::now()) {
            Verdict::Report => report.send(Report::Silent).await,
            Verdict::Abort => {
                self.hung = true;
                self.signal(Signal::ABORT);
                report.send(Report::Silent).await;
            }
            Verdict::Kill => self.signal(Signal::KILL),
        }
    }

    fn signal(&self, signal: Signal) {
        // `id` is empty once the child is reaped; until then the pid is its own.
        let raw = self.process.id().and_then(|pid| i32::try_from(pid).ok());
        let Some(pid) = raw.and_then(Pid::from_raw) else { return };
        if let Err(error) = kill_process(pid, signal) {
            tracing::warn!(pid = self.pid, ?signal, %error, "child not signalled");
        }
    }

    fn exit(&self, status: io::Result<ExitStatus>) -> Exit {
        match status {
            _ if self.hung => Exit::Hung,
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Exit::Code(u8::try_from(code).unwrap_or(exit::BUG)),
                (None, Some(signal)) => Exit::Signal(signal),
                (None, None) => Exit::Code(exit::BUG),
            },
            Err(error) => {
                tracing::error!(pid = self.pid, %error, "child not reaped");
                Exit::Code(exit::BUG)
            }
        }
    }
}

/// Where a tending task reports: the supervisor's inbox, with the child's place in the roster.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    place: usize,
    inbox: mpsc::Sender<(usize, Report)>,
}

impl Reporter {
    /// Reports as the child at `place`.
    pub(crate) fn new(place: usize, inbox: mpsc::Sender<(usize, Report)>) -> Self {
        Self { place, inbox }
    }

    async fn send(&self, report: Report) {
        if self.inbox.send((self.place, report)).await.is_err() {
            tracing::debug!(place = self.place, "the supervisor is gone");
        }
    }
}

/// Measures a child's silence, from its first READY on.
#[derive(Debug)]
struct Watchdog {
    limit: Duration,
    on_silence: OnSilence,
    deadline: Option<Instant>,
    silent: bool,
}

/// What a missed deadline of the watchdog asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Report,
    Abort,
    Kill,
}

impl Watchdog {
    fn new(limit: Duration, on_silence: OnSilence) -> Self {
        Self { limit, on_silence, deadline: None, silent: false }
    }

    fn wake(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes note of a sign of life; says whether it ends a silence.
    fn heard(&mut self, notice: &Notice, now: Instant) -> bool {
        let armed = self.deadline.is_some() || self.silent || *notice == Notice::Ready;
        // What has been aborted is not pardoned: its threads may be half gone.
        let condemned = self.silent && self.on_silence == OnSilence::Kill;
        if !armed || condemned {
            return false;
        }
        self.deadline = Some(now + self.limit);
        std::mem::take(&mut self.silent)
    }

    fn missed(&mut self, now: Instant) -> Verdict {
        let first = !std::mem::replace(&mut self.silent, true);
        match (self.on_silence, first) {
            (OnSilence::Report, _) => {
                self.deadline = None;
                Verdict::Report
            }
            (OnSilence::Kill, true) => {
                self.deadline = Some(now + ABORT_GRACE);
                Verdict::Abort
            }
            (OnSilence::Kill, false) => {
                self.deadline = None;
                Verdict::Kill
            }
        }
    }
}

async fn at(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake).await,
        None => pending().await,
    }
}

#[cfg(test)]
#[path = "child_tests.rs"]
mod tests;
