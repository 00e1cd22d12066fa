//! Who lives: one record per worker process, written by its beats.
//!
//! A process writes its own record every few seconds and removes it when it leaves; the manager
//! removes those of the dead. Being listed is no proof of life: see [`Instance::is_alive`].

use std::time::Duration;

use printery_streams::{Error, ErrorKind, Keys, Session};
use redis::cmd;
use serde::{Deserialize, Serialize};

use crate::activity::CAP;
use crate::budget;
use crate::controls::{self, Control, Hold};
use crate::lives::{self, State};
use crate::locks::{self, Cleared, Epoch};
use crate::orders::Spawn;
use crate::script::{Script, script};

static BEAT: Script = script!("beat", "move.lua", "beat.lua");
static LEAVE: Script = script!("leave", "budget_give.lua", "move.lua", "leave.lua");

/// How often a process beats.
pub const BEAT_EVERY: Duration = Duration::from_secs(5);

/// Silence after which a process counts as dead: three beats, so that one lost command or a short
/// stall does not.
pub const DEAD_AFTER: Duration = Duration::from_secs(15);

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The consumer's name, unique per process start.
    pub instance: String,
    /// The worker kind.
    pub worker: String,
    /// The host it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// The version of the program.
    pub version: String,
    /// `running`, `draining` or `stopping`.
    pub phase: String,
    /// When it started, the server's milliseconds.
    pub started_ms: u64,
    /// When it last beat, the server's milliseconds.
    pub beat_ms: u64,
    /// Handlers it may run at once.
    pub concurrency: usize,
    /// Deliveries it works on.
    pub in_flight: usize,
    /// Deliveries it settled since it started.
    pub settled: u64,
    /// Attempts that failed since it started.
    pub failed: u64,
    /// Where it serves its own `/health`, `/ready` and `/metrics`.
    pub http: Option<String>,
    /// Beats before this one.
    #[serde(default)]
    pub beats: u64,
    /// How much of one processor it used since the beat before, in percent; none where its host does
    /// not tell.
    #[serde(default)]
    pub cpu_percent: Option<u32>,
    /// Memory that it holds, in bytes; none as above.
    #[serde(default)]
    pub rss_bytes: Option<u64>,
    /// Why it takes nothing new; none when it does.
    #[serde(default)]
    pub hold: Option<Hold>,
    /// How many partitions it was told of; none is a fleet under the plain prefix.
    #[serde(default)]
    pub partitions: Option<u16>,
    /// When its host started the process, in ticks of that host since it booted: with host and pid
    /// it names one process, because pids come round again.
    #[serde(default)]
    pub ticks: Option<u64>,
    /// Who asked for it, where it is one more than a manager starts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spawn: Option<Spawn>,
}

impl Instance {
    /// What it is called in the records of lives and of the budget: as whoever asked for it calls
    /// it, otherwise by its own name.
    pub fn called(&self) -> &str {
        self.spawn.as_ref().map_or(&self.instance, |spawn| &spawn.id)
    }

    /// Whether it is called so: by its own name, or as whoever asked for it calls it.
    pub fn is_called(&self, name: &str) -> bool {
        self.instance == name || self.spawn.as_ref().is_some_and(|spawn| spawn.id == name)
    }

    /// Whether it beat recently, by the server's clock.
    pub fn is_alive(&self, now_ms: u64) -> bool {
        u128::from(now_ms.saturating_sub(self.beat_ms)) < DEAD_AFTER.as_millis()
    }
}

/// Writes a process' record and where it stands, and reads what its worker was told.
///
/// # Errors
/// The record may have been written although the controls cannot be read.
/// # Redis
/// One script call and `HMGET`.
pub async fn beat(
    session: &mut Session,
    keys: &Keys,
    instance: &Instance,
) -> Result<Control, Error> {
    let key = keys.instances();
    let record = serde_json::to_string(instance)
        .map_err(|error| Error::new(ErrorKind::Malformed, "beat", &key, error.to_string()))?;
    let state = lives::of_beat(instance);
    let arguments = [
        CAP.to_string(),
        instance.instance.clone(),
        record,
        instance.called().to_owned(),
        state.as_str().to_owned(),
        state.sources(),
        lives::facts_of(instance),
        instance.settled.saturating_add(instance.failed).to_string(),
    ];
    let (lives, activity, budget) = (lives::key(keys), keys.activity(), budget::key(keys));
    let reply = BEAT.run_over(session, &[&key, &lives, &activity, &budget], &arguments).await?;
    let ask = controls::ask(keys, &instance.worker, &instance.instance);
    let told = session.query("beat", &keys.controls(), &ask).await?;
    let spent = reply == redis::Value::Int(0);
    Ok(Control { spent, ..controls::answer(keys, told)? })
}

/// Takes a process' own record away at its end; what it did not use of the budget comes back.
///
/// # Redis
/// One script call.
pub async fn leave(
    session: &mut Session,
    keys: &Keys,
    instance: &str,
    called: &str,
    reason: &str,
) -> Result<(), Error> {
    let arguments = [
        CAP.to_string(),
        instance.to_owned(),
        called.to_owned(),
        serde_json::json!({ "reason": reason }).to_string(),
        State::ShuttingDown.sources(),
        State::Completed.sources(),
    ];
    let all = [keys.instances(), lives::key(keys), keys.activity(), budget::key(keys)];
    LEAVE.run_over(session, &all.each_ref().map(String::as_str), &arguments).await.map(drop)
}

/// Removes records of the dead as the leader: name and last beat, as they were found.
///
/// # Redis
/// One script call.
pub async fn forget(
    session: &mut Session,
    keys: &Keys,
    epoch: Epoch,
    dead: &[(String, u64)],
) -> Result<Cleared, Error> {
    locks::take_away(session, keys, &keys.instances(), epoch, ("beat_ms", dead)).await
}

/// Removes records.
///
/// # Redis
/// `HDEL`.
pub async fn remove(session: &mut Session, keys: &Keys, names: &[String]) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    let key = keys.instances();
    let mut command = cmd("HDEL");
    command.arg(&key).arg(names);
    session.query("remove instances", &key, &command).await.map(drop)
}

/// Reads all records, by worker and age; one that cannot be read is left out.
///
/// # Redis
/// `HGETALL`; its size is the number of processes, dead ones not yet removed included.
pub async fn list(session: &mut Session, keys: &Keys) -> Result<Vec<Instance>, Error> {
    let key = keys.instances();
    let mut command = cmd("HVALS");
    command.arg(&key);
    let reply = session.query("list instances", &key, &command).await?;
    let records: Vec<Vec<u8>> = redis::from_redis_value(reply).map_err(|_shape| {
        Error::new(ErrorKind::Malformed, "list instances", &key, "not a hash of records")
    })?;
    let mut instances: Vec<Instance> =
        records.iter().filter_map(|record| serde_json::from_slice(record).ok()).collect();
    instances.sort_by(|a, b| (&a.worker, a.started_ms).cmp(&(&b.worker, b.started_ms)));
    Ok(instances)
}
