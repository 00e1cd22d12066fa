//! What the reports of all checks together mean for the deployment.
//!
//! The handler publishes what is decided here. Pure: reports in, verdict, sentence and suggestions out.

use printery_config::{Enforce, OnError};
use printery_events::payload::VerdictResult;
use printery_probes::{Outcome, ReasonCode, Report};

use crate::checks::Check;

/// The verdict and how it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) result: VerdictResult,
    /// One sentence.
    pub(crate) summary: String,
    /// The first check that blocks, and what it says; present exactly when the result is FAILED.
    pub(crate) reason: Option<String>,
    /// What a person can do, one line per check that blocks.
    pub(crate) suggestions: Vec<String>,
}

/// What one report means for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Nothing,
    Warns,
    Blocks,
}

/// Judges all reports together.
pub(crate) fn judge(reports: &[(Check, Report)], on_error: OnError) -> Verdict {
    let weighed = |(check, report): &(Check, Report)| {
        weigh(check.enforce, report.outcome, check.on_error.unwrap_or(on_error))
    };
    let worst = reports.iter().map(weighed).max().unwrap_or(Weight::Nothing);
    let blocking: Vec<&(Check, Report)> =
        reports.iter().filter(|entry| weighed(entry) == Weight::Blocks).collect();
    Verdict {
        result: match worst {
            Weight::Nothing => VerdictResult::Passed,
            Weight::Warns => VerdictResult::Warnings,
            Weight::Blocks => VerdictResult::Failed,
        },
        summary: summary(reports),
        reason: blocking
            .first()
            .map(|(check, report)| format!("{}: {}", check.name, report.message)),
        suggestions: blocking.iter().map(|(check, report)| suggestion(check, report)).collect(),
    }
}

/// The table of the verdict: what an outcome weighs under each enforcement.
fn weigh(enforce: Enforce, outcome: Outcome, on_error: OnError) -> Weight {
    match (enforce, outcome) {
        (Enforce::Audit, _) | (_, Outcome::Pass | Outcome::Skipped) => Weight::Nothing,
        (Enforce::Warn, Outcome::Warn | Outcome::Inconclusive | Outcome::Error | Outcome::Fail)
        | (Enforce::Deny, Outcome::Warn) => Weight::Warns,
        (Enforce::Deny, Outcome::Fail) => Weight::Blocks,
        (Enforce::Deny, Outcome::Inconclusive | Outcome::Error) => match on_error {
            OnError::Closed => Weight::Blocks,
            OnError::Open => Weight::Warns,
        },
    }
}

/// Says in one sentence how many checks there were and which of them need attention.
fn summary(reports: &[(Check, Report)]) -> String {
    let names = |wanted: &[Outcome]| -> Vec<&str> {
        reports
            .iter()
            .filter(|(_, report)| wanted.contains(&report.outcome))
            .map(|(check, _)| check.name.as_str())
            .collect()
    };
    let (passed, skipped) = (names(&[Outcome::Pass]).len(), names(&[Outcome::Skipped]).len());
    let made = reports.len() - skipped;
    let mut parts = vec![if made == 0 {
        "no check was made".to_owned()
    } else {
        format!("{passed} of {made} checks passed")
    }];
    let told = [
        ("failed", names(&[Outcome::Fail])),
        ("could not be made", names(&[Outcome::Error, Outcome::Inconclusive])),
        ("passed with a warning", names(&[Outcome::Warn])),
    ];
    for (what, names) in told {
        if !names.is_empty() {
            parts.push(format!("{} {what} ({})", names.len(), names.join(", ")));
        }
    }
    if skipped > 0 {
        let verb = if skipped == 1 { "was" } else { "were" };
        parts.push(format!("{skipped} {verb} skipped"));
    }
    parts.join(", ")
}

/// Says what a person can do about a check, from the fleet file or from the reason.
fn suggestion(check: &Check, report: &Report) -> String {
    if let Some(suggestion) = &check.suggestion {
        return format!("{}: {suggestion}", check.name);
    }
    let target = &report.target;
    let advice = match report.reason_code {
        ReasonCode::ConnectRefused
        | ReasonCode::ConnectTimeout
        | ReasonCode::ConnectUnreachable
        | ReasonCode::ConnectionClosed
        | ReasonCode::Timeout => format!("See that {target} is up and can be reached from here."),
        ReasonCode::NoAddress => {
            format!("Give the name in {target} such an address, or say another `ip`.")
        }
        ReasonCode::DnsNxdomain | ReasonCode::DnsFailure => {
            format!("Correct the name in {target}, or see that it can be looked up from here.")
        }
        ReasonCode::Auth => format!("Correct the credentials for {target}."),
        ReasonCode::Tls => format!("Renew or correct the certificate of {target}."),
        ReasonCode::BlockedByPolicy => {
            format!("Allow {target} in `egress` of the fleet file, if it may be asked.")
        }
        ReasonCode::Value => format!("Correct what is named here: {}.", report.observed),
        ReasonCode::ImageNotFound => format!("Build and push {target}, or correct its version."),
        ReasonCode::SchemaBehind => format!("Run the pending migrations of {target} first."),
        ReasonCode::SchemaDirty => format!("Repair the failed migration of {target} by hand."),
        ReasonCode::AwaitingApproval => "Approve the deployment, or wait for it.".to_owned(),
        ReasonCode::Window => "Deploy again when the window allows it.".to_owned(),
        ReasonCode::Expired => format!("Renew {target}."),
        ReasonCode::NotReady => format!("Wait until {target} is ready, then deploy again."),
        ReasonCode::InvalidTarget | ReasonCode::Unsupported => {
            "Correct the check in the fleet file.".to_owned()
        }
        ReasonCode::Ok
        | ReasonCode::Skipped
        | ReasonCode::Protocol
        | ReasonCode::HttpStatus
        | ReasonCode::Content
        | ReasonCode::Slow
        | ReasonCode::Role
        | ReasonCode::Version
        | ReasonCode::DigestMismatch
        | ReasonCode::PlatformMissing
        | ReasonCode::NoSuchTable
        | ReasonCode::SchemaAhead
        | ReasonCode::Capacity
        | ReasonCode::Lag
        | ReasonCode::Locked
        | ReasonCode::Setting
        | ReasonCode::Policy
        | ReasonCode::Rejected
        | ReasonCode::StillUp
        | ReasonCode::TooManyRedirects
        | ReasonCode::BodyTooLarge => {
            format!("Look at {target}: it {}.", report.observed)
        }
    };
    format!("{}: {advice}", check.name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, proptest};
    use proptest::sample::select;

    use super::*;
    use crate::checks::Work;

    fn entry(name: &str, enforce: Enforce, outcome: Outcome) -> (Check, Report) {
        let check = Check {
            name: name.to_owned(),
            kind: "tcp",
            enforce,
            on_error: None,
            when: None,
            services: Vec::new(),
            message: None,
            suggestion: None,
            work: Work::Skipped(String::new()),
        };
        let mut report =
            Report::pass("db:5432", "a connection").judged(outcome, ReasonCode::Timeout);
        report.message = format!("{name} was {outcome}");
        (check, report)
    }

    #[test]
    fn the_verdict_is_the_worst_that_any_check_means() {
        use Enforce::{Audit, Deny, Warn};
        use OnError::{Closed, Open};
        use VerdictResult::{Failed, Passed, Warnings};
        type Case = (&'static [(Enforce, Outcome)], OnError, VerdictResult);
        let cases: [Case; 14] = [
            (&[], Closed, Passed),
            (&[(Deny, Outcome::Pass)], Closed, Passed),
            (&[(Deny, Outcome::Skipped)], Closed, Passed),
            (&[(Deny, Outcome::Warn)], Closed, Warnings),
            (&[(Deny, Outcome::Fail)], Closed, Failed),
            (&[(Deny, Outcome::Fail)], Open, Failed),
            (&[(Deny, Outcome::Error)], Closed, Failed),
            (&[(Deny, Outcome::Error)], Open, Warnings),
            (&[(Deny, Outcome::Inconclusive)], Closed, Failed),
            (&[(Warn, Outcome::Fail)], Closed, Warnings),
            (&[(Warn, Outcome::Error)], Closed, Warnings),
            (&[(Audit, Outcome::Fail)], Closed, Passed),
            (&[(Warn, Outcome::Fail), (Deny, Outcome::Pass)], Closed, Warnings),
            (&[(Warn, Outcome::Fail), (Deny, Outcome::Fail)], Open, Failed),
        ];
        for (entries, on_error, expected) in cases {
            let reports: Vec<_> = entries.iter().map(|(e, o)| entry("x", *e, *o)).collect();
            assert_eq!(judge(&reports, on_error).result, expected, "{entries:?} {on_error:?}");
        }
    }

    #[test]
    fn a_check_may_say_for_itself_what_an_error_means() {
        use OnError::{Closed, Open};
        let cases = [
            (Closed, Some(Open), VerdictResult::Warnings),
            (Open, Some(Closed), VerdictResult::Failed),
            (Open, None, VerdictResult::Warnings),
        ];
        for (general, own, expected) in cases {
            let mut entry = entry("db", Enforce::Deny, Outcome::Error);
            entry.0.on_error = own;
            assert_eq!(judge(&[entry], general).result, expected, "{general:?} {own:?}");
        }
    }

    #[test]
    fn the_first_check_that_blocks_is_the_reason_and_each_has_a_suggestion() {
        let mut named = entry("cache", Enforce::Deny, Outcome::Fail);
        named.0.suggestion = Some("Start Redis.".to_owned());
        let reports = [
            entry("folio", Enforce::Warn, Outcome::Fail),
            entry("db", Enforce::Deny, Outcome::Error),
            named,
        ];
        let verdict = judge(&reports, OnError::Closed);
        assert_eq!(verdict.reason.as_deref(), Some("db: db was error"));
        let expected =
            ["db: See that db:5432 is up and can be reached from here.", "cache: Start Redis."];
        assert_eq!(verdict.suggestions, expected);
    }

    #[test]
    fn the_summary_counts_what_was_skipped_and_names_what_needs_attention() {
        use Outcome::{Error, Fail, Pass, Skipped, Warn};
        let cases: [(&[Outcome], &str); 5] = [
            (&[Pass, Pass], "2 of 2 checks passed"),
            (&[Pass, Skipped], "1 of 1 checks passed, 1 was skipped"),
            (&[Skipped, Skipped], "no check was made, 2 were skipped"),
            (&[Pass, Fail, Error], "1 of 3 checks passed, 1 failed (c1), 1 could not be made (c2)"),
            (&[Warn, Pass], "1 of 2 checks passed, 1 passed with a warning (c0)"),
        ];
        for (outcomes, expected) in cases {
            let reports: Vec<_> = outcomes
                .iter()
                .enumerate()
                .map(|(n, outcome)| entry(&format!("c{n}"), Enforce::Deny, *outcome))
                .collect();
            assert_eq!(judge(&reports, OnError::Closed).summary, expected);
        }
    }

    fn any_entry() -> impl Strategy<Value = (Check, Report)> {
        let enforce = select(vec![Enforce::Deny, Enforce::Warn, Enforce::Audit]);
        let outcome = select(Outcome::ALL.to_vec());
        (enforce, outcome).prop_map(|(enforce, outcome)| entry("x", enforce, outcome))
    }

    proptest! {
        #[test]
        fn a_skipped_or_audited_check_never_changes_the_verdict(
            reports in prop::collection::vec(any_entry(), 0..6),
            outcome in select(Outcome::ALL.to_vec()),
        ) {
            let before = judge(&reports, OnError::Closed).result;
            let mut more = reports;
            more.push(entry("skipped", Enforce::Deny, Outcome::Skipped));
            more.push(entry("audited", Enforce::Audit, outcome));
            assert_eq!(judge(&more, OnError::Closed).result, before);
        }

        #[test]
        fn a_failed_validation_says_why_and_no_other_does(
            reports in prop::collection::vec(any_entry(), 0..6),
        ) {
            let verdict = judge(&reports, OnError::Closed);
            let failed = verdict.result == VerdictResult::Failed;
            assert_eq!(verdict.reason.is_some(), failed);
            assert_eq!(verdict.suggestions.is_empty(), !failed);
        }
    }
}
