//! The one row that says what the measured worker reads and publishes.
//!
//! Its program runs by it, and the bench names its group and its results by it.

use printery_events::Family;
use printery_events::topology::{Reads, Worker};

/// A hop: one `deployment:started` in, one `deployment:completed` out, in any order.
pub static HOP: Worker = Worker {
    name: "hop",
    program: "printery-bench-hop",
    aliases: &[],
    concurrency: 64,
    ordered: false,
    reads: &[Reads::One(Family::DeploymentStarted)],
    publishes: &[Family::DeploymentCompleted],
};
