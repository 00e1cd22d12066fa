//! `printery-workers doctor`: what is wrong with the fleet, and what to do about it.
//!
//! Examines configuration, programs, Redis and what the fleet keeps there. It changes nothing.

mod control;
mod examine;
mod finding;

use std::process::ExitCode;

use clap::Args;
use printery_harness::args::CommonArgs;
use printery_harness::exit;
use serde_json::json;

use crate::cli::doctor::finding::{Finding, Level};
use crate::cli::failure::Failure;
use crate::cli::output::{Colour, Output, Tone, clean};
use crate::cli::target::{Target, conclude};

/// How to show it.
#[derive(Debug, Args)]
#[command(
    after_help = "Exits 0 when nothing is wrong, 1 when something is, 69 when Redis cannot be reached."
)]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Examines the fleet.
pub(crate) fn doctor(common: &CommonArgs, args: &DoctorArgs) -> ExitCode {
    match consult(common, args) {
        Ok(code) => exit::code(code),
        Err(failure) => conclude(&failure),
    }
}

fn consult(common: &CommonArgs, args: &DoctorArgs) -> Result<u8, Failure> {
    let mut findings = examine::programs();
    let mut code = exit::DONE;
    match Target::try_new(common) {
        Err(failure) => findings.extend(finding::configuration(&failure.text)),
        Ok(mut target) => {
            findings.extend(finding::fleet_file(&target.fleet));
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let examined = runtime.block_on(async {
                let examined = examine::redis(&mut target).await?;
                Ok::<_, Failure>((examined, control::gather(&mut target).await?))
            });
            match examined {
                Ok((examined, controlled)) => {
                    findings.extend(finding::judge(&examined));
                    findings.extend(control::judge(&controlled));
                }
                Err(failure) => {
                    code = failure.code;
                    findings.push(finding::unreachable(target.redis.address(), &failure.text));
                }
            }
        }
    }
    if code == exit::DONE && findings.iter().any(|finding| finding.level == Level::Wrong) {
        code = exit::FAILED;
    }
    let mut out = Output::stdout();
    if args.json {
        let ok = code == exit::DONE;
        out.json(&json!({ "ok": ok, "findings": findings }))?;
    } else {
        let lines = lines(&findings, out.colour());
        out.lines(lines)?;
    }
    Ok(code)
}

/// The findings, each with its hint, and what they come to.
fn lines(findings: &[Finding], colour: Colour) -> Vec<String> {
    let mut lines = Vec::new();
    for finding in findings {
        let (tone, word) = match finding.level {
            Level::Fine => (Tone::Good, "ok"),
            Level::Advice => (Tone::Warn, "note"),
            Level::Wrong => (Tone::Bad, "WRONG"),
        };
        let word = colour.paint(tone, &format!("{word:<5}"));
        lines.push(format!("{word}  {:<14}  {}", finding.about, clean(&finding.text)));
        if let Some(hint) = &finding.hint {
            lines.push(format!("{:23}→ {}", "", clean(hint)));
        }
    }
    let count = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    lines.push(String::new());
    lines.push(match (count(Level::Wrong), count(Level::Advice)) {
        (0, 0) => "everything is as it should be".to_owned(),
        (0, notes) => format!("nothing is wrong; notes: {notes}"),
        (wrong, notes) => format!("wrong: {wrong}; notes: {notes}"),
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_followed_by_its_hint() {
        let findings = [
            Finding::fine("redis", "redis 7.0.15 at h:1"),
            Finding::wrong(
                "dead letters",
                "validator has 2",
                "printery-workers dlq list validator",
            ),
        ];
        assert_eq!(
            lines(&findings, Colour::Off),
            [
                "ok     redis           redis 7.0.15 at h:1",
                "WRONG  dead letters    validator has 2",
                "                       → printery-workers dlq list validator",
                "",
                "wrong: 1; notes: 0",
            ]
        );
    }
}
