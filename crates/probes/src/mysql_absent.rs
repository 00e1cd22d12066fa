//! The MySQL probe of a build that has none.
//!
//! Owns the sentence that says so. Whoever wants the probe builds with the feature `mysql`; nothing here asks anybody.

use printery_config as config;

use crate::egress::Egress;
use crate::error::Error;
use crate::limits::Limits;
use crate::outcome::{Class, ReasonCode};
use crate::report::Report;

/// A probe that nobody can make.
#[derive(Debug, Clone)]
pub enum MysqlProbe {}

impl MysqlProbe {
    /// Says that this build cannot ask a MySQL.
    ///
    /// # Errors
    /// Always.
    pub fn configured(_said: &config::MysqlProbe) -> Result<Self, Error> {
        let attempted = "preparing the probe of a MySQL";
        let observed = "this build has none; build it with `--features mysql`";
        Err(Error::new(Class::Internal, ReasonCode::Unsupported, attempted, observed))
    }

    /// Returns the same probe, which there is none of.
    #[must_use]
    pub fn slow_from(self, _latency: config::LatencyThresholds) -> Self {
        self
    }

    /// Asks nobody.
    #[expect(clippy::unused_async, reason = "it stands for one that asks")]
    pub async fn run(&self, _egress: &Egress, _limits: &Limits) -> Report {
        match *self {}
    }
}
