//! `config diff`: what changes from one fleet file to another.
//!
//! Compares what the files come to, so that a moved line is no change and a changed default is one. Never shows a secret; that
//! a secret changed is not seen.

use std::path::PathBuf;

use clap::Args;
use printery_config::Fleet;
use printery_harness::args::CommonArgs;
use serde_json::{Value, json};

use super::load;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Tone};

/// Which files.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The fleet file as it was
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The fleet file as it is to be; that of --config, or the built-in profile, by default
    #[arg(value_name = "NEW")]
    new: Option<PathBuf>,
    /// Exit 1 when something changes
    #[arg(long)]
    exit_code: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One value that is not the same in both files.
#[derive(Debug, PartialEq)]
struct Change {
    path: String,
    old: Option<Value>,
    new: Option<Value>,
}

/// Compares two files and prints what changes.
pub(super) fn diff(common: &CommonArgs, args: &DiffArgs) -> Result<(), Failure> {
    let loaded = (load(common, Some(&args.old)), load(common, args.new.as_deref()));
    let (old, new) = match loaded {
        (Ok(old), Ok(new)) => (old, new),
        (old, new) => {
            let both = [old.err(), new.err()].into_iter().flatten();
            let said = both.map(|problems| problems.to_string()).collect::<Vec<_>>().join("\n");
            return Err(Failure::usage(said));
        }
    };
    let changes = changes(&old.resolved(), &new.resolved());
    print(&old, &new, &changes, args.json)?;
    if args.exit_code && !changes.is_empty() { Err(Failure::told()) } else { Ok(()) }
}

fn print(old: &Fleet, new: &Fleet, changes: &[Change], as_json: bool) -> Result<(), Failure> {
    let mut out = Output::stdout();
    if as_json {
        let changes: Vec<Value> = changes
            .iter()
            .map(|change| json!({ "path": change.path, "old": change.old, "new": change.new }))
            .collect();
        let end = |fleet: &Fleet| json!({ "source": fleet.source(), "digest": fleet.digest() });
        return Ok(out.json(&json!({ "old": end(old), "new": end(new), "changes": changes }))?);
    }
    let colour = out.colour();
    for change in changes {
        let (tone, text) = line(change);
        out.line(colour.paint(tone, &text))?;
    }
    let count = match changes.len() {
        0 => "nothing changes".to_owned(),
        1 => "1 value changes".to_owned(),
        many => format!("{many} values change"),
    };
    Ok(out.line(format!("{} → {}: {count}", old.source(), new.source()))?)
}

fn line(change: &Change) -> (Tone, String) {
    let Change { path, old, new } = change;
    match (old, new) {
        (None, Some(new)) => (Tone::Good, format!("+ {path}: {new}")),
        (Some(old), None) => (Tone::Bad, format!("- {path}: {old}")),
        (old, new) => {
            let shown = |value: &Option<Value>| value.as_ref().map(ToString::to_string);
            let (old, new) = (shown(old).unwrap_or_default(), shown(new).unwrap_or_default());
            (Tone::Warn, format!("~ {path}: {old} → {new}"))
        }
    }
}

/// Lists what differs. A map is compared key by key; a list as a whole, because its order means something.
fn changes(old: &Value, new: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", Some(old), Some(new), &mut found);
    found
}

fn compare(path: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Change>) {
    if old == new {
        return;
    }
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = (old, new) {
        let added = after.keys().filter(|key| !before.contains_key(*key));
        for key in before.keys().chain(added) {
            let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            compare(&inner, before.get(key), after.get(key), found);
        }
        return;
    }
    found.push(Change { path: path.to_owned(), old: old.cloned(), new: new.cloned() });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_compared_key_by_key_and_lists_whole() {
        let old = json!({ "a": { "b": 1, "c": [1, 2] }, "gone": { "x": 1 }, "same": [1] });
        let new = json!({ "a": { "b": 2, "c": [2, 1] }, "more": null, "same": [1] });
        let lines: Vec<String> = changes(&old, &new).iter().map(|change| line(change).1).collect();
        let expected =
            ["~ a.b: 1 → 2", "~ a.c: [1,2] → [2,1]", "- gone: {\"x\":1}", "+ more: null"];
        assert_eq!(lines, expected);
        assert_eq!(changes(&old, &old), []);
    }
}
