//! Looks for entries that nobody works on, now and then: those of silent owners, and our own.
//!
//! Called by the worker loop between reads. It waits with others' entries whenever their leases
//! prove nothing: after an outage, after the server's start, after a step of its clock.

use std::sync::Arc;
use std::time::Duration;

use printery_streams::reclaim::{Reclaimer, adopt};
use printery_streams::{Delivery, Error, Session, order, server};
use rand::RngExt;
use tokio::time::Instant;

use crate::engine::Engine;
use crate::telemetry;

/// Sweeps in a row that leave a suspect before a busy process takes it, and makes room to run it
/// alone. Until then another process, with nothing else to do, may.
const PATIENCE: u32 = 3;

/// When to look next, and what for.
#[derive(Debug)]
pub(crate) struct Sweeper {
    reclaimer: Reclaimer,
    every: Duration,
    lease: Duration,
    next: Instant,
    /// The last sweep filled every slot: there may be more, for as soon as one is free.
    cut_off: bool,
    /// Until then others' entries are left alone.
    grace_until: Instant,
    /// When our own entries are looked for next; at once after any lost reply.
    adopt_at: Instant,
    /// Sweeps in a row that left a suspect behind.
    suspects_left: u32,
    /// Where mending goes on; empty at the beginning.
    mend_from: String,
    /// The server's start that was last seen; another one means that leases are older than they are.
    run_id: String,
}

impl Sweeper {
    pub(crate) fn new(reclaimer: Reclaimer, every: Duration, lease: Duration) -> Self {
        let now = Instant::now();
        Self {
            reclaimer,
            every,
            lease,
            next: now,
            cut_off: false,
            grace_until: now,
            adopt_at: now + lease,
            suspects_left: 0,
            mend_from: String::new(),
            run_id: String::new(),
        }
    }

    /// Whether it is time.
    pub(crate) fn is_due(&self) -> bool {
        self.cut_off || self.next.min(self.adopt_at) <= Instant::now()
    }

    /// How long until it is time.
    pub(crate) fn until_due(&self) -> Duration {
        if self.cut_off {
            return Duration::ZERO;
        }
        self.next.min(self.adopt_at).saturating_duration_since(Instant::now())
    }

    /// Looks for our own entries at the next occasion: a reply was lost.
    pub(crate) fn adopt_soon(&mut self) {
        self.adopt_at = Instant::now();
    }

    /// Leaves others' entries alone for one lease: nobody could renew.
    pub(crate) fn grace(&mut self) {
        self.grace_until = Instant::now() + self.lease;
        self.run_id.clear();
    }

    /// Looks once over all streams; gives at most `free` entries, beside `running` ones.
    pub(crate) async fn sweep<H>(
        &mut self,
        session: &mut Session,
        engine: &Engine<H>,
        streams: &[Arc<str>],
        free: usize,
        running: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let mut found = Vec::new();
        if self.adopt_at <= Instant::now() {
            for stream in streams {
                let known = engine.registry.entries_of(stream);
                let left = free.saturating_sub(found.len());
                let (keys, member) = (&engine.keys, &engine.member);
                found.extend(adopt(session, keys, member, stream, &known, left).await?);
            }
            // While some may be left, look again; otherwise a look per lease is enough.
            let all = found.len() < free;
            self.adopt_at = Instant::now() + if all { self.lease } else { Duration::ZERO };
        }
        let paced = self.next <= Instant::now();
        if paced || self.cut_off {
            self.look_at_server(session, engine).await?;
            self.cut_off = false;
            if self.grace_until <= Instant::now() {
                let suspects =
                    self.reclaim(session, engine, streams, free, running, &mut found).await?;
                self.cut_off = found.len() >= free;
                // Others are given time, not turns of ours.
                if paced {
                    self.suspects_left = if suspects > 0 { self.suspects_left + 1 } else { 0 };
                }
            }
        }
        if paced {
            if engine.member.ordered {
                self.mend(session, engine, streams).await?;
            }
            let factor = rand::rng().random_range(0.8..=1.0);
            self.next = Instant::now() + self.every.mul_f64(factor);
        }
        Ok(found)
    }

    /// Takes over what silent owners held; gives how many suspects were left.
    async fn reclaim<H>(
        &mut self,
        session: &mut Session,
        engine: &Engine<H>,
        streams: &[Arc<str>],
        free: usize,
        running: usize,
        found: &mut Vec<Delivery>,
    ) -> Result<u64, Error> {
        let worker = engine.worker.name;
        let policy = engine.rules.reclaim_policy();
        let mut suspects = 0;
        for stream in streams {
            let left = free.saturating_sub(found.len());
            let patient = self.suspects_left < PATIENCE;
            let busy = if patient { running + found.len() } else { 0 };
            let swept = self.reclaimer.reclaim_due(session, stream, left, busy).await?;
            if !swept.lost.is_empty() {
                for (stream, entry) in &swept.lost {
                    tracing::error!(%stream, %entry, "deleted by somebody while it was pending");
                }
                telemetry::lost(worker, "lost_body", swept.lost.len() as u64);
            }
            if !swept.deliveries.is_empty() {
                telemetry::reclaimed(worker, swept.deliveries.len());
                tracing::info!(%stream, entries = swept.deliveries.len(), "taken over from silent owners");
            }
            suspects += swept.suspects;
            let alone = swept.deliveries.iter().any(|delivery| policy.runs_alone(delivery));
            found.extend(swept.deliveries);
            // Nothing may be taken beside a suspect.
            if alone {
                break;
            }
        }
        Ok(suspects)
    }

    /// Passes on turns that nobody can end, a page of deployments a sweep.
    async fn mend<H>(
        &mut self,
        session: &mut Session,
        engine: &Engine<H>,
        streams: &[Arc<str>],
    ) -> Result<(), Error> {
        let (keys, member) = (&engine.keys, &engine.member);
        let (cursor, mended) = order::mend(session, keys, member, streams, &self.mend_from).await?;
        self.mend_from = cursor;
        if !mended.is_empty() {
            tracing::error!(deployments = ?mended, "their entry was deleted while others waited for it");
        }
        Ok(())
    }

    /// Notices what makes leases look older than they are: a new server, or a step of its clock.
    async fn look_at_server<H>(
        &mut self,
        session: &mut Session,
        engine: &Engine<H>,
    ) -> Result<(), Error> {
        let step = engine.clock.read(session).await?;
        if step > self.lease / 4 {
            tracing::warn!(?step, "the server's clock stepped; leases are left alone for a while");
            self.grace_until = Instant::now() + self.lease;
        }
        if self.run_id.is_empty() {
            let facts = server::facts(session).await?;
            if Duration::from_secs(facts.uptime_s) < self.lease {
                self.grace_until = Instant::now() + self.lease;
            }
            self.run_id = facts.run_id;
        }
        Ok(())
    }
}
