//! `printery-workers status`: who runs, what waits, what is being worked on, what was given up.

use std::process::ExitCode;

use clap::Args;
use printery_harness::args::CommonArgs;
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::group;
use crate::cli::observed::{Managed, snapshot};
use crate::cli::output::{Colour, Tone};
use crate::cli::table::{Cell, Table};
use crate::cli::target::{Target, on_redis};
use crate::cli::times::span;
use crate::layout;
use crate::roll::State;
use crate::snapshot::{Elsewhere, InstanceView, QueueView, Snapshot, WorkerState, WorkerView};
use crate::totals::PartitionView;

/// How to show it.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Print JSON: the same value as GET /api/status, `manager` being null where none answers
    #[arg(long)]
    json: bool,
}

/// Shows the fleet at this instant.
pub(crate) fn status(common: &CommonArgs, args: &StatusArgs) -> ExitCode {
    on_redis(common, "show the status", async |target| show(target, args).await)
}

async fn show(target: &mut Target, args: &StatusArgs) -> Result<(), Failure> {
    let (snapshot, managed) = snapshot(target).await?;
    if args.json {
        let mut shown = serde_json::to_value(&snapshot).unwrap_or_default();
        if let (Managed::No, Some(object)) = (managed, shown.as_object_mut()) {
            object.insert("manager".to_owned(), Value::Null);
        }
        return Ok(target.out.json(&shown)?);
    }
    let colour = target.out.colour();
    Ok(target.out.lines(lines(&snapshot, managed, colour))?)
}

/// Everything, in four parts.
pub(crate) fn lines(snapshot: &Snapshot, managed: Managed, colour: Colour) -> Vec<String> {
    let facts = &snapshot.manager.facts;
    let prefix = layout::described(&facts.prefix, facts.partitions);
    let mut lines = vec![format!("redis    {}, prefix {prefix}", snapshot.redis.address)];
    lines.push(match managed {
        Managed::Yes => manager_line(snapshot),
        Managed::No => "manager  none answers at --http-addr for this fleet".to_owned(),
    });
    lines.push(leader_line(snapshot));
    let part = |lines: &mut Vec<String>, more: Vec<String>| {
        lines.push(String::new());
        lines.extend(more);
    };
    part(&mut lines, workers(&snapshot.workers, colour));
    part(&mut lines, group::table(&snapshot.streams, colour));
    part(&mut lines, queues(&snapshot.queues, colour));
    if !snapshot.partitions.is_empty() {
        part(&mut lines, partitions(&snapshot.partitions, colour));
    }
    lines
}

fn manager_line(snapshot: &Snapshot) -> String {
    let manager = &snapshot.manager;
    let ready = if manager.ready { "ready" } else { "not ready" };
    let uptime = span(manager.uptime_seconds.saturating_mul(1000));
    format!("manager  pid {}, {ready}, up {uptime}, {}", manager.facts.pid, manager.facts.config)
}

/// Who does for all what one manager does, by name.
fn leader_line(snapshot: &Snapshot) -> String {
    let (own, leader) = (&snapshot.manager.facts.name, snapshot.leader.as_ref());
    match leader {
        None => "leader   none: no manager runs, or the last one died just now".to_owned(),
        Some(leader) if leader.name == *own => format!("leader   this one, epoch {}", leader.epoch),
        Some(leader) => format!("leader   {}, epoch {}", leader.name, leader.epoch),
    }
}

fn workers(workers: &[WorkerView], colour: Colour) -> Vec<String> {
    let heading =
        ["WORKER", "STATE", "INSTANCE", ">BEAT", ">BUSY", ">SETTLED", ">FAILED", "PROBLEM"];
    let mut table = Table::new(&heading);
    for worker in workers {
        let state = Cell::new(tone(worker.state), worker.state.as_str());
        let hold = worker.instances.iter().find_map(|one| one.hold.as_ref().filter(|_| one.alive));
        let problem = match (worker.problem.as_deref().or(worker.check.as_deref()), hold) {
            (Some(problem), _) => Cell::new(Tone::Bad, problem),
            (None, Some(hold)) => Cell::new(Tone::Warn, hold.to_string()),
            (None, None) => Cell::default(),
        };
        let mut first = [worker.worker.as_str().into(), state, problem];
        if worker.instances.is_empty() {
            let [name, state, problem] = first;
            let dash = || Cell::new(Tone::Dim, "-");
            table.row([name, state, dash(), dash(), dash(), dash(), dash(), problem]);
            continue;
        }
        for instance in &worker.instances {
            let [name, state, problem] = std::mem::take(&mut first);
            let [who, beat, busy, settled, failed] = instance_cells(instance);
            table.row([name, state, who, beat, busy, settled, failed, problem]);
        }
    }
    table.lines(colour)
}

fn instance_cells(instance: &InstanceView) -> [Cell; 5] {
    let beat = if instance.alive {
        Cell::from(span(instance.beat_age_ms))
    } else {
        Cell::new(Tone::Bad, format!("{} silent", span(instance.beat_age_ms)))
    };
    let busy = format!("{}/{}", instance.in_flight, instance.concurrency);
    [
        instance.instance.as_str().into(),
        beat,
        busy.into(),
        instance.settled.into(),
        instance.failed.into(),
    ]
}

fn tone(state: WorkerState) -> Tone {
    match state {
        WorkerState::Here(State::Running) | WorkerState::Elsewhere(Elsewhere::External) => {
            Tone::Good
        }
        WorkerState::Here(State::Failed) | WorkerState::Elsewhere(Elsewhere::Absent) => Tone::Bad,
        WorkerState::Here(State::Lazy) | WorkerState::Elsewhere(Elsewhere::Disabled) => Tone::Dim,
        WorkerState::Here(
            State::Waiting | State::Starting | State::Restarting | State::Stopping | State::Stopped,
        ) => Tone::Warn,
    }
}

/// A count, loud only where there is something.
fn some(count: u64, tone: Tone) -> Cell {
    Cell::new(if count == 0 { Tone::Dim } else { tone }, count.to_string())
}

fn queues(queues: &[QueueView], colour: Colour) -> Vec<String> {
    let mut table = Table::new(&["WORKER", ">INBOX", ">RETRYING", ">IN LINE", ">DEAD LETTERS"]);
    for queue in queues {
        table.row([
            queue.worker.as_str().into(),
            some(queue.inbox, Tone::Plain),
            some(queue.delayed, Tone::Warn),
            some(queue.in_line, Tone::Plain),
            some(queue.dead_letters, Tone::Bad),
        ]);
    }
    table.lines(colour)
}

/// What is open in each partition, over all workers.
fn partitions(partitions: &[PartitionView], colour: Colour) -> Vec<String> {
    let heading = [
        "PARTITION",
        ">LAG",
        ">PENDING",
        ">OLDEST",
        ">RETRYING",
        ">IN LINE",
        ">DEAD LETTERS",
        "SERVER",
    ];
    let mut table = Table::new(&heading);
    for partition in partitions {
        let open = partition.open();
        let dash = |text: &str| Cell::new(Tone::Dim, text);
        table.row([
            partition.prefix.as_str().into(),
            open.lag.map_or_else(|| dash("?"), |lag| some(lag, Tone::Warn)),
            some(open.pending, Tone::Plain),
            open.oldest_pending_ms.map_or_else(|| dash("-"), |ms| span(ms).into()),
            some(open.delayed, Tone::Warn),
            some(open.in_line, Tone::Plain),
            some(open.dead_letters, Tone::Bad),
            partition.address.as_str().into(),
        ]);
    }
    table.lines(colour)
}

#[cfg(test)]
mod tests {
    use printery_fleet::controls::Hold;

    use super::*;
    use crate::snapshot::LeaderView;
    use crate::snapshot::tests::{child, instance, observation, snapshot};

    #[test]
    fn a_held_worker_says_why() {
        let mut found = observation();
        let hold = Some(Hold::OwnedElsewhere { owner: "legacy".to_owned() });
        let process = InstanceView { hold, ..instance(true) };
        found.instances.push(("notifier".to_owned(), process));
        let snapshot = snapshot(Vec::new(), &found, 90);
        let lines = workers(&snapshot.workers, Colour::Off);
        assert!(lines.iter().any(|line| line.ends_with("owned by legacy")), "{lines:#?}");
    }
    use crate::totals::tests::partition;

    #[test]
    fn the_status_is_four_aligned_parts() {
        let mut found = observation();
        let worker = "notifier".to_owned();
        found.leader = Some(LeaderView { name: "manager-h-7-x".to_owned(), epoch: 17 });
        found.queues.push(QueueView { worker, inbox: 1, delayed: 0, in_line: 3, dead_letters: 12 });
        let snapshot = snapshot(vec![child("validator", State::Running)], &found, 90);
        let expected = "\
redis    127.0.0.1:6379, prefix materi
manager  pid 7, ready, up 1m 30s, built-in profile materi
leader   this one, epoch 17

WORKER              STATE    INSTANCE  BEAT  BUSY  SETTLED  FAILED  PROBLEM
validator           running  -            -     -        -       -
dependency-checker  absent   -            -     -        -       -
health-monitor      absent   -            -     -        -       -
notifier            absent   -            -     -        -       -

WORKER  STREAM  GROUP  LENGTH  LAG  PENDING  OLDEST  CONSUMERS

WORKER    INBOX  RETRYING  IN LINE  DEAD LETTERS
notifier      1         0        3            12";
        assert_eq!(lines(&snapshot, Managed::Yes, Colour::Off).join("\n"), expected);
    }

    #[test]
    fn several_partitions_are_a_part_of_their_own() {
        let mut found = observation();
        found.partitions = vec![partition("{m.0}", Some(2), 0), partition("{m.1}", None, 7)];
        let mut snapshot = snapshot(Vec::new(), &found, 90);
        snapshot.manager.facts.partitions = Some(2);
        let lines = lines(&snapshot, Managed::No, Colour::Off);
        assert_eq!(
            lines[0],
            "redis    127.0.0.1:6379, prefix materi in 2 partitions, {materi.0} to {materi.1}"
        );
        let expected = [
            "PARTITION  LAG  PENDING  OLDEST  RETRYING  IN LINE  DEAD LETTERS  SERVER",
            "{m.0}        2        0       -         1        0             3  h:1",
            "{m.1}        ?        7   7.0 s         1        7             3  h:1",
        ];
        assert_eq!(lines[lines.len() - 3..], expected);
    }
}
