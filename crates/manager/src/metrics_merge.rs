//! Merges the metrics of several processes into one exposition, family by family.
//!
//! The metrics page feeds it the manager's own text and what its children answered. It is pure,
//! trusts no source to be well-formed, and never lets two sources claim one series.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>, text format 0.0.4.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

/// One process' metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The worker that answered; every series without a `worker` label gets it. None: as it is.
    pub(crate) worker: Option<&'a str>,
    /// What it answered.
    pub(crate) text: &'a str,
}

/// Suffixes under which a histogram's or summary's samples appear.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Merges the sources; where two claim the same series, the earlier one is kept.
pub(crate) fn merge(sources: &[Source<'_>]) -> String {
    let mut merged = Merged::default();
    for source in sources {
        read(*source, &mut merged);
    }
    let mut text = String::new();
    for (name, family) in merged.families {
        family.write(name, &mut text);
    }
    text
}

#[derive(Debug, Default)]
struct Family<'a> {
    help: Option<&'a str>,
    kind: Option<&'a str>,
    samples: Vec<String>,
}

/// Everything read so far.
#[derive(Debug, Default)]
struct Merged<'a> {
    families: BTreeMap<&'a str, Family<'a>>,
    /// Which series somebody has claimed.
    series: HashSet<String>,
}

impl<'a> Merged<'a> {
    /// Keeps a family's help and type; gives its name.
    fn comment(&mut self, comment: &'a str) -> Option<&'a str> {
        let mut words = comment.splitn(3, ' ');
        let (what, name) = (words.next()?, words.next()?);
        let rest = words.next().unwrap_or_default();
        match what {
            "HELP" => self.families.entry(name).or_default().help.get_or_insert(rest),
            "TYPE" => self.families.entry(name).or_default().kind.get_or_insert(rest),
            _ => return None,
        };
        Some(name)
    }
}

impl Family<'_> {
    fn write(&self, name: &str, text: &mut String) {
        if let Some(help) = self.help {
            line(text, format_args!("# HELP {name} {help}"));
        }
        if let Some(kind) = self.kind {
            line(text, format_args!("# TYPE {name} {kind}"));
        }
        for sample in &self.samples {
            line(text, format_args!("{sample}"));
        }
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _written = writeln!(text, "{line}").is_ok();
}

fn read<'a>(source: Source<'a>, merged: &mut Merged<'a>) {
    let mut current = "";
    for line in source.text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            current = merged.comment(comment).unwrap_or(current);
        } else if let Some(sample) = Sample::parse(line) {
            let name = if sample.belongs_to(current) { current } else { sample.name };
            // What is not known now is left out; a source that says so keeps its claim.
            if merged.series.insert(sample.series(source.worker)) && sample.is_known() {
                let family = merged.families.entry(name).or_default();
                family.samples.push(sample.text(source.worker));
            }
        }
    }
}

/// One line of values, taken apart as far as merging needs it.
#[derive(Debug)]
struct Sample<'a> {
    name: &'a str,
    /// `name="value"` pairs as written, quotes and escapes included.
    labels: Vec<&'a str>,
    /// The value and, where given, the timestamp.
    rest: &'a str,
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let name_end = line.find(|c: char| c == '{' || c.is_whitespace())?;
        let (name, rest) = line.split_at_checked(name_end)?;
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(inside) => split_labels(inside)?,
            None => (Vec::new(), rest),
        };
        let rest = rest.trim();
        let valid = !name.is_empty() && rest.split(' ').next()?.parse::<f64>().is_ok();
        valid.then_some(Self { name, labels, rest })
    }

    fn is_known(&self) -> bool {
        !self.rest.starts_with("NaN")
    }

    fn belongs_to(&self, family: &str) -> bool {
        let suffix = self.name.strip_prefix(family);
        !family.is_empty() && suffix.is_some_and(|s| s.is_empty() || SUFFIXES.contains(&s))
    }

    fn labels_with(&self, worker: Option<&str>) -> Vec<String> {
        let own = self.labels.iter().any(|label| label.starts_with("worker="));
        let added = worker.filter(|_| !own).map(|worker| format!("worker=\"{worker}\""));
        self.labels.iter().map(|label| (*label).to_owned()).chain(added).collect()
    }

    /// What makes the series unique: its name and labels, whatever their order.
    fn series(&self, worker: Option<&str>) -> String {
        let mut labels = self.labels_with(worker);
        labels.sort_unstable();
        format!("{}{{{}}}", self.name, labels.join(","))
    }

    fn text(&self, worker: Option<&str>) -> String {
        let labels = self.labels_with(worker);
        if labels.is_empty() {
            return format!("{} {}", self.name, self.rest);
        }
        format!("{}{{{}}} {}", self.name, labels.join(","), self.rest)
    }
}

/// Splits `a="1",b="x,}"} 5` into the labels and what follows the brace.
fn split_labels(inside: &str) -> Option<(Vec<&str>, &str)> {
    let mut labels = Vec::new();
    let mut start = 0;
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in inside.char_indices() {
        let was_escaped = std::mem::take(&mut escaped);
        match c {
            _ if was_escaped => {}
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            ',' | '}' if !quoted => {
                let label = inside.get(start..at)?.trim();
                if !label.is_empty() {
                    labels.push(label);
                }
                start = at + 1;
                if c == '}' {
                    return Some((labels, inside.get(start..)?));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn own(text: &str) -> Source<'_> {
        Source { worker: None, text }
    }

    fn child<'a>(worker: &'a str, text: &'a str) -> Source<'a> {
        Source { worker: Some(worker), text }
    }

    #[test]
    fn a_family_appears_once_with_the_series_of_everybody() {
        let validator = "# HELP printery_redis_errors_total Errors.\n\
             # TYPE printery_redis_errors_total counter\n\
             printery_redis_errors_total{kind=\"io\"} 2\n\n";
        let notifier = "# TYPE printery_redis_errors_total counter\n\
             printery_redis_errors_total{kind=\"io\"} 5\n";
        let merged = merge(&[child("validator", validator), child("notifier", notifier)]);
        assert_eq!(
            merged,
            "# HELP printery_redis_errors_total Errors.\n\
             # TYPE printery_redis_errors_total counter\n\
             printery_redis_errors_total{kind=\"io\",worker=\"validator\"} 2\n\
             printery_redis_errors_total{kind=\"io\",worker=\"notifier\"} 5\n"
        );
    }

    #[test]
    fn histograms_stay_together() {
        let text = "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\n\
             a_sum 3.5\na_count 2\n# TYPE a_b counter\na_b 1\n";
        let merged = merge(&[own(text)]);
        assert_eq!(merged, text);
    }

    #[test]
    fn the_manager_wins_over_its_children() {
        let mine = "printery_worker_up{worker=\"validator\"} 1\n";
        let theirs = "printery_worker_up 0\nprintery_worker_up{worker=\"validator\"} 0\n";
        assert_eq!(merge(&[own(mine), child("validator", theirs)]), mine);
    }

    #[test]
    fn labels_may_hold_anything() {
        let text = "a{x=\"1,2}\",y=\"say \\\"}\\\" now\\\\\"} 7 1700000000\n";
        let merged = merge(&[child("notifier", text)]);
        assert_eq!(
            merged,
            "a{x=\"1,2}\",y=\"say \\\"}\\\" now\\\\\",worker=\"notifier\"} 7 1700000000\n"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let own_text = "# TYPE lag gauge\nlag{a=\"1\"} NaN\nlag{a=\"2\"} 3\n";
        let merged = merge(&[own(own_text), child("w", "lag{a=\"1\",worker=\"w\"} 9\n")]);
        assert_eq!(merged, "# TYPE lag gauge\nlag{a=\"2\"} 3\nlag{a=\"1\",worker=\"w\"} 9\n");
    }

    #[test]
    fn lines_that_are_not_metrics_are_left_out() {
        let text = "<html>\na{x=\"1\" 5\nb five\n{} 1\nc NaN\nd +Inf\n# EOF\n#x\n";
        assert_eq!(merge(&[own(text)]), "d +Inf\n");
    }

    proptest! {
        #[test]
        fn any_text_merges_to_something_that_merges_to_itself(
            text in "([a-c]{1,2}(\\{[a-z]=\"[,}a]{0,3}\"\\})? [0-9]{1,3}\n|# (TYPE|HELP) [a-c] x\n|.{0,12}\n){0,12}"
        ) {
            let once = merge(&[own(&text)]);
            prop_assert_eq!(merge(&[own(&once), own(&once)]), once);
        }
    }
}
