//! Renews what this process holds, and stops work on what it can no longer be sure of.
//!
//! One loop per lane; it never sees a payload. A lease that could not be renewed in time ends
//! its handler by our own clock, before somebody else may start one.

use std::time::Duration;

use printery_streams::lease::{Renewal, renew};
use printery_streams::{Error, Fence, Member, Session};
use tokio::time::{Instant, MissedTickBehavior};

use crate::registry::Registry;
use crate::rules::DeliverySettings;
use crate::telemetry;

/// Keeps the leases of one lane.
pub(crate) struct LeaseKeeper {
    pub(crate) worker: &'static str,
    pub(crate) member: Member,
    pub(crate) session: Session,
    pub(crate) registry: Registry,
    /// The streams whose leases these are: those of one lane.
    pub(crate) streams: Vec<String>,
    pub(crate) rules: DeliverySettings,
}

impl LeaseKeeper {
    /// Renews for ever; ended by being dropped.
    pub(crate) async fn run(mut self) {
        // After a failed renewal there is time for a few more before leases end.
        let again = (self.rules.renew_every / 4).max(Duration::from_millis(20));
        // Often enough to notice a lease's end while it still matters.
        let mut tick = tokio::time::interval(self.rules.lease / 20);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = Instant::now();
        loop {
            tick.tick().await;
            self.expire();
            if Instant::now() < due {
                continue;
            }
            let wait = match self.renew_once().await {
                Ok(()) => self.rules.renew_every,
                Err(error) => {
                    telemetry::redis_error(self.worker, error.kind);
                    again
                }
            };
            due = Instant::now() + wait;
        }
    }

    async fn renew_once(&mut self) -> Result<(), Error> {
        for group in self.registry.fences(&self.streams) {
            let asked = Instant::now();
            let answers = renew(&mut self.session, &self.member, &group).await?;
            let safe_until = asked + self.rules.lease - self.rules.margin();
            for (fence, answer) in group.iter().zip(answers) {
                self.note(fence, answer, safe_until);
            }
        }
        Ok(())
    }

    fn note(&self, fence: &Fence, answer: Renewal, safe_until: Instant) {
        match answer {
            // A lease without a body cannot be renewed, but nobody else can run the entry either.
            Renewal::Renewed | Renewal::Bodiless => self.registry.renewed(fence, safe_until),
            Renewal::Lost => self.registry.lost(fence),
        }
    }

    fn expire(&self) {
        let expired = self.registry.expire(Instant::now());
        if expired > 0 {
            tracing::warn!(expired, "leases could not be renewed in time: their work is stopped");
        }
    }
}
