//! `printery-workers import`: a fleet file from what a team already has.
//!
//! Reads the files, lets the fleet file's crate make a draft and checks the draft as `config check` would. Writes to standard
//! output alone; needs no Redis.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use printery_config::import::{Draft, compose, kubernetes};
use printery_config::{Fleet, Problems};
use printery_harness::exit;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::target::conclude;

/// The most that is read, in bytes: a large cluster's manifests have a tenth of it.
const LARGEST: u64 = 32 * 1024 * 1024;

/// What the fleet file is made of.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportVerb {
    /// Make a fleet file of Kubernetes manifests
    K8s(ManifestArgs),
    /// Make a fleet file of a compose file
    Compose(ComposeArgs),
}

/// Which manifests.
#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// Manifests, each with any number of documents; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
}

/// Which compose file.
#[derive(Debug, Args)]
pub(crate) struct ComposeArgs {
    /// The compose file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    form: FormArgs,
}

/// How it is written.
#[derive(Debug, Args)]
struct FormArgs {
    /// The fleet's name; the source's own, or that of the first file, by default
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print JSON: the fleet file and what could not be taken over
    #[arg(long)]
    json: bool,
}

/// Does what was typed.
pub(crate) fn import(verb: &ImportVerb) -> ExitCode {
    let done = match verb {
        ImportVerb::K8s(args) => make(&args.files, &args.form, kubernetes),
        ImportVerb::Compose(args) => make(std::slice::from_ref(&args.file), &args.form, compose),
    };
    match done {
        Ok(()) => exit::code(exit::DONE),
        Err(failure) => conclude(&failure),
    }
}

fn make(
    files: &[PathBuf],
    form: &FormArgs,
    read: impl Fn(&str, &str) -> Result<Draft, Problems>,
) -> Result<(), Failure> {
    let texts = files.iter().map(|file| text_of(file)).collect::<Result<Vec<_>, _>>()?;
    let source = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    // Documents of several files are one stream: a Deployment finds its Service in another file.
    let mut draft = read(&source, &texts.join("\n---\n")).map_err(Failure::usage)?;
    if draft.services.is_empty() {
        return Err(Failure::failed(format!("{source} deploys no services")));
    }
    if let Some(name) = &form.name {
        name.clone_into(&mut draft.name);
    } else if draft.name.is_empty() {
        let stem = files.first().and_then(|file| file.file_stem());
        draft.name = stem.map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    }
    let text = draft.text(&source);
    let fleet = Fleet::parse("the fleet file", &text, &|_| None).map_err(Failure::failed)?;
    let mut out = Output::stdout();
    if form.json {
        let warnings: Vec<_> = fleet.warnings.iter().map(ToString::to_string).collect();
        let file = draft.value();
        return Ok(out.json(&json!({ "file": file, "notes": draft.notes, "warnings": warnings }))?);
    }
    Ok(out.raw(text.as_bytes())?)
}

/// Reads a file, or standard input, that is not too large.
fn text_of(path: &Path) -> Result<String, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::usage(format!("{}: {why}", path.display()));
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().take(LARGEST + 1).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
    };
    read.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    if text.len() as u64 > LARGEST {
        return Err(wrong(&format!("has more than {LARGEST} bytes")));
    }
    Ok(text)
}
