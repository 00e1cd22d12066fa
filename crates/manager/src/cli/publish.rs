//! `printery-workers publish`: one event, from a person or a script.
//!
//! Judges the event exactly as a worker will, then publishes it once per event id. With `--dry-run`
//! it prints the entry and writes nothing.

use std::io::Read;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use printery_events::{Event, EventType, ids};
use printery_harness::args::CommonArgs;
use printery_streams::{Partition, publish};
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::sighting::{event_types, readable_fields};
use crate::cli::target::{Target, on_redis};

/// Largest `data` that is read, in bytes: above the limit of an entry, so that the event's own rule
/// is the one that is told. 2 MiB.
const LARGEST: u64 = 2 << 20;

/// Who an event is from when nobody says.
const SOURCE: &str = "/printery-workers/publish";

/// What to publish.
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The event's type, such as deployment:started; `events schema` lists them
    #[arg(value_name = "TYPE")]
    event_type: String,
    /// The event's data: JSON, @file, or - for standard input
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    data: String,
    /// The event's id; publishing the same id again does nothing. Made up by default
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The deployment; that of the data by default
    #[arg(long, value_name = "DEPLOYMENT")]
    subject: Option<String>,
    /// What all events of one story share; the event's own id by default
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// Who the event is from
    #[arg(long, value_name = "SOURCE", default_value = SOURCE)]
    source: String,
    /// Mark the event `dryrun`: checks run, nobody is told, nothing is rolled back
    #[arg(long)]
    mark_dryrun: bool,
    /// Print the entry and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Publishes what was typed.
pub(crate) fn publish(common: &CommonArgs, args: &PublishArgs) -> ExitCode {
    on_redis(common, "publish the event", async |target| {
        let data = read_data(&args.data)?;
        let event = event(args, &data)?;
        for left in left_out(&data, &event) {
            eprintln!("data.{left} is not part of {} and is left out", event.event_type);
        }
        note_unsubscribed(&event.event_type, &target.fleet.stages);
        if args.dry_run { show(target, args, &event) } else { add(target, args, &event).await }
    })
}

/// Reads `--data` in each of its forms.
pub(crate) fn read_data(said: &str) -> Result<Vec<u8>, Failure> {
    let read = |from: &mut dyn Read, name: &str| {
        let mut data = Vec::new();
        from.take(LARGEST)
            .read_to_end(&mut data)
            .map_err(|error| Failure::usage(format!("--data {name}: {error}")))?;
        Ok(data)
    };
    match said.strip_prefix('@') {
        Some(path) => {
            let mut file = std::fs::File::open(path)
                .map_err(|error| Failure::usage(format!("--data @{path}: {error}")))?;
            read(&mut file, said)
        }
        None if said == "-" => read(&mut std::io::stdin(), said),
        None => Ok(said.as_bytes().to_vec()),
    }
}

/// Makes the event and judges it by the contract's own rules.
fn event(args: &PublishArgs, data: &[u8]) -> Result<Event, Failure> {
    let wrong = |invalid: printery_events::Invalid| {
        Failure::usage(format!("{} is not a valid event: {invalid}", args.event_type))
    };
    let event_type = EventType::parse(&args.event_type).map_err(|invalid| {
        Failure::usage(format!("{}; `printery-workers events schema` lists them", invalid.problem))
    })?;
    let now = Timestamp::now();
    let id = args.id.clone().unwrap_or_else(|| ids::new_id(now));
    let time = now.to_string();
    let mut fields = vec![
        ("id", id.as_bytes()),
        ("source", args.source.as_bytes()),
        ("time", time.as_bytes()),
        ("datacontenttype", b"application/json".as_slice()),
        ("data", data),
    ];
    let optional = [("subject", &args.subject), ("correlationid", &args.correlation_id)];
    let given = optional.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    fields.extend(given.map(|(name, value)| (name, value.as_bytes())));
    if args.mark_dryrun {
        fields.push(("dryrun", b"true"));
    }
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
        .collect();
    Event::decode(Some(&event_type), &fields).map_err(wrong)
}

/// Keys of the data that the event's type does not have: most often a slip of the pen.
fn left_out(data: &[u8], event: &Event) -> Vec<String> {
    let Ok(Value::Object(given)) = serde_json::from_slice(data) else { return Vec::new() };
    let schema = printery_events::schemas::schema(event.event_type.family());
    let known = schema.get("properties").and_then(Value::as_object);
    let is_known = |name: &String| known.is_some_and(|known| known.contains_key(name));
    given.into_iter().map(|(name, _)| name).filter(|name| !is_known(name)).collect()
}

/// Says when the event is about a stage that nobody looks at.
fn note_unsubscribed(event_type: &EventType, stages: &[String]) {
    if !event_types(stages).contains(event_type) {
        eprintln!(
            "no worker reads {event_type}: the stages of this fleet are {}",
            stages.join(", ")
        );
    }
}

fn show(target: &mut Target, args: &PublishArgs, event: &Event) -> Result<(), Failure> {
    let keys = &target.partitions.of(&event.subject).keys;
    let stream = keys.events(event.event_type.as_str());
    let fields = event.encode(target.settings.encoding);
    let readable = readable_fields(&event.event_type, &fields);
    if args.json {
        let fields: serde_json::Map<_, _> =
            readable.into_iter().map(|(name, value)| (name, json!(value))).collect();
        return Ok(target
            .out
            .json(&json!({ "stream": stream, "fields": fields, "dry_run": true }))?);
    }
    target.out.line(format!("would be added to {stream}:"))?;
    for (name, value) in readable {
        target.out.line(format!("  {name:<16} {value}"))?;
    }
    Ok(())
}

async fn add(target: &mut Target, args: &PublishArgs, event: &Event) -> Result<(), Failure> {
    let Target { partitions, settings, out, .. } = target;
    let Partition { keys, redis } = partitions.of(&event.subject);
    let event_type = event.event_type.as_str();
    let fields = event.encode(settings.encoding);
    let mut session = redis.session();
    let published = publish::publish(&mut session, keys, event_type, &event.id, &fields).await?;
    if args.json {
        return Ok(out.json(&json!({
            "type": event_type,
            "id": event.id,
            "subject": event.subject,
            "stream": keys.events(event_type),
            "entry": published.entry.to_string(),
            "deduplicated": published.deduplicated,
        }))?);
    }
    let what = if published.deduplicated { "had been published before as" } else { "published as" };
    Ok(out.line(format!("{event_type} {} {what} {}", event.id, published.entry))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(event_type: &str) -> PublishArgs {
        PublishArgs {
            event_type: event_type.to_owned(),
            data: String::new(),
            id: Some("e-1".to_owned()),
            subject: None,
            correlation_id: None,
            source: SOURCE.to_owned(),
            mark_dryrun: true,
            dry_run: false,
            json: false,
        }
    }

    const DATA: &[u8] =
        br#"{"deployment_id":"d-1","version":"1","environment":"e","services":["a"],"servces":[]}"#;

    #[test]
    fn a_typed_event_is_one_a_worker_understands() {
        let event = event(&args("deployment:started"), DATA).unwrap();
        assert_eq!((event.id.as_str(), event.subject.as_str()), ("e-1", "d-1"));
        assert_eq!(event.correlation_id, "e-1");
        assert!(event.dry_run);
        assert_eq!(left_out(DATA, &event), ["servces"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        let table: [(&str, &[u8], &str); 4] = [
            ("deployment:begun", DATA, "deployment:begun"),
            ("deployment:started", b"{}", "data.deployment_id"),
            ("deployment:started", b"[", "data: "),
            ("deployment:completed", br#"{"deployment_id":"d","status":"fine"}"#, "data.status"),
        ];
        for (event_type, data, named) in table {
            let failure = event(&args(event_type), data).unwrap_err();
            assert_eq!(failure.code, printery_harness::exit::USAGE);
            assert!(failure.text.contains(named), "{named}: {}", failure.text);
        }
    }
}
