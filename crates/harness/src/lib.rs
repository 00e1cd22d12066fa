#![doc = include_str!("../README.md")]

pub mod args;
mod bus;
mod committer;
mod controls;
mod disposition;
mod engine;
mod executor;
pub mod exit;
mod guards;
mod handler;
mod heartbeat;
mod http;
mod intake;
mod lane;
mod lease_keeper;
pub mod log_file;
pub mod logging;
mod outage;
pub mod own_process;
mod process;
mod promoter;
mod pulse;
pub mod readiness;
mod registry;
pub mod reload;
pub mod rules;
mod run;
pub mod settings;
mod settlement;
pub mod shutdown;
mod sweeper;
mod telemetry;
mod worker;

pub use handler::{Context, Effects, Handler, Outcome, Refusal, Wish};
pub use printery_events as events;
pub use printery_events::topology::Worker;
pub use printery_fleet as fleet;
pub use run::{Boot, Problems, run};

/// Events are read and written by many small pieces, often freed by another thread than made them;
/// this costs half of what the system's allocator does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
