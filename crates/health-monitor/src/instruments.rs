//! What a service measures of itself, asked for at one moment.
//!
//! Owns which series and which queries a service's metrics need. The watcher asks it beside the
//! addresses; what it brings is computed and judged elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use printery_config::{Metric, MetricSource, Service};
use printery_probes::prometheus::Row;
use printery_probes::{Egress, Error, Limits, Url, query_prometheus, scrape};

use crate::metrics::is_made_of;
use crate::reading::{Reading, Series};

/// Series of one scrape that are kept at most: more are a selector that says too little.
const MOST_SERIES: usize = 2_000;

/// Where the metrics of a service come from.
#[derive(Debug)]
pub(crate) struct Instruments {
    /// The service's own answer; none where no metric is made of it.
    own: Option<Url>,
    /// Questions to Prometheus servers, by metric.
    queries: BTreeMap<String, (Url, String)>,
    metrics: Vec<Metric>,
    limits: Limits,
}

impl Instruments {
    /// Lists what a service's metrics need; none where it has no metrics.
    ///
    /// # Errors
    /// A metric is made of the service's own answer and nobody knows where to ask for it.
    pub(crate) fn of(service: &Service) -> Result<Option<Self>, String> {
        let metrics = &service.monitor.metrics;
        if metrics.is_empty() {
            return Ok(None);
        }
        let query = |(name, metric): (&String, &Metric)| match &metric.source {
            MetricSource::Promql { url, query } => {
                Some((name.clone(), (url.expose().clone(), query.clone())))
            }
            MetricSource::Ratio { .. }
            | MetricSource::Rate(_)
            | MetricSource::Quantile { .. }
            | MetricSource::Gauge { .. } => None,
        };
        let queries: BTreeMap<String, (Url, String)> = metrics.iter().filter_map(query).collect();
        let own = if queries.len() == metrics.len() {
            None
        } else {
            Some(own_answer(service).ok_or("it has metrics and neither `metrics` nor `url`")?)
        };
        let limits = Limits::new(service.monitor.timeout, service.monitor.timeout, 1);
        Ok(Some(Self { own, queries, metrics: metrics.values().cloned().collect(), limits }))
    }

    /// Asks for everything at once; what cannot be had is left out, with the reason.
    pub(crate) async fn read(&self, egress: &Egress, at: Duration) -> Reading {
        let mut reading = Reading {
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            ..Reading::default()
        };
        let own = async {
            match &self.own {
                Some(url) => scrape(egress, url, &self.limits).await,
                None => Ok(Vec::new()),
            }
        };
        let answers = self.queries.iter().map(|(name, (server, query))| async move {
            (name, query_prometheus(egress, server, query, &self.limits).await)
        });
        let (own, answers) = futures_util::future::join(own, join_all(answers)).await;
        match own.map_err(|error| error.to_string()).and_then(|rows| self.wanted(rows)) {
            Ok(series) => reading.series = series,
            Err(why) => reading.failed = Some(why),
        }
        for (name, answer) in answers {
            match answer {
                Ok(Some(value)) if value.is_finite() => {
                    reading.answers.insert(name.clone(), value);
                }
                Ok(Some(_)) => reading.failed = Some(format!("{name} is not finite")),
                Ok(None) => reading.failed = Some(format!("the query of {name} gives nothing")),
                Err(error) => reading.failed = Some(Error::to_string(&error)),
            }
        }
        reading
    }

    /// Keeps the series that any metric is made of.
    fn wanted(&self, rows: Vec<Row>) -> Result<Vec<Series>, String> {
        let wanted = |row: &Row| self.metrics.iter().any(|metric| is_made_of(metric, row));
        let series: Vec<Series> = rows.into_iter().filter(wanted).filter_map(Series::of).collect();
        if series.len() > MOST_SERIES {
            let count = series.len();
            return Err(format!("{count} series are meant, {MOST_SERIES} are the most"));
        }
        Ok(series)
    }
}

/// Returns where a service says what it measures: where the file says, or at `/metrics`.
fn own_answer(service: &Service) -> Option<Url> {
    if let Some(said) = &service.metrics {
        return Some(said.expose().clone());
    }
    let mut url = service.url.as_ref()?.expose().clone();
    let path = format!("{}/metrics", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(url)
}
