//! Medians of repeated runs, and quantiles of many waits.
//!
//! Pure. Nothing here knows what was measured.

use serde::Serialize;

/// What repeated measurements of one thing gave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// In the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Sums measurements up; none when there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (low, high) =
            (values.get((values.len().max(1) - 1) / 2)?, values.get(values.len() / 2)?);
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Self { median: f64::midpoint(*low, *high), min, max })
    }
}

/// How long things took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half took at most this.
    pub p50_ms: f64,
    /// All but one in a hundred took at most this.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Quantiles {
    /// Sums waits in nanoseconds up; none when there are none.
    pub fn of(mut waits_ns: Vec<u64>) -> Option<Self> {
        waits_ns.sort_unstable();
        let at = |percent: usize| {
            let place = (waits_ns.len() * percent).div_ceil(100).max(1) - 1;
            waits_ns.get(place).copied().map(milliseconds)
        };
        Some(Self { p50_ms: at(50)?, p99_ms: at(99)?, max_ms: at(100)? })
    }
}

/// A number as the tables and ratios count.
#[expect(clippy::cast_precision_loss, reason = "no count comes near 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

fn milliseconds(ns: u64) -> f64 {
    float(ns) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), Some(Spread { median: 3.0, min: 3.0, max: 3.0 }));
        assert_eq!(spread(&[9.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 9.0 }));
        assert_eq!(spread(&[1.0, 2.0, 4.0, 9.0]).map(|it| it.median), Some(3.0));
    }

    #[test]
    fn a_quantile_is_a_wait_that_happened() {
        assert_eq!(Quantiles::of(Vec::new()), None);
        let waits = (1..=200).map(|ms| ms * 1_000_000).collect();
        let expected = Quantiles { p50_ms: 100.0, p99_ms: 198.0, max_ms: 200.0 };
        assert_eq!(Quantiles::of(waits), Some(expected));
        let one = Quantiles { p50_ms: 5.0, p99_ms: 5.0, max_ms: 5.0 };
        assert_eq!(Quantiles::of(vec![5_000_000]), Some(one));
    }
}
