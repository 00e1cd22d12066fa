//! Shows that the process lives: its record in Redis, and the supervisor's watchdog.
//!
//! One loop per process; it never sees a payload. The watchdog is fed only while the worker loop
//! turns, so that a process that hangs is noticed although it still runs.

use std::sync::Arc;
use std::time::Duration;

use printery_fleet::instances::{BEAT_EVERY, Instance, beat};
use printery_fleet::orders::Order;
use printery_streams::{Clock, Keys, Session};
use sd_notify::NotifyState;
use tokio::time::{Instant, MissedTickBehavior};

use crate::controls::Teller;
use crate::engine::Tally;
use crate::own_process::usage;
use crate::pulse::Pulse;
use crate::registry::Registry;
use crate::shutdown::{Phase, Shutdown};
use crate::telemetry;

/// Beats for one process.
pub(crate) struct Heartbeat {
    /// The record, but for what changes.
    pub(crate) instance: Instance,
    pub(crate) worker: &'static str,
    pub(crate) keys: Keys,
    pub(crate) clock: Clock,
    pub(crate) session: Session,
    pub(crate) registry: Registry,
    pub(crate) pulse: Pulse,
    pub(crate) tally: Arc<Tally>,
    pub(crate) shutdown: Shutdown,
    /// Where it puts down what this worker was told.
    pub(crate) teller: Teller,
    /// What it had used of a processor at the beat before, and when that was.
    pub(crate) used: Option<(Duration, Instant)>,
}

impl Heartbeat {
    /// Beats for ever; ended by being dropped.
    pub(crate) async fn run(mut self) {
        let watchdog = sd_notify::watchdog_enabled();
        // Twice per period, as the protocol asks, and never slower than the record is written.
        let every = watchdog.map_or(BEAT_EVERY, |period| (period / 2).min(BEAT_EVERY));
        let mut tick = tokio::time::interval(every.max(Duration::from_millis(100)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written: Option<Instant> = None;
        let shutdown = self.shutdown.clone();
        let mut leaving = false;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                // Whoever looks shall see at once that it leaves.
                () = shutdown.reached(Phase::Draining), if !leaving => {
                    leaving = true;
                    written = None;
                }
            }
            if watchdog.is_some() && self.pulse.is_beating() {
                notify(&[NotifyState::Watchdog]);
            }
            telemetry::uptime(self.worker, self.pulse.uptime());
            if written.is_none_or(|at| at.elapsed() + every / 2 >= BEAT_EVERY) {
                written = Some(Instant::now());
                self.beat_once().await;
            }
        }
    }

    /// Beats, and once more where it was told something new: others shall see it at once.
    async fn beat_once(&mut self) {
        if self.told_something_new().await {
            if let Some(hold) = self.teller.hold() {
                tracing::warn!(%hold, "nothing new is taken; what runs is finished");
                notify(&[NotifyState::Status(&hold.to_string())]);
            } else {
                tracing::info!("entries are taken again");
                notify(&[NotifyState::Status("reading")]);
            }
            self.told_something_new().await;
        }
    }

    /// Writes the record and reads the controls; true when they say something else than before.
    async fn told_something_new(&mut self) -> bool {
        let phase = match self.shutdown.phase() {
            Phase::Running => "running",
            Phase::Draining => "draining",
            Phase::Stopping | Phase::Aborting => "stopping",
        };
        let (cpu_percent, rss_bytes) = self.usage();
        let record = Instance {
            beats: self.instance.beats,
            cpu_percent,
            rss_bytes,
            phase: phase.to_owned(),
            beat_ms: self.clock.now_ms(),
            in_flight: self.registry.len(),
            settled: self.tally.settled(),
            failed: self.tally.failed(),
            hold: self.teller.hold(),
            ..self.instance.clone()
        };
        match beat(&mut self.session, &self.keys, &record).await {
            Ok(control) => {
                self.instance.beats += 1;
                self.obey(control.order.as_ref());
                self.teller.tell(&control)
            }
            Err(error) => {
                telemetry::redis_error(self.worker, error.kind);
                self.teller.untold();
                false
            }
        }
    }

    /// How busy this process was since the beat before, in percent of one processor, and its memory.
    fn usage(&mut self) -> (Option<u32>, Option<u64>) {
        let Some((used, memory)) = usage() else { return (None, None) };
        let now = Instant::now();
        let before = self.used.replace((used, now));
        let percent = before.and_then(|(before, at)| {
            let passed = now.duration_since(at).as_millis().max(1);
            u32::try_from(used.saturating_sub(before).as_millis() * 100 / passed).ok()
        });
        (percent, Some(memory))
    }

    /// Leaves when that was ordered while this process lived; who starts it again, if anybody, is
    /// its manager's business.
    fn obey(&self, order: Option<&Order>) {
        let Some(order) = order.filter(|order| order.since_ms > self.instance.started_ms) else {
            return;
        };
        if self.shutdown.phase() == Phase::Running {
            let Order { verb, actor, .. } = order;
            tracing::info!(%verb, actor, "ordered to leave: no new work is taken");
            self.shutdown.advance(Phase::Draining);
        }
    }
}

/// Tells the supervisor, where there is one (`NOTIFY_SOCKET`).
pub(crate) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the supervisor could not be told");
    }
}
