//! A real program under a test's control.
//!
//! Owns one spawned binary, what it printed and the signals it gets; called by the fleet's tests.
//! It never ends a process it did not start, and never leaves one behind that it (or its child) started.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock::WallClock;
use crate::eventually::eventually;

/// How many lines a failing test prints of each process.
const TAIL: usize = 40;

/// How long the last lines of an ended process are waited for. 1 s.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        match status.code() {
            Some(code) => Self::Code(code),
            None => Self::Signal(status.signal().unwrap_or_default()),
        }
    }
}

/// A program that is about to be started, with a clean environment.
#[derive(Debug)]
pub struct Launch {
    command: Command,
}

impl Launch {
    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets one variable of the otherwise clean environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Puts it under a wall clock that the test sets.
    #[must_use]
    pub fn clock(mut self, clock: &WallClock) -> Self {
        self.command.envs(clock.variables());
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Process {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let line = spoken(&self.command);
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        let output = Arc::new(Mutex::new(Output::default()));
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let open = watch::Sender::new(2);
        collect(stdout, Arc::clone(&output), open.clone(), |output| &mut output.stdout);
        collect(stderr, Arc::clone(&output), open.clone(), |output| &mut output.stderr);
        let pid = Pid::from_child(&child);
        let state = Mutex::new(State { child, ended: None, left_behind: Vec::new() });
        Process { line, pid, state, output, open }
    }
}

#[derive(Debug, Default)]
struct Output {
    stdout: Vec<String>,
    stderr: Vec<String>,
    all: Vec<String>,
}

#[derive(Debug)]
struct State {
    child: Child,
    ended: Option<Ended>,
    /// Descendants seen at the last moment their ancestor lived; ended when the process is dropped.
    left_behind: Vec<Pid>,
}

/// A running program; it and its descendants are killed when dropped.
#[derive(Debug)]
pub struct Process {
    line: String,
    pid: Pid,
    state: Mutex<State>,
    output: Arc<Mutex<Output>>,
    /// How many of its two pipes may still say something; written by their readers.
    open: watch::Sender<usize>,
}

impl Process {
    /// Prepares a program; of this test's environment only `PATH`, `HOME` and `TMPDIR` reach it.
    pub fn of(program: &Path) -> Launch {
        let mut command = Command::new(program);
        let kept = |name: &OsString| ["PATH", "HOME", "TMPDIR"].iter().any(|kept| name == kept);
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| kept(name)));
        Launch { command }
    }

    /// Returns its process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Returns the ids of its direct children.
    pub fn children(&self) -> Vec<i32> {
        children(self.pid()).collect()
    }

    /// Returns the lines of standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.output.lock().expect("no holder panics").stdout.clone()
    }

    /// Returns the lines of standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.output.lock().expect("no holder panics").stderr.clone()
    }

    /// Returns all lines so far, in the order they were read.
    pub fn lines(&self) -> Vec<String> {
        self.output.lock().expect("no holder panics").all.clone()
    }

    /// Returns how it ended, or `None` while it runs.
    pub fn ended(&self) -> Option<Ended> {
        let mut state = self.state.lock().expect("no holder panics");
        if state.ended.is_none() {
            let status = state.child.try_wait().expect("our own child can be waited for");
            state.ended = status.map(Ended::from);
        }
        state.ended
    }

    /// Tells whether it still runs.
    pub fn is_running(&self) -> bool {
        self.ended().is_none()
    }

    /// Waits until it has ended and all it said is read; panics with its last lines when it does not end.
    pub async fn wait(&self, within: Duration) -> Ended {
        let ended = eventually("the process ends", within, async || {
            self.ended().ok_or_else(|| self.report())
        })
        .await;
        let mut open = self.open.subscribe();
        // A child that it left behind may hold its pipes open: then what is there must do.
        let _all_read = timeout(LAST_WORDS, open.wait_for(|open| *open == 0)).await.is_ok();
        ended
    }

    /// Kills it with SIGKILL; its children live on.
    pub fn kill9(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks it to end with SIGTERM.
    pub fn sigterm(&self) {
        self.signal(Signal::TERM);
    }

    /// Tells it with SIGHUP to read its configuration again.
    pub fn sighup(&self) {
        self.signal(Signal::HUP);
    }

    /// Interrupts it with SIGINT.
    pub fn sigint(&self) {
        self.signal(Signal::INT);
    }

    /// Stops it with SIGSTOP.
    pub fn sigstop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on with SIGCONT.
    pub fn sigcont(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills one of its descendants with SIGKILL; panics when the process id is not one.
    pub fn kill9_descendant(&self, pid: i32) {
        self.signal_descendant(pid, Signal::KILL);
    }

    /// Stops one of its descendants with SIGSTOP; panics when the process id is not one.
    pub fn sigstop_descendant(&self, pid: i32) {
        self.signal_descendant(pid, Signal::STOP);
    }

    /// Returns its command line, how it ended and its last lines.
    pub fn report(&self) -> String {
        let ended = self.ended().map_or_else(|| "running".to_owned(), |ended| format!("{ended:?}"));
        let lines = self.lines();
        let tail = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
        format!("--- {} (pid {}): {ended}\n{}", self.line, self.pid(), tail.join("\n"))
    }

    fn signal_descendant(&self, pid: i32, signal: Signal) {
        let ours = descendants(self.pid()).contains(&pid);
        assert!(ours, "{pid} is not a descendant of {}", self.line);
        send(pid, signal);
    }

    /// Sends a signal unless it has ended already.
    fn signal(&self, signal: Signal) {
        let ended = self.ended().is_some();
        let mut state = self.state.lock().expect("no holder panics");
        if !ended {
            let seen = descendants(self.pid()).into_iter().filter_map(Pid::from_raw);
            state.left_behind.extend(seen);
            kill_process(self.pid, signal).expect("our own child can be signalled");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.report());
        }
        if self.is_running() {
            self.kill9();
        }
        let mut state = self.state.lock().expect("no holder panics");
        // Its children first lose their parent; whoever does not follow by itself is ended here.
        drop(state.child.wait());
        for pid in &state.left_behind {
            if is_ours(pid.as_raw_nonzero().get()) {
                send(pid.as_raw_nonzero().get(), Signal::KILL);
            }
        }
    }
}

fn spoken(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn collect(
    from: impl Read + Send + 'static,
    output: Arc<Mutex<Output>>,
    open: watch::Sender<usize>,
    of: fn(&mut Output) -> &mut Vec<String>,
) {
    // Ends with the last holder of the pipe's other end.
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let mut output = output.lock().expect("no holder panics");
            of(&mut output).push(line.clone());
            output.all.push(line);
        }
        open.send_modify(|open| *open -= 1);
    });
}

fn send(pid: i32, signal: Signal) {
    // It may have ended by itself a moment ago; then there is nobody to tell.
    Pid::from_raw(pid).and_then(|pid| kill_process(pid, signal).ok());
}

/// Tells whether a process id still belongs to a program of this workspace, and not to a later process of the same number.
fn is_ours(pid: i32) -> bool {
    let program = std::fs::read_link(format!("/proc/{pid}/exe"));
    program.is_ok_and(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("printery-"))
    })
}

fn descendants(pid: i32) -> Vec<i32> {
    let mut found: Vec<i32> = children(pid).collect();
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// The processes whose parent this is, read from `/proc`.
fn children(parent: i32) -> impl Iterator<Item = i32> {
    let folders = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    folders.filter_map(move |folder| {
        let pid: i32 = folder.file_name().to_string_lossy().parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, which may hold anything, ends at the last parenthesis; state and parent follow.
        let (_, rest) = stat.rsplit_once(')')?;
        let of: i32 = rest.split_whitespace().nth(1)?.parse().ok()?;
        (of == parent).then_some(pid)
    })
}
