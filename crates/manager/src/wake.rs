//! Having a worker started that waits until somebody needs it, and waiting until it is ready.
//!
//! Whoever asks puts a wish into Redis; one manager that has the worker takes it, see
//! [`crate::steward`]. Any number may ask and wait at once. It starts nothing by itself.

use std::fmt;
use std::time::Duration;

use printery_events::topology::Worker;
use printery_fleet::starts::{self, Cooldown, Starts};
use printery_streams::Clock;
use tokio::time::Instant;

use crate::cli::failure::Failure;
use crate::cli::target::Target;
use crate::roll::{Roll, State};
use crate::steering::{self, Whom};
use crate::steward::START_WITHIN;

/// How often it is looked whether the worker beats. 200 ms.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Why a worker does not run that somebody needs.
#[derive(Debug)]
pub(crate) enum Asleep {
    /// Its starts failed too often.
    Cooldown(Cooldown),
    /// It was started for us, and that failed.
    Failed(&'static str, String),
    /// Redis.
    Unknown(Failure),
}

impl fmt::Display for Asleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cooldown(cooldown) => cooldown.fmt(f),
            Self::Failed(worker, message) => {
                write!(f, "Failed to initialize {worker} worker: {message}")
            }
            Self::Unknown(failure) => f.write_str(&failure.text),
        }
    }
}

impl From<Failure> for Asleep {
    fn from(failure: Failure) -> Self {
        Self::Unknown(failure)
    }
}

impl From<printery_streams::Error> for Asleep {
    fn from(error: printery_streams::Error) -> Self {
        Self::Unknown(error.into())
    }
}

/// Whether this manager has the worker and waits until somebody needs it.
pub(crate) fn is_asleep(roll: &Roll, worker: &Worker) -> bool {
    let is_it = roll.children.iter().find(|child| child.worker == worker.name && child.lazy);
    is_it.is_some_and(|child| child.state != State::Running)
}

/// Has a worker started where no process of it lives, and does not wait for it.
pub(crate) async fn wish(target: &mut Target, worker: &'static Worker) -> Result<(), Failure> {
    if steering::living(target, &Whom::Kind(worker)).await?.is_empty() {
        starts::wish(&mut target.session, &target.keys, worker.name).await?;
    }
    Ok(())
}

/// Has a worker started where no process of it lives, and waits until one does.
///
/// # Cancel safety
/// Cancel safe; the worker is started all the same.
pub(crate) async fn wake(target: &mut Target, worker: &'static Worker) -> Result<(), Asleep> {
    let clock = Clock::default();
    clock.read(&mut target.session).await?;
    let asked_ms = clock.now_ms();
    let until = Instant::now() + START_WITHIN;
    let mut wished = false;
    loop {
        if !steering::living(target, &Whom::Kind(worker)).await?.is_empty() {
            return Ok(());
        }
        let failed = starts::last_failure(&mut target.session, &target.keys, worker.name).await?;
        if let Some(failed) = failed.filter(|failed| wished && failed.at_ms >= asked_ms) {
            return Err(Asleep::Failed(worker.name, failed.message));
        }
        if !wished {
            let mut circuit = Starts::of(target.partitions.home(), worker.name);
            if let Some(cooldown) = circuit.look(clock.now_ms()).await? {
                return Err(Asleep::Cooldown(cooldown));
            }
            starts::wish(&mut target.session, &target.keys, worker.name).await?;
            wished = true;
        }
        if Instant::now() >= until {
            let message = format!("it is not ready within {START_WITHIN:?}");
            return Err(Asleep::Failed(worker.name, message));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
