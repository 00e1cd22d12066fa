//! `events export`: everything about one deployment, to be read or kept.
//!
//! As JSON for programs, or as Markdown for whoever has to explain it: how it stands, why it
//! failed, its dead letters, and a line for each event.

use std::fmt::Write;

use clap::Args;
use printery_events::status::Standing;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::gist::Gist;
use crate::cli::output::clean;
use crate::cli::sighting::Sighting;
use crate::cli::target::Target;
use crate::cli::times::moment;
use crate::history::analysis::Analysis;
use crate::history::{self, Story};

/// Which deployment, and in which form.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The deployment
    #[arg(long, value_name = "ID")]
    deployment: String,
    /// Print Markdown; the default
    #[arg(long, conflicts_with = "json")]
    md: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Exports it.
pub(crate) async fn export(target: &mut Target, args: &ExportArgs) -> Result<(), Failure> {
    let story = history::story(&target.partitions, &target.fleet.stages, &args.deployment).await?;
    if story.events.is_empty() {
        let problem = format!("the streams have no event of deployment {}", args.deployment);
        return Err(Failure::failed(problem));
    }
    let analysis = Analysis::of(&story);
    if args.json {
        let events: Vec<Value> = story.events.iter().map(Sighting::to_json).collect();
        return Ok(target.out.json(&json!({
            "record": story.record, "analysis": analysis, "events": events,
            "dead_letters": story.dead_letters,
        }))?);
    }
    Ok(target.out.line(markdown(&story, &analysis))?)
}

/// The same for people.
fn markdown(story: &Story, analysis: &Analysis) -> String {
    let record = &story.record;
    let word = |standing: Standing| serde_json::to_value(standing).unwrap_or_default();
    let status = word(record.status).as_str().unwrap_or_default().to_owned();
    let mut text = format!("# Deployment {}\n\n", record.deployment_id);
    let known = [
        ("Status", Some(format!("{status}, {} %", record.progress))),
        ("Version", record.version.clone()),
        ("Environment", record.environment.clone()),
        ("Stage", record.stage.clone()),
        ("Error", record.error.clone()),
        ("Duration", record.duration_seconds.map(|seconds| format!("{seconds} s"))),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            put(&mut text, &format!("- {name}: {}\n", cell(&value)));
        }
    }
    put(&mut text, &format!("\n{}\n", cell(&analysis.sentence)));
    for (title, lines) in
        [("Findings", &analysis.findings), ("Dead letters", &analysis.dead_letters)]
    {
        if !lines.is_empty() {
            put(&mut text, &format!("\n## {title}\n\n"));
            for line in lines {
                put(&mut text, &format!("- {}\n", cell(line)));
            }
        }
    }
    put(&mut text, "\n## Events\n\n| when | type | what | id |\n|---|---|---|---|\n");
    for sighting in &story.events {
        let what = match &sighting.content {
            Ok(event) => {
                let gist = Gist::of(event);
                format!("{} {}", gist.word, gist.detail)
            }
            Err(unreadable) => format!("invalid: {}", unreadable.why),
        };
        let id = cell(sighting.event_id().unwrap_or("-"));
        let (when, kind) = (moment(sighting.entry.ms), &sighting.event_type);
        put(&mut text, &format!("| {when} | {kind} | {} | {id} |\n", cell(what.trim())));
    }
    text.trim_end().to_owned()
}

/// A text that stays within its cell and its line.
fn cell(text: &str) -> String {
    clean(text).replace('|', "\\|").replace('\n', " ")
}

fn put(text: &mut String, more: &str) {
    // Writing to a string cannot fail.
    let _written = text.write_str(more).is_ok();
}
