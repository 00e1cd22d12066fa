//! How long and how strictly a service's health is watched.
//!
//! Owns the `health_monitor:` section and the per-service `health:` block merged into it. The
//! health-monitor reads one [`Monitor`] per service. Never samples.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Serialize;

use crate::node::Value;
use crate::probe::LatencyThresholds;
use crate::problem::Code;
use crate::scalar;
use crate::shown;
use crate::table::Table;

/// Holds the health-monitor's settings for services that have none of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HealthMonitor {
    /// The plan every service starts from.
    pub defaults: Monitor,
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
    /// How long one sample may take.
    #[serde(serialize_with = "shown::duration")]
    pub timeout: Duration,
    /// With fewer usable samples there is no verdict but `inconclusive`; never above `samples`.
    pub min_samples: u32,
    /// Slow and too slow.
    pub latency: LatencyThresholds,
    /// Too many failures, as a share of the samples.
    pub error_rate: RateThresholds,
    /// Failures in a row that make the service unhealthy whatever the rate is; 0 switches it off.
    pub consecutive_failures: u32,
    /// What a window without usable samples means.
    pub on_no_data: OnNoData,
    /// The window before the deployment that later ones are compared with.
    pub baseline: Baseline,
    /// What an unhealthy verdict asks for.
    pub rollback: RollbackMode,
    /// The window as the file says it, until every override of `interval` is known.
    #[serde(skip)]
    pub(crate) window: Span,
    #[serde(skip)]
    pub(crate) baseline_window: Span,
}

/// Says how long sampling lasts: a time, or a number of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Time(Duration),
    Samples(NonZeroU32),
}

impl Span {
    /// Returns the number of samples, at least one.
    fn samples(self, interval: Duration) -> NonZeroU32 {
        match self {
            Self::Samples(samples) => samples,
            Self::Time(window) => {
                let samples = window.as_nanos().div_ceil(interval.as_nanos().max(1));
                let samples = u32::try_from(samples).unwrap_or(MOST_SAMPLES).min(MOST_SAMPLES);
                NonZeroU32::new(samples).unwrap_or(NonZeroU32::MIN)
            }
        }
    }

    /// Reads `window: 10m` or `samples: 60`.
    fn read(table: &mut Table<'_, '_>, base: Self) -> Self {
        let window = table.span("window");
        let samples = table.small("samples").and_then(NonZeroU32::new);
        match (window, samples) {
            (Some(_), Some(_)) => {
                let text = format!(
                    "{} and {} exclude each other",
                    table.name("window"),
                    table.name("samples")
                );
                table.reader.report(Code::Conflict, table.at, text);
                base
            }
            (Some(window), None) => Self::Time(window),
            (None, Some(samples)) => Self::Samples(samples),
            (None, None) => base,
        }
    }
}

/// The most samples one probe keeps: a day at one a second.
const MOST_SAMPLES: u32 = 86_400;

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
            timeout: Duration::from_secs(3),
            min_samples: 20,
            latency: LatencyThresholds::default(),
            error_rate: RateThresholds::default(),
            consecutive_failures: 3,
            on_no_data: OnNoData::default(),
            baseline: Baseline { samples: NonZeroU32::MIN },
            rollback: RollbackMode::default(),
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
    pub(crate) fn read(table: &mut Table<'_, '_>, base: &Self) -> Self {
        let mut read = base.clone();
        read.warmup = table.duration("warmup").unwrap_or(base.warmup);
        read.interval = table.span("interval").unwrap_or(base.interval);
        read.timeout = table.span("timeout").unwrap_or(base.timeout);
        read.window = Span::read(table, base.window);
        if let Some(mut baseline) = table.table("baseline") {
            read.baseline_window = Span::read(&mut baseline, base.baseline_window);
            baseline.later(&["compare", "allow", "floor"]);
            baseline.close();
        }
        if let Some(latency) = LatencyThresholds::read(table, base.latency) {
            read.latency = latency;
        }
        read.error_rate = RateThresholds::read(table, base.error_rate);
        if let Some(failures) = table.count("consecutive_failures", 0) {
            read.consecutive_failures = u32::try_from(failures).unwrap_or(u32::MAX);
        }
        read.on_no_data = table.word("on_no_data", &ON_NO_DATA).unwrap_or(base.on_no_data);
        read.rollback = rollback(table).unwrap_or(base.rollback);
        let least = table.small("min_samples");
        read.min_samples = least.unwrap_or(base.min_samples);
        table.later(&[
            "profile",
            "probes",
            "metrics",
            "verdict",
            "stop_early",
            "startup",
            "jitter",
        ]);
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
    pub(crate) fn read(top: &mut Table<'_, '_>, defaults: Option<&mut Table<'_, '_>>) -> Self {
        let mut plan = Monitor::default();
        if let Some(mut table) = top.table("health_monitor") {
            if let Some(mut inner) = table.table("defaults") {
                plan = Monitor::read(&mut inner, &plan);
                inner.close();
            }
            table.later(&["report_every", "concurrency"]);
            table.close();
        }
        if let Some(mut table) = defaults.and_then(|defaults| defaults.table("health")) {
            plan = Monitor::read(&mut table, &plan);
            table.close();
        }
        Self { defaults: plan }
    }
}

/// The words of `on_no_data` and of `rollback.mode`.
const ON_NO_DATA: [(&str, OnNoData); 3] =
    [("inconclusive", OnNoData::Inconclusive), ("pass", OnNoData::Pass), ("fail", OnNoData::Fail)];
const ROLLBACK: [(&str, RollbackMode); 3] =
    [("off", RollbackMode::Off), ("suggest", RollbackMode::Suggest), ("auto", RollbackMode::Auto)];

/// Reads `rollback: auto` or `rollback: { mode: auto }`.
fn rollback(table: &mut Table<'_, '_>) -> Option<RollbackMode> {
    if !matches!(table.get("rollback")?.value, Value::Table(_)) {
        return table.word("rollback", &ROLLBACK);
    }
    let mut rollback = table.table("rollback")?;
    let mode = rollback.word("mode", &ROLLBACK);
    rollback.later(&["trigger", "guards"]);
    rollback.close();
    mode
}

/// Says which share of failed samples is too much.
///
/// # Shapes and units
/// Fractions: 0.01 is one per cent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RateThresholds {
    /// From here on degraded.
    pub degraded: f64,
    /// From here on unhealthy.
    pub unhealthy: f64,
}

impl Default for RateThresholds {
    fn default() -> Self {
        Self { degraded: 0.01, unhealthy: 0.05 }
    }
}

impl RateThresholds {
    /// Reads `error_rate: { warn: 1%, fail: 5% }` over the given thresholds.
    fn read(table: &mut Table<'_, '_>, base: Self) -> Self {
        let Some(mut rate) = table.table("error_rate") else { return base };
        let degraded = rate.parse("warn", scalar::share).unwrap_or(base.degraded);
        let unhealthy = rate.parse("fail", scalar::share).unwrap_or(base.unhealthy);
        if degraded > unhealthy {
            let text = format!("{} is above `fail`", rate.name("warn"));
            rate.reader.report(Code::Conflict, rate.at, text);
        }
        rate.later(&["ratio", "on_no_data", "baseline"]);
        rate.close();
        Self { degraded, unhealthy }
    }
}

/// Plans the samples taken before a deployment. There is no warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Baseline {
    /// Samples per probe; the monitor's `interval` and `timeout` apply.
    pub samples: NonZeroU32,
}

/// Says what a window without usable samples means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnNoData {
    /// Nobody knows: the verdict is `INCONCLUSIVE`.
    #[default]
    Inconclusive,
    /// Counts as healthy.
    Pass,
    /// Counts as unhealthy.
    Fail,
}

/// Says what an unhealthy verdict asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RollbackMode {
    /// Nothing.
    Off,
    /// A person is told that rolling back is advised.
    #[default]
    Suggest,
    /// `rollback:initiated` is published.
    Auto,
}
