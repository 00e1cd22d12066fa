//! Signs of life inside the process: whether its worker loops turn and Redis answers.
//!
//! Written by the worker loop of each lane, read by the heartbeat and `/health`; the watchdog is fed
//! from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Silence of a loop after which the process counts as stuck. A turn takes at most a wait and a few
/// commands, each with its own time limit.
const STUCK_AFTER: Duration = Duration::from_secs(20);

/// The pulse of one process: that of all its lanes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    began: Instant,
    lanes: Arc<[Beat]>,
}

#[derive(Debug, Default)]
struct Beat {
    /// Milliseconds since the process began when the loop last turned.
    turned_ms: AtomicU64,
    redis: AtomicBool,
    ready: AtomicBool,
}

impl Pulse {
    /// A process with so many lanes, none of which has done anything yet.
    pub(crate) fn new(lanes: usize) -> Self {
        Self { began: Instant::now(), lanes: (0..lanes).map(|_| Beat::default()).collect() }
    }

    /// The pulses of the single lanes.
    pub(crate) fn of_lanes(&self) -> impl Iterator<Item = LanePulse> + '_ {
        (0..self.lanes.len()).map(|index| LanePulse { pulse: self.clone(), index })
    }

    /// Whether every loop has turned lately.
    pub(crate) fn is_beating(&self) -> bool {
        let elapsed = self.began.elapsed();
        self.lanes.iter().all(|lane| {
            let turned = Duration::from_millis(lane.turned_ms.load(Ordering::Relaxed));
            elapsed.saturating_sub(turned) < STUCK_AFTER
        })
    }

    /// Whether the last word of Redis was an answer, everywhere.
    pub(crate) fn redis_answers(&self) -> bool {
        self.lanes.iter().all(|lane| lane.redis.load(Ordering::Relaxed))
    }

    /// Whether the worker has read all its streams once and Redis answers.
    pub(crate) fn is_ready(&self) -> bool {
        self.lanes.iter().all(|lane| lane.ready.load(Ordering::Relaxed)) && self.redis_answers()
    }

    /// How long the process has been there.
    pub(crate) fn uptime(&self) -> Duration {
        self.began.elapsed()
    }
}

/// The pulse of one lane.
#[derive(Debug)]
pub(crate) struct LanePulse {
    pulse: Pulse,
    index: usize,
}

impl LanePulse {
    /// Notes that the loop turns.
    pub(crate) fn turn(&self) {
        let elapsed = u64::try_from(self.pulse.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.note(|beat| beat.turned_ms.store(elapsed, Ordering::Relaxed));
    }

    /// Notes whether Redis answers.
    pub(crate) fn redis(&self, answers: bool) {
        self.note(|beat| beat.redis.store(answers, Ordering::Relaxed));
    }

    /// Notes that the worker reads its streams.
    pub(crate) fn ready(&self) {
        self.note(|beat| beat.ready.store(true, Ordering::Relaxed));
    }

    fn note(&self, note: impl FnOnce(&Beat)) {
        if let Some(beat) = self.pulse.lanes.get(self.index) {
            note(beat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_its_last_lane_is() {
        let pulse = Pulse::new(2);
        let lanes: Vec<LanePulse> = pulse.of_lanes().collect();
        for (at, lane) in lanes.iter().enumerate() {
            assert!(!pulse.is_ready(), "before lane {at}");
            lane.ready();
            lane.redis(true);
        }
        assert!(pulse.is_ready());
        lanes[1].redis(false);
        assert!(!pulse.is_ready() && !pulse.redis_answers());
    }
}
