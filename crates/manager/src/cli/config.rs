//! `printery-workers config`: is the fleet file right, and what does it come to?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use printery_config::{Fleet, Problem, Problems, to_yaml};
use printery_harness::args::CommonArgs;
use printery_harness::exit;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::target::conclude;

/// What to do with the fleet file.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Name every problem of a fleet file with its place; exits 2 when there is an error
    Check(FileArgs),
    /// Print a fleet file with every default applied, secrets masked
    Show(FileArgs),
}

/// Which file.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The fleet file; that of --config, or the built-in profile, by default
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does what was typed; needs no Redis.
pub(crate) fn config(common: &CommonArgs, verb: &ConfigVerb) -> ExitCode {
    let done = match verb {
        ConfigVerb::Check(args) => check(common, args),
        ConfigVerb::Show(args) => show(common, args),
    };
    match done {
        Ok(()) => exit::code(exit::DONE),
        Err(failure) => conclude(&failure),
    }
}

fn load(common: &CommonArgs, args: &FileArgs) -> Result<Fleet, Problems> {
    let path = args.file.as_deref().or(common.config.as_deref().map(Path::new));
    Fleet::load(path, &|name| common.variable(name))
}

fn check(common: &CommonArgs, args: &FileArgs) -> Result<(), Failure> {
    let mut out = Output::stdout();
    let (source, problems, errors) = match load(common, args) {
        Ok(fleet) => (fleet.source().to_owned(), fleet.warnings.clone(), 0),
        Err(problems) => {
            let all: Vec<Problem> = problems.iter().cloned().collect();
            let source = all.first().map(|problem| problem.file.clone()).unwrap_or_default();
            (source, all, problems.errors())
        }
    };
    if args.json {
        let problems: Vec<_> = problems.iter().map(as_json).collect();
        out.json(&json!({ "source": source, "ok": errors == 0, "problems": problems }))?;
    } else {
        for problem in &problems {
            out.line(problem.with_snippet())?;
            out.line("")?;
        }
        let warnings = problems.len().saturating_sub(errors);
        let count = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        };
        let found = format!("{}, {}", count(errors, "error"), count(warnings, "warning"));
        out.line(format!("{source}: {found}"))?;
    }
    if errors == 0 { Ok(()) } else { Err(Failure::usage("")) }
}

fn as_json(problem: &Problem) -> serde_json::Value {
    json!({
        "code": problem.code.as_str(),
        "severity": format!("{:?}", problem.code.severity()).to_lowercase(),
        "file": problem.file,
        "line": problem.at.map(|at| at.line),
        "column": problem.at.map(|at| at.column),
        "text": problem.text,
        "hint": problem.hint,
    })
}

fn show(common: &CommonArgs, args: &FileArgs) -> Result<(), Failure> {
    let fleet = load(common, args).map_err(Failure::usage)?;
    let mut out = Output::stdout();
    let resolved = fleet.resolved();
    if args.json {
        return Ok(out.json(&resolved)?);
    }
    out.line(format!("# {}, digest {}", fleet.source(), fleet.digest()))?;
    Ok(out.lines(to_yaml(&resolved))?)
}
