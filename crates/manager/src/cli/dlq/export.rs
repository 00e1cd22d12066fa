//! `dlq export`: dead letters as lines of JSON from which each byte can be had back.
//!
//! A line has what people search for, and all fields of the entry in order, duplicates included.
//! What is not UTF-8 is `{"base64": …}`, so that text stays text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::dlq::choice::{Choice, Found};
use crate::cli::dlq::scope::Source;
use crate::cli::failure::Failure;
use crate::cli::target::Target;

/// Which dead letters to print.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// Print JSON, one line for each; it does so anyway
    #[arg(long)]
    json: bool,
}

/// Prints them.
pub(crate) async fn export(target: &mut Target, args: &ExportArgs) -> Result<(), Failure> {
    let chosen = args.choice.find_or_all(target).await?;
    let mut queue = chosen.queue();
    while let Some(found) = queue.next(&chosen.sources).await? {
        if let Some(source) = chosen.sources.get(found.source) {
            target.out.json_line(&line(source, &found))?;
        }
    }
    Ok(())
}

fn line(source: &Source, found: &Found) -> Value {
    let fields: Vec<Value> = found
        .entry
        .fields
        .iter()
        .map(|(name, value)| json!({ "name": lossless(name), "value": lossless(value) }))
        .collect();
    let letter = &found.letter;
    json!({
        "stream": source.keys().dead_letters(source.worker.name),
        "entry": letter.entry,
        "worker": source.worker.name,
        "partition": source.partition,
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "deployment_id": letter.deployment_id,
        "failure_reason": letter.failure_reason,
        "fingerprint": letter.fingerprint,
        "fields": fields,
    })
}

/// Bytes as JSON: text where they are text, and otherwise as base64.
fn lossless(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_not_text) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What somebody does who reads it back.
    fn back(value: &Value) -> Vec<u8> {
        match value.as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => STANDARD.decode(value["base64"].as_str().unwrap()).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn every_byte_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let line = serde_json::to_string(&lossless(&bytes)).unwrap();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(back(&serde_json::from_str(&line).unwrap()), bytes);
        }
    }
}
