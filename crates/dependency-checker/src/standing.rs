//! How one dependency stands: its last answer, and how many of a kind came in a row.
//!
//! Owns when an answer may be used again and when something counts as down or up. The asker keeps
//! one for each dependency and notes every answer in it; it never asks and never reads a clock.

use std::time::Duration;

use printery_config::{AnswerAge, Background};
use printery_events::payload::DependencyState;
use tokio::time::Instant;

use crate::judge::Answer;

/// So many failures in a row make a circuit open: whoever fails that often is spared.
const OPENS_AFTER: u32 = 5;

/// How long a circuit stays open after the last failure.
const OPEN_FOR: Duration = Duration::from_secs(60);

/// How often something is asked while its circuit is open.
const SPARED_FOR: Duration = Duration::from_secs(10);

/// How recent an answer must be for whoever wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// From after the question: the target itself was just deployed.
    Fresh,
    /// As old as the fleet file allows.
    Recent,
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It counts as down from now on.
    WentDown,
    /// It counts as up again, after so long.
    CameUp(Duration),
}

/// Says when answers may be used again, and when they make a difference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) age: AnswerAge,
    /// Failures in a row that make something down.
    pub(crate) fall: u32,
    /// Right answers in a row that make it up again.
    pub(crate) rise: u32,
}

impl Rules {
    /// Takes the rules from the fleet file; without a background every answer makes the difference by itself.
    pub(crate) fn of(age: AnswerAge, background: Option<Background>) -> Self {
        match background {
            Some(Background { fall, rise, .. }) => Self { age, fall, rise },
            None => Self { age, fall: 1, rise: 1 },
        }
    }
}

/// One dependency as it was last seen.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    last: Option<(Instant, Answer)>,
    failures: u32,
    passes: u32,
    /// Since when it counts as down.
    down_since: Option<Instant>,
}

impl Standing {
    /// Returns an answer that serves a question asked at `began`.
    pub(crate) fn reusable(
        &self,
        rules: &Rules,
        wanted: Wanted,
        began: Instant,
        now: Instant,
    ) -> Option<&Answer> {
        let (came, answer) = self.last.as_ref()?;
        if *came >= began {
            return Some(answer);
        }
        if wanted == Wanted::Fresh {
            return None;
        }
        let age = now.saturating_duration_since(*came);
        let allowed = if is_right(answer) { rules.age.pass } else { rules.age.fail };
        let open = self.failures >= OPENS_AFTER && age < OPEN_FOR;
        let allowed = if open { allowed.max(SPARED_FOR) } else { allowed };
        (age < allowed).then_some(answer)
    }

    /// Notes an answer and says what it changed.
    pub(crate) fn note(&mut self, rules: &Rules, answer: Answer, now: Instant) -> Option<Change> {
        let right = is_right(&answer);
        self.last = Some((now, answer));
        if right {
            self.failures = 0;
            self.passes = self.passes.saturating_add(1);
        } else {
            self.passes = 0;
            self.failures = self.failures.saturating_add(1);
        }
        match self.down_since {
            None if self.failures >= rules.fall => {
                self.down_since = Some(now);
                Some(Change::WentDown)
            }
            Some(since) if self.passes >= rules.rise => {
                self.down_since = None;
                Some(Change::CameUp(now.saturating_duration_since(since)))
            }
            None | Some(_) => None,
        }
    }

    /// Returns since when it counts as down.
    pub(crate) fn down_since(&self) -> Option<Instant> {
        self.down_since
    }
}

/// Tells whether a dependency can be relied on by this answer, be it slowly.
fn is_right(answer: &Answer) -> bool {
    match answer {
        Answer::Skipped(_) => true,
        Answer::Asked { state, .. } => *state != DependencyState::Unhealthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(state: DependencyState) -> Answer {
        Answer::Asked { state, endpoint: "x".to_owned(), took: Duration::ZERO, error: None }
    }

    fn rules(pass: u64, fail: u64) -> Rules {
        let (pass, fail) = (Duration::from_secs(pass), Duration::from_secs(fail));
        let every = Duration::from_secs(60);
        let background = Background { every, jitter: 0.1, fall: 3, rise: 2 };
        Rules::of(AnswerAge { pass, fail }, Some(background))
    }

    #[test]
    fn an_answer_serves_again_for_as_long_as_the_fleet_file_says() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        for (state, rules, asked, wanted, served) in [
            (DependencyState::Healthy, rules(10, 2), 9, Wanted::Recent, true),
            (DependencyState::Healthy, rules(10, 2), 10, Wanted::Recent, false),
            (DependencyState::Degraded, rules(10, 2), 9, Wanted::Recent, true),
            (DependencyState::Unhealthy, rules(10, 2), 1, Wanted::Recent, true),
            (DependencyState::Unhealthy, rules(10, 2), 2, Wanted::Recent, false),
            (DependencyState::Healthy, rules(10, 2), 1, Wanted::Fresh, false),
            (DependencyState::Healthy, rules(0, 0), 1, Wanted::Recent, false),
        ] {
            let mut standing = Standing::default();
            standing.note(&rules, answer(state), start);
            let reused = standing.reusable(&rules, wanted, after(asked), after(asked));
            assert_eq!(reused.is_some(), served, "{state:?} after {asked} s, {wanted:?}");
            // What came while somebody waited for it serves in any case.
            assert!(standing.reusable(&rules, Wanted::Fresh, start, after(asked)).is_some());
        }
    }

    #[test]
    fn what_fails_again_and_again_is_spared_for_a_while() {
        let rules = rules(0, 0);
        let start = Instant::now();
        let mut standing = Standing::default();
        let mut spared = Vec::new();
        for failures in 1..=6 {
            standing.note(&rules, answer(DependencyState::Unhealthy), start);
            let now = start + Duration::from_secs(1);
            if standing.reusable(&rules, Wanted::Recent, now, now).is_some() {
                spared.push(failures);
            }
        }
        assert_eq!(spared, [5, 6]);
        for (seconds, served) in [(9, true), (10, false), (59, false), (61, false)] {
            let now = start + Duration::from_secs(seconds);
            let reused = standing.reusable(&rules, Wanted::Recent, now, now);
            assert_eq!(reused.is_some(), served, "after {seconds} s");
        }
        standing.note(&rules, answer(DependencyState::Healthy), start);
        let now = start + Duration::from_secs(1);
        assert!(standing.reusable(&rules, Wanted::Recent, now, now).is_none());
    }

    #[test]
    fn only_so_many_in_a_row_make_something_down_and_up_again() {
        use DependencyState::{Degraded, Healthy, Unhealthy};
        let rules = rules(0, 0);
        let start = Instant::now();
        let mut standing = Standing::default();
        let mut changes = Vec::new();
        let states = [
            Unhealthy, Unhealthy, Healthy, Unhealthy, Unhealthy, Unhealthy, Unhealthy, Healthy,
            Unhealthy, Healthy, Degraded, Healthy,
        ];
        for (second, state) in (0..).zip(states) {
            let now = start + Duration::from_secs(second);
            if let Some(change) = standing.note(&rules, answer(state), now) {
                changes.push((second, change));
            }
        }
        let up = Change::CameUp(Duration::from_secs(5));
        assert_eq!(changes, [(5, Change::WentDown), (10, up)]);
        assert_eq!(standing.down_since(), None);
    }
}
