//! How long and how strictly a service's health is watched.
//!
//! Owns the `health_monitor:` section and the per-service `health:` block merged into it; the files
//! of the folder own its parts. The health-monitor reads one [`Monitor`] per service. Never samples.

mod metric;
mod profile;
mod rollback;
mod selector;
mod verdict;
mod window;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use printery_expressions::Condition;
use serde::Serialize;

use crate::probe::LatencyThresholds;
use crate::problem::Code;
use crate::scalar;
use crate::shown;
use crate::table::Table;

pub use self::metric::{Allowance, Metric, MetricSource, Side, Threshold};
pub use self::profile::BUILT_IN;
pub(crate) use self::profile::Profiles;
pub use self::rollback::{FREEZE, Obstacle, PerPeriod, RollbackMode, RollbackRules, Trigger};
pub use self::selector::Selector;
pub use self::verdict::{OnNoData, RateThresholds, StopEarly, UNHEALTHY_VARIABLES, VerdictRules};
pub use self::window::{Baseline, Compare};

use self::verdict::ON_NO_DATA;
use self::window::Span;

/// Holds the health-monitor's settings for services that have none of their own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HealthMonitor {
    /// The plan every service starts from.
    pub defaults: Monitor,
    /// Samples of one window that may be under way at once.
    pub concurrency: u32,
    /// How often a window that is still open is reported.
    #[serde(serialize_with = "shown::duration")]
    pub report_every: Duration,
}

impl Default for HealthMonitor {
    fn default() -> Self {
        Self {
            defaults: Monitor::default(),
            concurrency: 64,
            report_every: Duration::from_secs(60),
        }
    }
}

/// Plans how one service is watched after a deployment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Monitor {
    /// Quiet time before the first sample.
    #[serde(serialize_with = "shown::duration")]
    pub warmup: Duration,
    /// Samples per probe in the window.
    pub samples: NonZeroU32,
    /// Time from the start of one sample to the start of the next.
    #[serde(serialize_with = "shown::duration")]
    pub interval: Duration,
    /// How far each sample is moved within its interval, so that fleets do not ask in step; a
    /// fraction of the interval.
    pub jitter: f64,
    /// How long one sample may take.
    #[serde(serialize_with = "shown::duration")]
    pub timeout: Duration,
    /// With fewer usable samples there is no verdict but `inconclusive`; never above `samples`.
    pub min_samples: u32,
    /// Slow and too slow.
    pub latency: LatencyThresholds,
    /// Too many failures, as a share of the samples.
    pub error_rate: RateThresholds,
    /// What in a row decides, and when enough has been seen.
    pub verdict: VerdictRules,
    /// What makes the service unhealthy besides.
    pub unhealthy_if: Option<Condition>,
    /// How long after the beginning of a window a service may fail that has not passed yet; zero:
    /// not at all.
    #[serde(serialize_with = "shown::duration")]
    pub startup: Duration,
    /// What a window without usable samples means.
    pub on_no_data: OnNoData,
    /// The window before the deployment that later ones are compared with.
    pub baseline: Baseline,
    /// What the service measures of itself, by name.
    pub metrics: BTreeMap<String, Metric>,
    /// What a bad verdict asks for.
    pub rollback: RollbackRules,
    /// The window as the file says it, until every override of `interval` is known.
    #[serde(skip)]
    pub(crate) window: Span,
    #[serde(skip)]
    pub(crate) baseline_window: Span,
}

impl Monitor {
    /// Returns how long the window lasts, the warm-up not counted.
    pub fn duration(&self) -> Duration {
        self.interval.saturating_mul(self.samples.get())
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            warmup: Duration::from_secs(30),
            samples: NonZeroU32::MIN,
            interval: Duration::from_secs(10),
            jitter: 0.1,
            timeout: Duration::from_secs(3),
            min_samples: 20,
            latency: LatencyThresholds::default(),
            error_rate: RateThresholds::default(),
            verdict: VerdictRules::default(),
            unhealthy_if: None,
            startup: Duration::ZERO,
            on_no_data: OnNoData::default(),
            baseline: Baseline::default(),
            metrics: BTreeMap::new(),
            rollback: RollbackRules::default(),
            window: Span::Time(Duration::from_secs(10 * 60)),
            baseline_window: Span::Time(Duration::from_secs(2 * 60)),
        }
        .counted()
    }
}

impl Monitor {
    /// Turns the windows into numbers of samples.
    fn counted(mut self) -> Self {
        self.samples = self.window.samples(self.interval);
        self.baseline.samples = self.baseline_window.samples(self.interval);
        self.min_samples = self.min_samples.min(self.samples.get());
        self
    }

    /// Reads a plan's keys over another plan.
    pub(crate) fn read(table: &mut Table<'_, '_>, base: &Self, profiles: &Profiles) -> Self {
        let base = &profiles.chosen(table, base);
        let mut read = base.clone();
        read.warmup = table.duration("warmup").unwrap_or(base.warmup);
        read.interval = table.span("interval").unwrap_or(base.interval);
        read.timeout = table.span("timeout").unwrap_or(base.timeout);
        read.window = Span::read(table, base.window);
        if let Some(mut baseline) = table.table("baseline") {
            read.baseline_window = Span::read(&mut baseline, base.baseline_window);
            read.baseline = Baseline::read(&mut baseline, base.baseline);
            baseline.close();
        }
        if let Some(latency) = LatencyThresholds::read(table, base.latency) {
            read.latency = latency;
        }
        read.error_rate = RateThresholds::read(table, base.error_rate);
        (read.verdict, read.unhealthy_if) = VerdictRules::read(table, base);
        if let Some(mut startup) = table.table("startup") {
            startup.must("deadline");
            read.startup = startup.duration("deadline").unwrap_or(base.startup);
            startup.close();
        }
        read.jitter = table.parse("jitter", scalar::share).unwrap_or(base.jitter);
        read.on_no_data = table.word("on_no_data", &ON_NO_DATA).unwrap_or(base.on_no_data);
        read.metrics = Metric::read_all(table, &base.metrics);
        read.rollback = RollbackRules::read(table, &base.rollback);
        let least = table.small("min_samples");
        read.min_samples = least.unwrap_or(base.min_samples);
        table.later(&["probes"]);
        let read = read.counted();
        if least.is_some_and(|least| least > read.samples.get()) {
            let text = format!(
                "{} is above the {} samples of the window",
                table.name("min_samples"),
                read.samples
            );
            table.reader.report(Code::Conflict, table.at, text);
        }
        read
    }
}

impl HealthMonitor {
    /// Reads the `health_monitor:` section and `defaults.health`, the latter winning.
    pub(crate) fn read(
        top: &mut Table<'_, '_>,
        defaults: Option<&mut Table<'_, '_>>,
        profiles: &Profiles,
    ) -> Self {
        let mut read = Self::default();
        let mut plan = Monitor::default();
        if let Some(mut table) = top.table("health_monitor") {
            if let Some(mut inner) = table.table("defaults") {
                plan = Monitor::read(&mut inner, &plan, profiles);
                inner.close();
            }
            read.report_every = table.span("report_every").unwrap_or(read.report_every);
            read.concurrency = table.small("concurrency").unwrap_or(read.concurrency);
            table.close();
        }
        if let Some(mut table) = defaults.and_then(|defaults| defaults.table("health")) {
            plan = Monitor::read(&mut table, &plan, profiles);
            table.close();
        }
        Self { defaults: plan, ..read }
    }
}
