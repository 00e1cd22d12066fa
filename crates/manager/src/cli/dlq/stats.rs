//! `dlq stats`: which failures there are, and how many of each.

use clap::Args;
use printery_fleet::dead_letters::{Group, Groups};
use serde_json::json;

use crate::cli::dlq::choice::Choice;
use crate::cli::dlq::list::{or_dash, shortened};
use crate::cli::failure::Failure;
use crate::cli::output::{Colour, Tone};
use crate::cli::table::{Cell, Table};
use crate::cli::target::Target;
use crate::cli::times::moment;

/// Letters between two looks at the line that shows how far it is.
const TELL_EVERY: u64 = 1_000;

/// Which dead letters to sum up.
#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// At most so many groups, the largest
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Sums them up.
pub(crate) async fn stats(target: &mut Target, args: &StatsArgs) -> Result<(), Failure> {
    let chosen = args.choice.find_or_all(target).await?;
    let (mut groups, mut queue) = (Groups::default(), chosen.queue());
    while let Some(found) = queue.next(&chosen.sources).await? {
        if let Some(source) = chosen.sources.get(found.source) {
            groups.add(source.worker.name, &found.letter);
        }
        if groups.letters() % TELL_EVERY == 0 {
            target.out.live(&format!("{} dead letters read", groups.letters()))?;
        }
    }
    let (letters, beyond) = (groups.letters(), groups.beyond());
    let groups = groups.largest_first();
    let shown = groups.get(..args.limit.min(groups.len())).unwrap_or_default();
    if args.json {
        return Ok(target.out.json(&json!({
            "letters": letters, "group_count": groups.len(), "ungrouped": beyond, "groups": shown,
        }))?);
    }
    if shown.is_empty() {
        return Ok(target.out.line("no dead letters")?);
    }
    target.out.lines(table(shown, target.out.colour()))?;
    let mut sums = vec![format!("{letters} dead letters in {} groups", groups.len())];
    if shown.len() < groups.len() {
        sums.push(format!("the largest {} are shown, more with --limit", shown.len()));
    }
    if beyond > 0 {
        sums.push(format!("{beyond} are in groups beyond what is told apart"));
    }
    target.out.line(sums.join("; "))?;
    Ok(target.out.line(
        "put one group back:  printery-workers dlq redrive --fingerprint F --canary 1,10%,100%",
    )?)
}

fn table(groups: &[Group], colour: Colour) -> Vec<String> {
    let heading = [">COUNT", "WORKER", "FINGERPRINT", "FIRST", "LAST", "SAMPLE", "TYPE", "REASON"];
    let mut table = Table::new(&heading);
    for group in groups {
        table.row([
            group.count.into(),
            group.worker.as_str().into(),
            or_dash(&group.fingerprint).into(),
            moment(group.first_ms).into(),
            moment(group.last_ms).into(),
            group.sample.as_str().into(),
            or_dash(&group.event_type).into(),
            Cell::new(Tone::Bad, shortened(&group.reason)),
        ]);
    }
    table.lines(colour)
}
