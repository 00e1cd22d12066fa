#![doc = include_str!("../README.md")]

pub mod backlog;
pub mod clock;
pub mod error;
pub mod fleet;
pub mod hop;
pub mod latency;
mod load;
pub mod machine;
pub mod options;
mod plot;
mod program;
mod raw;
pub mod recovery;
pub mod report;
mod sample;
pub mod server;
pub mod spread;
mod stage;
mod table;
mod targets;
pub mod throughput;
mod wire;

pub use error::{Error, ErrorKind};
pub use options::{Effort, Options, Part};
pub use plot::plot;
pub use report::{Bound, Report, Target};
pub use sample::Cost;
pub use table::lines;

use crate::machine::Machine;
use crate::stage::Stage;

/// Measures what the options name, one after the other, and says what it is at.
///
/// # Errors
/// A program is missing, something did not happen in time, or somebody asked to stop. Whatever was started has ended.
pub fn run(options: &Options, tell: &mut dyn FnMut(&str)) -> Result<Report, Error> {
    let mut stage = Stage::set(options, tell)?;
    let mut report = Report {
        effort: options.effort_name().to_owned(),
        append_only: options.append_only,
        machine: Machine::seen_from(&mut stage)?,
        throughput: None,
        latency: Vec::new(),
        backlog: Vec::new(),
        binaries: Vec::new(),
        recovery: Vec::new(),
        idle: None,
        fleet: None,
        targets: Vec::new(),
    };
    for part in &options.parts {
        match part {
            Part::Throughput => report.throughput = Some(throughput::throughput(&mut stage)?),
            Part::Latency => report.latency = latency::latency(&mut stage)?,
            Part::Backlog => {
                report.backlog = backlog::backlogs(&mut stage)?;
                report.binaries = backlog::binaries(&stage)?;
            }
            Part::Recovery => report.recovery = recovery::recoveries(&mut stage)?,
            Part::Idle => report.idle = Some(fleet::idle(&mut stage)?),
            Part::Fleet => report.fleet = Some(fleet::at_work(&mut stage)?),
        }
    }
    report.targets = targets::judge(&report);
    Ok(report)
}
