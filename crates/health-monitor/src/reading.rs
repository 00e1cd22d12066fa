//! One look at what a service measures: the series that its metrics are made of.
//!
//! Owns the shape that the instruments fill in, the journal keeps and the metrics are computed from.
//! It never computes anything.

use std::collections::BTreeMap;

use printery_harness::fleet::windows::Sight;
use printery_probes::prometheus::Row;
use serde::{Deserialize, Serialize};

/// Stands for a probe's name in the place of a reading; no address has it.
pub(crate) const INSTRUMENTS: &str = "metrics";

/// One look at what a service measures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// When it was asked, in milliseconds from the beginning of the window.
    pub at_ms: u64,
    /// The series of the service's own answer that any metric is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Series>,
    /// What a Prometheus server answered, by metric.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, f64>,
    /// Why something could not be asked; the last that could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// One series at one moment; its value is finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Series {
    pub name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Series {
    /// Takes a row over; none for a value that says nothing.
    pub(crate) fn of(row: Row) -> Option<Self> {
        let Row { name, labels, value } = row;
        value.is_finite().then(|| Self { name, labels: labels.into_iter().collect(), value })
    }

    /// Returns the value of a label, if the series has it.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// Tells whether two looks saw the same series.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.name == other.name && self.labels == other.labels
    }
}

impl Reading {
    /// Returns what is kept of a reading of a service.
    pub(crate) fn sight(&self, service: &str, n: u32) -> Sight {
        Sight {
            place: format!("{service}/{INSTRUMENTS}/{n}"),
            seen: serde_json::to_string(self).unwrap_or_default(),
        }
    }

    /// Reads what was kept, with the service's name; none for what is something else.
    pub(crate) fn of(sight: &Sight) -> Option<(&str, u32, Self)> {
        let (service, rest) = sight.place.split_once('/')?;
        let n = rest.strip_prefix(INSTRUMENTS)?.strip_prefix('/')?.parse().ok()?;
        Some((service, n, serde_json::from_str(&sight.seen).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back() {
        let labels = BTreeMap::from([("path".to_owned(), "/a\"b\n".to_owned())]);
        let reading = Reading {
            at_ms: 12_345,
            series: vec![Series { name: "m_total".to_owned(), labels, value: 0.1 }],
            answers: BTreeMap::from([("slo".to_owned(), 3.5)]),
            failed: Some("HTTP 503".to_owned()),
        };
        let sight = reading.sight("shop.api", 7);
        assert_eq!(Reading::of(&sight), Some(("shop.api", 7, reading)));
        let other = Sight { place: "shop.api/ready/7".to_owned(), ..sight };
        assert_eq!(Reading::of(&other), None);
    }
}
