//! The ways out of the dead letters: back to the worker, away as decided, or gone.
//!
//! Called for one letter at a time by whoever was told to; each is one step in Redis, so that two
//! people who do it at once do it once. The record of who did it is [`crate::operator_log`]'s.

use std::fmt;

use printery_streams::redrive::{MoveOut, WIDEST, move_dead_letter, put_away_dead_letter, remove};
use printery_streams::{EntryId, Error, Keys, Session};

use crate::dead_letters::{DeadLetter, get};

/// What became of a redrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redriven {
    /// It is in the worker's inbox under this id.
    Inbox(EntryId),
    /// It is not among the dead letters any more.
    Gone,
    /// Its body was gone when it was buried; there is nothing to run again.
    Bodiless,
    /// It has so many fields; more than a script can pass on, and more than any event may have.
    TooWide(usize),
}

/// What was decided of a letter that is not run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Taken care of in another way.
    Resolved,
    /// Nothing will be done.
    Abandoned,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolved => "resolved",
            Self::Abandoned => "abandoned",
        })
    }
}

/// A decision with who made it and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// What was decided.
    pub decision: Decision,
    /// Why; may be empty.
    pub notes: String,
    /// Who decided.
    pub actor: String,
}

/// What became of a letter that was to be put away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutAway {
    /// It is among the processed ones under this id.
    Processed(EntryId),
    /// It is not among the dead letters any more.
    Gone,
}

/// Puts a dead letter into its worker's inbox.
///
/// # Redis
/// `XRANGE`, then one script call.
pub async fn redrive(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    entry: EntryId,
) -> Result<Redriven, Error> {
    match get(session, keys, worker, entry).await? {
        Some(letter) => revive(session, keys, worker, &letter).await,
        None => Ok(Redriven::Gone),
    }
}

/// Puts a dead letter that was read before into its worker's inbox, with its attempts at zero.
///
/// # Errors
/// [`printery_streams::ErrorKind::Unknown`]: it may be there; it is in one of the two places.
/// # Redis
/// One script call.
pub async fn revive(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    letter: &DeadLetter,
) -> Result<Redriven, Error> {
    let Some(fields) = letter.revived() else { return Ok(Redriven::Bodiless) };
    if fields.len() > WIDEST {
        return Ok(Redriven::TooWide(letter.original.as_ref().map_or(0, Vec::len)));
    }
    let (from, inbox) = (keys.dead_letters(worker), keys.inbox(worker));
    let moved = move_dead_letter(session, &from, letter.id, &inbox, &fields).await?;
    Ok(moved.map_or(Redriven::Gone, Redriven::Inbox))
}

/// Moves a dead letter to the processed ones, with what was decided; the janitor removes those
/// after a day.
///
/// # Errors
/// As [`revive`].
/// # Redis
/// One script call.
pub async fn put_away(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    entry: EntryId,
    resolution: &Resolution,
) -> Result<PutAway, Error> {
    let decision = resolution.decision.to_string();
    let out = MoveOut {
        from: &keys.dead_letters(worker),
        to: &keys.dead_letters_processed(),
        status: &decision,
        notes: &resolution.notes,
        actor: &resolution.actor,
    };
    let moved = put_away_dead_letter(session, entry, &out).await?;
    Ok(moved.map_or(PutAway::Gone, PutAway::Processed))
}

/// Removes dead letters for good; tells how many were still there.
///
/// # Redis
/// `XDEL`.
pub async fn purge(
    session: &mut Session,
    keys: &Keys,
    worker: &str,
    entries: &[EntryId],
) -> Result<u64, Error> {
    remove(session, &keys.dead_letters(worker), entries).await
}
