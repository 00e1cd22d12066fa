//! What people want of processes: that they stop, drain, start again, or that one more is started.
//!
//! Written by the command line and the API, in the same hash as the other controls; read by every
//! process with its beats and by every manager once a second. An order is for the processes that
//! lived when it was given; whoever starts later is not meant. Nothing here signals anybody.

use std::collections::BTreeMap;
use std::fmt;

use printery_streams::{Clock, Error, ErrorKind, Keys, Session};
use redis::{Value, cmd};
use serde::{Deserialize, Serialize};

use crate::activity::CAP;
use crate::budget;
use crate::lives::{self, State};
use crate::locks::{self, Cleared, Epoch};
use crate::operator_log;
use crate::script::{Script, script};
use crate::starts::WISH;

static ASK: Script =
    script!("spawn", "budget.lua", "budget_level.lua", "move.lua", "ask_for_spawn.lua");

/// First part of the field that orders something of a process or a worker kind.
const ORDER: &str = "order:";
/// First part of the field that asks for one more process.
const SPAWN: &str = "spawn:";

/// What a process is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Finish what runs, leave, and stay away.
    Stop,
    /// The same; the word for a host that is about to go.
    Drain,
    /// Finish what runs, leave, and be started again by its manager.
    Restart,
    /// Be killed: it did not leave in time.
    Kill,
}

impl Verb {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Drain => "drain",
            Self::Restart => "restart",
            Self::Kill => "kill",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What is to be done.
    pub verb: Verb,
    /// When it was given, the server's milliseconds.
    pub since_ms: u64,
    /// Who gave it.
    pub actor: String,
}

/// That one more process is wanted, and for whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spawn {
    /// How the process is called by whoever asked for it, unique.
    pub id: String,
    /// The worker kind.
    pub worker: String,
    /// What it is for, in that person's words.
    pub task: String,
    /// Who looks after it.
    pub master: String,
    /// `low`, `normal`, `high` or `critical`.
    pub priority: String,
    /// Where its work comes from; may be empty.
    pub repo: String,
    /// Tokens of the budget that it may use; 0 counts none.
    pub budget: u64,
    /// When it was asked for, the server's milliseconds.
    pub since_ms: u64,
    /// Who asked.
    pub actor: String,
}

/// Everything that is ordered at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// By instance or worker kind.
    pub orders: BTreeMap<String, Order>,
    /// Processes that nobody has started yet.
    pub spawns: Vec<Spawn>,
    /// Workers that somebody needs: see [`crate::starts::wish`].
    pub starts: Vec<String>,
}

/// Gives an order to an instance, or to all processes of a worker kind.
///
/// # Errors
/// Those of any command; it may be on record and not given.
/// # Redis
/// `TIME`, a record in the operator log, `HSET`.
pub async fn give(
    session: &mut Session,
    keys: &Keys,
    target: &str,
    verb: Verb,
    actor: &str,
) -> Result<Order, Error> {
    let clock = Clock::default();
    clock.read(session).await?;
    note(session, keys, actor, (&format!("worker {verb}"), target)).await?;
    let order = Order { verb, since_ms: clock.now_ms(), actor: actor.to_owned() };
    put(session, keys, &order_field(target), &order).await?;
    Ok(order)
}

/// Takes orders away that mean nobody any more, as the leader: target and when it was given.
///
/// # Redis
/// One script call.
pub async fn withdraw(
    session: &mut Session,
    keys: &Keys,
    epoch: Epoch,
    old: &[(String, u64)],
) -> Result<Cleared, Error> {
    let fields: Vec<_> = old.iter().map(|(target, since)| (order_field(target), *since)).collect();
    locks::take_away(session, keys, &keys.controls(), epoch, ("since_ms", &fields)).await
}

/// Whether a process may be asked for without the tokens for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// The budget is a limit.
    No,
    /// An emergency: it is asked for all the same.
    Yes,
}

/// What became of asking for a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Some manager takes it.
    Done,
    /// The budget has so many tokens left, which are too few; nothing was asked for.
    Short(u64),
    /// There is, or was, a process that is called so.
    Known,
}

/// Asks for one more process, and takes its tokens in the same step; some manager starts it.
///
/// # Errors
/// As [`give`].
/// # Redis
/// A record in the operator log, one script call.
pub async fn ask_for(
    session: &mut Session,
    keys: &Keys,
    spawn: &Spawn,
    force: Force,
) -> Result<Asked, Error> {
    let subject = format!("{} {}", spawn.worker, spawn.id);
    note(session, keys, &spawn.actor, ("worker spawn", &subject)).await?;
    let controls = keys.controls();
    let wish = serde_json::to_string(spawn)
        .map_err(|error| Error::new(ErrorKind::Malformed, "spawn", &controls, error.to_string()))?;
    let arguments = [
        CAP.to_string(),
        spawn.id.clone(),
        wish,
        spawn.budget.to_string(),
        if force == Force::Yes { "1" } else { "0" }.to_owned(),
        State::Pending.sources(),
        lives::facts_of_wish(spawn),
    ];
    let (lives, activity, budget) = (lives::key(keys), keys.activity(), budget::key(keys));
    let all = [controls.as_str(), &lives, &activity, &budget];
    let reply = ASK.run_over(session, &all, &arguments).await?;
    let (word, available): (i64, u64) = redis::from_redis_value(reply)
        .map_err(|_shape| Error::new(ErrorKind::Malformed, "spawn", &controls, "not an answer"))?;
    Ok(match word {
        1 => Asked::Done,
        0 => Asked::Short(available),
        _ => Asked::Known,
    })
}

/// Takes it upon itself to start a process that was asked for, or takes the wish back; false when
/// somebody else was faster.
///
/// # Redis
/// `HDEL`.
pub async fn claim(session: &mut Session, keys: &Keys, id: &str) -> Result<bool, Error> {
    let key = keys.controls();
    let mut command = cmd("HDEL");
    command.arg(&key).arg(format!("{SPAWN}{id}"));
    session.query("claim a spawn", &key, &command).await.map(|reply| reply == Value::Int(1))
}

/// Reads everything that is ordered; what cannot be read is left out.
///
/// # Redis
/// `HGETALL`.
pub async fn read(session: &mut Session, keys: &Keys) -> Result<Orders, Error> {
    let key = keys.controls();
    let mut command = cmd("HGETALL");
    command.arg(&key);
    let reply = session.query("read orders", &key, &command).await?;
    let fields: BTreeMap<String, Vec<u8>> = redis::from_redis_value(reply).map_err(|_shape| {
        Error::new(ErrorKind::Malformed, "read orders", &key, "not a hash of controls")
    })?;
    let mut found = Orders::default();
    for (field, value) in fields {
        if let Some(target) = field.strip_prefix(ORDER) {
            if let Some(order) = parse(&value) {
                found.orders.insert(target.to_owned(), order);
            }
        } else if let Some(worker) = field.strip_prefix(WISH) {
            found.starts.push(worker.to_owned());
        } else if let Some(spawn) =
            field.strip_prefix(SPAWN).and_then(|_| serde_json::from_slice(&value).ok())
        {
            found.spawns.push(spawn);
        }
    }
    Ok(found)
}

/// The field of an order, for lines that a person types.
pub fn order_field(target: &str) -> String {
    format!("{ORDER}{target}")
}

/// Reads a field; the younger of two orders is the one that counts.
pub(crate) fn parse(value: &[u8]) -> Option<Order> {
    serde_json::from_slice(value).ok()
}

async fn put(
    session: &mut Session,
    keys: &Keys,
    field: &str,
    value: &impl Serialize,
) -> Result<(), Error> {
    let key = keys.controls();
    let text = serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Malformed, "order", &key, error.to_string()))?;
    let mut command = cmd("HSET");
    command.arg(&key).arg(field).arg(text);
    session.query("order", &key, &command).await.map(drop)
}

async fn note(
    session: &mut Session,
    keys: &Keys,
    actor: &str,
    (action, subject): (&str, &str),
) -> Result<(), Error> {
    let entry = operator_log::Entry::of_one(actor, action, subject);
    operator_log::record(session, keys, &entry).await.map(drop)
}
