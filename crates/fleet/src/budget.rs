//! How many tokens the fleet has for processes that people ask for: a limit, kept in one script.
//!
//! A token is the right to begin one attempt of a handler. Whoever asks for a process takes its tokens
//! with the wish, its beats say how many it used, and what it did not use comes back when its life is
//! over. Where no total is set there is no limit; nothing here holds a process.

use std::collections::BTreeMap;

use printery_streams::{Error, ErrorKind, Keys, Session};
use redis::cmd;
use serde::Serialize;

use crate::activity::CAP;
use crate::script::{Script, script};

/// Tokens of a process where nobody says how many, while there is a total: what one process uses up in
/// a day at more than one attempt a second.
pub const DEFAULT_TOKENS: u64 = 100_000;

static CHANGE: Script = script!(
    "change the budget",
    "budget.lua",
    "budget_give.lua",
    "budget_level.lua",
    "change_budget.lua"
);

/// What one process has of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Tokens that it was given.
    pub given: u64,
    /// Those that it has used.
    pub used: u64,
}

/// The budget at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Tokens of a day; 0 is no limit.
    pub total: u64,
    /// Used today by processes that are gone.
    pub spent: u64,
    /// Tokens that can be given to somebody.
    pub available: u64,
    /// Who has some, by what the process is called.
    pub shares: BTreeMap<String, Share>,
}

impl Budget {
    fn of(fields: BTreeMap<String, String>) -> Self {
        let mut budget = Self::default();
        for (field, value) in fields {
            let Ok(number) = value.parse() else { continue };
            match field.split_once(':') {
                Some(("given", id)) => {
                    budget.shares.entry(id.to_owned()).or_default().given = number;
                }
                Some(("used", id)) => budget.shares.entry(id.to_owned()).or_default().used = number,
                None if field == "total" => budget.total = number,
                None if field == "spent" => budget.spent = number,
                Some(_) | None => {}
            }
        }
        budget.shares.retain(|_, share| share.given > 0);
        let given: u64 = budget.shares.values().map(|share| share.given).sum();
        budget.available = budget.total.saturating_sub(budget.spent).saturating_sub(given);
        budget
    }
}

/// A change of the budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// So many tokens a day; 0 is no limit.
    Total(u64),
    /// So many more for a process, whether they are there or not.
    Grant(String, u64),
    /// Take back what those have who are not among these.
    Recalculate(Vec<String>),
    /// Nothing was spent today.
    Reset,
}

/// What a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Tokens of a day.
    pub total: u64,
    /// Tokens that can be given to somebody.
    pub available: u64,
    /// Tokens that came back.
    pub recovered: u64,
}

/// Reads it.
///
/// # Redis
/// `HGETALL`.
pub async fn read(session: &mut Session, keys: &Keys) -> Result<Budget, Error> {
    let key = key(keys);
    let mut command = cmd("HGETALL");
    command.arg(&key);
    let reply = session.query("read the budget", &key, &command).await?;
    redis::from_redis_value(reply)
        .map(Budget::of)
        .map_err(|_shape| Error::new(ErrorKind::Malformed, "read the budget", &key, "no budget"))
}

/// Changes it.
///
/// # Errors
/// [`ErrorKind::Unknown`]: it may have been changed; only a grant must not be repeated blindly.
/// # Redis
/// One script call.
pub async fn change(session: &mut Session, keys: &Keys, change: &Change) -> Result<Changed, Error> {
    let mut arguments = vec![CAP.to_string()];
    match change {
        Change::Total(total) => arguments.extend(["set".to_owned(), total.to_string()]),
        Change::Grant(id, tokens) => {
            arguments.extend(["grant".to_owned(), id.clone(), tokens.to_string()]);
        }
        Change::Recalculate(lives) => {
            arguments.push("recalc".to_owned());
            arguments.extend(lives.iter().cloned());
        }
        Change::Reset => arguments.push("reset".to_owned()),
    }
    let (key, activity) = (key(keys), keys.activity());
    let reply = CHANGE.run_over(session, &[&key, &activity], &arguments).await?;
    let (total, available, recovered) = redis::from_redis_value(reply).map_err(|_shape| {
        Error::new(ErrorKind::Malformed, "change the budget", &key, "no budget")
    })?;
    Ok(Changed { total, available, recovered })
}

/// Hash of the budget: `total`, `day`, `spent`, `level`, and `given:<id>` and `used:<id>` of each process
/// that has some. Written by commands, managers and beats; it stays.
pub(crate) fn key(keys: &Keys) -> String {
    format!("{}:printery:budget", keys.prefix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_and_what_was_spent_is_not_available() {
        let fields = [
            ("total", "100"),
            ("spent", "10"),
            ("given:a", "30"),
            ("used:a", "4"),
            ("used:gone", "9"),
            ("day", "20000"),
            ("level", "warning"),
        ];
        let fields = fields.map(|(field, value)| (field.to_owned(), value.to_owned()));
        let budget = Budget::of(fields.into_iter().collect());
        assert_eq!((budget.total, budget.spent, budget.available), (100, 10, 60));
        assert_eq!(
            budget.shares.into_iter().collect::<Vec<_>>(),
            [("a".to_owned(), Share { given: 30, used: 4 })]
        );
        assert_eq!(Budget::of(BTreeMap::new()), Budget::default());
    }
}
