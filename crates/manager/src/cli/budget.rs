//! `printery-workers budget`: how many tokens there are for processes that people ask for.
//!
//! A token is the right to begin one attempt. The limit is kept by the script that takes a wish for a
//! process; here it is shown, set, and put right after somebody lost what belongs to it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use printery_fleet::budget::{self, Budget, Change, Changed};
use printery_fleet::{instances, lives};
use printery_harness::args::CommonArgs;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::operator::Actor;
use crate::cli::output::{Colour, Tone};
use crate::cli::table::{Cell, Table};
use crate::cli::target::{Target, on_redis};

/// What to do with the budget.
#[derive(Debug, Subcommand)]
pub(crate) enum BudgetVerb {
    /// Show it, and who has how much of it
    Show(ShowArgs),
    /// Set how many tokens there are for a day; 0 is no limit
    Set(SetArgs),
    /// Take back what processes have that do not live any more
    Recalc(ChangeArgs),
    /// Forget what was spent today
    Reset(ChangeArgs),
    /// Give a process more
    Grant(GrantArgs),
}

/// How to show it.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Who changes it.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    actor: Actor,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How many there are.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Tokens of a day
    #[arg(value_name = "TOKENS")]
    total: u64,
    #[command(flatten)]
    how: ChangeArgs,
}

/// Who gets more.
#[derive(Debug, Args)]
pub(crate) struct GrantArgs {
    /// The process, as `budget show` calls it
    #[arg(value_name = "PROCESS")]
    id: String,
    /// How many more
    #[arg(value_name = "TOKENS")]
    tokens: u64,
    #[command(flatten)]
    how: ChangeArgs,
}

/// Does what was typed.
pub(crate) fn budget(common: &CommonArgs, verb: &BudgetVerb) -> ExitCode {
    on_redis(common, "reach the budget", async |target| match verb {
        BudgetVerb::Show(args) => show(target, args).await,
        BudgetVerb::Set(args) => {
            let detail = args.total.to_string();
            let change = change(target, &args.how.actor, Change::Total(args.total), detail);
            let changed = change.await?;
            told(target, args.how.json, changed)
        }
        BudgetVerb::Reset(args) => {
            let changed = change(target, &args.actor, Change::Reset, String::new()).await?;
            told(target, args.json, changed)
        }
        BudgetVerb::Recalc(args) => {
            let lives = recalculation(target).await?;
            let changed = change(target, &args.actor, lives, String::new()).await?;
            told(target, args.json, changed)
        }
        BudgetVerb::Grant(args) => {
            let known = budget::read(&mut target.session, &target.keys).await?;
            if !known.shares.contains_key(&args.id) {
                return Err(Failure::failed(format!(
                    "{:?} has no tokens that could be more; `budget show` lists who has some",
                    args.id
                )));
            }
            let detail = format!("{} for {}", args.tokens, args.id);
            let grant = Change::Grant(args.id.clone(), args.tokens);
            let changed = change(target, &args.how.actor, grant, detail).await?;
            told(target, args.how.json, changed)
        }
    })
}

/// Changes it, on record before.
async fn change(
    target: &mut Target,
    actor: &Actor,
    change: Change,
    detail: String,
) -> Result<Changed, Failure> {
    let action = match change {
        Change::Total(_) => "budget set",
        Change::Grant(..) => "budget grant",
        Change::Recalculate(_) => "budget recalc",
        Change::Reset => "budget reset",
    };
    let begun = actor.begins(target, action, "budget", 1, detail).await?;
    let changed = budget::change(&mut target.session, &target.keys, &change).await?;
    begun.end(&mut target.session, &target.keys, 1, "done", "").await?;
    Ok(changed)
}

/// Who keeps tokens in a recalculation: whoever lives, or is asked for and not over.
pub(crate) async fn recalculation(target: &mut Target) -> Result<Change, Failure> {
    let known = lives::list(&mut target.session, &target.keys).await?;
    let recorded = instances::list(&mut target.session, &target.keys).await?;
    let open = known.into_iter().filter(|(_, life)| !life.state.is_over()).map(|(id, _)| id);
    let mut keep: Vec<String> = open.collect();
    // A process of an older version has no life on record.
    keep.extend(recorded.iter().map(|one| one.called().to_owned()));
    Ok(Change::Recalculate(keep))
}

fn told(target: &mut Target, json: bool, changed: Changed) -> Result<(), Failure> {
    if json {
        return Ok(target.out.json(&changed)?);
    }
    let Changed { total, available, recovered } = changed;
    Ok(target.out.line(match (total, recovered) {
        (0, _) => "there is no limit".to_owned(),
        (_, 0) => format!("{available} of {total} tokens are available"),
        (_, _) => format!("{available} of {total} tokens are available, {recovered} came back"),
    })?)
}

async fn show(target: &mut Target, args: &ShowArgs) -> Result<(), Failure> {
    let budget = budget::read(&mut target.session, &target.keys).await?;
    if args.json {
        let level = level(&budget);
        let mut shown = serde_json::to_value(&budget).unwrap_or_default();
        if let Some(object) = shown.as_object_mut() {
            object.insert("used".to_owned(), json!(budget.total.saturating_sub(budget.available)));
            object.insert("level".to_owned(), json!(level));
        }
        return Ok(target.out.json(&shown)?);
    }
    let colour = target.out.colour();
    Ok(target.out.lines(lines(&budget, colour))?)
}

/// How short it is: `warning` from 80 % on, `critical` from 95 % on.
pub(crate) fn level(budget: &Budget) -> &'static str {
    let left = budget.available.saturating_mul(100);
    match budget.total {
        0 => "off",
        total if left <= total.saturating_mul(5) => "critical",
        total if left <= total.saturating_mul(20) => "warning",
        _ => "normal",
    }
}

fn lines(budget: &Budget, colour: Colour) -> Vec<String> {
    let Budget { total, spent, available, .. } = budget;
    let mut lines = vec![match total {
        0 => "no limit; `budget set TOKENS` sets one".to_owned(),
        _ => format!(
            "{available} of {total} tokens are available, {spent} were spent today ({})",
            level(budget)
        ),
    }];
    if !budget.shares.is_empty() {
        let mut table = Table::new(&["PROCESS", ">GIVEN", ">USED"]);
        for (id, share) in &budget.shares {
            let tone = if share.used >= share.given { Tone::Bad } else { Tone::Plain };
            table.row([
                id.as_str().into(),
                share.given.into(),
                Cell::new(tone, share.used.to_string()),
            ]);
        }
        lines.push(String::new());
        lines.extend(table.lines(colour));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use printery_fleet::budget::Share;

    use super::*;

    fn budget(total: u64, available: u64) -> Budget {
        Budget { total, available, spent: 3, shares: BTreeMap::new() }
    }

    #[test]
    fn a_budget_that_gets_short_says_so() {
        let table = [
            (0, 0, "off"),
            (100, 100, "normal"),
            (100, 21, "normal"),
            (100, 20, "warning"),
            (100, 6, "warning"),
            (100, 5, "critical"),
            (100, 0, "critical"),
        ];
        for (total, available, expected) in table {
            assert_eq!(level(&budget(total, available)), expected, "{available} of {total}");
        }
    }

    #[test]
    fn whoever_has_some_is_a_row() {
        let shares = BTreeMap::from([("worker-x-1".to_owned(), Share { given: 30, used: 4 })]);
        let budget = Budget { shares, ..budget(100, 67) };
        let expected = [
            "67 of 100 tokens are available, 3 were spent today (normal)",
            "",
            "PROCESS     GIVEN  USED",
            "worker-x-1     30     4",
        ];
        assert_eq!(lines(&budget, Colour::Off), expected);
    }
}
