//! What is known about a receiver after one step, and when it is tried again.
//!
//! Owns the decision between told, owed and given up; pure. The teller writes what it says into
//! the ledger. Never asks or tells anybody.

use std::time::Duration;

use printery_config::Retry;
use printery_fleet::notices::{Cause, Notice, State};
use printery_notices::Verdict;

/// What one step with a receiver came to.
#[derive(Debug)]
pub(crate) enum Step {
    /// It was asked and this is what it meant.
    Answered(Verdict),
    /// It was not asked: its circuit is open for so long.
    Open(Duration),
    /// It was not asked: it asked others to be left alone for so long.
    Busy(Duration),
    /// It was not asked: its place in line comes then.
    Paced(Duration),
}

/// Returns what is known about a receiver after a step.
///
/// # Shapes and units
/// `now_ms`: the server's milliseconds.
pub(crate) fn after(before: Option<&Notice>, step: Step, now_ms: u64, retry: &Retry) -> Notice {
    let known = before.cloned().unwrap_or_else(|| Notice::new(now_ms));
    let known = Notice {
        state: State::Owed,
        cause: None,
        due_ms: 0,
        why: String::new(),
        lasting: false,
        ..known
    };
    let tries = known.tries.saturating_add(1);
    match step {
        Step::Answered(Verdict::Told) => Notice { state: State::Told, tries, ..known },
        Step::Answered(Verdict::Never { why }) => {
            Notice { state: State::GivenUp, tries, why, lasting: true, ..known }
        }
        Step::Answered(Verdict::Later { why, after: Some(asked) }) => {
            // A wait that it asks for uses no attempt.
            asked_for(Notice { why, ..known }, Cause::ReceiverBusy, now_ms, asked)
        }
        Step::Answered(Verdict::Later { why, after: None }) => {
            let known = Notice { tries, why, ..known };
            match retry.wait(tries.saturating_sub(known.earlier)) {
                None => given_up(&known),
                Some(wait) => owed(known, Cause::ReceiverUnavailable, now_ms, wait),
            }
        }
        Step::Open(wait) => {
            let why = before.map(|notice| notice.why.clone()).filter(|why| !why.is_empty());
            let why = why.unwrap_or_else(|| "it has failed with other events".to_owned());
            let known = Notice { why, ..known };
            let ends = known.since_ms.saturating_add(millis(retry.patience()));
            if now_ms.saturating_add(millis(wait)) > ends {
                let why = format!("breaker_open: {}", known.why);
                return given_up(&Notice { why, ..known });
            }
            owed(known, Cause::BreakerOpen, now_ms, wait)
        }
        Step::Busy(wait) => {
            let why = "it asked to be left alone".to_owned();
            asked_for(Notice { why, ..known }, Cause::ReceiverBusy, now_ms, wait)
        }
        Step::Paced(wait) => asked_for(known, Cause::ReceiverPaced, now_ms, wait),
    }
}

fn owed(known: Notice, cause: Cause, now_ms: u64, wait: Duration) -> Notice {
    Notice { cause: Some(cause), due_ms: now_ms.saturating_add(millis(wait)), ..known }
}

/// Lets a receiver that was given up be tried anew, when the event comes again as a whole.
pub(crate) fn again(given_up: &Notice, now_ms: u64) -> Notice {
    let earlier = given_up.tries;
    Notice { state: State::Owed, since_ms: now_ms, cause: None, earlier, ..given_up.clone() }
}

/// A wait that is not ours does not use up our patience.
fn asked_for(known: Notice, cause: Cause, now_ms: u64, wait: Duration) -> Notice {
    let since_ms = known.since_ms.saturating_add(millis(wait));
    owed(Notice { since_ms, ..known }, cause, now_ms, wait)
}

fn given_up(known: &Notice) -> Notice {
    let times = match known.tries {
        0 => "without a request".to_owned(),
        1 => "after 1 request".to_owned(),
        tries => format!("after {tries} requests"),
    };
    let why = format!("{}; given up {times}", known.why);
    Notice { state: State::GivenUp, why, ..known.clone() }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    fn later(after: Option<u64>) -> Step {
        let after = after.map(Duration::from_secs);
        Step::Answered(Verdict::Later { why: "answered 503".to_owned(), after })
    }

    fn before(tries: u32, since_ms: u64) -> Notice {
        Notice {
            state: State::Owed,
            cause: Some(Cause::ReceiverUnavailable),
            tries,
            since_ms,
            due_ms: NOW,
            why: "answered 502".to_owned(),
            ..Notice::new(since_ms)
        }
    }

    /// `state tries due-in cause since-moved-by why`.
    fn line(notice: &Notice, since_ms: u64) -> String {
        let due = notice.due_ms.saturating_sub(NOW);
        let cause = notice.cause.map_or("-", Cause::as_str);
        let moved = notice.since_ms - since_ms;
        format!("{:?} {} {due} {cause} {moved} {}", notice.state, notice.tries, notice.why)
    }

    #[test]
    fn every_step_has_its_consequence() {
        let never = || Step::Answered(Verdict::Never { why: "answered 404".to_owned() });
        let secs = Duration::from_secs;
        let cases = [
            (None, Step::Answered(Verdict::Told), "Told 1 0 - 0 "),
            (None, never(), "GivenUp 1 0 - 0 answered 404"),
            (None, later(None), "Owed 1 5000 receiver_unavailable 0 answered 503"),
            (None, later(Some(60)), "Owed 0 60000 receiver_busy 60000 answered 503"),
            (None, Step::Busy(secs(7)), "Owed 0 7000 receiver_busy 7000 it asked to be left alone"),
            (None, Step::Paced(secs(3)), "Owed 0 3000 receiver_paced 3000 "),
            (
                None,
                Step::Open(secs(30)),
                "Owed 0 30000 breaker_open 0 it has failed with other events",
            ),
            (Some(2), later(None), "Owed 3 45000 receiver_unavailable 0 answered 503"),
            (Some(5), later(None), "GivenUp 6 0 - 0 answered 503; given up after 6 requests"),
            (Some(5), later(Some(1)), "Owed 5 1000 receiver_busy 1000 answered 503"),
            (Some(1), Step::Open(secs(30)), "Owed 1 30000 breaker_open 0 answered 502"),
            (Some(4), Step::Answered(Verdict::Told), "Told 5 0 - 0 "),
        ];
        for (tries, step, expected) in cases {
            let said = format!("{tries:?} {step:?}");
            let known = tries.map(|tries| before(tries, NOW));
            assert_eq!(
                line(&after(known.as_ref(), step, NOW, &Retry::CHAT), NOW),
                expected,
                "{said}"
            );
        }
    }

    #[test]
    fn an_open_circuit_is_not_waited_for_beyond_all_patience() {
        let patience = millis(Retry::CHAT.patience());
        for (since, state) in
            [(NOW - patience + 30_000, State::Owed), (NOW - patience, State::GivenUp)]
        {
            let known = before(2, since);
            let step = Step::Open(Duration::from_secs(30));
            let notice = after(Some(&known), step, NOW, &Retry::CHAT);
            assert_eq!(notice.state, state, "{notice:?}");
        }
        let known = before(0, NOW - patience);
        let notice = after(Some(&known), Step::Open(Duration::from_secs(1)), NOW, &Retry::CHAT);
        assert_eq!(notice.why, "breaker_open: answered 502; given up without a request");
    }
}
