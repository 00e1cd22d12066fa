//! An audit as people read it, and as programs do.
//!
//! Pure: from a report to lines and to JSON.

use serde_json::{Value, json};

use crate::cli::audit::books::Row;
use crate::cli::audit::examine::Report;
use crate::cli::audit::finding::{Finding, Level, Mend};
use crate::cli::audit::repair::Change;
use crate::cli::output::{Colour, Tone, clean};
use crate::cli::redis_cli::RedisCli;
use crate::cli::table::{Cell, Table};

/// The books: a table for each worker of each partition.
pub(crate) fn books(report: &Report, colour: Colour) -> Vec<String> {
    let mut lines = Vec::new();
    let several = report.partitions.len() > 1;
    for (prefix, rows) in &report.partitions {
        for worker in workers(rows) {
            let title = if several { format!("{worker} in {prefix}") } else { worker.to_owned() };
            lines.push(colour.paint(Tone::Strong, &title));
            let of: Vec<&Row> = rows.iter().filter(|row| row.worker == worker).collect();
            lines.extend(table(&of).lines(colour));
            lines.push(String::new());
        }
    }
    lines
}

fn workers(rows: &[Row]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for row in rows {
        if !names.contains(&row.worker) {
            names.push(row.worker);
        }
    }
    names
}

fn table(rows: &[&Row]) -> Table {
    let heading = [
        "STREAM",
        ">ADDED",
        ">SETTLED",
        ">PENDING",
        ">DELAYED",
        ">IN LINE",
        ">INBOX",
        ">DEAD",
        ">UNDELIVERED",
        ">TRIMMED",
        ">BALANCE",
    ];
    let mut table = Table::new(&heading);
    for row in rows {
        let number = |count: i64| match count {
            0 => Cell::new(Tone::Dim, "0"),
            count => Cell::new(Tone::Plain, count.to_string()),
        };
        let count = |count: u64| number(i64::try_from(count).unwrap_or(i64::MAX));
        let balance = match row.balance {
            0 => Cell::new(Tone::Good, "0"),
            gap => Cell::new(Tone::Bad, format!("{gap:+}")),
        };
        table.row([
            row.stream.as_str().into(),
            count(row.added),
            number(row.settled),
            count(row.pending),
            count(row.delayed),
            count(row.in_line),
            count(row.inbox),
            number(row.dead),
            count(row.undelivered),
            count(row.trimmed),
            balance,
        ]);
    }
    table
}

/// The findings, wrong ones first.
pub(crate) fn findings(report: &Report, colour: Colour, cli: &RedisCli) -> Vec<String> {
    let mut lines = Vec::new();
    for level in [Level::Wrong, Level::Note] {
        let of = report.findings.named.iter().filter(|finding| finding.kind.level() == level);
        for finding in of {
            lines.extend(block(finding, colour, cli));
        }
    }
    for (kind, key, more) in report.findings.unnamed() {
        lines.push(format!("and {more} more {} of {}", kind.name(), clean(key)));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

fn block(finding: &Finding, colour: Colour, cli: &RedisCli) -> Vec<String> {
    let (tone, word) = match finding.kind.level() {
        Level::Note => (Tone::Warn, "note"),
        Level::Wrong => (Tone::Bad, "WRONG"),
    };
    let word = colour.paint(tone, &format!("{word:<5}"));
    let (name, worker) = (finding.kind.name(), finding.worker);
    let place = [worker, &finding.key, &finding.id].map(clean).join(" ");
    let mut lines = vec![format!("{word}  {name:<16}  {}", place.trim())];
    let mut say = |what: &str, text: &str| lines.push(format!("       {what:<9}{}", clean(text)));
    say("what", &finding.text);
    let repair = finding.mend.as_ref().map(Mend::words);
    say("repair", repair.as_deref().unwrap_or("nothing that --repair can do"));
    let words: Vec<&str> = finding.redis.iter().map(String::as_str).collect();
    if !words.is_empty() {
        say("by hand", &cli.line(&words));
    }
    lines
}

/// What was changed.
pub(crate) fn changes(changes: &[Change], colour: Colour) -> Vec<String> {
    use printery_streams::audit::mend::Mended;
    let line = |change: &Change| {
        let Finding { kind, key, id, mend, .. } = &change.finding;
        let what = mend.as_ref().map(Mend::words).unwrap_or_default();
        let (tone, word) = match &change.done {
            Ok(Mended::Done) => (Tone::Good, "done".to_owned()),
            Ok(Mended::Gone) => (Tone::Dim, "not needed any more".to_owned()),
            Err(why) => (Tone::Bad, format!("refused: {}", clean(why))),
        };
        let word = colour.paint(tone, &word);
        format!("{} {} {}: {what}: {word}", kind.name(), clean(key), clean(id))
    };
    changes.iter().map(line).collect()
}

/// Everything in one sentence.
pub(crate) fn sentence(report: &Report, repaired: usize) -> String {
    let rows = || report.partitions.iter().flat_map(|(_, rows)| rows);
    let groups = rows().count();
    let added: u64 = rows().map(|row| row.added).sum();
    let (wrong, notes) = (report.findings.count(Level::Wrong), report.findings.count(Level::Note));
    let repaired = if repaired > 0 { format!("{repaired} repaired; ") } else { String::new() };
    let notes = if notes > 0 { format!("; notes: {notes}") } else { String::new() };
    if wrong == 0 {
        format!(
            "{repaired}every one of {added} entries in {groups} groups is accounted for, none is \
             lost, doubled or stuck{notes}"
        )
    } else {
        format!("{repaired}{wrong} wrong among {added} entries in {groups} groups{notes}")
    }
}

/// For programs.
pub(crate) fn json(report: &Report, changes: &[Change]) -> Value {
    use printery_streams::audit::mend::Mended;
    let partitions: Vec<Value> = report
        .partitions
        .iter()
        .map(|(prefix, rows)| json!({ "prefix": prefix, "streams": rows }))
        .collect();
    let findings: Vec<Value> = report.findings.named.iter().map(Finding::to_json).collect();
    let more: Vec<Value> = report
        .findings
        .unnamed()
        .map(|(kind, key, more)| json!({ "kind": kind.name(), "key": key, "more": more }))
        .collect();
    let change = |change: &Change| {
        let (done, problem) = match &change.done {
            Ok(Mended::Done) => (true, None),
            Ok(Mended::Gone) => (false, None),
            Err(why) => (false, Some(why.clone())),
        };
        json!({
            "kind": change.finding.kind.name(),
            "key": change.finding.key,
            "id": change.finding.id,
            "repair": change.finding.mend.as_ref().map(Mend::words),
            "done": done,
            "problem": problem,
        })
    };
    json!({
        "ok": report.is_well(),
        "partitions": partitions,
        "findings": findings,
        "unnamed": more,
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
    })
}
