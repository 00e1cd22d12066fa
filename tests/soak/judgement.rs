//! What came of a soak: each worker's verdict, the audit's, the bounds, in one table.
//!
//! Owns how the hops of the chain are judged one by one; called when everything has drained. It never repairs anything.

use std::collections::BTreeSet;
use std::fmt;

use printery_testkit::{Ended, Fact, History, Rules, Verdict, Watched, check};

use crate::bounds::Bounds;
use crate::plan::Plan;
use crate::site::{PREFIX, SOON, Site, stream};

/// Each worker with what it reads and what it answers with; the notifier reads everything.
const HOPS: [(&str, &[&str], &str); 4] = [
    ("validator", &["deployment:started"], "validation:completed"),
    ("dependency-checker", &["validation:completed"], "dependency:check:completed"),
    ("health-monitor", &["dependency:check:completed"], "health:check:completed"),
    (
        "notifier",
        &[
            "deployment:started",
            "validation:completed",
            "dependency:check:completed",
            "health:check:completed",
        ],
        "notification:sent",
    ),
];

/// Everything that a soak ends with.
pub(crate) struct Judgement<'a> {
    /// Whether nothing was left to do in the end.
    pub(crate) drained: bool,
    pub(crate) verdicts: Vec<(&'static str, Verdict)>,
    /// What `audit` said, when it found something.
    pub(crate) audit: Result<(), String>,
    pub(crate) bounds: Bounds,
    pub(crate) plan: &'a Plan,
}

impl Judgement<'_> {
    /// Tells whether every promise was kept.
    pub(crate) fn is_clean(&self) -> bool {
        self.drained
            && self.audit.is_ok()
            && self.verdicts.iter().all(|(_, verdict)| verdict.is_clean())
            && self.bounds.hold()
    }
}

/// Judges every hop; what producers were told counts for the first, and results count as told for those after it.
pub(crate) async fn judge(
    site: &Site,
    history: &History,
    untimed: bool,
) -> Vec<(&'static str, Verdict)> {
    let forgiven = BTreeSet::from(["poison".to_owned()]);
    let mut verdicts = Vec::new();
    for (worker, reads, result) in HOPS {
        let ordered = matches!(worker, "validator" | "notifier");
        let rules = Rules { ordered, untimed, forgiven: forgiven.clone(), ..Rules::default() };
        let watched = Watched::of(PREFIX, worker, result, None);
        let hop = History::default();
        for kind in reads {
            if *kind == "deployment:started" {
                for (_, fact) in history.facts() {
                    if matches!(fact, Fact::Attempted { .. } | Fact::Acknowledged { .. }) {
                        hop.note(fact);
                    }
                }
            } else {
                for entry in site.conn.entries(&stream(kind)).await {
                    let id = entry.text("id");
                    hop.attempted(&id, &format!("{kind} {}", entry.text("subject")));
                    hop.acknowledged(&id, &entry.id);
                }
            }
        }
        let hop = hop.with(&site.conn, &[watched]).await;
        verdicts.push((worker, check(&hop.facts(), &rules)));
        for (_, fact) in hop.facts() {
            if matches!(fact, Fact::Result { .. } | Fact::Buried { .. } | Fact::Settled(_)) {
                history.note(fact);
            }
        }
    }
    verdicts
}

/// How one number of a verdict is had.
type Count = fn(&Verdict) -> usize;

/// Asks `audit` whether Redis itself accounts for every entry.
///
/// A group that was made again had everything a second time, and the books say so by that name until they are put right.
pub(crate) async fn audit(site: &Site, regrouped: bool) -> Result<(), String> {
    if regrouped {
        let found = site.launch("printery-workers").args(["audit"]).start();
        found.wait(3 * SOON).await;
        let lines = found.lines();
        let mut wrong = lines.iter().filter(|line| line.starts_with("WRONG"));
        if wrong.any(|line| !line.contains("surplus")) {
            return Err(found.report());
        }
        let repair = site.launch("printery-workers").args(["audit", "--repair", "--yes"]).start();
        repair.wait(3 * SOON).await;
    }
    let audit = site.launch("printery-workers").args(["audit"]).start();
    match audit.wait(3 * SOON).await {
        Ended::Code(0) => Ok(()),
        Ended::Code(_) | Ended::Signal(_) => Err(audit.report()),
    }
}

impl fmt::Display for Judgement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.plan)?;
        write!(f, "{:<16}", "")?;
        for (worker, _) in &self.verdicts {
            write!(f, "{worker:>20}")?;
        }
        writeln!(f)?;
        let counts: [(&str, Count); 4] = [
            ("attempted", |verdict| verdict.attempted),
            ("acknowledged", |verdict| verdict.acknowledged),
            ("ok", |verdict| verdict.ok),
            ("recovered", |verdict| verdict.recovered),
        ];
        for (name, count) in counts {
            write!(f, "{name:<16}")?;
            for (_, verdict) in &self.verdicts {
                write!(f, "{:>20}", count(verdict))?;
            }
            writeln!(f)?;
        }
        for (row, (name, _)) in Verdict::default().faults().iter().enumerate() {
            write!(f, "{name:<16}")?;
            for (_, verdict) in &self.verdicts {
                write!(f, "{:>20}", verdict.faults()[row].1.len())?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\n{}", self.bounds)?;
        writeln!(f, "drained: {}", if self.drained { "yes" } else { "NO" })?;
        match &self.audit {
            Ok(()) => writeln!(f, "audit: clean")?,
            Err(found) => writeln!(f, "audit: NOT CLEAN\n{found}")?,
        }
        for (worker, verdict) in self.verdicts.iter().filter(|(_, verdict)| !verdict.is_clean()) {
            writeln!(f, "{worker}:\n{verdict}")?;
        }
        Ok(())
    }
}
