//! Decides what happens after a child has ended: start it again, and when, or leave it down.
//!
//! The roster asks once per exit and remembers the answer. Nothing here knows processes, clocks
//! or signals: time and chance come in as values, so that every case stands in a table below.

use std::fmt;
use std::time::Duration;

use printery_harness::exit;

/// Longest wait before a restart: a worker that keeps crashing is still tried once a minute.
const BACKOFF_CAP: Duration = Duration::from_secs(60);
/// A child that lived this long starts with a clean slate, so that three crashes in a year are
/// not three crashes in a row.
const STABLE: Duration = Duration::from_secs(60);
/// How many times the last wait a child must live as well before it counts as stable.
const STABLE_WAITS: u32 = 10;
/// Part of the wait by which it varies, so that four workers do not restart in lockstep. ±20 %.
const JITTER: f64 = 0.2;

/// How a child's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It returned this code.
    Code(u8),
    /// This signal ended it.
    Signal(i32),
    /// It was silent for longer than the watchdog and was killed for it.
    Hung,
}

/// Why a child is started again; the label of `printery_worker_restarts_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    /// It failed by itself.
    Crash,
    /// The watchdog killed it.
    Hang,
    /// It could not reach Redis in time.
    Redis,
    /// It stopped cleanly though nobody asked it to.
    Stopped,
}

impl Reason {
    /// The word used in metrics and snapshots.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Redis => "redis",
            Self::Stopped => "stopped",
        }
    }
}

impl Exit {
    /// The reason that a restart after this exit has; none where a restart cannot help.
    fn reason(self) -> Option<Reason> {
        match self {
            Self::Hung => Some(Reason::Hang),
            Self::Code(exit::USAGE) => None,
            Self::Code(exit::UNAVAILABLE) => Some(Reason::Redis),
            Self::Code(exit::DONE | exit::DEADLINE) => Some(Reason::Stopped),
            Self::Code(_) | Self::Signal(_) => Some(Reason::Crash),
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::Hung => f.write_str("killed: silent for longer than the watchdog"),
        }
    }
}

/// When children are restarted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RestartPolicy {
    /// Whether crashes are followed by restarts at all; otherwise that is the orchestrator's job.
    pub(crate) supervised: bool,
    /// Wait before the first restart; doubles up to [`BACKOFF_CAP`].
    pub(crate) backoff: Duration,
    /// Restarts after crashes in a row before the worker is given up.
    pub(crate) max_restarts: u32,
}

/// What one child has been through since it was last stable. Written by the roster only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// Crashes and hangs that count against [`RestartPolicy::max_restarts`].
    pub(crate) crashes: u32,
    /// Restarts of any reason; drives the backoff.
    pub(crate) restarts: u32,
}

/// What to do after an exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Start it again after this wait.
    Restart {
        /// How long to wait.
        after: Duration,
        /// Why.
        reason: Reason,
    },
    /// Leave it down: it failed and nobody restarts it.
    Fail(Failure),
    /// Leave it down: it stopped cleanly and nobody restarts it.
    Stop,
}

/// Why a failed child stays down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The fleet is not supervised.
    Unsupervised,
    /// It crashed more often in a row than allowed.
    GivenUp,
    /// It refuses its configuration, which a restart does not change.
    Misconfigured,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupervised => "not restarted: the fleet is not supervised",
            Self::GivenUp => "given up: restarted too often",
            Self::Misconfigured => "not restarted: its configuration is refused",
        })
    }
}

impl RestartPolicy {
    /// Decides about a child that ended after `uptime` without having been asked to.
    ///
    /// # Shapes and units
    /// `chance`: −1 to 1, spreads the wait by ±20 %.
    pub(crate) fn decide(
        &self,
        exit: Exit,
        history: History,
        uptime: Duration,
        chance: f64,
    ) -> (Decision, History) {
        let history = if self.is_stable(history, uptime) { History::default() } else { history };
        let Some(reason) = exit.reason() else {
            return (Decision::Fail(Failure::Misconfigured), history);
        };
        match reason {
            // An outage of Redis is nobody's crash: try on, however often it takes.
            Reason::Redis => self.restart(reason, history, chance),
            Reason::Stopped if self.supervised => self.restart(reason, history, chance),
            Reason::Stopped => (Decision::Stop, history),
            Reason::Crash | Reason::Hang if !self.supervised => {
                (Decision::Fail(Failure::Unsupervised), history)
            }
            Reason::Crash | Reason::Hang if history.crashes >= self.max_restarts => {
                (Decision::Fail(Failure::GivenUp), history)
            }
            Reason::Crash | Reason::Hang => {
                let crashes = history.crashes.saturating_add(1);
                self.restart(reason, History { crashes, ..history }, chance)
            }
        }
    }

    fn restart(&self, reason: Reason, history: History, chance: f64) -> (Decision, History) {
        let after = spread(self.wait(history.restarts), chance);
        let restarts = history.restarts.saturating_add(1);
        (Decision::Restart { after, reason }, History { restarts, ..history })
    }

    /// The wait before the restart that follows `restarts` earlier ones, before it is spread.
    fn wait(&self, restarts: u32) -> Duration {
        let cap = BACKOFF_CAP.max(self.backoff);
        let doubled = 2_u32.checked_pow(restarts).and_then(|by| self.backoff.checked_mul(by));
        doubled.unwrap_or(cap).min(cap)
    }

    fn is_stable(&self, history: History, uptime: Duration) -> bool {
        let last_wait = history.restarts.checked_sub(1).map_or(Duration::ZERO, |n| self.wait(n));
        uptime >= STABLE.max(last_wait.saturating_mul(STABLE_WAITS))
    }
}

fn spread(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(JITTER.mul_add(chance.clamp(-1.0, 1.0), 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUPERVISED: RestartPolicy =
        RestartPolicy { supervised: true, backoff: Duration::from_secs(1), max_restarts: 3 };
    const UNSUPERVISED: RestartPolicy = RestartPolicy { supervised: false, ..SUPERVISED };

    fn restart(seconds: u64, reason: Reason) -> Decision {
        Decision::Restart { after: Duration::from_secs(seconds), reason }
    }

    fn after(crashes: u32) -> History {
        History { crashes, restarts: crashes }
    }

    #[test]
    fn each_exit_has_its_decision() {
        use Failure::{GivenUp, Misconfigured, Unsupervised};
        let young = Duration::from_secs(5);
        let table = [
            (SUPERVISED, Exit::Signal(9), after(0), restart(1, Reason::Crash)),
            (SUPERVISED, Exit::Signal(9), after(1), restart(2, Reason::Crash)),
            (SUPERVISED, Exit::Code(70), after(2), restart(4, Reason::Crash)),
            (SUPERVISED, Exit::Code(1), after(3), Decision::Fail(GivenUp)),
            (SUPERVISED, Exit::Hung, after(0), restart(1, Reason::Hang)),
            (SUPERVISED, Exit::Hung, after(3), Decision::Fail(GivenUp)),
            (SUPERVISED, Exit::Code(2), after(0), Decision::Fail(Misconfigured)),
            (SUPERVISED, Exit::Code(0), after(0), restart(1, Reason::Stopped)),
            (SUPERVISED, Exit::Code(75), after(3), restart(8, Reason::Stopped)),
            (SUPERVISED, Exit::Code(69), after(3), restart(8, Reason::Redis)),
            (UNSUPERVISED, Exit::Signal(9), after(0), Decision::Fail(Unsupervised)),
            (UNSUPERVISED, Exit::Hung, after(0), Decision::Fail(Unsupervised)),
            (UNSUPERVISED, Exit::Code(1), after(0), Decision::Fail(Unsupervised)),
            (UNSUPERVISED, Exit::Code(2), after(0), Decision::Fail(Misconfigured)),
            (UNSUPERVISED, Exit::Code(0), after(0), Decision::Stop),
            (UNSUPERVISED, Exit::Code(75), after(0), Decision::Stop),
            (UNSUPERVISED, Exit::Code(69), after(0), restart(1, Reason::Redis)),
        ];
        for (policy, exit, history, expected) in table {
            let (decision, _) = policy.decide(exit, history, young, 0.0);
            assert_eq!(decision, expected, "{exit:?} after {history:?}, {policy:?}");
        }
    }

    #[test]
    fn a_redis_outage_uses_no_restart() {
        let mut history = after(2);
        for _ in 0..50 {
            (_, history) = SUPERVISED.decide(Exit::Code(69), history, Duration::ZERO, 0.0);
        }
        assert_eq!(history, History { crashes: 2, restarts: 52 });
    }

    #[test]
    fn a_stable_child_starts_with_a_clean_slate() {
        let minute = Duration::from_secs(60);
        let (decision, history) = SUPERVISED.decide(Exit::Signal(9), after(3), minute, 0.0);
        assert_eq!((decision, history), (restart(1, Reason::Crash), after(1)));
        // After waits of 30 s a life of one minute proves nothing.
        let slow = RestartPolicy { backoff: Duration::from_secs(30), ..SUPERVISED };
        let (decision, _) = slow.decide(Exit::Signal(9), after(3), minute, 0.0);
        assert_eq!(decision, Decision::Fail(Failure::GivenUp));
    }

    proptest! {
        #[test]
        fn waits_stay_within_the_cap_and_its_jitter(
            backoff_ms in 0_u64..3_600_000,
            restarts in 0_u32..200,
            chance in -2.0_f64..2.0,
        ) {
            let backoff = Duration::from_millis(backoff_ms);
            let policy = RestartPolicy { backoff, ..SUPERVISED };
            let history = History { crashes: 0, restarts };
            let (decision, next) = policy.decide(Exit::Signal(11), history, Duration::ZERO, chance);
            let Decision::Restart { after, .. } = decision else { panic!("{decision:?}") };
            let cap = BACKOFF_CAP.max(backoff);
            prop_assert!(after <= cap.mul_f64(1.0 + JITTER));
            prop_assert!(after >= backoff.min(cap).mul_f64(1.0 - JITTER));
            prop_assert_eq!(next.restarts, restarts + 1);
        }

        #[test]
        fn a_crash_loop_ends_after_max_restarts(max_restarts in 0_u32..20) {
            let policy = RestartPolicy { max_restarts, ..SUPERVISED };
            let mut history = History::default();
            let mut starts = 0;
            while let (Decision::Restart { .. }, next) =
                policy.decide(Exit::Signal(9), history, Duration::ZERO, 0.0)
            {
                history = next;
                starts += 1;
            }
            prop_assert_eq!(starts, max_restarts);
        }
    }
}
