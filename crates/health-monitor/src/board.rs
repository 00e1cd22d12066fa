//! What one attempt knows of its window at this moment, by service.
//!
//! Owns the samples while they come in. Watchers write it, the reporter and the verdict read it;
//! nothing waits here, and nothing is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::journal::Known;
use crate::reading::{INSTRUMENTS, Reading};
use crate::sample::Sample;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<String, Seen>>);

/// What was seen of one service.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Seen {
    /// The samples, in whatever order they came.
    pub samples: Vec<Sample>,
    /// Looks that nobody took in time.
    pub missed: u32,
    /// What it measured of itself, in the order of time.
    pub readings: BTreeMap<u32, Reading>,
}

impl Board {
    /// Begins with what others have seen of the same window.
    pub(crate) fn new(known: Known) -> Self {
        Self(Mutex::new(known))
    }

    /// Adds a sample.
    pub(crate) fn note(&self, service: &str, sample: Sample) {
        self.seen().entry(service.to_owned()).or_default().samples.push(sample);
    }

    /// Adds what a service measured.
    pub(crate) fn read_off(&self, service: &str, n: u32, reading: Reading) {
        self.seen().entry(service.to_owned()).or_default().readings.insert(n, reading);
    }

    /// Adds looks that nobody took.
    pub(crate) fn missed(&self, service: &str, looks: u32) {
        if looks > 0 {
            self.seen().entry(service.to_owned()).or_default().missed += looks;
        }
    }

    /// Returns which looks of a service were taken: the address and the number.
    pub(crate) fn taken(&self, service: &str) -> BTreeSet<(String, u32)> {
        let seen = self.seen();
        let samples = seen.get(service).into_iter().flat_map(|seen| &seen.samples);
        let samples = samples.map(|sample| (sample.probe.clone(), sample.n));
        let readings = seen.get(service).into_iter().flat_map(|seen| seen.readings.keys());
        samples.chain(readings.map(|n| (INSTRUMENTS.to_owned(), *n))).collect()
    }

    /// Looks at what is known of a service.
    pub(crate) fn read<T>(&self, service: &str, look: impl FnOnce(&Seen) -> T) -> T {
        match self.seen().get(service) {
            Some(seen) => look(seen),
            None => look(&Seen::default()),
        }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        // Nobody panics while holding it; a poisoned one would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
