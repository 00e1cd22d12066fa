//! `config check`: every problem at once, in the form that is asked for.
//!
//! Decides which problems count; the forms stand in `report`. Never starts anything.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use printery_config::{Code, Problem, Severity};
use printery_harness::args::CommonArgs;

use super::load;
use super::report;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// What is checked, how strictly, and how it is told.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The fleet file; that of --config, or the built-in profile, by default
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Let a warning count as an error
    #[arg(long)]
    deny_warnings: bool,
    /// Leave variables and files that this machine does not have out of account
    #[arg(long)]
    no_environment: bool,
    /// How problems are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Print JSON; the same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// A form in which problems are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// Annotations of GitHub Actions
    Github,
    /// SARIF 2.1.0, for code scanners
    Sarif,
}

/// What a check came to.
pub(super) struct Checked {
    /// What was checked.
    pub(super) source: String,
    /// What was found, in the file's order.
    pub(super) problems: Vec<Problem>,
    pub(super) errors: usize,
    pub(super) warnings: usize,
}

/// Checks a file and prints what was found.
pub(super) fn check(common: &CommonArgs, args: &CheckArgs) -> Result<(), Failure> {
    let checked = checked(common, args);
    let mut out = Output::stdout();
    match if args.json { Format::Json } else { args.format } {
        Format::Text => out.lines(report::text(&checked))?,
        Format::Json => out.json(&report::json(&checked))?,
        Format::Github => out.lines(report::github(&checked))?,
        Format::Sarif => out.json(&report::sarif(&checked))?,
    }
    let stops = checked.errors > 0 || args.deny_warnings && checked.warnings > 0;
    if stops { Err(Failure::usage("")) } else { Ok(()) }
}

fn checked(common: &CommonArgs, args: &CheckArgs) -> Checked {
    let (source, mut problems) = match load(common, args.file.as_deref()) {
        Ok(fleet) => (fleet.source().to_owned(), fleet.warnings),
        Err(problems) => {
            let all: Vec<Problem> = problems.iter().cloned().collect();
            (all.first().map(|problem| problem.file.clone()).unwrap_or_default(), all)
        }
    };
    if args.no_environment {
        problems.retain(|problem| problem.code != Code::Environment);
    }
    let is_error = |problem: &&Problem| problem.code.severity() == Severity::Error;
    let errors = problems.iter().filter(is_error).count();
    Checked { source, warnings: problems.len() - errors, errors, problems }
}
