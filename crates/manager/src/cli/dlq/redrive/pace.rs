//! How a redrive goes about it: how fast, in which steps, and when it is too much.
//!
//! Parsed from flags and asked while it goes on; pure.

use std::str::FromStr;
use std::time::Duration;

/// Outcomes that are waited for before a share of failures means something, where a step has so
/// many: the first of a hundred to fail is not all of them.
const JUDGED: u64 = 20;

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// From one to the next.
    pub(crate) interval: Duration,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(said: &str) -> Result<Self, String> {
        let rule = || format!("{said:?} is not a rate such as 10/s, 600/m or 5/h");
        let (count, unit) = said.split_once('/').ok_or_else(rule)?;
        let count: u32 = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(rule)?;
        let unit = match unit.trim() {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3_600),
            _ => return Err(rule()),
        };
        Ok(Self { interval: unit / count })
    }
}

/// A share of a whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share(f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(said: &str) -> Result<Self, String> {
        let number = said.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        number
            .filter(|percent| (0.0..=100.0).contains(percent))
            .map(|percent| Self(percent / 100.0))
            .ok_or_else(|| format!("{said:?} is not a share from 0% to 100%"))
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%", self.0 * 100.0)
    }
}

impl Share {
    /// One in five.
    pub(crate) const FIFTH: Self = Self(0.2);

    /// So much of a whole; what is left of one counts as one.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of letters are far below 2^52, and a share of one is not negative"
    )]
    fn of(self, whole: u64) -> u64 {
        (whole as f64 * self.0).ceil() as u64
    }

    /// Whether so many failures are more than this share, after `settled` of a step of `size`.
    #[expect(clippy::cast_precision_loss, reason = "counts of letters are far below 2^52")]
    pub(crate) fn is_passed(self, failed: u64, settled: u64, size: u64) -> bool {
        let judged = settled.max(size.min(JUDGED));
        failed as f64 > judged as f64 * self.0
    }
}

/// One step as it was typed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// So many more.
    More(u64),
    /// Until so much of all is back.
    Until(Share),
}

/// The steps of a redrive: each is put back and settled before the next one begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Steps(Vec<Step>);

impl FromStr for Steps {
    type Err = String;

    fn from_str(said: &str) -> Result<Self, String> {
        let step = |part: &str| {
            if part.ends_with('%') {
                return part.parse().map(Step::Until);
            }
            let count = part.parse().ok().filter(|count| *count > 0);
            count.map(Step::More).ok_or_else(|| {
                format!("{part:?} is neither a number of letters nor a share such as 100%")
            })
        };
        said.split(',').map(|part| step(part.trim())).collect::<Result<_, _>>().map(Self)
    }
}

impl std::fmt::Display for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let step = |step: &Step| match step {
            Step::More(count) => count.to_string(),
            Step::Until(share) => share.to_string(),
        };
        f.write_str(&self.0.iter().map(step).collect::<Vec<_>>().join(", "))
    }
}

impl Steps {
    /// Everything at once.
    pub(crate) fn one() -> Self {
        Self(vec![Step::Until(Share(1.0))])
    }

    /// How large each step is, of so many letters; those that are empty are left out.
    pub(crate) fn sizes(&self, total: u64) -> Vec<u64> {
        let (mut sizes, mut before) = (Vec::new(), 0_u64);
        for step in &self.0 {
            let until = match step {
                Step::More(count) => before.saturating_add(*count),
                Step::Until(share) => share.of(total),
            };
            let until = until.min(total);
            if until > before {
                sizes.push(until - before);
                before = until;
            }
        }
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_so_many_in_a_unit() {
        let interval = |said: &str| said.parse::<Rate>().map(|rate| rate.interval);
        assert_eq!(interval("10/s"), Ok(Duration::from_millis(100)));
        assert_eq!(interval("60/m"), Ok(Duration::from_secs(1)));
        assert_eq!(interval("2/h"), Ok(Duration::from_secs(1_800)));
        for wrong in ["", "10", "0/s", "-1/s", "10/d", "x/s", "1.5/s"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_are_numbers_and_shares_of_all() {
        let table: [(&str, u64, &[u64]); 8] = [
            ("1,10,100%", 100, &[1, 10, 89]),
            ("1,10,100%", 5, &[1, 4]),
            ("1,10,100%", 1, &[1]),
            ("5%,50%", 100, &[5, 45]),
            ("1,1%,10%", 10, &[1]),
            ("50%,10%,100%", 10, &[5, 5]),
            ("7", 3, &[3]),
            ("100%", 0, &[]),
        ];
        for (said, total, expected) in table {
            assert_eq!(said.parse::<Steps>().unwrap().sizes(total), expected, "{said} of {total}");
        }
        for wrong in ["", "1,,2", "0", "101%", "x%", "1;2", "-1"] {
            assert!(wrong.parse::<Steps>().is_err(), "{wrong}");
        }
        assert_eq!(Steps::one().sizes(9), [9]);
    }

    #[test]
    fn a_share_is_passed_when_enough_is_known() {
        let twenty: Share = "20%".parse().unwrap();
        let table = [
            // A step of one: its failure is all of it.
            (1, 1, 1, true),
            (0, 1, 1, false),
            // The first of a hundred fails: nothing is known yet.
            (1, 1, 100, false),
            (4, 4, 100, false),
            (5, 5, 100, true),
            (20, 100, 100, false),
            (21, 100, 100, true),
            (2, 10, 10, false),
            (3, 3, 10, true),
        ];
        for (failed, settled, size, expected) in table {
            let passed = twenty.is_passed(failed, settled, size);
            assert_eq!(passed, expected, "{failed} of {settled} of {size}");
        }
        let none: Share = "0%".parse().unwrap();
        assert!(none.is_passed(1, 1, 100) && !none.is_passed(0, 100, 100));
        assert_eq!(twenty.to_string(), "20%");
        for wrong in ["20", "-1%", "101%", "%", "NaN%"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
