//! `printery-workers config`: is the fleet file right, what does it come to, and what would another one change?
//!
//! Parses what was typed; one file beside this for what each verb prints. Needs no Redis and starts nothing.

mod cases;
mod check;
mod diff;
mod play;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use printery_config::{Fleet, Problems, schema, to_yaml};
use printery_harness::args::CommonArgs;
use printery_harness::exit;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::target::conclude;

/// What to do with the fleet file.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Name every problem of a fleet file with its place; exits 2 when there is an error
    Check(check::CheckArgs),
    /// Print a fleet file with every default applied, secrets masked
    Show(ShowArgs),
    /// Print the JSON Schema of fleet files, for editors
    Schema,
    /// Play the tests of a fleet file: which checks, which receivers, who is to blame; asks nobody
    Test(cases::TestArgs),
    /// Tell what changes from one fleet file to another, defaults included
    Diff(diff::DiffArgs),
}

/// Which file.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The fleet file; that of --config, or the built-in profile, by default
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Apply every default and replace every variable, as is done without this flag, too
    #[arg(long)]
    resolved: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does what was typed; needs no Redis.
pub(crate) fn config(common: &CommonArgs, verb: &ConfigVerb) -> ExitCode {
    let done = match verb {
        ConfigVerb::Check(args) => check::check(common, args),
        ConfigVerb::Show(args) => show(common, args),
        ConfigVerb::Schema => Output::stdout().json(&schema()).map_err(Failure::from),
        ConfigVerb::Test(args) => cases::test(common, args),
        ConfigVerb::Diff(args) => diff::diff(common, args),
    };
    match done {
        Ok(()) => exit::code(exit::DONE),
        Err(failure) => conclude(&failure),
    }
}

/// Loads the file that was typed, that of --config, or the built-in profile.
fn load(common: &CommonArgs, file: Option<&Path>) -> Result<Fleet, Problems> {
    let path = file.or(common.config.as_deref().map(Path::new));
    Fleet::load(path, &|name| common.variable(name))
}

fn show(common: &CommonArgs, args: &ShowArgs) -> Result<(), Failure> {
    let fleet = load(common, args.file.as_deref()).map_err(Failure::usage)?;
    let mut out = Output::stdout();
    let resolved = fleet.resolved();
    if args.json {
        return Ok(out.json(&resolved)?);
    }
    out.line(format!("# {}, digest {}", fleet.source(), fleet.digest()))?;
    Ok(out.lines(to_yaml(&resolved))?)
}
