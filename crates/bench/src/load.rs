//! The events that are worked on: what they look like and how they get into Redis.
//!
//! Every event is about a deployment of its own, numbered, so that a result tells which entry it answers. Called by
//! every part; it never measures.

use std::io;

use jiff::Timestamp;
use printery_events::payload::{DeploymentCompleted, DeploymentStarted, DeploymentStatus};
use printery_events::{Encoding, Event, Payload};

use crate::hop::HOP;
use crate::wire::{Wire, encode};

/// Entries that are sent before their replies are read.
const PIPELINE: u64 = 500;

/// The first letter of every deployment that is made up here.
const DEPLOYMENT: char = 'b';

/// The event that says that deployment `index` began; about 300 bytes of data.
pub(crate) fn started(index: u64) -> Event {
    let text = |text: &str| text.to_owned();
    let services = ["frontend", "cart", "checkout"];
    let image = |name: &&str| ((*name).to_owned(), format!("registry.internal/{name}:2.4.{index}"));
    let payload = Payload::DeploymentStarted(DeploymentStarted {
        deployment_id: format!("{DEPLOYMENT}{index}"),
        version: text("2.4.0"),
        environment: text("staging"),
        strategy: None,
        services: services.map(text).into(),
        previous_version: Some(text("2.3.9")),
        images: services.iter().map(image).collect(),
        initiated_by: Some(text("bench")),
        labels: vec![text("bench")],
        migrations: None,
        git: None,
        manifest: None,
    });
    Event::new(format!("bench-{index}"), "/printery/bench", payload, Timestamp::UNIX_EPOCH)
}

/// The result that a hop publishes, as names and values in a row.
pub(crate) fn result_words() -> Vec<Vec<u8>> {
    let payload = Payload::DeploymentCompleted(DeploymentCompleted {
        deployment_id: format!("{DEPLOYMENT}100000"),
        status: DeploymentStatus::Success,
        environment: None,
        version: Some("1700000000000000000".to_owned()),
        total_duration_seconds: None,
        stage_results: Vec::new(),
    });
    let result = Event::derived(&started(100_000), HOP.name, payload, "", Timestamp::UNIX_EPOCH);
    words(result.encode(Encoding::MessagePack))
}

/// The number of the deployment that an entry is about.
pub(crate) fn index_of(subject: &[u8]) -> Option<u64> {
    std::str::from_utf8(subject).ok()?.strip_prefix(DEPLOYMENT)?.parse().ok()
}

/// `XADD` of the event that says that deployment `index` began.
pub(crate) fn write_started(out: &mut Vec<u8>, stream: &str, index: u64, encoding: Encoding) {
    let entry = words(started(index).encode(encoding));
    let mut command: Vec<&[u8]> = vec![b"XADD", stream.as_bytes(), b"*"];
    command.extend(entry.iter().map(Vec::as_slice));
    encode(out, &command);
}

/// Adds events `from..till` to a stream.
pub(crate) fn load(
    wire: &mut Wire,
    stream: &str,
    (from, till): (u64, u64),
    encoding: Encoding,
) -> io::Result<()> {
    let mut next = from;
    while next < till {
        let end = till.min(next + PIPELINE);
        let mut commands = Vec::new();
        for index in next..end {
            write_started(&mut commands, stream, index, encoding);
        }
        wire.push_encoded(&commands);
        wire.send()?;
        for _ in next..end {
            wire.skip()?;
        }
        next = end;
    }
    Ok(())
}

/// Adds events `from..till` to a stream in one transaction.
pub(crate) fn load_at_once(
    wire: &mut Wire,
    stream: &str,
    (from, till): (u64, u64),
    encoding: Encoding,
) -> io::Result<()> {
    let mut commands = Vec::new();
    encode(&mut commands, &[b"MULTI"]);
    for index in from..till {
        write_started(&mut commands, stream, index, encoding);
    }
    encode(&mut commands, &[b"EXEC"]);
    wire.push_encoded(&commands);
    wire.send()?;
    // One reply for each that was queued, and those of MULTI and EXEC.
    (from..till + 2).try_for_each(|_| wire.skip())
}

fn words(fields: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<Vec<u8>> {
    fields.into_iter().flat_map(|(name, value)| [name, value]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_about_three_hundred_bytes_of_data() {
        let fields = started(123_456).encode(Encoding::Json);
        let data = fields.iter().find(|(name, _)| name == b"data").map(|(_, value)| value.len());
        assert!(data.is_some_and(|length| (250..=350).contains(&length)), "{data:?}");
    }

    #[test]
    fn a_result_tells_which_entry_it_answers() {
        assert_eq!(index_of(started(7).subject.as_bytes()), Some(7));
        assert_eq!(index_of(b"x7"), None);
        assert_eq!(index_of(b"\xff"), None);
    }
}
