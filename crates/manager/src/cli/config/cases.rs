//! `config test`: the fleet file's own tests, played without asking anybody.
//!
//! Loads the file, lets `play` judge each case and prints what came of it. Needs neither Redis nor network.

use std::path::PathBuf;

use clap::Args;
use printery_config::Case;
use printery_harness::args::CommonArgs;
use serde_json::{Value, json};

use super::load;
use super::play::play;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Tone};

/// Which file.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The fleet file; that of --config, or the built-in profile, by default
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Plays every case and prints what came of it.
pub(super) fn test(common: &CommonArgs, args: &TestArgs) -> Result<(), Failure> {
    let fleet = load(common, args.file.as_deref()).map_err(Failure::usage)?;
    let mut played = Vec::new();
    let mut wrong = Vec::new();
    for case in &fleet.tests {
        match play(&fleet, case) {
            Ok(misses) => played.push((case, misses)),
            Err(why) => wrong.push(format!("{}:{}: {why}", fleet.source(), case.line)),
        }
    }
    if !wrong.is_empty() {
        return Err(Failure::usage(wrong.join("\n")));
    }
    print(fleet.source(), &played, args.json)?;
    let failed = played.iter().any(|(_, misses)| !misses.is_empty());
    if failed { Err(Failure::told()) } else { Ok(()) }
}

fn print(source: &str, played: &[(&Case, Vec<String>)], as_json: bool) -> Result<(), Failure> {
    let mut out = Output::stdout();
    let failed = played.iter().filter(|(_, misses)| !misses.is_empty()).count();
    if as_json {
        let one = |(case, misses): &(&Case, Vec<String>)| json!({ "name": case.name, "line": case.line, "ok": misses.is_empty(), "misses": misses });
        let tests: Vec<Value> = played.iter().map(one).collect();
        return Ok(out.json(&json!({ "source": source, "ok": failed == 0, "tests": tests }))?);
    }
    let colour = out.colour();
    for (case, misses) in played {
        if misses.is_empty() {
            out.line(format!("{} {}", colour.paint(Tone::Good, "ok  "), case.name))?;
            continue;
        }
        let place = format!("{source}:{}", case.line);
        out.line(format!("{} {} ({place})", colour.paint(Tone::Bad, "FAIL"), case.name))?;
        out.lines(misses.iter().map(|miss| format!("     {miss}")))?;
    }
    let tests = if played.len() == 1 { "test" } else { "tests" };
    Ok(out.line(format!("{source}: {} {tests}, {failed} failed", played.len()))?)
}
