//! Programs under measurement: started, watched through `/proc`, ended.
//!
//! Owns their processes and log files. It never ends a process that it did not start.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use printery_harness::args::environment;

use crate::error::{Error, ErrorKind};
use crate::server::terminate;

/// How long a program may take to leave. 10 s: the fleet stops stage by stage.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks whether it has left.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What a program may see of our environment.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "LANG", "RUST_BACKTRACE"];
/// Lines of a log that are shown when it goes wrong.
const TAIL: usize = 8;

/// A running program; killed when dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program with this environment and nothing else; its output goes to `log`.
    pub(crate) fn start(
        path: &Path,
        environment_: &[(&str, String)],
        log: PathBuf,
    ) -> Result<Self, Error> {
        if !path.is_file() {
            let text = format!("{} is not there; build it with scripts/bench", path.display());
            return Err(Error::new(ErrorKind::Missing, text));
        }
        let what = format!("cannot start {}", path.display());
        let output = File::create(&log).map_err(Error::io(what.as_str()))?;
        let mut command = Command::new(path);
        command
            .env_clear()
            .envs(PASSED_ON.iter().filter_map(|name| Some((*name, environment(name)?))))
            .envs(environment_.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(Error::io(what.as_str()))?)
            .stderr(output);
        // Ctrl-C is for us alone, so that the end has an order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(Self { child: command.spawn().map_err(Error::io(what))?, log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its processes: itself and its children.
    pub(crate) fn family(&self) -> Vec<u32> {
        let mut pids = vec![self.pid()];
        let threads = numbers_in(&task(self.pid()));
        let children = threads.iter().filter_map(|thread| {
            fs::read_to_string(task(self.pid()).join(thread.to_string()).join("children")).ok()
        });
        for list in children {
            pids.extend(list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        pids
    }

    /// Whether it runs; else why it does not.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                let text = format!("a program ended ({status}); its log ends:\n{}", self.tail());
                Err(Error::new(ErrorKind::Failed, text))
            }
            Err(error) => Err(Error::io("cannot ask how a program is")(error)),
        }
    }

    /// The last lines of its log.
    pub(crate) fn tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
    }

    /// Asks it to leave, and waits until it has.
    pub(crate) fn stop(mut self) {
        self.leave();
    }

    fn leave(&mut self) {
        terminate(&self.child);
        let give_up = Instant::now() + LEAVE_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < give_up {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A manager has children, which only it can end in order.
        if self.family().len() > 1 {
            self.leave();
        }
        let _gone = self.child.kill().is_ok() && self.child.wait().is_ok();
    }
}

/// CPU time that processes have used, in microseconds; of threads that live.
///
/// # Source
/// `/proc/<pid>/task/<tid>/schedstat`: nanoseconds on a CPU, far finer than the ticks of `stat`.
pub(crate) fn cpu_us(pids: &[u32]) -> u64 {
    let of_thread = |folder: PathBuf| -> Option<u64> {
        let text = fs::read_to_string(folder.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    let threads = pids.iter().flat_map(|pid| {
        numbers_in(&task(*pid)).into_iter().map(|thread| task(*pid).join(thread.to_string()))
    });
    threads.filter_map(of_thread).sum::<u64>() / 1_000
}

/// Memory of a process that is in use, in KiB: now, and the most there ever was.
pub(crate) fn memory_kib(pid: u32) -> Result<(u64, u64), Error> {
    let what = format!("cannot read the memory of process {pid}");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(Error::io(what))?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_end_matches("kB").trim().parse().unwrap_or(0)
    };
    Ok((value("VmRSS:"), value("VmHWM:")))
}

/// Size of a file in bytes.
pub(crate) fn size_of(path: &Path) -> io::Result<u64> {
    fs::metadata(path).map(|facts| facts.len())
}

fn task(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join("task")
}

fn numbers_in(folder: &Path) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
