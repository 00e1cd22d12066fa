//! A fleet file that is written anew while the process runs, and who takes it.
//!
//! Looks at the file once a second, and on SIGHUP at everything that it names as well. What is wrong
//! is told and never taken; what applied before goes on. Who takes it, and how, is the caller's.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use printery_config::{Fleet, FleetFile, Reloaded};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::CommonArgs;
use crate::run::Problems;
use crate::telemetry;

/// How often the file is looked at. 1 s: one `stat`, and half of a file is not taken for a whole one.
const LOOK: Duration = Duration::from_secs(1);

/// One process' view of its fleet file.
#[derive(Debug)]
pub struct Reload {
    file: FleetFile,
    args: CommonArgs,
    /// Whether the file that was read last, right as it was, was not taken.
    refused: bool,
}

impl Reload {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn begin(args: &CommonArgs) -> Result<Self, printery_config::Problems> {
        let path = args.config.as_deref().map(Path::new);
        let file = FleetFile::load(path, &|name| args.variable(name))?;
        Ok(Self { file, args: args.clone(), refused: false })
    }

    /// What applies now.
    pub fn current(&self) -> &Arc<Fleet> {
        self.file.current()
    }

    /// Follows the file for good: `hung_up` is called on SIGHUP, before the file is read again, and `take` with each file
    /// that is right and says something else; what it refuses does not apply.
    pub async fn follow(
        mut self,
        hung_up: impl Fn(),
        take: impl Fn(Arc<Fleet>) -> Result<(), Problems>,
    ) {
        telemetry::describe_reload();
        telemetry::reloaded(true);
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(signal) => Some(signal),
            Err(error) => {
                tracing::warn!(%error, "SIGHUP is not followed, the fleet file itself is");
                None
            }
        };
        loop {
            tokio::select! {
                () = next(&mut hangup) => hung_up(),
                () = tokio::time::sleep(LOOK) => {
                    if !self.file.is_written() {
                        continue;
                    }
                }
            }
            let applies = self.read(&take);
            telemetry::reloaded(applies);
        }
    }

    /// Reads the file again; whether what it says is what applies.
    fn read(&mut self, take: &impl Fn(Arc<Fleet>) -> Result<(), Problems>) -> bool {
        let (fleet, restart) = match self.file.reload(&|name| self.args.variable(name)) {
            Ok(Reloaded::Taken { fleet, restart }) => (fleet, restart.join(", ")),
            Ok(Reloaded::Unchanged) => {
                tracing::info!("the fleet file says nothing new");
                return !self.refused;
            }
            Err(problems) => {
                refused(&problems);
                return false;
            }
        };
        for warning in &fleet.warnings {
            tracing::warn!("{warning}");
        }
        let taken = take(fleet);
        self.refused = taken.is_err();
        match taken {
            Ok(()) if restart.is_empty() => tracing::info!("the new fleet file applies"),
            Ok(()) => tracing::warn!(
                sections = restart,
                "the new fleet file applies but for sections that need a restart"
            ),
            Err(problems) => refused(&problems),
        }
        !self.refused
    }
}

fn refused(problems: &dyn std::fmt::Display) {
    tracing::error!(%problems, "the new fleet file is not taken, what applied before goes on");
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Follows the file and makes a new handler of each that is right; attempts that run keep theirs.
pub(crate) async fn replace<H>(
    reload: Reload,
    handler: Arc<ArcSwap<H>>,
    build: impl Fn(Arc<Fleet>) -> Result<H, Problems>,
) {
    let take = |fleet| build(fleet).map(|new| handler.store(Arc::new(new)));
    reload.follow(|| (), take).await;
}
