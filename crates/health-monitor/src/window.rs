//! When samples are taken: a fixed rate after a quiet time, by the server's clock.
//!
//! Owns the difference between a baseline and the window after a stage, and what becomes of moments
//! that have passed. The watcher asks it; it knows moments in time, never the time itself.

use std::time::Duration;

use printery_config::Monitor;

use crate::request::Phase;

/// How late a look may be that this process itself is to blame for: later ones are left out, so
/// that a process that was stopped does not ask a hundred times at once. 1 s.
const LATE: Duration = Duration::from_secs(1);

/// The moments at which one address is asked. The same for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    /// When it began, the server's milliseconds since the epoch.
    pub began_ms: u64,
    /// Quiet time before the first sample.
    warmup: Duration,
    /// Samples of one address.
    samples: u32,
    /// From the start of one sample to the start of the next.
    interval: Duration,
    /// How far a sample is moved within its interval, as a share of it.
    jitter: f64,
}

/// What becomes of one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// It is taken then, after the beginning of the window.
    At(Duration),
    /// Its time has passed and nobody looked.
    Missed,
}

impl Window {
    /// Returns the window of a service in a phase; what still runs needs no quiet time.
    pub(crate) fn of(monitor: &Monitor, phase: &Phase, began_ms: u64) -> Self {
        let (warmup, samples) = match phase {
            Phase::Baseline => (Duration::ZERO, monitor.baseline.samples),
            Phase::PostStage(_) => (monitor.warmup, monitor.samples),
        };
        let (samples, interval, jitter) = (samples.get(), monitor.interval, monitor.jitter);
        Self { began_ms, warmup, samples, interval, jitter }
    }

    /// Returns how many samples of one address are planned.
    pub(crate) fn samples(&self) -> u32 {
        self.samples
    }

    /// Returns when the last interval ends, after the beginning of the window.
    pub(crate) fn length(&self) -> Duration {
        self.slot(self.samples)
    }

    /// Returns when the `n`th look at an address is due; a slow answer does not shift the next one.
    ///
    /// The same `address` is always moved by the same jitter, whoever watches.
    pub(crate) fn moment(&self, n: u32, address: &str) -> Duration {
        self.slot(n) + self.interval.mul_f64(self.jitter * share(self.began_ms, n, address))
    }

    /// Returns what becomes of the `n`th look when a watcher begins at `now`: the interval that is
    /// under way is not lost, nor is any to the `first` watcher who is only a little late.
    pub(crate) fn found_at(&self, n: u32, address: &str, now: Duration, first: bool) -> Due {
        let missed = if first { self.is_late(n, now) } else { now >= self.slot(n + 1) };
        if missed {
            return Due::Missed;
        }
        Due::At(self.moment(n, address).max(now))
    }

    /// Tells whether a watcher that comes to the `n`th look at `now` has come too late.
    pub(crate) fn is_late(&self, n: u32, now: Duration) -> bool {
        now >= self.slot(n + 1) + LATE
    }

    /// Returns where the `n`th interval begins.
    fn slot(&self, n: u32) -> Duration {
        self.warmup.saturating_add(self.interval.saturating_mul(n))
    }
}

/// Returns a number from 0 to 1 that looks random and is always the same.
fn share(began_ms: u64, n: u32, address: &str) -> f64 {
    // FNV-1a, 64 bits: any spread will do, nobody has an interest in guessing it.
    let words = began_ms.to_le_bytes().into_iter().chain(n.to_le_bytes());
    let hash = words.chain(address.bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    f64::from(u32::try_from(hash >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use printery_config::Baseline;
    use proptest::prelude::*;
    use std::num::NonZeroU32;

    fn monitor() -> Monitor {
        let mut monitor = Monitor::default();
        monitor.warmup = Duration::from_secs(30);
        monitor.samples = NonZeroU32::new(3).unwrap();
        monitor.interval = Duration::from_secs(10);
        monitor.jitter = 0.0;
        monitor.baseline = Baseline { samples: NonZeroU32::new(2).unwrap(), ..Baseline::default() };
        monitor
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn samples_are_taken_at_a_fixed_rate_after_the_quiet_time() {
        let moments = |phase| {
            let window = Window::of(&monitor(), &phase, 5);
            let seconds =
                (0..window.samples()).map(|n| window.moment(n, "api/health").as_secs()).collect();
            (seconds, window.length().as_secs())
        };
        let after: (Vec<u64>, u64) = moments(Phase::PostStage(None));
        assert_eq!(after, (vec![30, 40, 50], 60));
        assert_eq!(moments(Phase::Baseline), (vec![0, 10], 20));
    }

    #[test]
    fn who_takes_over_goes_on_with_the_interval_under_way() {
        let window = Window::of(&monitor(), &Phase::PostStage(None), 0);
        let due = |now: u64| -> Vec<Due> {
            (0..3).map(|n| window.found_at(n, "api/health", at(now), false)).collect()
        };
        assert_eq!(due(0), [Due::At(at(30)), Due::At(at(40)), Due::At(at(50))]);
        assert_eq!(due(42), [Due::Missed, Due::At(at(42)), Due::At(at(50))]);
        assert_eq!(due(60), [Due::Missed, Due::Missed, Due::Missed]);
        assert!(!window.is_late(0, at(40)) && window.is_late(0, at(41)));
        let first = |now| window.found_at(0, "api/health", at(now), true);
        assert_eq!((first(40), first(41)), (Due::At(at(40)), Due::Missed));
    }

    proptest! {
        #[test]
        fn jitter_stays_within_its_interval_and_is_the_same_for_everybody(
            began_ms in any::<u64>(), n in 0_u32..1_000, jitter in 0.0_f64..=1.0,
        ) {
            let mut monitor = monitor();
            monitor.jitter = jitter;
            let window = Window::of(&monitor, &Phase::Baseline, began_ms);
            let moment = window.moment(n, "api/health");
            prop_assert!(moment >= at(10) * n && moment <= at(10) * (n + 1));
            prop_assert_eq!(Window::of(&monitor, &Phase::Baseline, began_ms).moment(n, "api/health"), moment);
        }
    }
}
