//! When samples are taken: a fixed rate after a quiet time.
//!
//! Owns the difference between a baseline and the window after a stage. The sampler calls it; it
//! knows distances in time, never the time.

use std::time::Duration;

use printery_config::Monitor;

use crate::request::Phase;

/// The moments at which one address is asked, counted from the beginning of the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Quiet time before the first sample.
    warmup: Duration,
    /// Samples of one address.
    samples: u32,
    /// From the start of one sample to the start of the next.
    interval: Duration,
}

impl Window {
    /// Returns the window of a service in a phase; what still runs needs no quiet time.
    pub(crate) fn of(monitor: &Monitor, phase: &Phase) -> Self {
        let (warmup, samples) = match phase {
            Phase::Baseline => (Duration::ZERO, monitor.baseline.samples),
            Phase::PostStage(_) => (monitor.warmup, monitor.samples),
        };
        Self { warmup, samples: samples.get(), interval: monitor.interval }
    }

    /// Returns how many samples of one address are planned.
    pub(crate) fn samples(&self) -> u32 {
        self.samples
    }

    /// Returns the moments; a slow answer does not shift the next one.
    pub(crate) fn moments(&self) -> impl Iterator<Item = Duration> + use<> {
        let Self { warmup, samples, interval } = *self;
        (0..samples).map(move |n| warmup.saturating_add(interval.saturating_mul(n)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use printery_config::Baseline;
    use std::num::NonZeroU32;

    #[test]
    fn samples_are_taken_at_a_fixed_rate_after_the_quiet_time() {
        let mut monitor = Monitor::default();
        monitor.warmup = Duration::from_secs(30);
        monitor.samples = NonZeroU32::new(3).unwrap();
        monitor.interval = Duration::from_secs(10);
        monitor.baseline = Baseline { samples: NonZeroU32::new(2).unwrap() };
        let seconds = |phase| -> Vec<u64> {
            Window::of(&monitor, &phase).moments().map(|moment| moment.as_secs()).collect()
        };
        assert_eq!(seconds(Phase::PostStage(None)), [30, 40, 50]);
        assert_eq!(seconds(Phase::Baseline), [0, 10]);
    }
}
