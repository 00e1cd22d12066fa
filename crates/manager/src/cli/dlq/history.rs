//! `dlq log`: what people did to the fleet, the latest first.

use clap::Args;
use printery_fleet::operator_log::{self, BEGUN, Record};
use printery_streams::EntryId;

use crate::cli::dlq::list::or_dash;
use crate::cli::failure::Failure;
use crate::cli::output::{Colour, Tone};
use crate::cli::table::{Cell, Table};
use crate::cli::target::Target;
use crate::cli::times::moment;

/// Which records to list.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// At most so many, the latest
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Go on below this record
    #[arg(long, value_name = "RECORD")]
    before: Option<EntryId>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub(crate) async fn log(target: &mut Target, args: &LogArgs) -> Result<(), Failure> {
    let (session, keys) = (&mut target.session, &target.keys);
    let records = operator_log::list(session, keys, args.before, args.limit).await?;
    if args.json {
        return Ok(target.out.json(&records)?);
    }
    if records.is_empty() {
        return Ok(target.out.line("nobody has changed anything")?);
    }
    target.out.lines(table(&records, target.out.colour()))?;
    let log = target.keys.operator_log();
    let count = args.limit.to_string();
    let by_hand = target.redis_cli().line(&["XREVRANGE", &log, "+", "-", "COUNT", &count]);
    Ok(target.out.line(format!("the same by hand:  {by_hand}"))?)
}

fn table(records: &[Record], colour: Colour) -> Vec<String> {
    let heading = ["WHEN", "RECORD", "WHO", "DID", ">COUNT", "OUTCOME", "TO", "DETAIL"];
    let mut table = Table::new(&heading);
    for record in records {
        let ended = records.iter().any(|other| other.of == record.entry);
        let tone = match record.outcome.as_str() {
            "done" => Tone::Good,
            // Its end stands above it; without one it goes on, or was cut short.
            BEGUN if ended => Tone::Dim,
            _ => Tone::Warn,
        };
        table.row([
            moment(record.at_ms).into(),
            record.entry.as_str().into(),
            record.actor.as_str().into(),
            record.action.as_str().into(),
            record.count.into(),
            Cell::new(tone, &record.outcome),
            or_dash(&record.subject).into(),
            or_dash(&record.detail).into(),
        ]);
    }
    table.lines(colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_line_with_who_what_and_how_many() {
        let record = Record {
            entry: "5-0".into(),
            at_ms: 1_732_251_600_000,
            actor: "ann@desk".into(),
            action: "dlq purge".into(),
            subject: "validator".into(),
            count: 9,
            outcome: BEGUN.into(),
            detail: String::new(),
            of: String::new(),
        };
        assert_eq!(
            table(&[record], Colour::Off),
            [
                "WHEN                      RECORD  WHO       DID        COUNT  OUTCOME  TO         DETAIL",
                "2024-11-22 05:00:00.000Z  5-0     ann@desk  dlq purge      9  begun    validator  -",
            ]
        );
    }
}
