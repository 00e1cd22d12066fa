//! Several reports as one: a check that looks at each deployed service is still one check.
//!
//! Checks of several targets call it. It names everything that is wrong and never hides a worse report behind a better one.

use printery_probes::{Outcome, Report};

/// Joins the reports of several targets, each under its name.
pub(crate) fn together(mut reports: Vec<(String, Report)>) -> Report {
    if let [(_, report)] = reports.as_mut_slice() {
        let nothing = Report::skipped("", "");
        return std::mem::replace(report, nothing);
    }
    let join = |texts: Vec<String>, between: &str| texts.join(between);
    let said = |text: fn(&Report) -> &str| -> Vec<String> {
        reports.iter().map(|(name, report)| format!("{name}: {}", text(report))).collect()
    };
    let observed = join(said(|report| &report.observed), "; ");
    let targets = reports.iter().map(|(_, report)| report.target.clone()).collect();
    let targets = join(targets, ", ");
    let worst = reports.iter().map(|(_, report)| report).max_by_key(|report| report.outcome);
    let Some(worst) = worst else { return Report::skipped("", "there is nothing to look at") };
    let telling: Vec<String> = reports
        .iter()
        .filter(|(_, report)| is_trouble(report.outcome))
        .map(|(name, report)| format!("{name}: {}", report.message))
        .collect();
    let message = if telling.is_empty() {
        format!("{} of {} as expected", reports.len(), reports.len())
    } else {
        join(telling, "; ")
    };
    let attempts = reports.iter().map(|(_, report)| report.attempts).max().unwrap_or(1);
    let duration = reports.iter().map(|(_, report)| report.duration).max().unwrap_or_default();
    Report { target: targets, observed, message, attempts, duration, ..worst.clone() }
}

fn is_trouble(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Pass | Outcome::Skipped)
}

#[cfg(test)]
mod tests {
    use printery_probes::{Class, Error, ReasonCode};

    use super::*;

    fn passed(target: &str) -> Report {
        Report { observed: "there".into(), ..Report::pass(target, "an image") }
    }

    fn failed(target: &str) -> Report {
        let error = Error::new(Class::Permanent, ReasonCode::ImageNotFound, "asking", "missing");
        Report::of(&error, target, "an image")
    }

    #[test]
    fn the_worst_report_decides_and_everything_wrong_is_named() {
        let all = vec![
            ("api".to_owned(), failed("r/api:1")),
            ("web".to_owned(), passed("r/web:1")),
            ("ads".to_owned(), failed("r/ads:1")),
        ];
        let report = together(all);
        assert_eq!(report.outcome, Outcome::Fail);
        assert_eq!(report.reason_code, ReasonCode::ImageNotFound);
        assert_eq!(report.target, "r/api:1, r/web:1, r/ads:1");
        assert_eq!(report.observed, "api: missing; web: there; ads: missing");
        assert_eq!(report.message, "api: asking: missing; ads: asking: missing");
    }

    #[test]
    fn one_report_stays_as_it_is_and_none_is_skipped() {
        let report = failed("r/api:1");
        assert_eq!(together(vec![("api".to_owned(), report.clone())]), report);
        assert_eq!(together(Vec::new()).outcome, Outcome::Skipped);
    }
}
