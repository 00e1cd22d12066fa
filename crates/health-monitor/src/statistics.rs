//! Whether a difference is more than chance.
//!
//! Owns two tests that make no assumption about how times are distributed. The comparison with the
//! baseline calls them; nothing here knows what the numbers stand for.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Returns how likely it is that `later` is larger than `earlier` by chance alone, 0..=1.
///
/// # Shapes and units
/// Both in the same unit, in any order. 1 where either is empty or nothing differs.
/// # Source
/// Mann and Whitney 1947: normal approximation with corrections for ties and for continuity, as
/// `scipy.stats.mannwhitneyu(later, earlier, alternative="greater", method="asymptotic")`. Good
/// from about 20 values a side on.
pub(crate) fn larger_by_chance(later: &[f64], earlier: &[f64]) -> f64 {
    let (m, n) = (count(later.len()), count(earlier.len()));
    if later.is_empty() || earlier.is_empty() {
        return 1.0;
    }
    let (rank_sum, ties) = ranks(later, earlier);
    let u = rank_sum - m * (m + 1.0) / 2.0;
    let all = m + n;
    let variance = m * n / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    upper_tail((u - m * n / 2.0 - 0.5) / variance.sqrt())
}

/// Returns the sum of the ranks of `later` among all values, and the sum of t³ - t over the ties.
fn ranks(later: &[f64], earlier: &[f64]) -> (f64, f64) {
    let later = later.iter().map(|value| (*value, 1.0));
    let mut all: Vec<(f64, f64)> = later.chain(earlier.iter().map(|value| (*value, 0.0))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut sum, mut ties, mut before) = (0.0, 0.0, 0.0);
    for tied in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let size = count(tied.len());
        let rank = before + f64::midpoint(size, 1.0);
        sum += rank * tied.iter().map(|(_, mine)| mine).sum::<f64>();
        ties += size * (size * size - 1.0);
        before += size;
    }
    (sum, ties)
}

/// Returns how likely it is that so many fail after so few did before, by chance alone.
///
/// # Shapes and units
/// Each side: how many failed, of how many. 1 where either side is empty.
/// # Source
/// Fisher's exact test, one-sided, as `scipy.stats.fisher_exact(…, alternative="greater")`.
pub(crate) fn more_failures_by_chance(later: (u32, u32), earlier: (u32, u32)) -> f64 {
    let ((failed, counted), (failed_before, counted_before)) = (later, earlier);
    if counted == 0 || counted_before == 0 {
        return 1.0;
    }
    let all_failed = failed.saturating_add(failed_before);
    let all = f64::from(counted) + f64::from(counted_before);
    let whole = ln_choose(all, f64::from(all_failed));
    let exactly = |failed: u32| {
        let rest = f64::from(all_failed - failed);
        let ways = ln_choose(f64::from(counted), f64::from(failed))
            + ln_choose(f64::from(counted_before), rest);
        (ways - whole).exp()
    };
    let most = counted.min(all_failed);
    (failed..=most).map(exactly).sum::<f64>().min(1.0)
}

/// Returns the logarithm of the number of ways to choose `k` of `n`; minus infinity for none.
fn ln_choose(n: f64, k: f64) -> f64 {
    if k > n { f64::NEG_INFINITY } else { ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k) }
}

/// Returns ln n!.
///
/// # Source
/// Stirling's series for n + 1 ≥ 10, four terms: below 1e-10 relative. Smaller ones by recurrence.
fn ln_factorial(n: f64) -> f64 {
    let (mut x, mut less) = (n + 1.0, 0.0);
    while x < 10.0 {
        less += x.ln();
        x += 1.0;
    }
    let (one, square) = (1.0 / x, 1.0 / (x * x));
    let series =
        one / 12.0 * (1.0 - square / 30.0 * (1.0 - square * 2.0 / 7.0 * (1.0 - square * 0.75)));
    (x - 0.5) * x.ln() - x + (2.0 * PI).ln() / 2.0 + series - less
}

/// Returns the share of a normal distribution above `z` deviations.
fn upper_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - upper_tail(-z);
    }
    erfc(z * FRAC_1_SQRT_2) / 2.0
}

/// Returns the complementary error function of a number that is not negative.
///
/// # Source
/// Abramowitz and Stegun 7.1.5 (series) below 2, 7.1.14 (continued fraction) from there on.
fn erfc(x: f64) -> f64 {
    if x < 2.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..60_u32 {
            let n = f64::from(n);
            term *= -x * x / n;
            sum += term / (2.0 * n + 1.0);
        }
        return 1.0 - 2.0 / PI.sqrt() * sum;
    }
    let fraction = (1..60_u32).rev().fold(x, |below, n| x + f64::from(n) / 2.0 / below);
    (-x * x).exp() / PI.sqrt() / fraction
}

/// Counts of samples are far below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "a window has at most a few hundred thousand samples"
)]
fn count(items: usize) -> f64 {
    items as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_close(found: f64, expected: f64, what: &str) {
        let error = (found - expected).abs() / expected.abs().max(1e-300);
        assert!(error < 1e-9, "{what}: {found} is not {expected}");
    }

    /// `scipy.stats.norm.sf(z)`, scipy 1.17.1.
    #[test]
    fn the_normal_tail_is_that_of_scipy() {
        let cases = [
            (-3.5, 0.999_767_370_920_964_5),
            (-1.0, 0.841_344_746_068_542_9),
            (0.0, 0.5),
            (0.3, 0.382_088_577_811_047_4),
            (1.0, 0.158_655_253_931_457_07),
            (1.959_963_984_540_054, 0.025),
            (2.5, 0.006_209_665_325_776_132),
            (4.0, 3.167_124_183_311_986e-5),
            (6.0, 9.865_876_450_376_946e-10),
            (9.0, 1.128_588_405_953_832_4e-19),
        ];
        for (z, expected) in cases {
            is_close(upper_tail(z), expected, &format!("sf({z})"));
        }
    }

    /// `scipy.stats.mannwhitneyu(y, x, alternative="greater", method="asymptotic")`, scipy 1.17.1.
    #[test]
    fn larger_times_are_told_from_chance_as_by_scipy() {
        let tied: Vec<f64> =
            [12, 15, 11, 14, 13, 12, 16, 15, 14, 13, 12, 11, 15, 14, 13, 12, 14, 15, 16, 13]
                .map(f64::from)
                .to_vec();
        let shifted: Vec<f64> = tied.iter().map(|value| value + 2.0).collect();
        let before = [
            20.1, 22.6, 18.0, 14.1, 16.7, 13.5, 20.6, 34.3, 16.5, 15.7, 24.4, 23.2, 21.0, 13.8,
            19.9, 26.5, 11.7, 16.7, 9.4, 12.0, 9.6, 18.3, 12.1, 22.4, 21.4,
        ];
        let after = [
            25.2, 9.9, 21.9, 26.6, 28.4, 14.7, 22.4, 18.3, 19.6, 41.4, 19.6, 26.8, 38.6, 21.5,
            25.9, 28.3, 27.8, 16.6, 28.0, 46.7, 14.6, 38.2, 28.4, 21.0, 60.4, 36.8, 16.8, 27.9,
            34.1, 25.1,
        ];
        let low: Vec<f64> = (1..=20).map(f64::from).collect();
        let high: Vec<f64> = (101..=120).map(f64::from).collect();
        let cases: [(&[f64], &[f64], f64); 7] = [
            (&shifted, &tied, 0.000_359_556_144_239_063_6),
            (&tied, &shifted, 0.999_674_676_593_822_5),
            (&tied, &tied, 0.505_487_957_614_794_8),
            (&after, &before, 0.000_130_376_055_017_578),
            (&before, &after, 0.999_877_947_449_115_2),
            (&high, &low, 3.397_807_564_086_679e-8),
            (&low, &high, 0.999_999_970_785_400_3),
        ];
        for (later, earlier, expected) in cases {
            is_close(larger_by_chance(later, earlier), expected, &format!("{later:?}"));
        }
        assert!((larger_by_chance(&[3.0; 20], &[3.0; 20]) - 1.0).abs() < 1e-12, "nothing differs");
        assert!((larger_by_chance(&[], &low) - 1.0).abs() < 1e-12);
    }

    /// `scipy.stats.fisher_exact([[a, b], [c, d]], alternative="greater")`, scipy 1.17.1, where a of
    /// a + b failed later and c of c + d before.
    #[test]
    fn more_failures_are_told_from_chance_as_by_scipy() {
        let cases = [
            ((5, 100), (1, 100), 0.105_823_926_347_865_85),
            ((10, 50), (2, 50), 0.013_873_129_574_085_18),
            ((0, 20), (0, 20), 1.0),
            ((3, 20), (3, 20), 0.669_290_169_290_169_4),
            ((40, 200), (10, 200), 3.368_882_570_461_311_2e-6),
            ((1, 1), (0, 1), 0.5),
            ((12, 600), (3, 600), 0.017_025_049_597_252_01),
        ];
        for (later, earlier, expected) in cases {
            let found = more_failures_by_chance(later, earlier);
            is_close(found, expected, &format!("{later:?} after {earlier:?}"));
        }
        assert!((more_failures_by_chance((0, 0), (1, 9)) - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn a_probability_is_one(
            later in prop::collection::vec(0_u16..500, 0..60),
            earlier in prop::collection::vec(0_u16..500, 0..60),
            failed in 0_u32..200, counted in 0_u32..200, before in 0_u32..200, of in 0_u32..200,
        ) {
            let floats = |values: &[u16]| -> Vec<f64> { values.iter().map(|it| f64::from(*it)).collect() };
            let p = larger_by_chance(&floats(&later), &floats(&earlier));
            prop_assert!((0.0..=1.0).contains(&p), "{p}");
            let p = more_failures_by_chance((failed.min(counted), counted), (before.min(of), of));
            prop_assert!((0.0..=1.0).contains(&p), "{p}");
        }
    }
}
