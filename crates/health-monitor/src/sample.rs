//! One look at one address: when, how long, and what it showed.
//!
//! Owns the shape that the watcher fills in, the journal keeps and the verdict reads. It never
//! judges a service.

use std::time::Duration;

use printery_harness::fleet::windows::Sight;
use serde::{Deserialize, Serialize};

/// One look at one address of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Which of the service's addresses was asked, such as `health` or `ready`.
    pub probe: String,
    /// Which of the window's looks at that address it was; the first is 0.
    pub n: u32,
    /// When it was asked, counted from the beginning of the window.
    pub at: Duration,
    /// How long the answer took.
    pub took: Duration,
    /// What it showed.
    pub finding: Finding,
}

/// What one look showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The service answered as it should.
    Passed,
    /// The service did not answer, or not as it should; in a few words, such as `HTTP 503`.
    Failed(String),
    /// We could not ask, which says nothing about the service; in a few words.
    Unasked(String),
}

/// A sample as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    at_ms: u64,
    took_us: u64,
    found: Found,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    why: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Found {
    Passed,
    Failed,
    Unasked,
}

impl Sample {
    /// Returns what is kept of a sample of a service.
    pub(crate) fn sight(&self, service: &str) -> Sight {
        let (found, why) = match &self.finding {
            Finding::Passed => (Found::Passed, String::new()),
            Finding::Failed(why) => (Found::Failed, why.clone()),
            Finding::Unasked(why) => (Found::Unasked, why.clone()),
        };
        let kept = Kept {
            at_ms: u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX),
            took_us: u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
            found,
            why,
        };
        Sight {
            place: format!("{service}/{}/{}", self.probe, self.n),
            seen: serde_json::to_string(&kept).unwrap_or_default(),
        }
    }

    /// Reads what was kept, with the service's name; none for what no version of ours has written.
    pub(crate) fn of(sight: &Sight) -> Option<(&str, Self)> {
        let (service, rest) = sight.place.split_once('/')?;
        let (probe, n) = rest.rsplit_once('/')?;
        let kept: Kept = serde_json::from_str(&sight.seen).ok()?;
        let sample = Self {
            probe: probe.to_owned(),
            n: n.parse().ok()?,
            at: Duration::from_millis(kept.at_ms),
            took: Duration::from_micros(kept.took_us),
            finding: match kept.found {
                Found::Passed => Finding::Passed,
                Found::Failed => Finding::Failed(kept.why),
                Found::Unasked => Finding::Unasked(kept.why),
            },
        };
        Some((service, sample))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_kept_is_read_back(n in 0_u32..90_000, at in 0_u64..100_000, took in 0_u64..9_000_000, kind in 0_u8..3, why in ".{1,40}") {
            let finding = match kind {
                0 => Finding::Passed,
                1 => Finding::Failed(why),
                _ => Finding::Unasked(why),
            };
            let (at, took) = (Duration::from_millis(at), Duration::from_micros(took));
            let sample = Sample { probe: "ready".to_owned(), n, at, took, finding };
            let sight = sample.sight("shop.api");
            prop_assert_eq!(Sample::of(&sight), Some(("shop.api", sample)));
        }

        #[test]
        fn whatever_stands_there_is_read_or_left_out(place in ".{0,20}", seen in ".{0,40}") {
            let _read = Sample::of(&Sight { place, seen });
        }
    }
}
