//! `dlq show`: one dead letter with its bytes.

use clap::Args;
use printery_events::EventType;
use printery_fleet::dead_letters::DeadLetter;
use serde_json::{Value, json};

use crate::cli::dlq::choice::Choice;
use crate::cli::dlq::scope::Source;
use crate::cli::failure::Failure;
use crate::cli::output::clean;
use crate::cli::sighting::readable_fields;
use crate::cli::target::Target;
use crate::cli::times::moment;

/// Which dead letter to show.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows it; several one after the other.
pub(crate) async fn show(target: &mut Target, args: &ShowArgs) -> Result<(), Failure> {
    let chosen = args.choice.find(target).await?;
    let mut queue = chosen.queue();
    let mut gap = false;
    while let Some(found) = queue.next(&chosen.sources).await? {
        let Some(source) = chosen.sources.get(found.source) else { continue };
        if args.json {
            target.out.json(&to_json(source, &found.letter))?;
            continue;
        }
        if std::mem::replace(&mut gap, true) {
            target.out.line("")?;
        }
        show_one(target, source, &found.letter)?;
    }
    Ok(())
}

fn to_json(source: &Source, letter: &DeadLetter) -> Value {
    let fields = original(letter).map(|fields| -> Vec<Value> {
        fields.into_iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
    });
    let mut shown = serde_json::to_value(letter).unwrap_or_default();
    if let Some(object) = shown.as_object_mut() {
        object.insert("fields".to_owned(), json!(fields));
        object.insert("partition".to_owned(), json!(source.partition));
    }
    shown
}

fn show_one(target: &mut Target, source: &Source, letter: &DeadLetter) -> Result<(), Failure> {
    target.out.lines(lines(letter, original(letter)))?;
    let worker = source.worker.name;
    let stream = source.keys().dead_letters(worker);
    let (id, cli) = (letter.entry.as_str(), target.redis_cli());
    let partition = source.partition.map_or_else(String::new, |n| format!(" --partition {n}"));
    target.out.line("")?;
    for (what, verb) in [("put it back:", "redrive"), ("it is taken care of:", "resolve")] {
        let line = format!("printery-workers dlq {verb} {worker} {id}{partition}");
        target.out.line(format!("{what:<22}{line}"))?;
    }
    let by_hand = cli.line(&["XRANGE", &stream, id, id]);
    Ok(target.out.line(format!("{:<22}{by_hand}", "the same by hand:"))?)
}

/// The fields as the producer wrote them; `data` as JSON where it can be read.
fn original(letter: &DeadLetter) -> Option<Vec<(String, String)>> {
    let fields = letter.original.as_deref()?;
    let event_type = EventType::parse(&letter.event_type);
    Some(match event_type {
        Ok(event_type) => readable_fields(&event_type, fields),
        Err(_unknown) => {
            let text = crate::cli::sighting::text;
            fields.iter().map(|(name, value)| (text(name), text(value))).collect()
        }
    })
}

fn lines(letter: &DeadLetter, fields: Option<Vec<(String, String)>>) -> Vec<String> {
    let known = [
        ("worker", letter.worker.clone()),
        ("reason", letter.failure_reason.clone()),
        ("detail", letter.failure_detail.clone()),
        ("attempts", letter.attempt_count.to_string()),
        ("first failure", moment(letter.first_failure_at)),
        ("last failure", moment(letter.last_failure_at)),
        ("redriven", format!("{} times", letter.replay_count)),
        ("event", letter.event_id.clone()),
        ("type", letter.event_type.clone()),
        ("deployment", letter.deployment_id.clone()),
        ("first read as", format!("{} in {}", letter.original_entry, letter.original_stream)),
        ("given up by", letter.instance.clone()),
        ("fingerprint", letter.fingerprint.clone()),
    ];
    let known = known.into_iter().filter(|(_, value)| !value.is_empty());
    let mut lines: Vec<String> =
        known.map(|(name, value)| format!("{name:<14}  {}", clean(&value))).collect();
    match fields {
        None => lines.push("its body was gone before it was buried".to_owned()),
        Some(fields) => {
            lines.push("its fields, as they came:".to_owned());
            let field = |(name, value): (String, String)| {
                format!("  {:<16}  {}", clean(&name), clean(&value))
            };
            lines.extend(fields.into_iter().map(field));
        }
    }
    lines
}
