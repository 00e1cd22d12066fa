//! Times of the week at which something may or may not be done, in a zone of the world.
//!
//! Owns the `windows:` section and the question whether a moment lies in one. Checks, policies and routes ask it. Never
//! reads a clock.

use std::collections::BTreeMap;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde::{Serialize, Serializer};

use crate::node::{Node, Value};
use crate::problem::Code;
use crate::reader::Refers;
use crate::scalar;
use crate::suggest::nearest;
use crate::table::Table;

/// The words for days, and Alertmanager's long ones.
const DAYS: [(&str, &str, Weekday); 7] = [
    ("mon", "monday", Weekday::Monday),
    ("tue", "tuesday", Weekday::Tuesday),
    ("wed", "wednesday", Weekday::Wednesday),
    ("thu", "thursday", Weekday::Thursday),
    ("fri", "friday", Weekday::Friday),
    ("sat", "saturday", Weekday::Saturday),
    ("sun", "sunday", Weekday::Sunday),
];

/// The words for months.
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Minutes of a day; `24:00` is its end.
const DAY: u32 = 24 * 60;

/// How far ahead the end of a window is looked for.
const FAR: i64 = 8;

/// Describes recurring times in one zone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    /// Where the clock hangs, by its IANA name.
    #[serde(serialize_with = "zone_name")]
    pub zone: TimeZone,
    /// The window is open when any of these holds.
    pub times: Vec<WindowTime>,
}

/// Describes one recurring time; what is not said holds always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WindowTime {
    /// Days of the week.
    #[serde(serialize_with = "day_names")]
    pub days: Vec<Weekday>,
    /// Days of the month, 1..=31, or from its end, -1..=-31.
    pub days_of_month: Vec<(i8, i8)>,
    /// Months, 1..=12.
    pub months: Vec<i8>,
    /// The years.
    pub years: Vec<i16>,
    /// Its first minute of the day.
    pub from: u32,
    /// The minute of the day at which it is over; not above `from`: it goes on over midnight.
    pub to: u32,
}

fn zone_name<S: Serializer>(zone: &TimeZone, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(zone.iana_name().unwrap_or("UTC"))
}

fn day_names<S: Serializer>(days: &[Weekday], to: S) -> Result<S::Ok, S::Error> {
    let name =
        |day: &Weekday| DAYS.iter().find(|(.., known)| known == day).map(|(short, ..)| *short);
    to.collect_seq(days.iter().filter_map(name))
}

impl Window {
    /// Tells whether a moment lies in the window.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.holds_zoned(&now.to_zoned(self.zone.clone()))
    }

    /// Returns when a window that is open closes, to the minute; `None` when it is closed or closes in more than a week.
    pub fn closes(&self, now: Timestamp) -> Option<Zoned> {
        let start = now.to_zoned(self.zone.clone());
        if !self.holds_zoned(&start) {
            return None;
        }
        let day = start.start_of_day().ok()?;
        let ends = (0..FAR).flat_map(|ahead| {
            let day = day.checked_add(ahead.days()).and_then(|day| day.start_of_day());
            let minutes = self.times.iter().flat_map(|time| [time.from, time.to, 0, DAY]);
            minutes.filter_map(move |minute| at(day.as_ref().ok()?, minute)).collect::<Vec<_>>()
        });
        let mut ends: Vec<Zoned> = ends.filter(|end| *end > start).collect();
        ends.sort();
        ends.into_iter().find(|end| !self.holds_zoned(end))
    }

    fn holds_zoned(&self, now: &Zoned) -> bool {
        self.times.iter().any(|time| time.holds(now))
    }

    /// Reads the `windows:` section.
    pub(crate) fn read_all(top: &mut Table<'_, '_>) -> BTreeMap<String, Self> {
        let mut windows = BTreeMap::new();
        for (name, at, node) in top.named("windows") {
            top.reader.define(Refers::Window, name, at);
            let table = Table::open(top.reader, node, &format!("windows.{name}"));
            if let Some(window) = Self::read(table) {
                windows.insert(name.to_owned(), window);
            }
        }
        windows
    }

    fn read(mut table: Table<'_, '_>) -> Option<Self> {
        table.must("zone");
        let zone = table.parse("zone", zone);
        let path = table.path_to("times");
        let node = table.must("times");
        let items: &[Node] = match node.map(|node| (&node.value, node)) {
            Some((Value::List(items), _)) => items,
            Some((_, node)) => std::slice::from_ref(node),
            None => &[],
        };
        let times = items
            .iter()
            .map(|item| WindowTime::read(Table::open(table.reader, item, &path)))
            .collect();
        table.close();
        Some(Self { zone: zone?, times })
    }
}

impl WindowTime {
    fn holds(&self, now: &Zoned) -> bool {
        let minute = minute_of(now.time());
        if self.from < self.to {
            return (self.from..self.to).contains(&minute) && self.is_on(now);
        }
        // Over midnight: what is left of the day before belongs to that day.
        let began_yesterday = || now.checked_sub(1.day()).is_ok_and(|day| self.is_on(&day));
        (minute >= self.from && self.is_on(now)) || (minute < self.to && began_yesterday())
    }

    fn is_on(&self, day: &Zoned) -> bool {
        let among = |empty: bool, holds: bool| empty || holds;
        let last = day.days_in_month();
        let from_start = day.day();
        let from_end = from_start - last - 1;
        let in_month = |(first, last): &(i8, i8)| {
            let (first, last) = (*first, *last);
            let seen = if first < 0 { from_end } else { from_start };
            (first..=last).contains(&seen)
        };
        among(self.days.is_empty(), self.days.contains(&day.weekday()))
            && among(self.days_of_month.is_empty(), self.days_of_month.iter().any(in_month))
            && among(self.months.is_empty(), self.months.contains(&day.month()))
            && among(self.years.is_empty(), self.years.contains(&day.year()))
    }

    fn read(mut table: Table<'_, '_>) -> Self {
        let from = table.parse("from", minute);
        let to = table.parse("to", minute);
        let mut read = Self { from: from.unwrap_or(0), to: to.unwrap_or(DAY), ..Self::default() };
        read.days = each(&mut table, "days", days).into_iter().flatten().collect();
        read.days_of_month = each(&mut table, "days_of_month", days_of_month);
        read.months = each(&mut table, "months", months).into_iter().flatten().collect();
        read.years = each(&mut table, "years", year);
        table.close();
        read
    }
}

/// Reads a list of texts by a rule, and reports what breaks it.
fn each<T>(
    table: &mut Table<'_, '_>,
    key: &'static str,
    rule: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let what = table.name(key);
    let mut read = Vec::new();
    for (text, at) in table.texts(key).unwrap_or_default() {
        match rule(&text) {
            Ok(value) => read.push(value),
            Err(why) => {
                table.reader.report(Code::BadValue, at, format!("{what} {why}, found `{text}`"));
            }
        }
    }
    read
}

fn at(day: &Zoned, minute: u32) -> Option<Zoned> {
    if minute >= DAY {
        return day.checked_add(1.day()).ok();
    }
    let time = Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0);
    day.with().time(time.ok()?).build().ok()
}

fn minute_of(time: Time) -> u32 {
    u32::from(time.hour().unsigned_abs()) * 60 + u32::from(time.minute().unsigned_abs())
}

fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_unknown| {
        let known = jiff::tz::db().available().map(|name| name.to_string()).collect::<Vec<_>>();
        match nearest(text, known.iter().map(String::as_str)) {
            Some(near) => format!("is no IANA zone; did you mean `{near}`?"),
            None => "is no IANA zone, such as `Europe/Berlin`".to_owned(),
        }
    })
}

/// Accepts `15:00` and `24:00`.
fn minute(text: &str) -> Result<u32, String> {
    let wrong = || "must be a time such as `15:00`; the end of a day is `24:00`".to_owned();
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<u32>().ok()).flatten();
    let (hours, minutes) = two(hours).zip(two(minutes)).ok_or_else(wrong)?;
    let minute = hours * 60 + minutes;
    if minutes < 60 && minute <= DAY { Ok(minute) } else { Err(wrong()) }
}

/// Accepts `fri`, `friday` and `mon-fri`.
fn days(text: &str) -> Result<Vec<Weekday>, String> {
    let lower = text.to_ascii_lowercase();
    let (first, last) = range(&lower);
    let place =
        |word: &str| DAYS.iter().position(|(short, long, _)| *short == word || *long == word);
    let wrong = || "must be days such as `fri` or `mon-fri`".to_owned();
    let (first, last) = place(first).zip(place(last)).ok_or_else(wrong)?;
    Ok(around(first, last, DAYS.len())
        .filter_map(|at| DAYS.get(at).map(|(.., day)| *day))
        .collect())
}

/// Accepts `dec`, `12` and `nov-jan`.
fn months(text: &str) -> Result<Vec<i8>, String> {
    let lower = text.to_ascii_lowercase();
    let (first, last) = range(&lower);
    let place = |word: &str| {
        let named = MONTHS.iter().position(|month| word.starts_with(month));
        let number = word.parse::<usize>().ok().filter(|number| (1..=12).contains(number));
        named.or(number.map(|number| number - 1))
    };
    let wrong = || "must be months such as `dec`, `12` or `nov-jan`".to_owned();
    let (first, last) = place(first).zip(place(last)).ok_or_else(wrong)?;
    Ok(around(first, last, 12).filter_map(|at| i8::try_from(at + 1).ok()).collect())
}

/// Accepts `1`, `24..26` and, from the end of the month, `-1` and `-7..-1`.
fn days_of_month(text: &str) -> Result<(i8, i8), String> {
    let wrong = || "must be days such as `24`, `24..26` or `-7..-1`".to_owned();
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let day = |text: &str| {
        text.trim().parse::<i8>().ok().filter(|day| (1..=31).contains(&day.unsigned_abs()))
    };
    let (first, last) = day(first).zip(day(last)).ok_or_else(wrong)?;
    if first <= last && (first < 0) == (last < 0) { Ok((first, last)) } else { Err(wrong()) }
}

fn year(text: &str) -> Result<i16, String> {
    scalar::filled(text)?.parse().map_err(|_no_number| "must be a year such as `2026`".to_owned())
}

fn range(text: &str) -> (&str, &str) {
    text.split_once('-').map_or((text, text), |(first, last)| (first.trim(), last.trim()))
}

/// Counts from one place of a circle to another.
fn around(first: usize, last: usize, size: usize) -> impl Iterator<Item = usize> {
    let steps = (last + size - first) % size;
    (0..=steps).map(move |step| (first + step) % size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(zone_name: &str, times: Vec<WindowTime>) -> Window {
        Window { zone: zone(zone_name).unwrap(), times }
    }

    fn time(words: &str, from: &str, to: &str) -> WindowTime {
        let days = if words.is_empty() { Vec::new() } else { days(words).unwrap() };
        let (from, to) = (minute(from).unwrap(), minute(to).unwrap());
        WindowTime { days, from, to, ..WindowTime::default() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_is_open_at_its_times_in_its_zone() {
        let freeze = window(
            "Europe/Berlin",
            vec![time("fri", "15:00", "24:00"), time("sat-sun", "00:00", "24:00")],
        );
        let cases = [
            ("2026-11-20T13:59:59Z", false),
            ("2026-11-20T14:00:00Z", true),
            ("2026-11-20T22:59:59Z", true),
            ("2026-11-21T12:00:00Z", true),
            ("2026-11-22T22:59:59Z", true),
            ("2026-11-22T23:00:00Z", false),
        ];
        for (moment, open) in cases {
            assert_eq!(freeze.holds(at(moment)), open, "{moment}");
        }
        let closes = freeze.closes(at("2026-11-20T17:00:00Z")).unwrap();
        assert_eq!(closes.to_string(), "2026-11-23T00:00:00+01:00[Europe/Berlin]");
        assert_eq!(freeze.closes(at("2026-11-20T12:00:00Z")), None);
    }

    #[test]
    fn a_night_belongs_to_the_day_it_began_on() {
        let nights = window("Europe/Berlin", vec![time("fri", "22:00", "07:00")]);
        let cases = [
            ("2026-11-20T21:30:00Z", true),
            ("2026-11-21T05:59:59Z", true),
            ("2026-11-21T06:00:00Z", false),
            ("2026-11-20T05:00:00Z", false),
            ("2026-11-21T21:30:00Z", false),
        ];
        for (moment, open) in cases {
            assert_eq!(nights.holds(at(moment)), open, "{moment}");
        }
    }

    #[test]
    fn clocks_that_are_put_forward_and_back_keep_the_window_at_its_hours() {
        let hours = window("Europe/Berlin", vec![time("", "02:00", "03:00")]);
        // On 29 March the hour does not exist; on 25 October it comes twice.
        let cases = [
            ("2026-03-29T00:59:59Z", false),
            ("2026-03-29T01:00:00Z", false),
            ("2026-10-25T00:30:00Z", true),
            ("2026-10-25T01:30:00Z", true),
            ("2026-10-25T02:00:00Z", false),
        ];
        for (moment, open) in cases {
            assert_eq!(hours.holds(at(moment)), open, "{moment}");
        }
    }

    #[test]
    fn days_of_the_month_count_from_both_ends() {
        let with = |of_month: &str, in_months: &str| {
            let mut time = time("", "00:00", "24:00");
            time.days_of_month = vec![days_of_month(of_month).unwrap()];
            time.months = months(in_months).unwrap();
            window("UTC", vec![time])
        };
        let holidays = with("24..26", "dec");
        assert!(holidays.holds(at("2026-12-25T10:00:00Z")));
        assert!(!holidays.holds(at("2026-11-25T10:00:00Z")));
        let month_end = with("-3..-1", "nov-feb");
        assert!(month_end.holds(at("2027-02-26T10:00:00Z")));
        assert!(!month_end.holds(at("2027-02-25T10:00:00Z")));
        assert!(!month_end.holds(at("2027-03-31T10:00:00Z")));
    }

    #[test]
    fn words_that_are_no_times_are_refused() {
        assert!(zone("Europe/Berlyn").unwrap_err().contains("did you mean `Europe/Berlin`?"));
        for text in ["24:01", "9:00", "0900", "12:60"] {
            assert!(minute(text).is_err(), "{text}");
        }
        for text in ["0", "32", "3..1", "-1..3"] {
            assert!(days_of_month(text).is_err(), "{text}");
        }
        assert!(days("fry").is_err() && months("13").is_err());
        assert_eq!(days("sat-mon").unwrap().len(), 3);
    }
}
