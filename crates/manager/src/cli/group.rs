//! `printery-workers group`: consumer groups, how far each has come, and whether its worker is held.

mod hold;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use printery_fleet::controls::{self, Controls, Hold};
use printery_harness::args::CommonArgs;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::observed::observe;
use crate::cli::output::{Colour, Tone, clean};
use crate::cli::table::{Cell, Table};
use crate::cli::target::{Target, on_redis};
use crate::cli::times::span;
use crate::groups::{self, PartitionStreams};
use crate::snapshot::GroupView;

pub(crate) use hold::How;

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupVerb {
    /// List every group with its lag, its pending entries and its consumers
    List(ListArgs),
    /// Make every group that is missing; those that exist are left as they are
    Create(ListArgs),
    /// Let a worker take nothing new; what runs is finished
    Pause(hold::PauseArgs),
    /// Let a paused worker go on
    Resume(hold::ResumeArgs),
}

/// How to list them.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does what was typed.
pub(crate) fn group(common: &CommonArgs, verb: &GroupVerb) -> ExitCode {
    match verb {
        GroupVerb::List(args) => {
            on_redis(common, "list groups", async |target| list(target, args).await)
        }
        GroupVerb::Create(args) => {
            on_redis(common, "make groups", async |target| create(target, args).await)
        }
        GroupVerb::Pause(args) => {
            on_redis(common, "pause the worker", async |target| hold::pause(target, args).await)
        }
        GroupVerb::Resume(args) => {
            on_redis(common, "resume the worker", async |target| hold::resume(target, args).await)
        }
    }
}

/// Makes what is missing, in every partition; the manager does the same at its start.
async fn create(target: &mut Target, args: &ListArgs) -> Result<(), Failure> {
    let (mut made, mut all) = (0, 0);
    for place in PartitionStreams::of_all(&target.partitions, &target.fleet.stages) {
        all += place.subscriptions.len();
        made += groups::ensure(&mut place.partition.redis.session(), &place.subscriptions).await?;
    }
    if args.json {
        return Ok(target.out.json(&json!({ "made": made, "groups": all }))?);
    }
    Ok(target.out.line(format!("{made} of {all} groups were missing and have been made"))?)
}

async fn list(target: &mut Target, args: &ListArgs) -> Result<(), Failure> {
    let observation = observe(target).await?;
    let controls = controls::read(&mut target.session, &target.keys).await?;
    if args.json {
        let groups: Vec<Value> =
            observation.groups.iter().map(|group| as_json(group, &controls)).collect();
        return Ok(target.out.json(&groups)?);
    }
    let mut lines = table(&observation.groups, target.out.colour());
    lines.extend(holds(&observation.groups, &controls));
    Ok(target.out.lines(lines)?)
}

/// A group with why its worker takes nothing new.
fn as_json(group: &GroupView, controls: &Controls) -> Value {
    let mut shown = json!(group);
    if let Some(object) = shown.as_object_mut() {
        object.insert("hold".to_owned(), json!(controls.hold(&group.worker)));
    }
    shown
}

/// The workers that take nothing new, each with why and what ends it.
fn holds(groups: &[GroupView], controls: &Controls) -> Vec<String> {
    let mut workers: Vec<&str> = groups.iter().map(|group| group.worker.as_str()).collect();
    workers.dedup();
    let line = |worker: &str| {
        let hold = controls.hold(worker)?;
        let change = match &hold {
            Hold::Paused(_) => format!("printery-workers group resume {worker}"),
            Hold::OwnedElsewhere { .. } => {
                format!("printery-workers owner set {worker} {}", controls::OURSELVES)
            }
            Hold::Guarded { .. } => "start it with another environment".to_owned(),
        };
        Some(format!("{worker} is {}; {change}", clean(&hold.to_string())))
    };
    let mut lines: Vec<String> = workers.into_iter().filter_map(line).collect();
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

/// The groups, one line each.
pub(crate) fn table(groups: &[GroupView], colour: Colour) -> Vec<String> {
    let heading =
        ["WORKER", "STREAM", "GROUP", ">LENGTH", ">LAG", ">PENDING", ">OLDEST", ">CONSUMERS"];
    let mut table = Table::new(&heading);
    for group in groups {
        let name = if group.exists {
            Cell::from(group.group.as_str())
        } else {
            Cell::new(Tone::Bad, format!("{} missing", group.group))
        };
        let lag = match group.lag {
            Some(0) => Cell::new(Tone::Dim, "0"),
            Some(lag) => Cell::new(Tone::Warn, lag.to_string()),
            None if group.exists => Cell::new(Tone::Dim, "?"),
            None => Cell::new(Tone::Dim, "-"),
        };
        table.row([
            group.worker.as_str().into(),
            group.stream.as_str().into(),
            name,
            group.length.into(),
            lag,
            group.pending.into(),
            group.oldest_pending_ms.map_or_else(|| Cell::new(Tone::Dim, "-"), |ms| span(ms).into()),
            group.consumers.into(),
        ]);
    }
    table.lines(colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_a_line_and_a_missing_one_says_so() {
        let group = GroupView {
            worker: "validator".to_owned(),
            stream: "deployment:started".to_owned(),
            group: "printery-validator".to_owned(),
            exists: true,
            length: 12,
            lag: Some(3),
            pending: 1,
            oldest_pending_ms: Some(4_200),
            oldest_waiting_ms: Some(900),
            consumers: 2,
        };
        let missing = GroupView {
            exists: false,
            length: 0,
            lag: None,
            pending: 0,
            oldest_pending_ms: None,
            oldest_waiting_ms: None,
            consumers: 0,
            ..group.clone()
        };
        assert_eq!(
            table(&[group, missing], Colour::Off),
            [
                "WORKER     STREAM              GROUP                       LENGTH  LAG  PENDING  OLDEST  CONSUMERS",
                "validator  deployment:started  printery-validator              12    3        1   4.2 s          2",
                "validator  deployment:started  printery-validator missing       0    -        0       -          0",
            ]
        );
    }
}
