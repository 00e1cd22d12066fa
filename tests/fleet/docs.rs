//! What the documents name exists.
//!
//! Proves that commands, flags, variables, keys, metrics and files in the project's prose are those of the programs and the tree.
//! What is not in code style is not looked at.

mod commands;
mod deployment;
mod kubernetes;
mod markdown;
mod monitoring;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use printery_events::EventType;
use printery_events::topology::WORKERS;

/// The documents that people follow.
const DOCUMENTS: [&str; 3] = ["README.md", "crates/README.md", "deploy/RUNBOOK.md"];

/// Every program of the workspace.
const PROGRAMS: [&str; 7] = [
    "printery-workers",
    "printery-validator",
    "printery-dependency-checker",
    "printery-health-monitor",
    "printery-notifier",
    "printery-shield-listener",
    "printery-store",
];

/// The folder of the whole project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in the workspace")
        .to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Asserts that nothing was found wrong, and lists everything that was.
fn assert_none(what: &str, wrong: &BTreeSet<String>) {
    assert!(
        wrong.is_empty(),
        "{what}:\n  {}",
        wrong.iter().cloned().collect::<Vec<_>>().join("\n  ")
    );
}

/// Asserts `exists` for every word of code that `names`.
fn assert_all(what: &str, names: impl Fn(&str) -> bool, exists: impl Fn(&str) -> bool) {
    let mut wrong = BTreeSet::new();
    for document in DOCUMENTS {
        for line in markdown::code(&read(document)) {
            let words = line.split(|c: char| c.is_whitespace() || "\"'(),;=|{}".contains(c));
            let unknown = words.filter(|word| names(word) && !exists(word));
            wrong.extend(unknown.map(|word| format!("{document}: {word}")));
        }
    }
    assert_none(what, &wrong);
}

/// Every source text of the programs, joined.
fn sources() -> String {
    let mut text = String::new();
    let mut open = vec![root().join("crates")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("a readable folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text.push_str(&std::fs::read_to_string(path).expect("a readable source"));
            }
        }
    }
    text
}

#[test]
fn every_metric_exists() {
    let sources = sources();
    let is_metric = |word: &str| {
        word.starts_with("printery_") && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    assert_all("no such metric", is_metric, |metric| sources.contains(&format!("\"{metric}\"")));
}

#[test]
fn every_variable_exists() {
    let sources = sources();
    let is_variable = |word: &str| {
        let own = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        word.contains('_') && !word.starts_with('_') && word.chars().all(own)
    };
    let exists = |variable: &str| {
        let twin = variable.strip_suffix("_FILE").unwrap_or(variable);
        // Some are made from the worker's name.
        let per_worker = WORKERS.iter().any(|worker| {
            let name = worker.name.to_uppercase().replace('-', "_");
            let made = [
                format!("{name}_CONCURRENCY"),
                format!("FEATURE_{name}"),
                format!("WORKER_OWNER_{name}"),
            ];
            made.iter().any(|made| twin == made)
        });
        let named = |name: &str| sources.contains(&format!("\"{name}\""));
        per_worker || named(variable) || named(twin)
    };
    assert_all("no such variable", is_variable, exists);
}

/// Takes off what stands before a key's own part: the prefix, a word for it, or nothing in a table of keys below it.
fn below_prefix(word: &str) -> &str {
    let rest = word.strip_prefix("materi").or_else(|| word.strip_prefix("<prefix>"));
    rest.and_then(|rest| rest.strip_prefix(':')).unwrap_or(word)
}

#[test]
fn every_event_stream_is_one_of_the_fleets() {
    let stream =
        |word: &str| below_prefix(word).strip_prefix("events:deployment:").map(ToOwned::to_owned);
    let exists = |word: &str| {
        let Some(name) = stream(word) else { return false };
        let placeholder = name.contains(['<', '*', '…']);
        match name.split_once(':') {
            Some(("inbox" | "dlq", owner)) => {
                placeholder
                    || owner == "processed"
                    || WORKERS.iter().any(|worker| worker.name == owner)
            }
            _ => placeholder || EventType::parse(&name).is_ok(),
        }
    };
    assert_all("no such stream", |word| stream(word).is_some(), exists);
}

#[test]
fn every_key_of_the_fleets_own_state_exists() {
    let sources = sources();
    let own = |word: &str| {
        let rest = below_prefix(word).strip_prefix("printery:")?;
        Some(rest.split(':').next().unwrap_or_default().to_owned())
    };
    let exists = |word: &str| {
        own(word).is_some_and(|name| {
            name.contains(['*', '<']) || sources.contains(&format!(":printery:{name}"))
        })
    };
    assert_all("no such key", |word| own(word).is_some(), exists);
}

/// Every file and folder of the project as a path from its root, each with a slash before it.
fn paths() -> Vec<String> {
    let (root, mut paths, mut open) = (root(), Vec::new(), vec![root()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("a readable folder").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(&root).expect("below the root").display().to_string();
            if path.is_dir() && !["target", ".git"].contains(&name.as_str()) {
                open.push(path);
            }
            paths.push(format!("/{name}"));
        }
    }
    paths
}

#[test]
fn every_file_exists() {
    let paths = paths();
    // A path may begin at the root or further down; a file of the sources may stand alone.
    let exists = |word: &str| {
        let end = format!("/{}", word.trim_end_matches('/'));
        paths.iter().any(|path| path.ends_with(&end)) || word.starts_with("target/")
    };
    let folders: BTreeSet<&str> =
        paths.iter().filter_map(|path| path[1..].split_once('/').map(|(top, _)| top)).collect();
    let is_file = |word: &str| {
        let endings = [".rs", ".lua", ".yaml", ".yml", ".toml", ".md", ".service"];
        let below_top = word.split_once('/').is_some_and(|(top, _)| folders.contains(top));
        let source = endings.iter().any(|ending| word.ends_with(ending));
        (below_top || source)
            && !word.contains(['<', '*', ':', '…', '$'])
            && !word.starts_with(['/', '.'])
    };
    assert_all("no such file", is_file, exists);
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = BTreeSet::new();
    for document in DOCUMENTS {
        let path = root().join(document);
        let folder = path.parent().expect("a document is in a folder");
        let links = markdown::links(&read(document));
        let broken = links.into_iter().filter(|link| !folder.join(link).exists());
        wrong.extend(broken.map(|link| format!("{document}: {link}")));
    }
    assert_none("leads nowhere", &wrong);
}

#[test]
fn the_readme_stays_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 200, "{lines} lines");
}
