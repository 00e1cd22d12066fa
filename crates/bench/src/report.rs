//! Everything that one run found.
//!
//! Filled in by [`crate::run`], judged by `targets`, shown as a table, as JSON and as a picture. It is the JSON's shape.

use serde::Serialize;

use crate::backlog::{Backlog, Binary};
use crate::fleet::{FleetAtWork, FleetIdle};
use crate::latency::Latency;
use crate::machine::Machine;
use crate::recovery::Recovery;
use crate::throughput::Throughputs;

/// Figures of one run; a part that was left out is empty.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `full run`, `quick run` or `smoke`.
    pub effort: String,
    /// Whether Redis wrote an append-only file.
    pub append_only: bool,
    /// What it ran on.
    pub machine: Machine,
    /// Events per second.
    pub throughput: Option<Throughputs>,
    /// How long entries waited.
    pub latency: Vec<Latency>,
    /// What grows with the backlog.
    pub backlog: Vec<Backlog>,
    /// The programs' files.
    pub binaries: Vec<Binary>,
    /// What a killed replica left behind.
    pub recovery: Vec<Recovery>,
    /// A fleet with nothing to do.
    pub idle: Option<FleetIdle>,
    /// A fleet at work.
    pub fleet: Option<FleetAtWork>,
    /// What was aimed at.
    pub targets: Vec<Target>,
}

/// Something that was aimed at.
#[derive(Debug, Clone, Serialize)]
pub struct Target {
    /// What, in words.
    pub name: String,
    /// What was found.
    pub found: f64,
    /// What it must reach, or stay below.
    pub limit: f64,
    /// Which of the two.
    pub bound: Bound,
    /// Whether it was met.
    pub met: bool,
}

/// Which way a target is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Less would miss it.
    AtLeast,
    /// More would miss it.
    AtMost,
}
