//! `printery-workers inventory`: every program of the fleet, what it reads and writes, and what keeps
//! it from running.
//!
//! Made from the compiled topology, so that it cannot be wrong about it; `deploy/inventory.md` is its
//! committed copy. It asks nobody for anything.

use std::process::ExitCode;

use clap::Args;
use printery_events::topology::{Reads, WORKERS, Worker, every};
use printery_harness::args::CommonArgs;
use printery_harness::exit;
use serde::Serialize;

use crate::cli::output::Output;
use crate::cli::target::conclude;
use crate::services::owner_variable;

/// How to print it.
#[derive(Debug, Args)]
pub(crate) struct InventoryArgs {
    /// Print JSON
    #[arg(long, conflicts_with_all = ["md", "csv"])]
    json: bool,
    /// Print Markdown, as in deploy/inventory.md; the default
    #[arg(long, conflicts_with = "csv")]
    md: bool,
    /// Print CSV
    #[arg(long)]
    csv: bool,
}

/// One program.
#[derive(Debug, Serialize)]
struct Row {
    program: &'static str,
    binary: &'static str,
    autostart: bool,
    trigger: &'static str,
    group: String,
    reads: String,
    publishes: String,
    concurrency: usize,
    ordered: bool,
    starts_after: &'static str,
    owner_switch: String,
    guards: String,
    side_effects: &'static str,
    rollback: String,
}

impl Row {
    fn of(worker: &'static Worker) -> Self {
        let reads: Vec<&str> = worker
            .reads
            .iter()
            .map(|reads| match reads {
                Reads::One(family) | Reads::EveryStage(family) => family.pattern(),
            })
            .collect();
        let publishes: Vec<&str> = worker.publishes.iter().map(|family| family.pattern()).collect();
        let first = WORKERS.first().is_some_and(|first| first.name == worker.name);
        let upper = worker.name.replace('-', "_").to_uppercase();
        Self {
            program: worker.name,
            binary: worker.program,
            autostart: !worker.is_on_demand(),
            trigger: "queue",
            group: worker.group(),
            reads: reads.join(" "),
            publishes: publishes.join(" "),
            concurrency: worker.concurrency,
            ordered: worker.ordered,
            starts_after: if first { "consumer groups" } else { "validator ready" },
            owner_switch: owner_variable(worker),
            guards: format!(
                "FEATURE_{upper} FLEET_MODE FLEET_FORCE_EXTERNAL DISABLE_JOB_EXECUTION"
            ),
            side_effects: match worker.name {
                "notifier" => "messages to receivers, at least once",
                "shield-listener" => "the status record of each deployment, in Redis",
                "health-monitor" => "a rollback request, where the fleet file allows it",
                _ => "questions to services only",
            },
            rollback: format!("printery-workers owner set {} <other>", worker.name),
        }
    }

    fn cells(&self) -> [(&'static str, String); 14] {
        let yes = |truth: bool| if truth { "yes" } else { "no" }.to_owned();
        [
            ("program", self.program.to_owned()),
            ("binary", self.binary.to_owned()),
            ("autostart", yes(self.autostart)),
            ("trigger", self.trigger.to_owned()),
            ("group", self.group.clone()),
            ("reads", self.reads.clone()),
            ("publishes", self.publishes.clone()),
            ("concurrency", self.concurrency.to_string()),
            ("ordered", yes(self.ordered)),
            ("starts after", self.starts_after.to_owned()),
            ("owner switch", self.owner_switch.clone()),
            ("guards", self.guards.clone()),
            ("side effects", self.side_effects.to_owned()),
            ("rollback", self.rollback.clone()),
        ]
    }
}

/// Prints it.
pub(crate) fn inventory(_common: &CommonArgs, args: &InventoryArgs) -> ExitCode {
    let rows: Vec<Row> = every().map(Row::of).collect();
    let mut out = Output::stdout();
    let printed = if args.json {
        out.json(&serde_json::json!({ "programs": rows }))
    } else if args.csv {
        out.lines(csv(&rows))
    } else {
        out.lines(markdown(&rows))
    };
    match printed {
        Ok(()) => exit::code(exit::DONE),
        Err(error) => conclude(&error.into()),
    }
}

fn csv(rows: &[Row]) -> Vec<String> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let heading = rows.first().map(|row| row.cells().map(|(name, _)| name).join(","));
    let line = |row: &Row| row.cells().map(|(_, value)| quoted(&value)).join(",");
    heading.into_iter().chain(rows.iter().map(line)).collect()
}

/// A section for each program: fourteen columns fit no page.
fn markdown(rows: &[Row]) -> Vec<String> {
    let mut lines = vec![
        "# Inventory".to_owned(),
        String::new(),
        "Made by `printery-workers inventory --md`; a test compares it.".to_owned(),
    ];
    for row in rows {
        lines.extend([String::new(), format!("## {}", row.program), String::new()]);
        lines.extend(["| | |".to_owned(), "|---|---|".to_owned()]);
        let cell =
            |(name, value): &(&str, String)| format!("| {name} | {} |", value.replace('|', "\\|"));
        lines.extend(row.cells().iter().skip(1).map(cell));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_copy_is_what_the_topology_says() {
        let rows: Vec<Row> = every().map(Row::of).collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/inventory.md");
        let committed = std::fs::read_to_string(path).unwrap();
        assert_eq!(committed.trim_end(), markdown(&rows).join("\n"), "make it again");
        assert_eq!(csv(&rows).len(), rows.len() + 1);
        let on_demand = rows.iter().filter(|row| !row.autostart).map(|row| row.program);
        assert_eq!(on_demand.collect::<Vec<_>>(), ["shield-listener"]);
    }
}
