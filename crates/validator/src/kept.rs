//! Reports that are good for a while: many deployments need not ask the same database within seconds.
//!
//! The runner asks here before it makes a check that says nothing of the deployment. It holds nothing that a restart may not
//! lose, and keeps no report longer than the fleet file lets it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use printery_config::CheckCache;
use printery_probes::{Outcome, Report};
use tokio::time::Instant;

/// Reports by the name of their check.
#[derive(Debug)]
pub(crate) struct Kept {
    times: CheckCache,
    reports: Mutex<BTreeMap<String, (Report, Instant)>>,
}

impl Kept {
    pub(crate) fn new(times: CheckCache) -> Self {
        Self { times, reports: Mutex::default() }
    }

    /// Returns a report that is still good, with its age.
    pub(crate) fn get(&self, check: &str) -> Option<Report> {
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let (report, made) = reports.get(check)?;
        let age = made.elapsed();
        if age >= self.life(report.outcome) {
            return None;
        }
        let seen = format!("{} (seen {} s ago)", report.message, age.as_secs());
        Some(Report { message: seen, ..report.clone() })
    }

    /// Keeps a report, if reports of its kind are kept at all.
    pub(crate) fn keep(&self, check: &str, report: &Report) {
        if self.life(report.outcome).is_zero() {
            return;
        }
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.insert(check.to_owned(), (report.clone(), Instant::now()));
    }

    fn life(&self, outcome: Outcome) -> Duration {
        match outcome {
            Outcome::Pass | Outcome::Warn => self.times.pass,
            Outcome::Fail | Outcome::Error | Outcome::Inconclusive => self.times.fail,
            Outcome::Skipped => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use printery_probes::ReasonCode;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_report_is_good_for_its_time_and_says_how_old_it_is() {
        let secs = Duration::from_secs;
        let kept = Kept::new(CheckCache { pass: secs(30), fail: Duration::ZERO });
        let passed = Report { message: "well".into(), ..Report::pass("db", "a session") };
        let failed = passed.clone().judged(Outcome::Fail, ReasonCode::Content);
        kept.keep("db", &passed);
        kept.keep("other", &failed);
        tokio::time::advance(secs(29)).await;
        assert_eq!(kept.get("db").unwrap().message, "well (seen 29 s ago)");
        assert_eq!(kept.get("other"), None, "failures are looked at again at once");
        tokio::time::advance(secs(1)).await;
        assert_eq!(kept.get("db"), None);
    }
}
