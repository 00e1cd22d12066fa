//! The process that remembers jobs for longer than Redis: started with the first question, stopped
//! last.
//!
//! Owned by `run`; the API asks it. It is another program, asked over a unix socket, so that no
//! database is part of this one. Whatever is wrong with it costs history, never an event.

pub(crate) mod plan;
mod socket;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex as Shared};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

/// How long its start may take before a question goes without it.
const START: Duration = Duration::from_secs(5);
/// How long an answer may take: it looks into Redis and its database.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it may take to end; it mirrors what is left before. 5 s.
const END: Duration = Duration::from_secs(5);
/// Between two looks for its socket.
const LOOK: Duration = Duration::from_millis(20);
/// Between two looks while another process has the database.
const OTHER: Duration = Duration::from_millis(250);
/// How long nobody tries again after a start that failed: what is wrong does not heal in less.
const REST: Duration = Duration::from_secs(5);

/// How the process is started.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The file.
    pub(crate) path: PathBuf,
    /// Variables, set or taken away.
    pub(crate) environment: Vec<(String, Option<OsString>)>,
    /// The database's address.
    pub(crate) address: String,
    /// Whose history it must be, as the process says it.
    pub(crate) fleet: String,
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "problem")]
pub(crate) enum Standing {
    /// Nobody has asked yet.
    Lazy,
    /// It answers.
    Running,
    /// It does not, or it is not up to date.
    Degraded(String),
}

/// The history, or that there is none. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Archive(Option<Arc<Keeper>>);

#[derive(Debug)]
struct Keeper {
    program: Program,
    process: Mutex<Process>,
    standing: Shared<Standing>,
}

#[derive(Debug, Default)]
struct Process {
    child: Option<Child>,
    failed: Option<(Instant, String)>,
    over: bool,
}

impl Archive {
    /// Prepares it; starts nothing.
    pub(crate) fn new(program: Program) -> Self {
        let standing = Shared::new(Standing::Lazy);
        Self(Some(Arc::new(Keeper { program, process: Mutex::default(), standing })))
    }

    /// How it stands; none where there is none.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let keeper = self.0.as_ref()?;
        keeper.standing.lock().ok().map(|standing| standing.clone())
    }

    /// Asks, and starts the process where none answers; none where there is no history or it is
    /// out of order, which is then told by [`Self::standing`].
    pub(crate) async fn ask(&self, question: &Value) -> Option<Value> {
        let keeper = self.0.as_ref()?;
        let answered = keeper.ask(question).await;
        let problem = match &answered {
            Ok(answer) => answer.get("problem").and_then(Value::as_str).map(ToOwned::to_owned),
            Err(problem) => Some(problem.clone()),
        };
        keeper.stand(problem.map_or(Standing::Running, Standing::Degraded));
        answered.ok()
    }

    /// Ends the process, which nobody starts again; to be called when all else has ended.
    pub(crate) async fn stop(&self) {
        let Some(keeper) = &self.0 else { return };
        let mut process = keeper.process.lock().await;
        process.over = true;
        let Some(mut child) = process.child.take() else { return };
        // The end of its standard input is what it waits for.
        drop(child.stdin.take());
        if timeout(END, child.wait()).await.is_err()
            && let Err(error) = child.kill().await
        {
            tracing::debug!(%error, "printery-store had ended");
        }
    }
}

impl Keeper {
    fn stand(&self, now: Standing) {
        if let Ok(mut standing) = self.standing.lock() {
            if let Standing::Degraded(problem) = &now
                && *standing != now
            {
                tracing::warn!(problem, "the history of jobs is degraded");
            }
            *standing = now;
        }
    }

    async fn ask(&self, question: &Value) -> Result<Value, String> {
        let socket = socket::path(&self.program.address)?;
        let answer = match socket::ask(&socket, question, ANSWER).await {
            Ok(answer) => answer,
            // Nobody listens, or whoever did died over it: questions change nothing.
            Err(_gone) => {
                self.start(&socket).await?;
                socket::ask(&socket, question, ANSWER)
                    .await
                    .map_err(|error| format!("printery-store does not answer: {error}"))?
            }
        };
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            return Err(error.to_owned());
        }
        let fleet = answer.get("fleet").and_then(Value::as_str).unwrap_or_default();
        if fleet == self.program.fleet {
            return Ok(answer);
        }
        Err(format!("the database is kept by the printery-store of another fleet ({fleet})"))
    }

    /// Starts the process unless one listens; of many at once one does it, the others wait.
    async fn start(&self, socket: &Path) -> Result<(), String> {
        let mut process = self.process.lock().await;
        if socket::listens(socket).await {
            return Ok(());
        }
        if process.over {
            return Err("the fleet is stopping".to_owned());
        }
        if let Some((at, problem)) = &process.failed
            && at.elapsed() < REST
        {
            return Err(problem.clone());
        }
        let started = self.launch(&mut process, socket).await;
        process.failed = started.clone().err().map(|problem| (Instant::now(), problem));
        started
    }

    async fn launch(&self, process: &mut Process, socket: &Path) -> Result<(), String> {
        let give_up = Instant::now() + START;
        let mut begun = false;
        loop {
            let mut wait = LOOK;
            let ended = process.child.as_mut().map(Child::try_wait);
            match ended.transpose().map_err(|error| error.to_string())? {
                None => {
                    process.child = Some(self.program.spawn(socket)?);
                    begun = true;
                }
                Some(None) => {}
                // Another process has the database: it is about to listen, or to end.
                Some(Some(status)) if status.success() => {
                    process.child = None;
                    wait = OTHER;
                }
                // One that had been at work; how it died is not what comes of a new one.
                Some(Some(status)) if !begun => {
                    tracing::warn!(%status, "printery-store had ended");
                    process.child = None;
                    wait = Duration::ZERO;
                }
                Some(Some(status)) => {
                    process.child = None;
                    return Err(format!("printery-store ended ({status}); its log says why"));
                }
            }
            if socket::listens(socket).await {
                return Ok(());
            }
            if Instant::now() >= give_up {
                return Err(format!("printery-store does not listen within {START:?}"));
            }
            sleep(wait).await;
        }
    }
}

impl Program {
    fn spawn(&self, socket: &Path) -> Result<Child, String> {
        let mut command = Command::new(&self.path);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("STORE_URL", &self.address).arg("--socket").arg(socket).arg("--attended");
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let failed = |error| format!("{} cannot be started: {error}", self.path.display());
        let child = command.spawn().map_err(failed)?;
        tracing::info!(pid = child.id(), "printery-store started");
        Ok(child)
    }
}
