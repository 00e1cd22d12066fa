//! `printery-workers owner`: who runs a worker kind, this fleet or somebody else's implementation.
//!
//! While somebody else is named, this fleet's processes of the kind take nothing and say why. Who
//! it is is a word that people agree on; nothing is asked of them.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use printery_events::topology::WORKERS;
use printery_fleet::controls::{self, OURSELVES, owner_field};
use printery_harness::args::CommonArgs;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::group::How;
use crate::cli::output::{Colour, Tone};
use crate::cli::table::{Cell, Table};
use crate::cli::target::{Target, on_redis, worker_named};

/// Characters of an owner's name at most.
const LONGEST: usize = 64;

/// What to do with owners.
#[derive(Debug, Subcommand)]
pub(crate) enum OwnerVerb {
    /// List who runs each worker kind
    List(ListArgs),
    /// Say who runs a worker kind; `printery` gives it back to this fleet
    Set(SetArgs),
}

/// How to list them.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Who runs what from now on.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The worker
    #[arg(value_name = "WORKER")]
    who: String,
    /// Its owner: `printery`, or a name for somebody else's implementation
    #[arg(value_name = "OWNER")]
    owner: String,
    #[command(flatten)]
    how: How,
}

/// Does what was typed.
pub(crate) fn owner(common: &CommonArgs, verb: &OwnerVerb) -> ExitCode {
    match verb {
        OwnerVerb::List(args) => {
            on_redis(common, "list owners", async |target| list(target, args).await)
        }
        OwnerVerb::Set(args) => {
            on_redis(common, "set the owner", async |target| set(target, args).await)
        }
    }
}

async fn list(target: &mut Target, args: &ListArgs) -> Result<(), Failure> {
    let controls = controls::read(&mut target.session, &target.keys).await?;
    let owners: Vec<(&str, String)> = WORKERS
        .iter()
        .map(|worker| (worker.name, controls.of(worker.name).owner().to_owned()))
        .collect();
    if args.json {
        let shown: Vec<_> = owners
            .iter()
            .map(|(worker, owner)| json!({ "worker": worker, "owner": owner }))
            .collect();
        return Ok(target.out.json(&shown)?);
    }
    let lines = table(&owners, target.out.colour());
    Ok(target.out.lines(lines)?)
}

fn table(owners: &[(&str, String)], colour: Colour) -> Vec<String> {
    let mut table = Table::new(&["WORKER", "OWNER"]);
    for (worker, owner) in owners {
        let tone = if owner == OURSELVES { Tone::Plain } else { Tone::Warn };
        table.row([Cell::from(*worker), Cell::new(tone, owner)]);
    }
    table.lines(colour)
}

async fn set(target: &mut Target, args: &SetArgs) -> Result<(), Failure> {
    let worker = worker_named(&args.who)?.name;
    let owner = name(&args.owner)?;
    let before = controls::read(&mut target.session, &target.keys).await?.of(worker);
    let change = before.owner() != owner;
    if change && !args.how.dry_run {
        args.how.agree(&match owner {
            OURSELVES => format!("this fleet runs {worker} again"),
            _ => format!("this fleet's processes of {worker} take nothing; {owner} runs it"),
        })?;
        let actor = args.how.actor.name();
        controls::set_owner(&mut target.session, &target.keys, worker, &actor, owner).await?;
    }
    if args.how.json {
        let shown = json!({
            "worker": worker, "owner": owner, "before": before.owner(),
            "dry_run": args.how.dry_run,
        });
        return Ok(target.out.json(&shown)?);
    }
    let was = before.owner();
    let line = match (change, args.how.dry_run) {
        (false, _) => format!("{worker} is run by {owner} already; nothing was changed"),
        (true, true) => {
            format!("{worker} would be run by {owner} instead of {was}; nothing was changed")
        }
        (true, false) => format!("{worker} is run by {owner} instead of {was}, from within 5 s on"),
    };
    target.out.line(line)?;
    let (key, field) = (target.keys.controls(), owner_field(worker));
    let by_hand = match owner {
        OURSELVES => ["HDEL", &key, &field].to_vec(),
        _ => ["HSET", &key, &field, owner].to_vec(),
    };
    let line = format!("  by hand  {}", target.redis_cli().line(&by_hand));
    Ok(target.out.line(line)?)
}

/// Judges an owner's name: it stands in tables, metrics and sentences.
fn name(owner: &str) -> Result<&str, Failure> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if owner.is_empty() || owner.len() > LONGEST || !owner.chars().all(harmless) {
        return Err(Failure::usage(format!(
            "the owner {owner:?} must be 1 to {LONGEST} letters, digits, '.', '_' or '-'"
        )));
    }
    Ok(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_a_word() {
        for good in ["printery", "legacy-2.0", "team_x"] {
            assert_eq!(name(good).ok(), Some(good));
        }
        for bad in ["", "a b", "é", "a\n", &"x".repeat(65)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn owners_are_a_table() {
        let owners = [("validator", OURSELVES.to_owned()), ("notifier", "legacy".to_owned())];
        let expected = ["WORKER     OWNER", "validator  printery", "notifier   legacy"];
        assert_eq!(table(&owners, Colour::Off), expected);
    }
}
