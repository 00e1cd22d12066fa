//! What people told the fleet's workers: to pause, and who runs a worker kind.
//!
//! The command line writes it, every process reads its own worker's part with each beat. Nothing
//! here stops anything: a process that is held takes nothing new, and what runs is finished.

use std::collections::BTreeMap;
use std::fmt;

use printery_streams::{Clock, Error, ErrorKind, Keys, Session};
use redis::{Cmd, Value, cmd};
use serde::{Deserialize, Serialize};

use crate::operator_log;
use crate::orders::{self, Order, order_field};

/// The owner of every worker kind that nobody else was named for: this fleet.
pub const OURSELVES: &str = "printery";

/// The guard that holds a process whose tokens are used up.
pub const BUDGET: &str = "budget";

/// First part of the field that pauses a worker.
const PAUSE: &str = "pause:";
/// First part of the field that names a worker's owner.
const OWNER: &str = "owner:";

/// That a worker is paused, by whom and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pause {
    /// Since when, the server's milliseconds.
    pub since_ms: u64,
    /// Who asked for it.
    pub actor: String,
    /// Why, in that person's words; may be empty.
    pub reason: String,
}

impl Pause {
    /// Reads a record; whatever a person put there by hand pauses as well, as its reason.
    fn read(text: &str) -> Self {
        serde_json::from_str(text)
            .unwrap_or_else(|_no_record| Self { reason: text.to_owned(), ..Self::default() })
    }
}

/// Why a worker takes nothing new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Hold {
    /// A person paused it.
    Paused(Pause),
    /// Somebody else's implementation runs this worker kind.
    OwnedElsewhere {
        /// Who.
        owner: String,
    },
    /// A switch of its environment keeps it from taking anything.
    Guarded {
        /// Which, as `feature:<worker>` or `fleet-mode:recovery`.
        guard: String,
    },
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused(Pause { actor, reason, .. }) => {
                f.write_str("paused")?;
                if !actor.is_empty() {
                    write!(f, " by {actor}")?;
                }
                if !reason.is_empty() {
                    write!(f, ": {reason}")?;
                }
                Ok(())
            }
            Self::OwnedElsewhere { owner } => write!(f, "owned by {owner}"),
            Self::Guarded { guard } => write!(f, "guarded: {guard}"),
        }
    }
}

/// What one worker was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// That it is paused.
    pub pause: Option<Pause>,
    /// Who runs it, where that is not [`OURSELVES`].
    pub owner: Option<String>,
    /// Its tokens are used up: see [`crate::budget`].
    pub spent: bool,
    /// The youngest order to this process or its kind; whether it is meant, its age tells.
    pub order: Option<Order>,
}

impl Control {
    /// Why this worker takes nothing new; a foreign owner first, because resuming does not end it.
    pub fn hold(&self) -> Option<Hold> {
        let elsewhere = self.owner.clone().map(|owner| Hold::OwnedElsewhere { owner });
        let spent = || self.spent.then(|| Hold::Guarded { guard: BUDGET.to_owned() });
        elsewhere.or_else(|| self.pause.clone().map(Hold::Paused)).or_else(spent)
    }

    /// Who runs it.
    pub fn owner(&self) -> &str {
        self.owner.as_deref().unwrap_or(OURSELVES)
    }

    fn set_owner(&mut self, owner: String) {
        self.owner = Some(owner).filter(|owner| !owner.is_empty() && owner != OURSELVES);
    }
}

/// What all workers were told; one that was told nothing is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Controls(BTreeMap<String, Control>);

impl Controls {
    /// What a worker was told.
    pub fn of(&self, worker: &str) -> Control {
        self.0.get(worker).cloned().unwrap_or_default()
    }

    /// Why a worker takes nothing new.
    pub fn hold(&self, worker: &str) -> Option<Hold> {
        self.0.get(worker).and_then(Control::hold)
    }
}

/// Reads what all workers were told.
///
/// # Redis
/// `HGETALL`; two fields per worker at most.
pub async fn read(session: &mut Session, keys: &Keys) -> Result<Controls, Error> {
    let key = keys.controls();
    let mut command = cmd("HGETALL");
    command.arg(&key);
    let reply = session.query("read the controls", &key, &command).await?;
    let fields: BTreeMap<String, Vec<u8>> = redis::from_redis_value(reply).map_err(|_shape| {
        Error::new(ErrorKind::Malformed, "read the controls", &key, "not a hash of controls")
    })?;
    let mut controls = Controls::default();
    for (field, value) in fields {
        let value = String::from_utf8_lossy(&value);
        if let Some(worker) = field.strip_prefix(PAUSE) {
            let control = controls.0.entry(worker.to_owned()).or_default();
            control.pause = Some(Pause::read(&value));
        } else if let Some(worker) = field.strip_prefix(OWNER) {
            let control = controls.0.entry(worker.to_owned()).or_default();
            control.set_owner(value.into_owned());
        }
    }
    Ok(controls)
}

/// The command with which a process asks for its own worker's part, and for orders to itself.
pub(crate) fn ask(keys: &Keys, worker: &str, instance: &str) -> Cmd {
    let mut command = cmd("HMGET");
    command.arg(keys.controls()).arg(pause_field(worker)).arg(owner_field(worker));
    command.arg(order_field(worker)).arg(order_field(instance));
    command
}

/// What [`ask`] is answered.
type Answer = (Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

/// Reads the answer to [`ask`].
pub(crate) fn answer(keys: &Keys, reply: Value) -> Result<Control, Error> {
    let (pause, owner, to_kind, to_instance): Answer =
        redis::from_redis_value(reply).map_err(|_shape| {
            let key = keys.controls();
            Error::new(ErrorKind::Malformed, "read the controls", key, "not four fields")
        })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let given = [to_kind, to_instance].into_iter().flatten();
    let mut control = Control {
        pause: pause.map(|it| Pause::read(&text(it))),
        order: given.filter_map(|it| orders::parse(&it)).max_by_key(|order| order.since_ms),
        ..Control::default()
    };
    control.set_owner(owner.map(text).unwrap_or_default());
    Ok(control)
}

/// Pauses a worker; false when it was paused before, whose reason is replaced.
///
/// # Errors
/// Those of any command; it may be on record and not done.
/// # Redis
/// `TIME`, a record in the operator log, `HSET`.
pub async fn pause(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    actor: &str,
    reason: &str,
) -> Result<bool, Error> {
    let clock = Clock::default();
    clock.read(session).await?;
    note(session, keys, worker, actor, ("group pause", reason)).await?;
    let (actor, reason) = (actor.to_owned(), reason.to_owned());
    let pause = Pause { since_ms: clock.now_ms(), actor, reason };
    let key = keys.controls();
    let record = serde_json::to_string(&pause)
        .map_err(|error| Error::new(ErrorKind::Malformed, "pause", &key, error.to_string()))?;
    let mut command = cmd("HSET");
    command.arg(&key).arg(pause_field(worker)).arg(record);
    session.query("pause", &key, &command).await.map(|reply| reply == Value::Int(1))
}

/// Lets a paused worker go on; false when it was not paused.
///
/// # Errors
/// As [`pause`].
/// # Redis
/// A record in the operator log, `HDEL`.
pub async fn resume(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    actor: &str,
) -> Result<bool, Error> {
    note(session, keys, worker, actor, ("group resume", "")).await?;
    let key = keys.controls();
    let mut command = cmd("HDEL");
    command.arg(&key).arg(pause_field(worker));
    session.query("resume", &key, &command).await.map(|reply| reply == Value::Int(1))
}

/// Names who runs a worker kind; [`OURSELVES`] gives it back to this fleet.
///
/// # Errors
/// As [`pause`].
/// # Redis
/// A record in the operator log; `HSET`, or `HDEL` for ourselves.
pub async fn set_owner(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    actor: &str,
    owner: &str,
) -> Result<(), Error> {
    note(session, keys, worker, actor, ("owner set", owner)).await?;
    let key = keys.controls();
    let mut command;
    if owner == OURSELVES {
        command = cmd("HDEL");
        command.arg(&key).arg(owner_field(worker));
    } else {
        command = cmd("HSET");
        command.arg(&key).arg(owner_field(worker)).arg(owner);
    }
    session.query("set the owner", &key, &command).await.map(drop)
}

/// Puts on record what is about to be done, in one command, to a worker.
async fn note(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    actor: &str,
    (action, detail): (&str, &str),
) -> Result<(), Error> {
    let entry = operator_log::Entry {
        detail: detail.to_owned(),
        ..operator_log::Entry::of_one(actor, action, worker)
    };
    operator_log::record(session, keys, &entry).await.map(drop)
}

/// The field that pauses a worker, for lines that a person types.
pub fn pause_field(worker: &str) -> String {
    format!("{PAUSE}{worker}")
}

/// The field that names a worker's owner, for lines that a person types.
pub fn owner_field(worker: &str) -> String {
    format!("{OWNER}{worker}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_in_the_field_pauses() {
        let whole = r#"{"since_ms":5,"actor":"ada","reason":"a migration"}"#;
        let table = [
            (whole, "paused by ada: a migration"),
            (r#"{"actor":"ada"}"#, "paused by ada"),
            ("a disk is full", "paused: a disk is full"),
            ("", "paused"),
        ];
        for (text, expected) in table {
            assert_eq!(Hold::Paused(Pause::read(text)).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_foreign_owner_holds_before_a_pause_does() {
        let mut control = Control { pause: Some(Pause::default()), ..Control::default() };
        assert_eq!(control.hold(), Some(Hold::Paused(Pause::default())));
        control.set_owner("legacy".to_owned());
        let hold = control.hold();
        assert_eq!(hold, Some(Hold::OwnedElsewhere { owner: "legacy".to_owned() }));
        assert_eq!(hold.map(|it| it.to_string()).as_deref(), Some("owned by legacy"));
        for ours in [OURSELVES, ""] {
            control.set_owner(ours.to_owned());
            assert_eq!((control.owner.as_deref(), control.owner()), (None, OURSELVES));
        }
    }
}
