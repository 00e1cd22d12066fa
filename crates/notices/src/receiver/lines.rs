//! Standard output and files: one line of JSON for each notice.
//!
//! Owns the line and how it gets there. Called by `Receiver`. Never rewrites what is there, and
//! never writes half a line beside another process'.

use std::io::{self, Write as _};
use std::path::Path;

use serde_json::{Value, json};
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt as _;

use super::Telling;
use super::exchange::with;
use crate::render;
use crate::verdict::Verdict;

/// Makes the line: what a webhook is sent, and the identity by which a reader knows a repetition.
pub(super) fn line(telling: Telling<'_>) -> Value {
    with(render::webhook(telling.event, telling.facts), "id", json!(telling.id))
}

/// Writes a line to standard output.
pub(super) fn print(telling: Telling<'_>) -> Verdict {
    let line = format!("{}\n", line(telling));
    let written = io::stdout().lock().write_all(line.as_bytes());
    written.map_or_else(|error| later(Path::new("stdout"), &error), |()| Verdict::Told)
}

/// Appends a line to a file, in one write, so that processes may share it.
pub(super) async fn append(path: &Path, telling: Telling<'_>) -> Verdict {
    let line = format!("{}\n", line(telling));
    let appended = async {
        let mut file = OpenOptions::new().append(true).create(true).open(path).await?;
        file.write_all(line.as_bytes()).await?;
        file.flush().await
    };
    appended.await.map_or_else(|error| later(path, &error), |()| Verdict::Told)
}

/// A disk that is full is emptied, and a right that is missing is given.
fn later(path: &Path, error: &io::Error) -> Verdict {
    Verdict::Later { why: format!("{} cannot be written: {error}", path.display()), after: None }
}
