//! Where each process stands in its life, from being asked for to being filed away.
//!
//! Beats, managers and commands move a process; which state may follow which is decided here, and the
//! move, its line in the activity feed and what it does to the budget are one step. Nothing here
//! signals a process, and the record outlives it.

use std::collections::BTreeMap;

use printery_streams::{Error, ErrorKind, Keys, Session};
use redis::cmd;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::activity::CAP;
use crate::budget;
use crate::instances::Instance;
use crate::locks::{self, Epoch, LEADER};
use crate::orders::Spawn;
use crate::script::{Script, script};

static MOVE: Script =
    script!("move a process", "fenced.lua", "budget_give.lua", "move.lua", "move_process.lua");

/// Where a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody asked for it.
    Pending,
    /// It works on something.
    Running,
    /// It lives and has nothing to do.
    Idle,
    /// It finishes what runs and leaves.
    ShuttingDown,
    /// It left by itself.
    Completed,
    /// It crashed, was killed or was never started.
    Failed,
    /// It has been silent for too long.
    Zombie,
    /// Its end was looked at, and what it left was taken away.
    Archived,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Running,
        Self::Idle,
        Self::ShuttingDown,
        Self::Completed,
        Self::Failed,
        Self::Zombie,
        Self::Archived,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Idle => "idle",
            Self::ShuttingDown => "shutting_down",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Zombie => "zombie",
            Self::Archived => "archived",
        }
    }

    /// Whether this state may follow that one; none is a process that nobody has heard of.
    pub fn may_follow(self, before: Option<Self>) -> bool {
        use State::{Archived, Completed, Failed, Idle, Pending, Running, ShuttingDown, Zombie};
        match before {
            None => matches!(self, Pending | Running | Idle | ShuttingDown | Zombie),
            Some(Pending) => matches!(self, Running | Idle | ShuttingDown | Failed),
            Some(Running) => matches!(self, Idle | ShuttingDown | Failed | Zombie),
            Some(Idle) => matches!(self, Running | ShuttingDown | Failed | Zombie),
            Some(ShuttingDown) => matches!(self, Completed | Failed | Zombie),
            // It was only asleep.
            Some(Zombie) => matches!(self, Running | Idle | ShuttingDown | Failed | Archived),
            Some(Completed | Failed) => self == Archived,
            Some(Archived) => false,
        }
    }

    /// Whether a process in this state is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Archived)
    }

    /// The states that this one may follow, as the scripts search in them.
    pub(crate) fn sources(self) -> String {
        let known = Self::ALL.into_iter().filter(|one| self.may_follow(Some(*one)));
        let mut sources = String::from(" ");
        if self.may_follow(None) {
            sources.push_str("new ");
        }
        for one in known {
            sources.push_str(one.as_str());
            sources.push(' ');
        }
        sources
    }
}

/// What is odd about a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Alarm {
    /// Nothing.
    #[default]
    #[serde(rename = "")]
    None,
    /// It has had nothing to do for long.
    #[serde(rename = "idle")]
    Idle,
    /// It was asked for and does not beat.
    #[serde(rename = "pending")]
    Pending,
    /// It has been silent for some time.
    #[serde(rename = "warning")]
    Warning,
    /// It has been silent for long.
    #[serde(rename = "critical")]
    Critical,
}

impl Alarm {
    /// Its word; empty for none.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Idle => "idle",
            Self::Pending => "pending",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The record of a process's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Where it stands.
    pub state: State,
    /// Since when, the server's milliseconds; 0 where nobody knows.
    #[serde(default)]
    pub since_ms: u64,
    /// What is odd about it.
    #[serde(default)]
    pub alarm: Alarm,
    /// The worker kind.
    #[serde(default)]
    pub worker: String,
    /// Its instance's name; empty before its first beat.
    #[serde(default)]
    pub instance: String,
    /// What it is for, where somebody asked for it.
    #[serde(default)]
    pub task: String,
    /// Why it stands there, where there is something to say.
    #[serde(default)]
    pub reason: String,
}

/// A move of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What the process is called: see [`Instance::called`].
    pub id: String,
    /// Where to.
    pub to: State,
    /// Why.
    pub reason: String,
    /// What is odd about it from now on; none leaves it as it is.
    pub alarm: Option<Alarm>,
    /// What the feed's line is called where it is not the state.
    pub kind: &'static str,
    /// Whether it is about the alarm alone: where the state is another one by now, nothing is done.
    pub stays: bool,
}

impl Step {
    /// A plain move.
    pub fn new(id: &str, to: State, reason: impl Into<String>) -> Self {
        let (id, reason) = (id.to_owned(), reason.into());
        Self { id, to, reason, alarm: None, kind: "", stays: false }
    }

    /// Says that something is odd about a process, or not any more, while it stays in its state.
    pub fn alarm(id: &str, state: State, alarm: Alarm, kind: &'static str, reason: String) -> Self {
        Self { alarm: Some(alarm), kind, stays: true, ..Self::new(id, state, reason) }
    }
}

/// What became of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It was made; so many tokens came back.
    Done(u64),
    /// It stood there already.
    Stood,
    /// That state may not follow the one that it has.
    Refused,
    /// A later leader has been there.
    Deposed,
}

/// Moves a process; with an epoch only as long as no later leader has been there.
///
/// # Errors
/// Those of any command; it may have been moved, and moved again it stands.
/// # Redis
/// One script call.
pub async fn take_step(
    session: &mut Session,
    keys: &Keys,
    by: Option<Epoch>,
    step: &Step,
) -> Result<Moved, Error> {
    let states = key(keys);
    let (activity, budget) = (keys.activity(), budget::key(keys));
    let fence = locks::fence(keys, LEADER);
    let arguments = [
        CAP.to_string(),
        by.map(|epoch| epoch.to_string()).unwrap_or_default(),
        step.id.clone(),
        step.to.as_str().to_owned(),
        if step.stays { " ".to_owned() } else { step.to.sources() },
        json!({ "reason": step.reason }).to_string(),
        step.alarm.map_or("-", Alarm::as_str).to_owned(),
        step.kind.to_owned(),
        if step.to.is_over() { "1" } else { "0" }.to_owned(),
    ];
    let reply = MOVE.run_over(session, &[&states, &activity, &budget, &fence], &arguments).await?;
    let (word, _before, back): (String, String, u64) = redis::from_redis_value(reply)
        .map_err(|_shape| Error::new(ErrorKind::Malformed, "move a process", &states, "no move"))?;
    Ok(match word.as_str() {
        "moved" => Moved::Done(back),
        "stands" => Moved::Stood,
        "deposed" => Moved::Deposed,
        _ => Moved::Refused,
    })
}

/// Reads where every process stands, by what it is called; what cannot be read is left out.
///
/// # Redis
/// `HGETALL`.
pub async fn list(session: &mut Session, keys: &Keys) -> Result<BTreeMap<String, Life>, Error> {
    let key = key(keys);
    let mut command = cmd("HGETALL");
    command.arg(&key);
    let reply = session.query("list lives", &key, &command).await?;
    let fields: BTreeMap<String, Vec<u8>> = redis::from_redis_value(reply).map_err(|_shape| {
        Error::new(ErrorKind::Malformed, "list lives", &key, "not a hash of records")
    })?;
    let read = |(id, text): (String, Vec<u8>)| Some((id, serde_json::from_slice(&text).ok()?));
    Ok(fields.into_iter().filter_map(read).collect())
}

/// Forgets processes as the leader: what each is called, and since when it was archived.
///
/// # Redis
/// One script call.
pub async fn forget(
    session: &mut Session,
    keys: &Keys,
    epoch: Epoch,
    archived: &[(String, u64)],
) -> Result<locks::Cleared, Error> {
    locks::take_away(session, keys, &key(keys), epoch, ("since_ms", archived)).await
}

/// What a beat says of where the process stands.
pub(crate) fn of_beat(instance: &Instance) -> State {
    match (instance.phase.as_str(), instance.in_flight) {
        ("draining" | "stopping", _) => State::ShuttingDown,
        (_, 0) => State::Idle,
        (_, _) => State::Running,
    }
}

/// Facts about a process that beats.
pub(crate) fn facts_of(instance: &Instance) -> String {
    let reason = instance.hold.as_ref().map(ToString::to_string).unwrap_or_default();
    let task = instance.spawn.as_ref().map(|spawn| spawn.task.as_str()).unwrap_or_default();
    json!({
        "worker": instance.worker, "instance": instance.instance, "task": task, "reason": reason,
    })
    .to_string()
}

/// Facts about a process that somebody asks for.
pub(crate) fn facts_of_wish(spawn: &Spawn) -> String {
    json!({ "worker": spawn.worker, "task": spawn.task, "reason": "" }).to_string()
}

/// Hash of lives, by what the process is called. Written by beats, managers and commands; forgotten
/// 30 days after it was archived.
pub(crate) fn key(keys: &Keys) -> String {
    format!("{}:printery:lives", keys.prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_the_end_and_only_the_silent_come_back() {
        for state in State::ALL {
            assert!(!state.may_follow(Some(state)), "{state:?}: to stand still is no move");
            assert!(!state.may_follow(Some(State::Archived)), "{state:?}");
            let after_the_end = [State::Completed, State::Failed];
            for end in after_the_end {
                assert_eq!(state.may_follow(Some(end)), state == State::Archived, "{state:?}");
            }
        }
        assert!(State::Running.may_follow(Some(State::Zombie)));
        assert!(!State::Completed.may_follow(Some(State::Running)), "it says that it leaves first");
        assert_eq!(State::Completed.sources(), " shutting_down ");
        assert_eq!(State::Pending.sources(), " new ");
    }

    #[test]
    fn words_are_those_that_records_have() {
        for state in State::ALL {
            let text = format!("{{\"state\":\"{}\"}}", state.as_str());
            let life: Life = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((life.state, life.alarm, life.since_ms), (state, Alarm::None, 0));
        }
    }
}
