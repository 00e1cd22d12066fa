//! `worker logs`: what the processes of this host wrote to their common log file.
//!
//! Reads the file that `--log-file` names and nothing else. Where there is none, each process writes to
//! standard error, which whoever supervises it keeps.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use printery_harness::args::CommonArgs;
use printery_harness::exit;
use printery_harness::log_file::move_aside;
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::output::{Output, clean};
use crate::cli::target::{conclude, worker_named};

/// Levels, the loudest first.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Which lines.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Only those of a worker
    #[arg(value_name = "WORKER")]
    who: Option<String>,
    /// At most so many, the latest
    #[arg(long, value_name = "N", default_value_t = 50)]
    tail: usize,
    /// Only those of this level and louder ones
    #[arg(long, value_name = "LEVEL", value_parser = LEVELS)]
    level: Option<String>,
    /// Only those that contain this
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    /// Only those of the last while
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    since: Option<Duration>,
    /// Begin a new file, and keep the one that there is beside it
    #[arg(long)]
    rotate: bool,
}

/// Shows them.
pub(crate) fn logs(common: &CommonArgs, args: &LogsArgs, typed: Option<&str>) -> ExitCode {
    match show(common, args, typed) {
        Ok(()) => exit::code(exit::DONE),
        Err(failure) => conclude(&failure),
    }
}

fn show(common: &CommonArgs, args: &LogsArgs, typed: Option<&str>) -> Result<(), Failure> {
    let path = common.log_file.as_deref().map(Path::new).ok_or_else(|| {
        Failure::usage(
            "there is no log file: --log-file (LOG_FILE) names it, for the fleet as for this command; \
             without one each process writes to standard error",
        )
    })?;
    let failed = |error| Failure::failed(format!("{}: {error}", path.display()));
    let mut out = Output::stdout();
    if args.rotate {
        let moved = move_aside(path, 1).map_err(failed)?;
        let text = if moved { "a new file begins with the next line" } else { "it is empty" };
        return Ok(out.line(format!("{}: {text}", path.display()))?);
    }
    let worker = args.who.as_deref().or(typed).map(worker_named).transpose()?;
    let wanted = Wanted {
        program: worker.map(|worker| worker.program),
        least: args.level.as_deref(),
        text: args.grep.as_deref(),
        since: args.since.map(|since| Timestamp::now() - since),
    };
    let text = fs::read_to_string(path).map_err(failed)?;
    let found: Vec<&str> = text.lines().filter(|line| wanted.is(line)).collect();
    let from = found.len().saturating_sub(args.tail);
    Ok(out.lines(found.get(from..).unwrap_or_default().iter().map(|line| clean(line)))?)
}

/// Which lines are wanted.
#[derive(Debug, Default)]
struct Wanted<'a> {
    program: Option<&'a str>,
    least: Option<&'a str>,
    text: Option<&'a str>,
    since: Option<Timestamp>,
}

impl Wanted<'_> {
    fn is(&self, line: &str) -> bool {
        if self.text.is_some_and(|text| !line.contains(text)) {
            return false;
        }
        let read: Value = serde_json::from_str(line).unwrap_or_default();
        let field = |name: &str| read.get(name).and_then(Value::as_str);
        // A line for people begins with its program and has its level as a word.
        let is_of = |program: &str| match field("program") {
            Some(named) => named == program,
            None => line.starts_with(&format!("{program} ")),
        };
        let place = |level: &str| LEVELS.iter().position(|one| level.eq_ignore_ascii_case(one));
        let level = field("level")
            .and_then(place)
            .or_else(|| line.split_whitespace().take(4).find_map(place));
        let time = field("timestamp").or_else(|| line.split_whitespace().nth(1));
        let time: Option<Timestamp> = time.and_then(|time| time.parse().ok());
        self.program.is_none_or(is_of)
            && self.least.and_then(place).is_none_or(|least| level.is_some_and(|it| it <= least))
            && self.since.is_none_or(|since| time.is_some_and(|time| time >= since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_chosen_by_program_level_text_and_time() {
        let json = r#"{"program":"printery-notifier","timestamp":"2026-12-01T04:00:00Z","level":"WARN","message":"told late"}"#;
        let text = "printery-validator 2026-12-01T05:00:00Z  INFO ready";
        let since = |text: &str| Some(text.parse().unwrap());
        let table = [
            (Wanted::default(), [true, true]),
            (Wanted { program: Some("printery-notifier"), ..Wanted::default() }, [true, false]),
            (Wanted { program: Some("printery-validator"), ..Wanted::default() }, [false, true]),
            (Wanted { least: Some("warn"), ..Wanted::default() }, [true, false]),
            (Wanted { least: Some("error"), ..Wanted::default() }, [false, false]),
            (Wanted { least: Some("debug"), ..Wanted::default() }, [true, true]),
            (Wanted { text: Some("late"), ..Wanted::default() }, [true, false]),
            (Wanted { since: since("2026-12-01T04:30:00Z"), ..Wanted::default() }, [false, true]),
        ];
        for (wanted, expected) in table {
            assert_eq!([json, text].map(|line| wanted.is(line)), expected, "{wanted:?}");
        }
        assert!(!Wanted { since: since("2026-12-01T04:30:00Z"), ..Wanted::default() }.is("x"));
    }
}
