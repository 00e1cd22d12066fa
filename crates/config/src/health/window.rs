//! How long a window lasts: a time, or a number of samples.
//!
//! Owns `window:`, `samples:` and the baseline's own of both. A monitor turns them into numbers of
//! samples once every override of `interval` is known. Never knows when a window begins.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Serialize;

use crate::problem::Code;
use crate::scalar;
use crate::shown;
use crate::table::Table;

/// The most samples one probe keeps: a day at one a second.
const MOST_SAMPLES: u32 = 86_400;

/// Says how long sampling lasts: a time, or a number of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Time(Duration),
    Samples(NonZeroU32),
}

impl Span {
    /// Returns the number of samples, at least one.
    pub(super) fn samples(self, interval: Duration) -> NonZeroU32 {
        match self {
            Self::Samples(samples) => samples,
            Self::Time(window) => {
                let samples = window.as_nanos().div_ceil(interval.as_nanos().max(1));
                let samples = u32::try_from(samples).unwrap_or(MOST_SAMPLES).min(MOST_SAMPLES);
                NonZeroU32::new(samples).unwrap_or(NonZeroU32::MIN)
            }
        }
    }

    /// Reads `window: 10m` or `samples: 60`.
    pub(super) fn read(table: &mut Table<'_, '_>, base: Self) -> Self {
        let window = table.span("window");
        let samples = table.small("samples").and_then(NonZeroU32::new);
        match (window, samples) {
            (Some(_), Some(_)) => {
                let text = format!(
                    "{} and {} exclude each other",
                    table.name("window"),
                    table.name("samples")
                );
                table.reader.report(Code::Conflict, table.at, text);
                base
            }
            (Some(window), None) => Self::Time(window),
            (None, Some(samples)) => Self::Samples(samples),
            (None, None) => base,
        }
    }
}

/// Plans the samples taken before a deployment, and how those after it are compared with them.
/// There is no warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Baseline {
    /// Samples per probe; the monitor's `interval` and `timeout` apply.
    pub samples: NonZeroU32,
    /// Whether being worse than before degrades a service that keeps its thresholds.
    pub compare: Compare,
    /// How much slower the median may be than before; 0.5 is half as much again.
    pub allow: f64,
    /// By how much it must be slower at least.
    #[serde(serialize_with = "shown::duration")]
    pub floor: Duration,
}

impl Default for Baseline {
    fn default() -> Self {
        Self {
            samples: NonZeroU32::MIN,
            compare: Compare::default(),
            allow: 0.5,
            floor: Duration::from_millis(50),
        }
    }
}

impl Baseline {
    /// Reads everything but the number of samples, which depends on the interval.
    pub(super) fn read(table: &mut Table<'_, '_>, base: Self) -> Self {
        Self {
            samples: base.samples,
            compare: table.word("compare", &COMPARE).unwrap_or(base.compare),
            allow: table.parse("allow", scalar::increase).unwrap_or(base.allow),
            floor: table.duration("floor").unwrap_or(base.floor),
        }
    }
}

/// The words of `baseline.compare`.
const COMPARE: [(&str, Compare); 3] =
    [("off", Compare::Off), ("relative", Compare::Relative), ("significant", Compare::Significant)];

/// Says how the time after a deployment is compared with the time before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compare {
    /// Not at all: thresholds are what people can explain.
    #[default]
    Off,
    /// By how much it differs.
    Relative,
    /// By how much it differs, if chance does not explain it.
    Significant,
}
