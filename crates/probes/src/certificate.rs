//! What a certificate says: whose it is and how long it lasts.
//!
//! TLS handshakes hand the bytes over and probes show what is found. It reads three fields of the X.509 structure
//! (RFC 5280 §4.1) and verifies nothing.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// DER tags that are looked for.
const INTEGER: u8 = 0x02;
const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const EXPLICIT_VERSION: u8 = 0xa0;

/// The object identifier of a common name, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// The readable part of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The common name of its subject; empty when it has none.
    pub subject: String,
    /// From when on it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
}

impl Certificate {
    /// Reads a certificate; `None` when it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (certificate, _) = expect(SEQUENCE, der)?;
        let (mut rest, _) = expect(SEQUENCE, certificate)?;
        if let Some((_version, after)) = expect(EXPLICIT_VERSION, rest) {
            rest = after;
        }
        let (_serial, rest) = expect(INTEGER, rest)?;
        let (_algorithm, rest) = expect(SEQUENCE, rest)?;
        let (_issuer, rest) = expect(SEQUENCE, rest)?;
        let (validity, rest) = expect(SEQUENCE, rest)?;
        let (subject, _) = expect(SEQUENCE, rest)?;
        let (not_before, later) = moment(validity)?;
        let (not_after, _) = moment(later)?;
        Some(Self { subject: common_name(subject).unwrap_or_default(), not_before, not_after })
    }

    /// Returns the days until it ends; negative once it has.
    pub fn days_left(&self, now: Timestamp) -> f64 {
        seconds(now, self.not_after) / (24.0 * 60.0 * 60.0)
    }

    /// Returns which part of its lifetime is left, in percent: 100 is fresh, 0 and less is over.
    ///
    /// Lifetimes get shorter every few years; a share of them stays right where a number of days does not.
    pub fn life_left_pct(&self, now: Timestamp) -> f64 {
        let life = seconds(self.not_before, self.not_after);
        if life > 0.0 { seconds(now, self.not_after) / life * 100.0 } else { 0.0 }
    }
}

#[expect(clippy::cast_precision_loss, reason = "centuries in seconds are exact")]
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_second() - from.as_second()) as f64
}

/// Takes one element off the input: its tag, its content and what follows.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = input.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.is_empty() || bytes.len() > 4 {
            return None;
        }
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn expect(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    element(input).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

/// Takes a time off the input: two digits of a year (50 and more are of the last century), or four.
fn moment(input: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (tag, content, rest) = element(input)?;
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, text) = match tag {
        UTC_TIME => {
            let (year, text) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (year + if year >= 50 { 1900 } else { 2000 }, text)
        }
        GENERALIZED_TIME => {
            let (year, text) = text.split_at_checked(4)?;
            (year.parse().ok()?, text)
        }
        _ => return None,
    };
    let two = |at: usize| text.get(at..at + 2)?.parse::<i8>().ok();
    let civil = DateTime::new(year, two(0)?, two(2)?, two(4)?, two(6)?, two(8)?, 0).ok()?;
    Some((civil.to_zoned(TimeZone::UTC).ok()?.timestamp(), rest))
}

fn common_name(mut subject: &[u8]) -> Option<String> {
    while let Some((set, rest)) = expect(SET, subject) {
        let (attribute, _) = expect(SEQUENCE, set)?;
        let (kind, value) = expect(OBJECT, attribute)?;
        if kind == COMMON_NAME {
            let (_text_kind, text, _) = element(value)?;
            let text = String::from_utf8_lossy(text);
            return Some(text.chars().filter(|c| !c.is_control()).take(128).collect());
        }
        subject = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn made(name: &str, from: i32, to: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["shop.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(from, 2, 3);
        params.not_after = date_time_ymd(to, 2, 3);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn subject_and_lifetime_are_read_on_both_sides_of_the_year_2050() {
        for (from, to) in [(2026, 2027), (1999, 2049), (2051, 2090)] {
            let read = Certificate::read(&made("shop.example", from, to)).unwrap();
            assert_eq!(read.subject, "shop.example");
            assert_eq!(read.not_before.to_string(), format!("{from}-02-03T00:00:00Z"));
            assert_eq!(read.not_after.to_string(), format!("{to}-02-03T00:00:00Z"));
        }
    }

    #[test]
    fn what_is_left_is_a_share_of_the_whole_life() {
        let read = Certificate::read(&made("x", 2026, 2027)).unwrap();
        for (day, share, days) in [
            ("2026-02-03T00:00:00Z", "100.0", "365.0"),
            ("2026-08-04T12:00:00Z", "50.0", "182.5"),
            ("2028-02-03T00:00:00Z", "-100.0", "-365.0"),
        ] {
            let now = day.parse().unwrap();
            let left = (read.life_left_pct(now), read.days_left(now));
            assert_eq!(
                (format!("{:.1}", left.0), format!("{:.1}", left.1)),
                (share.into(), days.into())
            );
        }
    }

    proptest! {
        #[test]
        fn a_damaged_certificate_is_none_or_another_one(
            at in 0_usize..300, byte in any::<u8>(), end in 0_usize..400,
        ) {
            let mut der = made("shop.example", 2026, 2027);
            let at = at % der.len();
            der[at] = byte;
            der.truncate(end.max(1));
            if let Some(read) = Certificate::read(&der) {
                prop_assert!(read.subject.len() <= 512);
            }
        }
    }
}
