//! Percentiles of measured times.
//!
//! Owns the one definition used here, the nearest rank. The verdict calls it with sorted times; it
//! never interpolates, so that what it answers was really measured.

use std::time::Duration;

/// Returns the smallest measured time that at least `percent` of all do not exceed.
///
/// # Shapes and units
/// `sorted` ascends; `percent` is 1..=100. `None` when nothing was measured.
/// # Source
/// The nearest-rank method: element number ⌈percent / 100 × n⌉, counted from one.
pub(crate) fn nearest_rank(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times(milliseconds: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        milliseconds.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn a_percentile_is_a_measured_time() {
        let cases = [
            (times([]), 50, None),
            (times([7]), 1, Some(7)),
            (times([7]), 99, Some(7)),
            (times([1, 9]), 50, Some(1)),
            (times([1, 9]), 51, Some(9)),
            (times([15, 20, 35, 40, 50]), 5, Some(15)),
            (times([15, 20, 35, 40, 50]), 30, Some(20)),
            (times([15, 20, 35, 40, 50]), 40, Some(20)),
            (times([15, 20, 35, 40, 50]), 50, Some(35)),
            (times([15, 20, 35, 40, 50]), 100, Some(50)),
            (times(1..=100), 99, Some(99)),
            (times(1..=200), 99, Some(198)),
        ];
        for (sorted, percent, expected) in cases {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(nearest_rank(&sorted, percent), expected, "p{percent} of {sorted:?}");
        }
    }

    proptest! {
        #[test]
        fn at_least_that_share_is_no_slower(
            mut raw in prop::collection::vec(0_u64..1_000, 1..60),
            percent in 1_usize..=100,
        ) {
            raw.sort_unstable();
            let sorted = times(raw);
            let value = nearest_rank(&sorted, percent).unwrap();
            let no_slower = sorted.iter().filter(|time| **time <= value).count();
            let faster = sorted.iter().filter(|time| **time < value).count();
            prop_assert!(no_slower * 100 >= percent * sorted.len());
            prop_assert!(faster * 100 < percent * sorted.len());
        }
    }
}
