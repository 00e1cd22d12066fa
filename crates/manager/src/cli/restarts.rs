//! `printery-workers restarts`: which processes ended without having been asked to, and what followed.

use std::process::ExitCode;

use clap::Args;
use printery_fleet::restarts::{self, Restart};
use printery_harness::args::CommonArgs;

use crate::cli::output::{Colour, Tone, clean};
use crate::cli::table::{Cell, Table};
use crate::cli::target::on_redis;
use crate::cli::times::{moment, span};

/// How many, and how to show them.
#[derive(Debug, Args)]
pub(crate) struct RestartsArgs {
    /// At most so many, the latest
    #[arg(long, value_name = "N", default_value_t = 20)]
    tail: usize,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub(crate) fn restarts(common: &CommonArgs, args: &RestartsArgs) -> ExitCode {
    on_redis(common, "list restarts", async |target| {
        let found = restarts::latest(&mut target.session, &target.keys, args.tail).await?;
        if args.json {
            for one in &found {
                target.out.json_line(one)?;
            }
            return Ok(());
        }
        if found.is_empty() {
            return Ok(target.out.line("nothing had to be started again")?);
        }
        let colour = target.out.colour();
        Ok(target.out.lines(lines(&found, colour))?)
    })
}

fn lines(found: &[Restart], colour: Colour) -> Vec<String> {
    let mut table =
        Table::new(&["WHEN", "WORKER", ">ATTEMPT", ">AFTER", "RESULT", "REASON", "PROCESS"]);
    for one in found {
        let tone = if one.result == "restart" { Tone::Warn } else { Tone::Bad };
        table.row([
            moment(one.at_ms).into(),
            one.worker.as_str().into(),
            u64::from(one.attempt).into(),
            span(one.delay_ms).into(),
            Cell::new(tone, clean(&one.result)),
            clean(&one.reason).into_owned().into(),
            one.process.as_str().into(),
        ]);
    }
    table.lines(colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_row_that_says_what_followed() {
        let found = [Restart {
            at_ms: 1000,
            worker: "notifier".to_owned(),
            process: "notifier-h-1-x".to_owned(),
            attempt: 2,
            delay_ms: 2000,
            reason: "exit code 70".to_owned(),
            result: "restart".to_owned(),
            ..Restart::default()
        }];
        let expected = [
            "WHEN                      WORKER    ATTEMPT  AFTER  RESULT   REASON        PROCESS",
            "1970-01-01 00:00:01.000Z  notifier        2  2.0 s  restart  exit code 70  notifier-h-1-x",
        ];
        assert_eq!(lines(&found, Colour::Off), expected);
    }
}
