//! Owns the reading of an event's `time`.
//! Decoding calls it; writing needs nothing of its own, a timestamp's text is RFC 3339 already.
//! It never guesses a time zone or a missing part.

use jiff::Timestamp;

use crate::invalid::{Invalid, quoted};

/// Reads RFC 3339, or an integer that counts milliseconds since 1970.
///
/// # Errors
/// The text is neither, or names a moment outside the years that can be represented.
pub(super) fn parse(text: &str) -> Result<Timestamp, Invalid> {
    let moment = match text.parse::<i64>() {
        Ok(milliseconds) => Timestamp::from_millisecond(milliseconds).ok(),
        Err(_) if is_rfc3339(text.as_bytes()) => text.parse().ok(),
        Err(_) => None,
    };
    moment.ok_or_else(|| {
        let rule = "must be RFC 3339 or integer epoch milliseconds";
        Invalid::new("time", format!("{rule}, not {}", quoted(text)))
    })
}

/// Checks the shape: the timestamp parser itself also takes other forms of ISO 8601.
fn is_rfc3339(text: &[u8]) -> bool {
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    let shape = b"0000-00-00T00:00:00";
    let fits = date_time.iter().zip(shape).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        mark => byte == mark,
    });
    fits && is_offset(without_fraction(rest))
}

fn without_fraction(rest: &[u8]) -> &[u8] {
    match rest {
        [b'.', digits @ ..] if digits.first().is_some_and(u8::is_ascii_digit) => {
            let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
            digits.get(end..).unwrap_or_default()
        }
        _ => rest,
    }
}

fn is_offset(offset: &[u8]) -> bool {
    match offset {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', hours @ .., b':', tens @ b'0'..=b'5', ones] => {
            let hours_fit = matches!(hours, [b'0' | b'1', b'0'..=b'9'] | [b'2', b'0'..=b'3']);
            hours_fit && tens.is_ascii_digit() && ones.is_ascii_digit()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_has_many_texts() {
        let moment = Timestamp::from_millisecond(1_522_949_460_000).unwrap();
        for text in [
            "2018-04-05T17:31:00Z",
            "2018-04-05t17:31:00z",
            "2018-04-05 17:31:00Z",
            "2018-04-05T17:31:00.000000000Z",
            "2018-04-05T18:31:00+01:00",
            "2018-04-05T16:31:00-01:00",
            "1522949460000",
        ] {
            assert_eq!(parse(text), Ok(moment), "{text}");
        }
        assert_eq!(parse("-1"), Ok(Timestamp::from_millisecond(-1).unwrap()));
    }

    #[test]
    fn other_texts_are_no_time() {
        for text in [
            "lunchtime",
            "2018-04-05T18:31Z",
            "2018-04-05T18:31:00X",
            "2018-04-05T18:31:00",
            "2018-04-05T18:31:00+25:00",
            "2018-04-05T18:31:00+xx:00",
            "2018-04-05T18:31:00+05",
            "2018-04-05T18:31:00+05:60",
            "2018-02-30T18:31:00Z",
            "2018-04-05T18:31:00.Z",
            "2018-04-05T18:31:00Z[UTC]",
            "1.5e3",
            "9223372036854775807",
            "92233720368547758080",
        ] {
            assert_eq!(parse(text).map_err(|it| it.field), Err("time".into()), "{text}");
        }
    }
}
