//! What a service measures of itself, and which values are too much.
//!
//! Owns `metrics:` of a health plan. The health-monitor scrapes, asks Prometheus and judges by it.
//! Never measures anything.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::selector::Selector;
use super::verdict::{ON_NO_DATA, OnNoData};
use crate::address::TargetUrl;
use crate::node::{Node, Value};
use crate::problem::Code;
use crate::scalar;
use crate::table::Table;

/// Describes one metric and its thresholds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// Where the value comes from.
    #[serde(flatten)]
    pub source: MetricSource,
    /// From here on the service is degraded.
    pub warn: Option<Threshold>,
    /// From here on the service is unhealthy.
    pub fail: Option<Threshold>,
    /// What a window without a value means; without it, what the plan says.
    pub on_no_data: Option<OnNoData>,
    /// How much more than before the deployment it may be, and up to which value that is not asked.
    pub baseline: Option<Allowance>,
}

/// Says where a metric's value comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricSource {
    /// The share of what was counted that was bad.
    Ratio {
        /// Counters of what went wrong.
        bad: Selector,
        /// Counters of everything.
        total: Selector,
    },
    /// How much counters grow in a second.
    Rate(Selector),
    /// A quantile of a histogram, of what was observed in the window.
    Quantile {
        /// Which, 0 to 1.
        q: f64,
        /// The histogram, without `_bucket`.
        histogram: Selector,
    },
    /// What a gauge shows, at the median; the sum, where several series are meant.
    Gauge {
        /// The gauge.
        series: Selector,
        /// Whether any change of it makes the service unhealthy, such as a start time's.
        fail_if_changed: bool,
    },
    /// What a Prometheus server answers, at the median.
    Promql {
        /// The server.
        url: TargetUrl,
        /// The query, whose answer must be one number.
        query: String,
    },
}

/// Says which values are too much, or too little.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// On which side of the limit.
    pub side: Side,
    /// The limit; seconds for times, fractions for shares.
    pub limit: f64,
    unit: Unit,
}

/// Says on which side of a limit a value is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

/// Says how values are written for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    None,
    Percent,
    Seconds,
}

/// Says how much more than before something may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Allowance {
    /// 0.5 is half as much again.
    pub allow: f64,
    /// Up to here it is not compared.
    pub floor: f64,
}

/// The sides as they are written; longer ones first.
const SIDES: [(&str, Side); 4] =
    [(">=", Side::AtLeast), ("<=", Side::AtMost), (">", Side::Above), ("<", Side::Below)];

impl Threshold {
    /// Reads `> 2%`, `> 300ms` or `>= 3`.
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "must be such as `> 2%`, `> 300ms` or `>= 3`".to_owned();
        let text = text.trim();
        let found = SIDES.iter().find_map(|(word, side)| Some((*side, text.strip_prefix(word)?)));
        let (side, value) = found.ok_or_else(wrong)?;
        let (limit, unit) = amount(value.trim()).map_err(|_no_amount| wrong())?;
        Ok(Self { side, limit, unit })
    }

    /// Tells whether a value is too much, or too little.
    pub fn is_exceeded(&self, value: f64) -> bool {
        match self.side {
            Side::Above => value > self.limit,
            Side::AtLeast => value >= self.limit,
            Side::Below => value < self.limit,
            Side::AtMost => value <= self.limit,
        }
    }

    /// Writes a value in the unit of the limit.
    pub fn shown(&self, value: f64) -> String {
        let plain = |value: f64, unit: &str| {
            let text = format!("{value:.3}");
            format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
        };
        match self.unit {
            Unit::None => plain(value, ""),
            Unit::Percent => plain(value * 100.0, "%"),
            Unit::Seconds if value.abs() < 1.0 => plain(value * 1e3, " ms"),
            Unit::Seconds => plain(value, " s"),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = SIDES.iter().find(|(_, side)| *side == self.side).map(|(word, _)| *word);
        write!(f, "{} {}", side.unwrap_or_default(), self.shown(self.limit))
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Reads a plain number, a share with `%` or a time with a unit.
fn amount(text: &str) -> Result<(f64, Unit), String> {
    let wrong = || "must be a number, a share such as `0.2%` or a time such as `20ms`".to_owned();
    let finite = |number: f64| if number.is_finite() { Ok(number) } else { Err(wrong()) };
    if let Some(percent) = text.strip_suffix('%') {
        let percent = percent.trim().parse::<f64>().map_err(|_not_a_number| wrong())?;
        return Ok((finite(percent / 100.0)?, Unit::Percent));
    }
    if let Ok(number) = text.parse::<f64>() {
        return Ok((finite(number)?, Unit::None));
    }
    scalar::duration(text).map(|time| (time.as_secs_f64(), Unit::Seconds)).map_err(|_no| wrong())
}

impl Metric {
    /// Reads `metrics: { error_rate: { ratio: …, fail: "> 2%" } }` over given ones; a metric that is
    /// said again replaces the one of its name, and `false` takes it away.
    pub(super) fn read_all(
        table: &mut Table<'_, '_>,
        base: &BTreeMap<String, Self>,
    ) -> BTreeMap<String, Self> {
        let mut metrics = base.clone();
        let path = table.path_to("metrics");
        for (name, at, node) in table.named("metrics") {
            if let Err(why) = scalar::name(name) {
                table.reader.report(Code::BadValue, at, format!("metric `{name}` {why}"));
            } else if matches!(node.value, Value::Bool(false)) {
                metrics.remove(name);
            } else if let Some(metric) = Self::read(table, node, &format!("{path}.{name}")) {
                metrics.insert(name.to_owned(), metric);
            }
        }
        metrics
    }

    fn read(outer: &Table<'_, '_>, node: &Node, path: &str) -> Option<Self> {
        let mut table = Table::open(outer.reader, node, path);
        let sources: Vec<MetricSource> =
            [ratio, rate, quantile, gauge, promql].iter().filter_map(|it| it(&mut table)).collect();
        let known = table.has_any(&["ratio", "rate", "quantile", "gauge", "promql"]);
        let metric = match <[MetricSource; 1]>::try_from(sources) {
            Ok([source]) => Some(Self {
                source,
                warn: table.parse("warn", Threshold::parse),
                fail: table.parse("fail", Threshold::parse),
                on_no_data: table.word("on_no_data", &ON_NO_DATA),
                baseline: allowance(&mut table),
            }),
            Err(sources) => {
                // A source that is there and cannot be read has been reported.
                if !sources.is_empty() || !known {
                    let text = format!(
                        "`{path}` must have one of `ratio`, `rate`, `quantile`, `gauge`, `promql`"
                    );
                    table.reader.report(Code::BadValue, table.at, text);
                }
                return None;
            }
        };
        table.close();
        metric
    }
}

fn ratio(table: &mut Table<'_, '_>) -> Option<MetricSource> {
    let mut inner = table.table("ratio")?;
    inner.must("bad");
    inner.must("total");
    let (bad, total) = (inner.parse("bad", Selector::parse), inner.parse("total", Selector::parse));
    inner.close();
    Some(MetricSource::Ratio { bad: bad?, total: total? })
}

fn rate(table: &mut Table<'_, '_>) -> Option<MetricSource> {
    table.parse("rate", Selector::parse).map(MetricSource::Rate)
}

fn quantile(table: &mut Table<'_, '_>) -> Option<MetricSource> {
    let mut inner = table.table("quantile")?;
    inner.must("histogram");
    let histogram = inner.parse("histogram", Selector::parse);
    let what = inner.name("q");
    let at = inner.must("q").map(|node| node.at);
    let q = inner.get("q").and_then(|node| inner.reader.plain(node, &what, "a number"));
    let q = q.and_then(|text| text.trim().parse::<f64>().ok()).filter(|q| (0.0..=1.0).contains(q));
    if let (None, Some(at)) = (q, at) {
        inner.reader.report(Code::BadValue, at, format!("{what} must be a number from 0 to 1"));
    }
    inner.close();
    Some(MetricSource::Quantile { q: q?, histogram: histogram? })
}

fn gauge(table: &mut Table<'_, '_>) -> Option<MetricSource> {
    let series = table.parse("gauge", Selector::parse)?;
    let fail_if_changed = table.flag("fail_if_changed").unwrap_or_default();
    Some(MetricSource::Gauge { series, fail_if_changed })
}

fn promql(table: &mut Table<'_, '_>) -> Option<MetricSource> {
    let mut inner = table.table("promql")?;
    inner.must("url");
    inner.must("query");
    let url = inner.url("url", &crate::probe::HTTP);
    let query = inner.text("query");
    inner.close();
    Some(MetricSource::Promql { url: url?, query: query? })
}

/// Reads `baseline: { allow: +50%, floor: 0.2% }`.
fn allowance(table: &mut Table<'_, '_>) -> Option<Allowance> {
    let mut baseline = table.table("baseline")?;
    baseline.must("allow");
    let allow = baseline.parse("allow", scalar::increase);
    let read = |text: &str| amount(text.trim()).map(|(floor, _)| floor);
    let what = baseline.name("floor");
    let floor = match baseline.get("floor") {
        // A number without a unit is a number; a share or a time is text.
        Some(node) if matches!(node.value, Value::Number(_)) => {
            baseline.reader.plain(node, &what, "a number").and_then(|text| read(&text).ok())
        }
        Some(_) | None => baseline.parse("floor", read),
    };
    baseline.close();
    Some(Allowance { allow: allow?, floor: floor.unwrap_or_default() })
}
