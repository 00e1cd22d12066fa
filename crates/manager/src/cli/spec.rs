//! `printery-workers spec`: what is to be known of a process before it is asked for, as a file.
//!
//! Judged whole, and never put right: what is wrong is said, one line each. `worker spawn --spec` reads
//! the same file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use printery_events::topology::{Worker, every};
use printery_harness::exit;
use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::target::conclude;

/// How much a process may matter, the least first.
pub(crate) const PRIORITIES: [&str; 4] = ["low", "normal", "high", "critical"];
/// What a file may have.
const FIELDS: [&str; 7] = ["type", "task_id", "master", "priority", "repo", "budget", "status"];
/// Characters of a text at most: it stands in records and tables.
const LONGEST: usize = 200;

/// What to do with such a file.
#[derive(Debug, Subcommand)]
pub(crate) enum SpecVerb {
    /// Say everything that is wrong with it
    Validate(ValidateArgs),
}

/// Which file.
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// JSON with `type` and `task_id`; `master`, `priority`, `repo`, `budget` and `status` may be said
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A process that is to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The worker kind.
    pub(crate) worker: &'static Worker,
    /// What it is for.
    pub(crate) task: String,
    /// Who looks after it.
    pub(crate) master: String,
    /// How much it matters.
    pub(crate) priority: String,
    /// Where its work comes from.
    pub(crate) repo: String,
    /// Tokens that it may use.
    pub(crate) tokens: Option<u64>,
}

impl Wish {
    /// The command that asks for the same.
    pub(crate) fn command(&self) -> String {
        let mut words = vec![
            "printery-workers worker spawn".to_owned(),
            format!("--type {}", self.worker.name),
        ];
        let texts = [
            ("--task-id", &self.task),
            ("--master", &self.master),
            ("--priority", &self.priority),
            ("--repo", &self.repo),
        ];
        let said = texts.into_iter().filter(|(_, text)| !text.is_empty());
        words.extend(said.map(|(flag, text)| format!("{flag} {}", quoted(text))));
        words.extend(self.tokens.map(|tokens| format!("--budget {tokens}")));
        words.join(" ")
    }
}

/// A word as a shell reads it back.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Does what was typed.
pub(crate) fn spec(verb: &SpecVerb) -> ExitCode {
    let SpecVerb::Validate(args) = verb;
    match validate(args) {
        Ok(()) => exit::code(exit::DONE),
        Err(failure) => conclude(&failure),
    }
}

fn validate(args: &ValidateArgs) -> Result<(), Failure> {
    let judged = load(&args.file);
    let mut out = Output::stdout();
    if args.json {
        let problems = judged.as_ref().err().cloned().unwrap_or_default();
        out.json(&json!({ "valid": problems.is_empty(), "problems": problems }))?;
        return if judged.is_ok() { Ok(()) } else { Err(Failure::told()) };
    }
    match judged {
        Ok(wish) => Ok(out.line(format!("valid: {}", wish.command()))?),
        Err(problems) => Err(Failure::failed(problems.join("\n"))),
    }
}

/// Reads and judges a file.
///
/// # Errors
/// Everything that is wrong with it, each with the file's name.
pub(crate) fn load(path: &Path) -> Result<Wish, Vec<String>> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| vec![format!("{name}: {error}")])?;
    let named = |problems: Vec<String>| -> Vec<String> {
        problems.into_iter().map(|problem| format!("{name}: {problem}")).collect()
    };
    read(&text).map_err(named)
}

fn read(text: &str) -> Result<Wish, Vec<String>> {
    let fields: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| vec![format!("no JSON object: {error}")])?;
    let mut problems: Vec<String> = fields
        .keys()
        .filter(|name| !FIELDS.contains(&name.as_str()))
        .map(|name| format!("{name}: there is no such field; there are {}", FIELDS.join(", ")))
        .collect();
    let mut text = |name: &str, required: bool| match fields.get(name) {
        None if required => {
            problems.push(format!("{name}: is missing"));
            String::new()
        }
        None => String::new(),
        Some(Value::String(text)) if required && text.trim().is_empty() => {
            problems.push(format!("{name}: must not be empty"));
            String::new()
        }
        Some(Value::String(text)) if text.len() <= LONGEST => text.clone(),
        Some(Value::String(_)) => {
            problems.push(format!("{name}: must have at most {LONGEST} characters"));
            String::new()
        }
        Some(other) => {
            problems.push(format!("{name}: {other} must be text"));
            String::new()
        }
    };
    let (kind, task) = (text("type", true), text("task_id", true));
    let (master, repo) = (text("master", false), text("repo", false));
    let (priority, status) = (text("priority", false), text("status", false));
    let priority = if priority.is_empty() { "normal".to_owned() } else { priority };
    if !PRIORITIES.contains(&priority.as_str()) {
        let known = PRIORITIES.join(", ");
        problems.push(format!("priority: {priority:?} must be one of {known}"));
    }
    if !["", "pending"].contains(&status.as_str()) {
        problems.push(format!("status: {status:?} must be pending: it has not been asked for"));
    }
    if !repo.is_empty() && !repo.contains('/') {
        problems.push(format!("repo: {repo:?} must be OWNER/REPO"));
    }
    let tokens = match fields.get("budget") {
        None => None,
        Some(said) => {
            let tokens = said.as_u64().filter(|tokens| *tokens > 0);
            if tokens.is_none() {
                problems.push(format!("budget: {said} must be a whole number from 1 on"));
            }
            tokens
        }
    };
    let worker = Worker::find(&kind);
    if worker.is_none() && !kind.is_empty() {
        let known: Vec<&str> = every().map(|worker| worker.name).collect();
        problems.push(format!("type: {kind:?} must be one of {}", known.join(", ")));
    }
    match worker.filter(|_| problems.is_empty()) {
        Some(worker) => Ok(Wish { worker, task, master, priority, repo, tokens }),
        None => Err(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_becomes_the_command_that_asks_for_the_same() {
        let text = r#"{"type":"health","task_id":"task 1","master":"ops","priority":"high",
            "repo":"owner/repo","budget":7,"status":"pending"}"#;
        assert_eq!(
            read(text).unwrap().command(),
            "printery-workers worker spawn --type health-monitor --task-id 'task 1' --master ops \
             --priority high --repo owner/repo --budget 7"
        );
        let least = read(r#"{"type":"validator","task_id":"t"}"#).unwrap();
        assert_eq!((least.priority.as_str(), least.tokens), ("normal", None));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let text =
            r#"{"type":7,"priority":"urgent","status":"running","repo":"x","budget":-1,"a":1}"#;
        let problems = read(text).unwrap_err();
        let about: Vec<_> =
            problems.iter().filter_map(|one| one.split_once(':')).map(|(about, _)| about).collect();
        assert_eq!(about, ["a", "type", "task_id", "priority", "status", "repo", "budget"]);
        assert_eq!(read("[]").unwrap_err().len(), 1);
        let unknown = read(r#"{"type":"worker","task_id":"t"}"#).unwrap_err();
        assert!(unknown[0].contains("shield-listener"), "{unknown:?}");
    }
}
