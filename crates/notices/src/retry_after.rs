//! How long a receiver asks us to wait.
//!
//! Owns both forms of `Retry-After`; pure. The receivers read it from every answer. Never decides
//! whether the wait is granted.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use printery_probes::header::{DATE, HeaderMap, RETRY_AFTER};

static DATES: DateTimeParser = DateTimeParser::new();

/// Reads `Retry-After`: seconds, or a date.
///
/// # Shapes and units
/// `now`: whole seconds since the epoch; used only where the answer does not say its own time.
/// # Source
/// RFC 9110, 10.2.3: a number of seconds, or an HTTP date, which is compared with the receiver's
/// own `Date`, because two clocks rarely agree.
pub(crate) fn retry_after(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = date(text)?;
    let theirs = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(date);
    let now = theirs.or_else(|| Timestamp::from_second(i64::try_from(now).ok()?).ok())?;
    let seconds = at.as_second().saturating_sub(now.as_second()).max(0);
    Some(Duration::from_secs(u64::try_from(seconds).ok()?))
}

fn date(text: &str) -> Option<Timestamp> {
    DATES.parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use printery_probes::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

    use super::retry_after;

    #[test]
    fn both_forms_are_understood_and_nonsense_is_not() {
        let date = "Sun, 22 Nov 2026 06:00:00 GMT";
        let now = 1_795_327_140;
        let cases = [
            ("30", None, Some(30_000)),
            (" 5 ", None, Some(5_000)),
            ("0.3", None, Some(300)),
            ("0", None, Some(0)),
            ("-1", None, None),
            ("NaN", None, None),
            ("1e400", None, None),
            ("soon", None, None),
            ("", None, None),
            (date, None, Some(60_000)),
            (date, Some("Sun, 22 Nov 2026 05:59:50 GMT"), Some(10_000)),
            (date, Some("Sun, 22 Nov 2026 07:00:00 GMT"), Some(0)),
            (date, Some("yesterday"), Some(60_000)),
        ];
        for (asked, theirs, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(asked).unwrap());
            if let Some(theirs) = theirs {
                headers.insert(DATE, HeaderValue::from_str(theirs).unwrap());
            }
            let expected = expected.map(Duration::from_millis);
            assert_eq!(retry_after(&headers, now), expected, "{asked} {theirs:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
