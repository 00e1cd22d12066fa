//! In-check retries: transient trouble is tried again with full jitter, within the check's deadline.
//!
//! Every probe runs inside [`with_retries`]. It never retries an assertion, a permanent error or a guard's refusal,
//! and it never outlives the deadline it was given.

use std::future::Future;
use std::time::Duration;

use printery_config::{Final, RetryOn};
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::Error;
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::redact::brief;
use crate::report::Report;

/// The longest first wait; each next one is twice as long.
const BASE: Duration = Duration::from_millis(200);

/// The longest wait.
const CAP: Duration = Duration::from_secs(5);

/// More attempts than this delay the verdict without telling anything new.
const MAX_ATTEMPTS: u32 = 3;

/// What a probe is about, as its reports say it.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// As in `GET http://api/health`; redacted.
    pub(crate) attempted: String,
    /// The target alone, redacted.
    pub(crate) target: String,
    /// What is expected, in words.
    pub(crate) expected: String,
}

impl About {
    /// Reports an error about this target.
    pub(crate) fn failed(&self, error: Error) -> Report {
        let error = error.while_attempting(&self.attempted);
        Report::of(&error, &self.target, &self.expected)
    }

    /// Reports a pass and what was seen.
    pub(crate) fn passed(&self, observed: impl Into<String>) -> Report {
        let observed = observed.into();
        let message = format!("{}: {observed}", self.attempted);
        Report { observed, message, ..Report::pass(&self.target, &self.expected) }
    }
}

/// Runs a probe until it says something other than "try again", or attempts or time run out.
///
/// `probe` gets the deadline of its attempt; the report's duration is that of the last attempt.
/// # Cancel safety
/// As cancel safe as the probe.
pub(crate) async fn with_retries<F, Fut>(limits: &Limits, about: &About, mut probe: F) -> Report
where
    F: FnMut(Instant) -> Fut,
    Fut: Future<Output = Report>,
{
    let deadline = Instant::now() + limits.check;
    let most = limits.attempts.clamp(1, MAX_ATTEMPTS);
    let mut attempt = 1;
    loop {
        let started = Instant::now();
        let until = deadline.min(started + limits.attempt);
        let mut report = timeout_at(until, probe(until))
            .await
            .unwrap_or_else(|_elapsed| about.failed(timed_out(started.elapsed())));
        if is_listed(limits.retry_on, &report) {
            report.class = Some(Class::Transient);
            report.outcome = Class::Transient.outcome();
        }
        report.attempts = attempt;
        report.duration = started.elapsed();
        if report.class != Some(Class::Transient) || attempt >= most {
            return report;
        }
        let wait = report.retry_after.unwrap_or_else(|| delay(attempt, rand::random()));
        if Instant::now() + wait >= deadline {
            return report;
        }
        sleep(wait).await;
        attempt += 1;
    }
}

/// Tells whether a final answer is one that the fleet file wants to be tried again.
fn is_listed(retry_on: RetryOn, report: &Report) -> bool {
    let answer = match report.reason_code {
        ReasonCode::DnsNxdomain => Final::Nxdomain,
        ReasonCode::NoAddress => Final::NoAddress,
        ReasonCode::Tls => Final::Tls,
        ReasonCode::Protocol => Final::Protocol,
        ReasonCode::HttpStatus => Final::HttpStatus,
        ReasonCode::Auth => Final::Auth,
        ReasonCode::Content => Final::Content,
        ReasonCode::Unsupported => Final::Unsupported,
        ReasonCode::ImageNotFound => Final::ImageNotFound,
        ReasonCode::NoSuchTable => Final::NoSuchTable,
        ReasonCode::Ok
        | ReasonCode::Skipped
        | ReasonCode::DnsFailure
        | ReasonCode::ConnectRefused
        | ReasonCode::ConnectTimeout
        | ReasonCode::ConnectUnreachable
        | ReasonCode::ConnectionClosed
        | ReasonCode::Timeout
        | ReasonCode::Slow
        | ReasonCode::NotReady
        | ReasonCode::Role
        | ReasonCode::Version
        | ReasonCode::Value
        | ReasonCode::DigestMismatch
        | ReasonCode::PlatformMissing
        | ReasonCode::SchemaBehind
        | ReasonCode::SchemaAhead
        | ReasonCode::SchemaDirty
        | ReasonCode::Capacity
        | ReasonCode::Lag
        | ReasonCode::Locked
        | ReasonCode::Setting
        | ReasonCode::Policy
        | ReasonCode::Window
        | ReasonCode::AwaitingApproval
        | ReasonCode::Rejected
        | ReasonCode::Expired
        | ReasonCode::StillUp
        | ReasonCode::BlockedByPolicy
        | ReasonCode::TooManyRedirects
        | ReasonCode::BodyTooLarge
        | ReasonCode::InvalidTarget => return false,
    };
    report.class == Some(Class::Permanent) && retry_on.holds(answer)
}

/// Says that an attempt had no complete answer in its time.
pub(crate) fn timed_out(after: Duration) -> Error {
    let observed = format!("no complete answer within {}", brief(after));
    Error::new(Class::Transient, ReasonCode::Timeout, "", observed)
}

/// The longest time that the waits between so many attempts can take together.
pub(crate) fn longest_waits(attempts: u32) -> Duration {
    (1..attempts.min(MAX_ATTEMPTS)).map(|attempt| delay(attempt, 1.0)).sum()
}

/// Full jitter: anything between nothing and 200 ms · 2ⁿ, so that many checks do not come back together.
///
/// `draw` is in 0..1.
fn delay(attempt: u32, draw: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    CAP.min(BASE * 2_u32.pow(doublings)).mul_f64(draw.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::outcome::Outcome;

    fn about() -> About {
        About { attempted: "asking x".into(), target: "x".into(), expected: "an answer".into() }
    }

    fn error(class: Class) -> Report {
        about().failed(Error::new(class, ReasonCode::ConnectRefused, "", "connection refused"))
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let longest: Vec<u128> = (1..=7).map(|n| delay(n, 1.0).as_millis()).collect();
        assert_eq!(longest, [200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(delay(3, 0.0), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_answer_that_is_listed_is_tried_again_and_nothing_else_is() {
        let cases = [
            (Class::Permanent, ReasonCode::DnsNxdomain, 3, Outcome::Error),
            (Class::Permanent, ReasonCode::Auth, 1, Outcome::Fail),
            // A condition that does not hold is never asked until it does.
            (Class::Assertion, ReasonCode::DnsNxdomain, 1, Outcome::Fail),
            (Class::Guard, ReasonCode::DnsNxdomain, 1, Outcome::Error),
        ];
        let limits = Limits { retry_on: RetryOn::NONE.with(Final::Nxdomain), ..Limits::default() };
        for (class, reason, attempts, outcome) in cases {
            let asked = Cell::new(0);
            let report = with_retries(&limits, &about(), |_| {
                asked.set(asked.get() + 1);
                async move { about().failed(Error::new(class, reason, "", "no")) }
            })
            .await;
            assert_eq!((asked.get(), report.outcome), (attempts, outcome), "{class} {reason}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_transient_trouble_is_tried_again() {
        let cases = [
            (Class::Transient, 3, Outcome::Error),
            (Class::Permanent, 1, Outcome::Fail),
            (Class::Assertion, 1, Outcome::Fail),
            (Class::Guard, 1, Outcome::Error),
            (Class::Internal, 1, Outcome::Error),
        ];
        for (class, attempts, outcome) in cases {
            let made = Cell::new(0);
            let report = with_retries(&Limits::default(), &about(), |_| {
                made.set(made.get() + 1);
                async { error(class) }
            })
            .await;
            assert_eq!((made.get(), report.attempts), (attempts, attempts), "{class}");
            assert_eq!(report.outcome, outcome, "{class}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_recovers_passes_and_says_how_many_attempts_it_took() {
        let made = Cell::new(0);
        let report = with_retries(&Limits::default(), &about(), |_| {
            made.set(made.get() + 1);
            let recovered = made.get() == 2;
            async move { if recovered { about().passed("up") } else { error(Class::Transient) } }
        })
        .await;
        assert_eq!((report.outcome, report.attempts), (Outcome::Pass, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_target_uses_no_more_than_the_check_deadline() {
        let started = Instant::now();
        let limits = Limits { check: Duration::from_secs(7), ..Limits::default() };
        let report = with_retries(&limits, &about(), |_| std::future::pending()).await;
        assert_eq!((report.outcome, report.reason_code), (Outcome::Error, ReasonCode::Timeout));
        assert!(started.elapsed() <= limits.check, "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_the_target_asks_for_is_kept_only_if_it_fits() {
        for (asked, attempts) in [(1, 3), (60, 1)] {
            let report = with_retries(&Limits::default(), &about(), |_| async move {
                Report { retry_after: Some(Duration::from_secs(asked)), ..error(Class::Transient) }
            })
            .await;
            assert_eq!(report.attempts, attempts, "asked to wait {asked}s");
        }
    }
}
