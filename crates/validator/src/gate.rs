//! The gate: a deployment that waits until somebody approves it, without holding a handler or using an attempt.
//!
//! The handler asks before and after the other checks. It reads what people decided; it decides nothing itself but when the
//! time to wait is over.

use std::time::Duration;

use printery_config::GateCheck;
use printery_harness::fleet::approvals::{Approval, Decision};
use printery_probes::{Class, Error, Outcome, ReasonCode, Report};

/// The shortest wait between two looks. 2 s.
pub(crate) const SHORTEST: Duration = Duration::from_secs(2);

/// The longest wait between two looks: how late an approval is noticed at most. 60 s.
const LONGEST: Duration = Duration::from_secs(60);

/// What a gate is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Nobody has been asked yet.
    NotAsked,
    /// Somebody has been asked; look again after this time.
    Waiting(Duration),
    /// It was decided, or waited for long enough.
    Settled,
}

/// Says what a deployment's gates are at, together: the one that waits longest decides.
pub(crate) fn stand<'g>(
    gates: impl Iterator<Item = &'g GateCheck>,
    approval: &Approval,
    now_ms: u64,
) -> Stand {
    let Some(timeout) = gates.map(|gate| gate.timeout).max() else { return Stand::Settled };
    if approval.decided.is_some() {
        return Stand::Settled;
    }
    let Some(asked_ms) = approval.asked_ms else { return Stand::NotAsked };
    let waited = Duration::from_millis(now_ms.saturating_sub(asked_ms));
    match timeout.checked_sub(waited).filter(|left| !left.is_zero()) {
        Some(left) => Stand::Waiting((waited / 10).clamp(SHORTEST, LONGEST).min(left)),
        None => Stand::Settled,
    }
}

/// Reports one gate.
pub(crate) fn report(gate: &GateCheck, approval: &Approval, deployment_id: &str) -> Report {
    let expected = "an approval";
    let report = Report::pass(deployment_id, expected);
    let Some(decided) = &approval.decided else {
        let (observed, message) = if approval.asked_ms.is_some() {
            let observed = format!("nobody decided within {}", spoken(gate.timeout));
            (observed.clone(), format!("waiting for the approval of {deployment_id}: {observed}"))
        } else {
            let message = "nobody was asked, because another check has already denied";
            ("not asked".to_owned(), message.to_owned())
        };
        return Report { observed, message, ..report }
            .judged(Outcome::Inconclusive, ReasonCode::AwaitingApproval);
    };
    let note = if decided.note.is_empty() { String::new() } else { format!(": {}", decided.note) };
    let observed = format!("{} by {}{note}", decided.decision.as_str(), decided.by);
    match decided.decision {
        Decision::Approved => Report { message: observed.clone(), observed, ..report },
        Decision::Rejected => {
            let attempted = format!("waiting for the approval of {deployment_id}");
            let error = Error::new(Class::Permanent, ReasonCode::Rejected, attempted, observed);
            Report::of(&error, deployment_id, expected)
        }
    }
}

fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use printery_harness::fleet::approvals::Decided;

    use super::*;

    fn gate(seconds: u64) -> GateCheck {
        GateCheck { timeout: Duration::from_secs(seconds) }
    }

    fn decided(decision: Decision) -> Approval {
        let decided = Decided { decision, by: "ada".into(), note: "go".into(), at_ms: 5 };
        Approval { asked_ms: Some(1), decided: Some(decided) }
    }

    #[test]
    fn a_gate_is_looked_at_ever_less_often_and_ends_by_itself() {
        let waiting = |asked_ms| Approval { asked_ms, decided: None };
        let secs = Duration::from_secs;
        let cases = [
            (waiting(None), 0, Stand::NotAsked),
            (waiting(Some(1_000)), 1_000, Stand::Waiting(SHORTEST)),
            (waiting(Some(0)), 100_000, Stand::Waiting(secs(10))),
            (waiting(Some(0)), 3_000_000, Stand::Waiting(LONGEST)),
            (waiting(Some(0)), 3_599_000, Stand::Waiting(secs(1))),
            (waiting(Some(0)), 3_600_000, Stand::Settled),
            (decided(Decision::Approved), 0, Stand::Settled),
            (decided(Decision::Rejected), 0, Stand::Settled),
        ];
        for (approval, now_ms, expected) in cases {
            let gates = [gate(60), gate(3_600)];
            assert_eq!(stand(gates.iter(), &approval, now_ms), expected, "{approval:?} {now_ms}");
        }
        assert_eq!(stand([].iter(), &Approval::default(), 0), Stand::Settled);
    }

    #[test]
    fn what_was_decided_is_told_with_who_and_why() {
        let report = |approval: &Approval| report(&gate(3_600), approval, "d-1");
        let approved = report(&decided(Decision::Approved));
        assert_eq!(
            (approved.outcome, approved.observed.as_str()),
            (Outcome::Pass, "approved by ada: go")
        );
        let rejected = report(&decided(Decision::Rejected));
        assert_eq!((rejected.outcome, rejected.reason_code), (Outcome::Fail, ReasonCode::Rejected));
        let silent = report(&Approval { asked_ms: Some(1), decided: None });
        assert_eq!(silent.outcome, Outcome::Inconclusive);
        assert_eq!(silent.observed, "nobody decided within 60 min");
        assert_eq!(report(&Approval::default()).observed, "not asked");
    }
}
