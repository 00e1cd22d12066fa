//! How an execution ended, and what is to be done about it: one pure decision.
//!
//! The executor asks, the committer carries out. Nothing here reads or writes anything.

use std::time::Duration;

use printery_events::Invalid;
use printery_streams::History;

use crate::handler::{Effects, Refusal, Wish};

/// Why a dead letter was written when nobody deserves a longer text.
pub(crate) const POISON: &str = "poison";
pub(crate) const MAX_ATTEMPTS: &str = "max_attempts";
pub(crate) const LOST_BODY: &str = "lost_body";

/// How one execution ended. Every way of ending is one of these.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The handler did its job.
    Finished(Effects),
    /// The handler said that it could not.
    Refused(Refusal),
    /// The handler panicked with this message.
    Panicked(String),
    /// The handler took longer than it may.
    TimedOut(Duration),
    /// The entry is not a valid event.
    Invalid(Invalid),
    /// Somebody deleted the entry's body while it was pending.
    LostBody,
    /// Its event was settled before.
    Duplicate,
    /// It has ended the lives of too many owners to be run again.
    Poison,
    /// We are stopping, or have no slot for it; it is nobody's fault.
    Interrupted,
    /// Somebody else owns it now, or may.
    FenceLost,
}

/// What is to be done with a delivery.
#[derive(Debug)]
pub(crate) enum Disposition {
    /// Publish and acknowledge.
    Commit(Effects),
    /// Try again later.
    Defer {
        /// How long to wait.
        wait: Wait,
        /// Attempts used after this one.
        failures: u32,
        /// Why, for the dead letter that it may become.
        why: Why,
    },
    /// Hand it back at once; no attempt is used.
    Release,
    /// Move it to the dead letters.
    Bury {
        /// Why.
        why: Why,
        /// Attempts used, deaths of owners included.
        attempts: u32,
        /// Whether its event counts as settled; not when its id cannot be trusted.
        settles: bool,
    },
    /// Nothing: somebody else's matter now.
    Abandon,
}

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// As the policy says after so many failures.
    Backoff(u32),
    /// As the other side asked.
    Exactly(Duration),
}

/// A reason in two lengths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Why {
    /// Few words, the same for the same failure.
    pub(crate) reason: String,
    /// A sentence.
    pub(crate) detail: String,
}

impl Why {
    fn new(reason: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { reason: reason.into(), detail: detail.into() }
    }
}

/// Decides what becomes of a delivery that may fail `max_attempts` times.
pub(crate) fn decide(ending: Ending, history: &History, max_attempts: u32) -> Disposition {
    let attempts = history.failures.saturating_add(history.deaths);
    match ending {
        Ending::Finished(effects) => Disposition::Commit(effects),
        // The commit finds the event settled and acknowledges without publishing.
        Ending::Duplicate => Disposition::Commit(Effects::none()),
        Ending::Interrupted => Disposition::Release,
        Ending::FenceLost => Disposition::Abandon,
        Ending::Invalid(invalid) => Disposition::Bury {
            why: Why::new(format!("invalid_event: {invalid}"), invalid.to_string()),
            attempts,
            settles: false,
        },
        Ending::LostBody => Disposition::Bury {
            why: Why::new(LOST_BODY, "the entry was trimmed or deleted while it was pending"),
            attempts,
            settles: false,
        },
        Ending::Poison => Disposition::Bury {
            why: Why::new(
                POISON,
                format!("its owner died {} times while it was running", history.deaths),
            ),
            attempts,
            settles: true,
        },
        Ending::Refused(refusal) => refused(refusal, history, max_attempts),
        Ending::Panicked(message) => failed(
            Why::new("panic", format!("the handler panicked: {message}")),
            history,
            max_attempts,
        ),
        Ending::TimedOut(limit) => failed(
            Why::new("timeout", format!("the handler took longer than {limit:?}")),
            history,
            max_attempts,
        ),
    }
}

fn refused(refusal: Refusal, history: &History, max_attempts: u32) -> Disposition {
    let why = Why::new(refusal.code, refusal.sentence);
    match refusal.wish {
        Wish::Retry => failed(why, history, max_attempts),
        Wish::RetryAfter(after) => {
            Disposition::Defer { wait: Wait::Exactly(after), failures: history.failures, why }
        }
        Wish::Reject => {
            Disposition::Bury { why, attempts: history.failures.saturating_add(1), settles: true }
        }
    }
}

/// One more attempt is used up: retry, or give up after the last.
fn failed(why: Why, history: &History, max_attempts: u32) -> Disposition {
    let failures = history.failures.saturating_add(1);
    if failures < max_attempts {
        return Disposition::Defer { wait: Wait::Backoff(failures), failures, why };
    }
    let detail = format!("{}: {}", why.reason, why.detail);
    Disposition::Bury { why: Why::new(MAX_ATTEMPTS, detail), attempts: failures, settles: true }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn history(failures: u32, deaths: u32) -> History {
        History { failures, deaths, ..History::default() }
    }

    fn decided(ending: Ending, failures: u32) -> String {
        match decide(ending, &history(failures, 0), 3) {
            Disposition::Commit(_) => "commit".to_owned(),
            Disposition::Defer { wait, failures, .. } => format!("defer {wait:?} {failures}"),
            Disposition::Release => "release".to_owned(),
            Disposition::Bury { why, attempts, .. } => format!("bury {} {attempts}", why.reason),
            Disposition::Abandon => "abandon".to_owned(),
        }
    }

    #[test]
    fn every_ending_has_its_disposition() {
        let invalid = || Invalid { field: "id".to_owned(), problem: "missing".to_owned() };
        let after = Duration::from_secs(7);
        let table = [
            (Ending::Finished(Effects::none()), 0, "commit"),
            (Ending::Duplicate, 0, "commit"),
            (Ending::Interrupted, 2, "release"),
            (Ending::FenceLost, 0, "abandon"),
            (Ending::Invalid(invalid()), 0, "bury invalid_event: id: missing 0"),
            (Ending::LostBody, 0, "bury lost_body 0"),
            (Ending::Poison, 0, "bury poison 0"),
            (Ending::Refused(Refusal::retry("c", "s")), 0, "defer Backoff(1) 1"),
            (Ending::Refused(Refusal::retry("c", "s")), 1, "defer Backoff(2) 2"),
            (Ending::Refused(Refusal::retry("c", "s")), 2, "bury max_attempts 3"),
            (Ending::Refused(Refusal::retry_after("c", "s", after)), 2, "defer Exactly(7s) 2"),
            (Ending::Refused(Refusal::reject("bad", "s")), 0, "bury bad 1"),
            (Ending::Panicked("boom".to_owned()), 0, "defer Backoff(1) 1"),
            (Ending::TimedOut(after), 2, "bury max_attempts 3"),
        ];
        for (ending, failures, expected) in table {
            let shown = format!("{ending:?}");
            assert_eq!(decided(ending, failures), expected, "{shown}");
        }
    }

    proptest! {
        #[test]
        fn interruption_never_uses_an_attempt(failures in 0u32..10, deaths in 0u32..10) {
            let released = decide(Ending::Interrupted, &history(failures, deaths), 3);
            prop_assert!(matches!(released, Disposition::Release));
        }

        #[test]
        fn a_failing_entry_is_buried_after_exactly_the_allowed_attempts(allowed in 1u32..20) {
            let mut failures = 0;
            let mut runs = 0;
            loop {
                runs += 1;
                let ending = Ending::Refused(Refusal::retry("code", "sentence"));
                match decide(ending, &history(failures, 0), allowed) {
                    Disposition::Defer { failures: used, .. } => failures = used,
                    Disposition::Bury { attempts, .. } => {
                        prop_assert_eq!(attempts, allowed);
                        break;
                    }
                    Disposition::Commit(_) | Disposition::Release | Disposition::Abandon => {
                        prop_assert!(false, "a failure is deferred or buried");
                    }
                }
            }
            prop_assert_eq!(runs, allowed);
        }
    }
}
