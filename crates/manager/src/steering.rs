//! Ordering processes about, from any host: who is meant, the order, and waiting for what follows.
//!
//! API and command line share it. An order goes through Redis: managers carry it to their children,
//! every other process obeys with its next beat. Only what outlives its time is killed, by its
//! manager, or from here where it is a process of this host that nobody manages.

use std::time::{Duration, Instant};

use printery_events::topology::{self, Worker};
use printery_fleet::instances::{self, Instance};
use printery_fleet::orders::{self, Verb};
use printery_harness::own_process::{host_name, ticks_of};
use printery_streams::Clock;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::target::Target;

/// How often it is looked whether a process has left. 200 ms.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long a killed process may take to be gone. 2 s.
const AFTER_KILL: Duration = Duration::from_secs(2);

/// Who is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Every process of every kind.
    All,
    /// Every process of a kind.
    Kind(&'static Worker),
    /// One process, by its instance's name or how whoever asked for it calls it.
    One(String),
}

impl Whom {
    /// Reads a worker kind, one of its aliases, or an instance's name.
    pub(crate) fn read(text: &str) -> Self {
        Worker::find(text).map_or_else(|| Self::One(text.to_owned()), Self::Kind)
    }

    fn means(&self, one: &Instance) -> bool {
        match self {
            Self::All => true,
            Self::Kind(worker) => one.worker == worker.name,
            Self::One(name) => one.is_called(name),
        }
    }
}

/// How stopping went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// Whether nobody who was meant is left.
    pub(crate) success: bool,
    /// Processes that are gone.
    pub(crate) stopped: usize,
    /// Processes that are not.
    pub(crate) failed: usize,
    /// Of them, how many had to be killed.
    pub(crate) killed: usize,
    /// What went wrong, one sentence each.
    pub(crate) errors: Vec<String>,
    /// All of it in one sentence.
    pub(crate) message: String,
}

/// Finds the processes that are meant and beat.
pub(crate) async fn living(target: &mut Target, whom: &Whom) -> Result<Vec<Instance>, Failure> {
    let clock = Clock::default();
    clock.read(&mut target.session).await?;
    let now_ms = clock.now_ms();
    let mut found = instances::list(&mut target.session, &target.keys).await?;
    found.retain(|one| whom.means(one) && one.is_alive(now_ms));
    Ok(found)
}

/// Gives an order to whoever is meant. One to a kind is also for those that are not recorded: that
/// have not beaten yet, or wait to be started again by their manager.
pub(crate) async fn order(
    target: &mut Target,
    whom: &Whom,
    to: &[Instance],
    verb: Verb,
    actor: &str,
) -> Result<(), Failure> {
    let Target { session, keys, .. } = target;
    match whom {
        Whom::All => {
            for worker in topology::every() {
                orders::give(session, keys, worker.name, verb, actor).await?;
            }
        }
        Whom::Kind(worker) => {
            orders::give(session, keys, worker.name, verb, actor).await?;
        }
        Whom::One(_) => return order_each(target, to, verb, actor).await,
    }
    Ok(())
}

async fn order_each(
    target: &mut Target,
    to: &[Instance],
    verb: Verb,
    actor: &str,
) -> Result<(), Failure> {
    for one in to {
        orders::give(&mut target.session, &target.keys, &one.instance, verb, actor).await?;
    }
    Ok(())
}

/// Stops processes: asks them to leave, waits, kills who did not, and looks whether they are gone.
pub(crate) async fn stop(
    target: &mut Target,
    whom: &Whom,
    verb: Verb,
    timeout: Duration,
    actor: &str,
) -> Result<Outcome, Failure> {
    let meant = living(target, whom).await?;
    order(target, whom, &meant, verb, actor).await?;
    if meant.is_empty() {
        let message = "none of them runs".to_owned();
        return Ok(Outcome { success: true, message, ..Outcome::default() });
    }
    let mut left = wait_until_gone(target, meant.clone(), timeout).await?;
    let killed = left.len();
    if verb != Verb::Drain && !left.is_empty() {
        order_each(target, &left, Verb::Kill, actor).await?;
        // Its manager kills its children; what nobody manages is only to be killed from its host.
        left = wait_until_gone(target, left, AFTER_KILL).await?;
        left.iter().filter(|one| is_here(one)).for_each(kill);
        left = wait_until_gone(target, left, AFTER_KILL).await?;
    }
    let errors: Vec<String> = left
        .iter()
        .map(|one| format!("{} on {} (pid {}) still runs", one.instance, one.host, one.pid))
        .collect();
    let gone = meant.len() - left.len();
    let message = match (left.is_empty(), killed) {
        (true, 0) => format!("{gone} stopped"),
        (true, _) => format!("{gone} stopped, {killed} of them killed after {timeout:?}"),
        (false, _) => format!("{gone} stopped, {} still run", left.len()),
    };
    let killed = killed.saturating_sub(left.len());
    let success = left.is_empty();
    Ok(Outcome { success, stopped: gone, failed: left.len(), killed, errors, message })
}

/// Kills every recorded process of this host, and has managers kill their children everywhere.
pub(crate) async fn kill_all(target: &mut Target, actor: &str) -> Result<Outcome, Failure> {
    stop(target, &Whom::All, Verb::Kill, Duration::ZERO, actor).await
}

/// Waits until the records of these processes are gone, or the processes themselves where they are
/// of this host; gives those that are left.
async fn wait_until_gone(
    target: &mut Target,
    mut left: Vec<Instance>,
    timeout: Duration,
) -> Result<Vec<Instance>, Failure> {
    let until = Instant::now() + timeout;
    loop {
        let (mut recorded, mut dead) = (living(target, &Whom::All).await?, Vec::new());
        // A process that was killed leaves its record behind.
        recorded.retain(|one| {
            let ended = one.host == host_name()
                && one.ticks.is_some_and(|ticks| ticks_of(one.pid) != Some(ticks));
            if ended {
                dead.push(one.instance.clone());
            }
            !ended
        });
        left.retain(|one| recorded.iter().any(|other| other.instance == one.instance));
        instances::remove(&mut target.session, &target.keys, &dead).await?;
        if left.is_empty() || Instant::now() >= until {
            return Ok(left);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether it is a process of this host, and still the one that wrote the record.
fn is_here(one: &Instance) -> bool {
    one.host == host_name() && one.ticks.is_some() && ticks_of(one.pid) == one.ticks
}

fn kill(one: &Instance) {
    let Some(pid) = i32::try_from(one.pid).ok().and_then(Pid::from_raw) else { return };
    if let Err(error) = kill_process(pid, Signal::KILL) {
        tracing::warn!(pid = one.pid, %error, "not killed");
    }
}
