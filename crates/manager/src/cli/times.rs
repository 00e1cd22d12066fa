//! Spans and moments as people read them.
//!
//! Called by everything that prints; pure. It never asks for the time.

use std::time::Duration;

use jiff::Timestamp;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Writes a span of milliseconds with two units at most: `340 ms`, `4.2 s`, `3m 07s`.
pub(crate) fn span(ms: u64) -> String {
    let two = |big: u64, unit: char, small: u64, of: char| {
        format!("{}{unit} {:02}{of}", ms / big, ms % big / small)
    };
    match ms {
        0..SECOND => format!("{ms} ms"),
        SECOND..MINUTE => format!("{}.{} s", ms / SECOND, ms % SECOND / 100),
        MINUTE..HOUR => two(MINUTE, 'm', SECOND, 's'),
        HOUR..DAY => two(HOUR, 'h', MINUTE, 'm'),
        DAY.. => two(DAY, 'd', HOUR, 'h'),
    }
}

/// Writes what has passed since a beginning, always in seconds so that a column lines up.
pub(crate) fn elapsed(since: Duration) -> String {
    format!("{}.{} s", since.as_secs(), since.subsec_millis() / 100)
}

/// Writes a moment of the server's clock; milliseconds since the epoch.
pub(crate) fn moment(ms: u64) -> String {
    timestamp(ms).map_or_else(
        || ms.to_string(),
        |moment| moment.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string(),
    )
}

/// A moment of the server's clock; none where it is beyond what a calendar has.
pub(crate) fn timestamp(ms: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let table = [
            (0, "0 ms"),
            (999, "999 ms"),
            (4_250, "4.2 s"),
            (187_000, "3m 07s"),
            (3_900_000, "1h 05m"),
            (200_000_000, "2d 07h"),
        ];
        for (ms, expected) in table {
            assert_eq!(span(ms), expected);
        }
    }

    #[test]
    fn a_moment_is_in_utc() {
        assert_eq!(moment(1_732_251_600_012), "2024-11-22 05:00:00.012Z");
        assert_eq!(moment(u64::MAX), u64::MAX.to_string());
        assert_eq!(elapsed(Duration::from_millis(12_345)), "12.3 s");
    }
}
